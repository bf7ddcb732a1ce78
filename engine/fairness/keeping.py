"""What is kept of an analysis' pass over the rows, as bytes: enough to judge again without the rows.

The bytes are an npz archive of plain arrays with a description of how they belong together; nothing in them
is executed when they are read. Whatever a family summarises is kept, if it is made of tuples, arrays of numbers,
plain values, enumerations and frozen dataclasses of this package.
"""

import dataclasses
import io
import json
import re
import zipfile
from collections.abc import Mapping
from enum import Enum
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.errors import InvalidInput
from engine.fairness.options import BiasColumns, BiasOptions

FORMAT = 1
"""Rises when bytes of before can no longer be read."""
MOST_BYTES = 4 << 20
"""Of what is kept of one analysis, compressed; our own choice, some hundred thousand cells."""
DESCRIPTION = "description"
OURS = re.compile(r"engine\.fairness\.[a-z_]+:[A-Z][A-Za-z]*")
"""Names of the classes that may be kept, each with its module: any frozen dataclass or enumeration of this package."""

JUDGING = ("thresholds", "references", "max_depth", "min_group_size", "bootstrap_samples", "suppress_below")
"""Options that say how a summary is judged, and not how rows become one."""
DRAWING = ("confidence", "seed", "metrics")
"""The same, unless features are compared: they decide whether and which rows are compared with their neighbours."""


class NotKept(Exception):
    """The summary cannot be kept; the message says why, in words."""


def fits(before: BiasOptions, after: BiasOptions, columns: BiasColumns) -> bool:
    """Whether a summary that was made with some options is the one that others would make."""
    free = JUDGING if columns.features else JUDGING + DRAWING
    return all(
        _plain(getattr(before, field.name)) == _plain(getattr(after, field.name))
        for field in dataclasses.fields(BiasOptions)
        if field.name not in free
    )


def packed(kept: Any, most: int = MOST_BYTES) -> bytes:
    """Some values as bytes: tuples, our own classes, arrays of numbers, texts, numbers and None.

    Raises:
        NotKept: they hold something else, or make more than `most` bytes.
    """
    arrays: dict[str, npt.NDArray[Any]] = {}
    described = json.dumps({"format": FORMAT, "value": _described(kept, arrays)})
    arrays[DESCRIPTION] = np.frombuffer(described.encode(), dtype=np.uint8)
    written = io.BytesIO()
    np.savez_compressed(written, allow_pickle=False, **arrays)
    if written.tell() > most:
        raise NotKept(f"the summary has {written.tell():,} bytes, more than the {most:,} that are kept")
    return written.getvalue()


def unpacked(content: bytes) -> Any:
    """The values that `packed` made bytes of.

    Raises:
        InvalidInput: another version wrote them, or they are damaged.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            described = json.loads(arrays[DESCRIPTION].tobytes())
            if described["format"] != FORMAT:
                raise InvalidInput("what was kept of this analysis is of another version: run it again")
            return _rebuilt(described["value"], arrays)
    except (AttributeError, EOFError, ImportError, KeyError, TypeError, ValueError, zipfile.BadZipFile):
        raise InvalidInput("what was kept of this analysis cannot be read: run it again") from None


def _plain(value: Any) -> Any:
    """Lists and tuples alike: what came from a client and what was read back hold different ones."""
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else _fields(value)


def _fields(value: Any) -> Any:
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return value
    return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}


def _described(value: Any, arrays: dict[str, npt.NDArray[Any]]) -> Any:
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biuf":
            raise NotKept(f"arrays of {value.dtype} are not kept")
        key = f"array{len(arrays)}"
        arrays[key] = value
        return {"array": key}
    if isinstance(value, Enum):
        return {"choice": _name(value), "value": value.value}
    if isinstance(value, tuple):
        return {"tuple": [_described(each, arrays) for each in value]}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = {f.name: _described(getattr(value, f.name), arrays) for f in dataclasses.fields(value)}
        return {"class": _name(value), "fields": parts}
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise NotKept(f"summaries with a {type(value).__name__} are not kept")


def _name(value: Any) -> str:
    kind = type(value)
    name = f"{kind.__module__}:{kind.__qualname__}"
    if not OURS.fullmatch(name):
        raise NotKept(f"summaries with a {kind.__name__} are not kept")
    return name


def _class(name: str) -> Any:
    if not OURS.fullmatch(name):
        raise TypeError(f"{name} is no class of ours")
    module, _, kind = name.partition(":")
    found = getattr(import_module(module), kind)
    if not (isinstance(found, type) and (dataclasses.is_dataclass(found) or issubclass(found, Enum))):
        raise TypeError(f"{name} is no class that may be kept")
    return found


def _rebuilt(value: Any, arrays: Mapping[str, npt.NDArray[Any]]) -> Any:
    if not isinstance(value, dict):
        return value
    if "array" in value:
        array = arrays[value["array"]]
        array.flags.writeable = False
        return array
    if "choice" in value:
        return _class(value["choice"])(value["value"])
    if "tuple" in value:
        return tuple(_rebuilt(each, arrays) for each in value["tuple"])
    parts = {name: _rebuilt(part, arrays) for name, part in value["fields"].items()}
    return _class(value["class"])(**parts)
