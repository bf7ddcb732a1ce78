"""Numbers and names as found in a model file, taken only where they are what they should be."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import InvalidInput

Values = Sequence[Any] | NDArray[Any]
"""As read from text, or as numbers already."""

LONGEST_NAME = 1_000
MAX_FEATURES = 100_000
MAX_CLASSES = 1_000


def part(parent: object, name: str, kind: type | tuple[type, ...], library: str) -> Any:
    """What a name stands for in an object of the file of a library, if it is of the right kind."""
    value = parent.get(name) if isinstance(parent, dict) else None
    if not isinstance(value, kind):
        raise InvalidInput(f"the {library} file is damaged or incomplete: it has no {name}")
    return value


def whole(value: object, low: int, high: int, what: str) -> int:
    """A whole number within bounds, from its text or as it is."""
    try:
        if isinstance(value, bool) or not isinstance(value, int | str) or len(str(value)) > 20:
            raise ValueError
        found = int(value)
    except ValueError:
        found = low - 1
    if not low <= found <= high:
        raise InvalidInput(f"{what} must be a whole number in [{low}, {high}], got {str(value)[:100]!r}")
    return found


def real(value: object, what: str) -> float:
    """A finite number, from its text or as it is."""
    try:
        found = float(value) if isinstance(value, int | float | str) else float("nan")
    except (ValueError, OverflowError):
        found = float("nan")
    if not np.isfinite(found):
        raise InvalidInput(f"{what} must be a finite number, got {str(value)[:100]!r}")
    return found


def integers(values: Values, count: int, what: str) -> NDArray[np.int64]:
    """So many whole numbers, as numbers or texts."""
    return _array(values, count, what, "whole numbers", np.int64)


def reals(values: Values, count: int, what: str) -> NDArray[np.float64]:
    """So many numbers, as numbers or texts; they may be infinite or NaN."""
    return _array(values, count, what, "numbers", np.float64)


def _array(values: Values, count: int, what: str, kind: str, dtype: type) -> NDArray[Any]:
    if len(values) != count:
        raise InvalidInput(f"{what} must have {count} values, got {len(values)}")
    if isinstance(values, np.ndarray):
        if values.dtype.kind not in ("iu" if dtype is np.int64 else "iuf"):
            raise InvalidInput(f"{what} must be {kind}")
        return values.astype(dtype)
    try:
        if dtype is np.int64:  # by itself numpy cuts 1.5 to 1
            return np.fromiter(map(_int, values), np.int64, count)
        return np.fromiter(map(float, values), np.float64, count)
    except (ValueError, TypeError, OverflowError):
        raise InvalidInput(f"{what} must be {kind}") from None


def _int(value: object) -> int:
    if not isinstance(value, int | str):  # also a bool, which older XGBoost writes
        raise TypeError
    return int(value)


def names(found: Sequence[object], count: int) -> list[str]:
    """Names of features, one for each and no two alike."""
    if len(found) != count:
        raise InvalidInput(f"the model has {count} features and {len(found)} names of features")
    for name in found:
        if not isinstance(name, str) or not name or len(name) > LONGEST_NAME:
            raise InvalidInput(f"names of features must be texts of 1 to {LONGEST_NAME} characters")
    if len(set(found)) != count:
        raise InvalidInput("two features of the model have one name")
    return [str(name) for name in found]
