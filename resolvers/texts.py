"""Texts that people give: checked before they are stored or searched for."""

from engine.errors import InvalidInput

LONGEST_NAME, LONGEST_VERSION, LONGEST_TEXT = 200, 100, 10_000


def words(what: str, value: str, most: int) -> str:
    """A name as it is stored: trimmed, printable, of a sensible length."""
    cleaned = value.strip()
    if not 1 <= len(cleaned) <= most or not cleaned.isprintable():
        raise InvalidInput(
            f"{what} must have 1 to {most} printable characters, got {len(cleaned)}", at=(what,)
        )
    return cleaned


def description(value: str) -> str:
    """A longer text as it is stored."""
    if len(value) > LONGEST_TEXT or "\0" in value:
        raise InvalidInput(
            f"description may have {LONGEST_TEXT} characters and no NUL, got {len(value)}",
            at=("description",),
        )
    return value


def sought(what: str, value: str) -> str:
    """A text to look for; PostgreSQL cannot be asked for one with a NUL, and nothing stored has one."""
    if len(value) > LONGEST_TEXT or "\0" in value:
        raise InvalidInput(f"{what} may have {LONGEST_TEXT} characters and no NUL", at=(what,))
    return value
