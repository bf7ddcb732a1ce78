"""XGBoost's own binary form, as `save_model("model.ubj")` writes it, read without XGBoost.

It is UBJSON (ubjson.org, draft 12): the values that the JSON form has, with lists of numbers as bytes. To take another
kind of value, add a row to NUMBERS or CONSTANTS.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import InvalidInput
from engine.models import xgboost_json
from engine.models.ensemble import Ensemble
from engine.models.signature import ModelFormat, Signature
from engine.models.tree_scorer import opener

DEEPEST = 32
"""Values in values; XGBoost's files have 9."""
MOST_VALUES = 2_000_000
"""Values and names beside lists of numbers; a tree has about 45."""
NUMBERS: Mapping[bytes, np.dtype[Any]] = {
    b"i": np.dtype(">i1"),
    b"U": np.dtype(">u1"),
    b"I": np.dtype(">i2"),
    b"l": np.dtype(">i4"),
    b"L": np.dtype(">i8"),
    b"d": np.dtype(">f4"),
    b"D": np.dtype(">f8"),
}
CONSTANTS = {b"Z": None, b"T": True, b"F": False}
ENDS: Mapping[type, bytes] = {dict: b"}", list: b"]"}


def read(content: bytes) -> tuple[Ensemble, Signature]:
    """The trees of a model, and what it takes and gives.

    Raises:
        InvalidInput: it is damaged, or of a kind whose scores are not the sum of trees that we know; says which.
    """
    return xgboost_json.understood(values(content), ModelFormat.XGBOOST_UBJ)


opened = opener(read)


def values(content: bytes) -> object:
    """What a UBJSON file says: lists of numbers of one type as arrays over its bytes, all else as Python's own values.

    Raises:
        InvalidInput: it is no such file, or claims more than it holds; says where.
    """
    return _Bytes(content).whole()


class _Bytes:
    """A file, and how far it is read. Loops go no deeper into Python's stack, however deep the file goes."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.at = 0
        self.left = MOST_VALUES

    def whole(self) -> object:
        root: list[object] = []
        open_: list[tuple[Any, int | None]] = [(root, 1)]  # each with the values still to come, if it says
        while open_:
            inside, missing = open_.pop()
            if missing == 0 or (missing is None and self._ends(ENDS[type(inside)])):
                continue
            open_.append((inside, None if missing is None else missing - 1))
            name = self._name(inside) if isinstance(inside, dict) else None
            value, count = self._value()
            if name is not None:
                inside[name] = value
            elif isinstance(value, np.ndarray):
                raise self._damaged("a list of numbers stands in a list, which XGBoost does not write")
            else:
                inside.append(value)
            if isinstance(value, dict | list):
                open_.append((value, count))
            if len(open_) > DEEPEST:
                raise self._damaged(f"values are more than {DEEPEST} deep in each other")
        if self.at != len(self.content):
            raise self._damaged("more follows after its end")
        return root[0]

    def _value(self) -> tuple[object, int | None]:
        """A value; a list or an object is still empty, and comes with how many values it says it has."""
        self._counted()
        marker = self._marker()
        if marker in CONSTANTS:
            return CONSTANTS[marker], 0
        if marker in NUMBERS:
            return self._number(marker), 0
        if marker == b"S":
            return self._text(), 0
        if marker == b"C":
            return self._decoded(1), 0
        if marker == b"{":
            if self._next(b"$") or self._next(b"#"):
                raise self._damaged("an object tells its size, which XGBoost does not write")
            return {}, None
        if marker != b"[":
            raise self._damaged(f"{marker!r} is no kind of value")
        if self._next(b"$"):
            return self._numbers(self._marker()), 0
        return [], self._size(1) if self._next(b"#") else None

    def _numbers(self, marker: bytes) -> NDArray[Any]:
        if marker not in NUMBERS or not self._next(b"#"):
            raise self._damaged("a list of one type must be of numbers, and tell how many")
        dtype = NUMBERS[marker]
        count = self._size(dtype.itemsize)
        start = self._taken(count * dtype.itemsize)
        return np.frombuffer(self.content, dtype, count, start)

    def _number(self, marker: bytes) -> int | float:
        dtype = NUMBERS[marker]
        start = self._taken(dtype.itemsize)
        number: int | float = np.frombuffer(self.content, dtype, 1, start)[0].item()
        return number

    def _size(self, least: int) -> int:
        """A count of what has at least so many bytes each."""
        marker = self._marker()
        size = self._number(marker) if marker in NUMBERS else -1
        if not isinstance(size, int) or not 0 <= size <= (len(self.content) - self.at) // least:
            raise self._damaged("it claims more than it holds, or less than nothing")
        return size

    def _name(self, inside: dict[str, object]) -> str:
        self._counted()
        name = self._text()
        if name in inside:
            raise self._damaged(f"{name[:100]!r} stands twice in one object")
        return name

    def _text(self) -> str:
        return self._decoded(self._size(1))

    def _decoded(self, size: int) -> str:
        start = self._taken(size)
        try:
            return self.content[start : start + size].decode()
        except UnicodeDecodeError:
            raise self._damaged("a text is not in UTF-8") from None

    def _marker(self) -> bytes:
        while self._next(b"N"):  # stands for nothing at all
            pass
        start = self._taken(1)
        return self.content[start : start + 1]

    def _ends(self, end: bytes) -> bool:
        while self._next(b"N"):
            pass
        return self._next(end)

    def _next(self, marker: bytes) -> bool:
        """Whether this comes next; it is read then."""
        found = self.content.startswith(marker, self.at)
        self.at += found
        return found

    def _taken(self, size: int) -> int:
        """Where so many bytes begin, which are read with this."""
        start = self.at
        if size > len(self.content) - start:
            raise self._damaged("it is cut off")
        self.at += size
        return start

    def _counted(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise InvalidInput(
                f"the XGBoost file has more than {MOST_VALUES:,} values beside lists of numbers"
            )

    def _damaged(self, why: str) -> InvalidInput:
        return InvalidInput(f"the XGBoost file is damaged at byte {self.at:,}: {why}")
