"""Options of `fairmind audit` as they are written in a command line: several with commas, pairs with "="."""

import csv
from collections.abc import Sequence
from pathlib import Path

from engine.errors import InvalidInput, within
from engine.fairness import Bands


def names(given: Sequence[str] | None) -> list[str]:
    """Names of columns with commas between them; a name that holds a comma stands in double quotes."""
    rows = csv.reader(given or (), skipinitialspace=True)
    return [name.strip() for row in rows for name in row]


def pairs(option: str, given: Sequence[str] | None) -> list[tuple[str, str]]:
    found = []
    for text in given or ():
        name, sign, value = text.partition("=")
        if not (name.strip() and sign and value.strip()):
            raise InvalidInput(f"{option} is written NAME=VALUE, got {text!r}")
        found.append((name.strip(), value.strip()))
    return found


def bands(attribute: str, edges: str) -> Bands:
    with within("bands"):
        return Bands(attribute=attribute, edges=[number("--band", edge) for edge in edges.split(",")])


def number(option: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidInput(f"{option} needs a number, got {text!r}") from None


def check_out(out: Path | None, file: Path) -> None:
    """Refuse before the work what could only fail after it."""
    if out is None:
        return
    if out.is_dir() or not out.parent.is_dir():
        raise InvalidInput(f"--out: {out} is no place for a file")
    if out.exists() and file.exists() and out.samefile(file):
        raise InvalidInput("--out would overwrite the file that is judged")
