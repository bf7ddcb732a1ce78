"""What can go wrong in a computation, in the caller's terms.

* EngineError
  x InvalidInput  - the caller can fix it: shapes, ranges, unknown columns, unreadable files
"""

import re
from collections.abc import Callable, Iterator
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
    ("thresholds", 2, "limit"); the API turns it into the path of the argument. `named` are other arguments that the
    message names.
    """

    def __init__(self, message: str, *, at: tuple[str | int, ...] = (), named: tuple[str, ...] = ()) -> None:
        super().__init__(cut(message))
        self.at = at
        self.named = named

    def __reduce__(self) -> tuple[object, ...]:
        return _invalid, (str(self), self.at, self.named)  # keeps both on the way out of a child process

    def worded(self, spelt: Callable[[str], str]) -> str:
        """The message with arguments of two words or more as the asker spells them: `sampleRows`, or `--sample`."""
        names = [re.escape(name) for name in (*self.at, *self.named) if isinstance(name, str) and "_" in name]
        if not names:
            return str(self)
        return re.sub(rf"\b({'|'.join(names)})\b", lambda found: spelt(found[0]), str(self))


def camel(name: str) -> str:
    """An argument as the API spells it."""
    first, *others = name.split("_")
    return first + "".join(each.capitalize() for each in others)


@contextmanager
def within(*at: str | int) -> Iterator[None]:
    """Tell where in a larger input the part stands that a block checks."""
    try:
        yield
    except InvalidInput as error:
        raise InvalidInput(str(error), at=(*at, *error.at), named=error.named) from None


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


def _invalid(message: str, at: tuple[str | int, ...], named: tuple[str, ...] = ()) -> InvalidInput:
    return InvalidInput(message, at=at, named=named)
