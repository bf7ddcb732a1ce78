"""How large a table may be before it is refused, and what reading one may cost."""

from dataclasses import dataclass

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The bounds an uploaded table is held to; a file beyond one of them is refused in words."""

    max_bytes_expanded: int = 2 * GIB
    """Size of the file once unpacked, and of all text in its cells."""
    max_expansion: int = 200
    """Unpacked size over packed size, past the first 16 MiB; a plain table compresses some 5 to 50 times."""
    max_columns: int = 2_000
    max_rows: int = 100_000_000
    max_cells: int = 2_000_000_000
    """Rows times columns: a tiny Parquet file may claim any number of equal rows."""
    max_cell_bytes: int = MIB
    max_row_bytes: int = 16 * MIB
    max_name: int = 200
    """Characters in a column name."""
    memory_bytes: int = GIB
    """What the SQL engine may hold before it spills to disk."""
    threads: int = 2


def size(count: int) -> str:
    """A number of bytes as people say it: 1 MiB, 2 GiB, 12 bytes."""
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if count >= unit:
            return f"{count / unit:.3g} {name}"
    return f"{count} bytes"
