"""The zip archive around a skops file: looked over before anything is read, and written anew with what was checked."""

import io
import math
import re
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from engine.models.skops_schema import Malformed

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1024**2
MOST_ENTRIES = 100_000
MOST_BYTES = 512 * MIB
"""Of all entries together when unpacked, and of all arrays that are read, however often."""
SCHEMA_BYTES = 64 * MIB
MOST_RATIO = 200
"""How far an entry of more than a MiB may expand."""
SCHEMA = "schema.json"
_NAME = re.compile(r"[\w-]{1,80}\.(?:npy|npz|bin)")
_SPARSE = re.compile(r"(?:indices|indptr|data|format|shape|_is_array)\.npy")
_PACKED = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_KINDS = frozenset("biufUS")


@contextmanager
def archive(path: Path) -> "Iterator[zipfile.ZipFile]":
    """The archive, its list of entries looked over.

    Raises:
        Malformed: it is damaged or larger than a model needs to be; says which.
    """
    with _whole("it is no whole zip archive"):
        opened = zipfile.ZipFile(path)
    with opened:
        _look_over(opened.infolist())
        yield opened


def schema(opened: zipfile.ZipFile) -> bytes:
    return _read(opened, SCHEMA)


@contextmanager
def rewritten(
    opened: zipfile.ZipFile, description: bytes, files: Sequence[str], lists: Collection[str]
) -> "Iterator[IO[bytes]]":
    """The description and the arrays it reads, each checked, as an archive of our own in a file without a name.

    Args:
        lists: arrays that must have one dimension.

    Raises:
        Malformed: an array is missing, damaged or of a kind that is not opened.
    """
    read = Counter(files)
    if missing := sorted(read.keys() - set(opened.namelist())):
        raise Malformed(f"the array {missing[0][:80]} is missing from the archive")
    total = 0
    with tempfile.TemporaryFile() as made:
        with zipfile.ZipFile(made, "w") as written:
            for name, times in read.items():
                content = _read(opened, name)
                check = _array if name.endswith(".npy") else _sparse if name.endswith(".npz") else _refused
                dimensions, size = check(content)
                if name in lists and dimensions != 1:
                    raise Malformed(f"an array has {dimensions} dimensions where one is needed")
                total += size * times
                if total > MOST_BYTES:
                    raise Malformed(f"it reads arrays of more than {_mib(MOST_BYTES)} MiB")
                written.writestr(name, content)
            written.writestr(SCHEMA, description)
        yield made


def _look_over(entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > MOST_ENTRIES:
        raise Malformed(f"it has {len(entries):,} entries, and {MOST_ENTRIES:,} are the most")
    total = 0
    seen: set[str] = set()
    for entry in entries:
        name, total = entry.filename, total + entry.file_size
        if name != SCHEMA and not _NAME.fullmatch(name):
            raise Malformed(f"it has an entry that skops does not write: '{name[:80]}'")
        if name in seen:
            raise Malformed(f"it has two entries of the name '{name}'")
        seen.add(name)
        if entry.compress_type not in _PACKED or entry.flag_bits & 0x1:
            raise Malformed(f"the entry '{name}' is packed or encrypted in a way that is not opened")
        if entry.file_size > MIB and entry.file_size > MOST_RATIO * max(entry.compress_size, 1):
            raise Malformed(f"the entry '{name}' expands more than {MOST_RATIO} times")
        if name == SCHEMA and entry.file_size > SCHEMA_BYTES:
            raise Malformed(
                f"schema.json has {_mib(entry.file_size)} MiB, and {_mib(SCHEMA_BYTES)} MiB are the most"
            )
    if total > MOST_BYTES:
        raise Malformed(f"it unpacks to {_mib(total)} MiB, and {_mib(MOST_BYTES)} MiB are the most")
    if SCHEMA not in seen:
        raise Malformed("it has no schema.json, so skops did not write it")


def _array(content: bytes) -> tuple[int, int]:
    """Dimensions and bytes of an array in numpy's format, which must claim as many as there are, and no objects: numpy allocates before it reads."""
    stream = io.BytesIO(content)
    readers: dict[tuple[int, int], Callable[[IO[bytes]], tuple[tuple[int, ...], bool, np.dtype]]] = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    try:
        shape, _, dtype = readers[np.lib.format.read_magic(stream)](stream)
    except (ValueError, KeyError, TypeError, SyntaxError, MemoryError, RecursionError, OverflowError):
        raise Malformed("an array is damaged") from None
    parts = [dtype] if dtype.fields is None else [part for part, *_ in dtype.fields.values()]
    if dtype.hasobject or not all(part.kind in _KINDS and part.shape == () for part in parts):
        raise Malformed(f"an array is of the type '{dtype}', which is not opened")
    count = math.prod(shape)
    if any(length < 0 for length in shape) or len(shape) > 4 or count > len(content):
        raise Malformed("an array is of a shape that does not fit its content")
    if count * dtype.itemsize != len(content) - stream.tell():
        raise Malformed("an array is longer or shorter than it says")
    return len(shape), len(content)


def _sparse(content: bytes) -> tuple[int, int]:
    with _whole("a sparse matrix is damaged"), zipfile.ZipFile(io.BytesIO(content)) as inner:
        entries = inner.infolist()
        total = sum(entry.file_size for entry in entries)
        names = {entry.filename for entry in entries}
        if len(entries) > 10 or len(names) < len(entries) or total > MOST_BYTES // 4:
            raise Malformed("a sparse matrix is larger than a model needs")
        for entry in entries:
            if not _SPARSE.fullmatch(entry.filename) or entry.compress_type not in _PACKED:
                raise Malformed("a sparse matrix has parts that scipy does not write")
            _array(inner.read(entry))
    return 2, total


@contextmanager
def _whole(said: str) -> "Iterator[None]":
    """What zipfile raises over a damaged archive, in words."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError):
        raise Malformed(said) from None


def _read(opened: zipfile.ZipFile, name: str) -> bytes:
    with _whole(f"its entry '{name}' is damaged"):
        return opened.read(name)


def _refused(content: bytes) -> tuple[int, int]:
    raise Malformed("it holds raw bytes, which no model needs")


def _mib(size: int) -> str:
    return f"{size / MIB:,.0f}"
