"""Column names: what is asked of them, whatever the format they came in."""

import unicodedata
from collections.abc import Sequence
from difflib import get_close_matches

from engine.errors import InvalidInput
from engine.tables.limits import Limits

SHOWN_NAMES = 20
MAX_NAME = 200
"""Characters of a name that are compared; a column has no more."""


def short(name: str) -> str:
    """A column name fit for a sentence: one line of at most 40 characters, in quotes."""
    plain = "".join(c if c.isprintable() else " " for c in name)
    return f"'{plain}'" if len(plain) <= 40 else f"'{plain[:39]}…'"


def check(names: Sequence[str], limits: Limits) -> None:
    """Hold the names of a table to what SQL engines, reports and people can tell apart.

    Raises:
        InvalidInput: too many, empty, too long, unprintable, or the same name twice.
    """
    if len(names) > limits.max_columns:
        raise InvalidInput(f"the table has {len(names)} columns; at most {limits.max_columns} are read")
    seen: dict[str, int] = {}
    for position, name in enumerate(names, 1):
        if not name.strip():
            raise InvalidInput(f"column {position} has no name; give every column a name in the header")
        if len(name) > limits.max_name:
            raise InvalidInput(
                f"the name of column {position}, {short(name)}, has {len(name)} characters; "
                f"at most {limits.max_name} are read"
            )
        if any(unicodedata.category(c) in ("Cc", "Cs") for c in name):
            raise InvalidInput(
                f"the name of column {position}, {short(name)}, holds a line break or control character"
            )
        first = seen.setdefault(name.strip().casefold(), position)
        if first != position:
            same = names[first - 1] == name
            raise InvalidInput(
                f"columns {first} and {position} are both named {short(name)}; rename one of them"
                if same
                else f"columns {first} and {position} differ only in case or spaces, {short(names[first - 1])} and "
                f"{short(name)}, which SQL cannot tell apart; rename one of them"
            )


def alike(name: str, columns: Sequence[str]) -> list[str]:
    """Columns that a name may have meant, the likeliest first."""
    folded = {column.casefold(): column for column in columns}
    return [folded[found] for found in get_close_matches(name[:MAX_NAME].casefold(), folded)]


def no_column(
    name: str, columns: Sequence[str], at: tuple[str | int, ...], whose: str = "dataset", what: str = "column"
) -> InvalidInput:
    """What to say of a column that a dataset does not have: which it may have meant, and those there are."""
    return InvalidInput(f"the {whose} has no {what} {name!r}; {meant(name, columns, f'{what}s')}", at=at)


def meant(name: str, known: Sequence[str], what: str) -> str:
    """Which of the known names one may have meant, and those there are: "its columns are 'race', 'sex'"."""
    close = alike(name, known)
    listed = ", ".join(map(repr, known[:SHOWN_NAMES]))
    if len(known) > SHOWN_NAMES:
        listed += f" and {len(known) - SHOWN_NAMES:,} more"
    asked = f"did you mean {' or '.join(map(repr, close))}? Its" if close else "its"
    return f"{asked} {what} are {listed}"


def holds_nul(column: str) -> InvalidInput:
    """What to raise of a column whose text holds a NUL, which PostgreSQL and many others keep nowhere."""
    return InvalidInput(f"column {short(column)} holds a NUL character, which no text may hold")
