"""What can go wrong in a computation, in the caller's terms.

* EngineError
  x InvalidInput  - the caller can fix it: shapes, ranges, unknown columns, unreadable files
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST_QUOTE = 100
_LONG_QUOTE = re.compile(
    rf"""(?<![\w\\])(['"])((?:(?!\1)[^\\]|\\.){{{LONGEST_QUOTE}}})(?:(?!\1)[^\\]|\\.)+\1""", re.DOTALL
)


class EngineError(Exception):
    """Base class; the message is safe to show to the person who asked."""


class InvalidInput(EngineError):
    """The input breaks the contract of the function it was given to.

    `at` names the offending part as a path of Python names and list indexes, such as
    ("thresholds", 2, "limit"); the API turns it into the path of the argument.
    """

    def __init__(self, message: str, *, at: tuple[str | int, ...] = ()) -> None:
        super().__init__(cut(message))
        self.at = at

    def __reduce__(self) -> tuple[object, ...]:
        return _invalid, (str(self), self.at)  # keeps `at` on the way out of a child process


@contextmanager
def within(*at: str | int) -> Iterator[None]:
    """Tell where in a larger input the part stands that a block checks."""
    try:
        yield
    except InvalidInput as error:
        raise InvalidInput(str(error), at=(*at, *error.at)) from None


def refuse_outside(name: str, value: float, low: float, high: float) -> None:
    """Refuse an option beyond its range, and NaN.

    Raises:
        InvalidInput: says the range and what was given; `at` is the name.
    """
    if not low <= value <= high:
        raise InvalidInput(f"{name} must lie in [{low}, {high}], got {value}", at=(name,))


def cut(message: str) -> str:
    """The message with every long text in quotes cut: whoever wrote a value of megabytes need not read it again."""
    return _LONG_QUOTE.sub(r"\1\2…\1", message)


def _invalid(message: str, at: tuple[str | int, ...]) -> InvalidInput:
    return InvalidInput(message, at=at)
