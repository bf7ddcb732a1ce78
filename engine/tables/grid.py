"""The shape of delimited text: every record is checked to have the fields that the header names.

Readers guess when a file is ragged or a quote stays open, each in its own way. Here every byte is
looked at before any reader sees the file; so errors come with the line a person sees in an editor,
and the reader that follows has nothing left to guess.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.errors import InvalidInput
from engine.tables import formats, names
from engine.tables.fields import Fields
from engine.tables.limits import Limits
from engine.tables.profile import TableFormat
from engine.tables.text import Block, blocks
from engine.values import Step, Tell


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a reader must be told to read the file without guessing."""

    names: tuple[str, ...]
    delimiter: str
    rows: int
    longest: int
    """Bytes of the longest record."""
    mixed_line_ends: bool
    """True when some records end in CR LF and others in LF alone."""


def measure(path: Path, wanted: TableFormat | None, limits: Limits, tell: Tell) -> Shape:
    """Check the whole file against its header.

    Raises:
        InvalidInput: with the line of the first record that breaks the shape, and why.
    """
    stream = blocks(path, limits)
    first = next(stream)
    line, _, rest = first.data.partition(b"\n")
    header = line.decode().removesuffix("\r")
    delimiter = formats.delimiter(header, wanted)
    columns = _names(header, delimiter, limits)
    names.check(columns, limits)
    counter = Fields(len(columns), delimiter, limits)
    counter.ends(1, int(line.endswith(b"\r")))
    for block in _after_header(Block(data=rest, line=2, done=first.done), stream):
        counter.add(block)
        tell(
            Step(
                stage="checking the file",
                fraction=0.3 * block.done,
                message=f"Checked {counter.rows:,} rows so far",
            )
        )
    counter.finish()
    mixed = 0 < counter.carriage < counter.records
    if mixed and len(columns) == 1:  # DuckDB would see empty lines, which are rows here
        raise InvalidInput(
            "some lines end in CR LF and some in LF alone; save the file with one kind of line end"
        )
    return Shape(
        names=columns,
        delimiter=delimiter,
        rows=counter.rows,
        longest=max(counter.longest, len(line)),
        mixed_line_ends=mixed,
    )


def _after_header(rest: Block, stream: Iterator[Block]) -> Iterator[Block]:
    if rest.data:
        yield rest
    yield from stream


def _names(header: str, delimiter: str, limits: Limits) -> tuple[str, ...]:
    if not header.strip():
        raise InvalidInput("line 1 is empty; the first line must name the columns")
    if "\r" in header:
        raise InvalidInput(
            "line 1 holds a carriage return without a line feed; save the file with ordinary line ends (LF or CR LF)"
        )
    try:
        (row,) = csv.reader([header], delimiter=delimiter, strict=True)
    except (csv.Error, ValueError) as error:
        if "field limit" in str(error):  # the csv module's own, far above ours
            raise InvalidInput(
                f"line 1, which names the columns, is too long: of its {len(header):,} characters more than "
                f"{csv.field_size_limit():,} are one name, and a name may have {limits.max_name}. Is the header "
                "missing, or the table all in one line?"
            ) from None
        raise InvalidInput(
            "the quotes in the header, line 1, do not match; a name with quotes or line breaks is not readable"
        ) from None
    return tuple(name.strip() for name in row)
