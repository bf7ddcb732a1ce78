"""CSV and TSV as text columns."""

from pathlib import Path

from engine.tables import grid
from engine.tables.cells import ANY_TYPE, Cell, Cells
from engine.tables.limits import MIB, Limits
from engine.tables.profile import TableFormat
from engine.tables.sandbox import text
from engine.values import Tell


def cells(path: Path, wanted: TableFormat | None, limits: Limits, tell: Tell) -> Cells:
    """Check the shape of the file and say how DuckDB reads it; an empty field without quotes is null.

    Raises:
        InvalidInput: the file is ragged, has no usable header, or is not UTF-8 text.
    """
    shape = grid.measure(path, wanted, limits, tell)
    columns = ", ".join(f"c{i}: 'VARCHAR'" for i in range(len(shape.names)))
    line = max(2 * MIB, shape.longest + 1024)
    options = {
        "auto_detect": "false",
        "columns": "{" + columns + "}",
        "header": "true",
        "delim": text(shape.delimiter),
        "quote": "'\"'",
        "escape": "'\"'",
        "nullstr": "''",
        "allow_quoted_nulls": "false",
        "compression": "'none'",
        "max_line_size": str(line),
        "buffer_size": str(max(32 * MIB, 2 * line)),
        # the strict parser takes one kind of line end; grid.measure has been stricter than it already
        "strict_mode": str(not shape.mixed_line_ends).lower(),
        "parallel": str(not shape.mixed_line_ends).lower(),
    }
    return Cells(
        relation="read_csv($path, " + ", ".join(f"{key} = {value}" for key, value in options.items()) + ")",
        path=str(path),
        columns=tuple(
            Cell(name=name, value=f"c{i}", candidates=ANY_TYPE) for i, name in enumerate(shape.names)
        ),
        rows=shape.rows,
        delimiter=shape.delimiter,
    )
