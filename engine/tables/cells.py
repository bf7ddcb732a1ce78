"""What every reader hands over: where DuckDB finds the columns, and which types each may have."""

from dataclasses import dataclass

from engine.tables.profile import ColumnType

T = ColumnType
ANY_TYPE = (T.BOOLEAN, T.INTEGER, T.FLOAT, T.DATE, T.TIMESTAMP)
TEXT_TYPES = (T.DATE, T.TIMESTAMP)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One column as a reader found it: text whose type is to be inferred, or a type already declared."""

    name: str
    value: str
    """SQL expression of the value, in terms of the relation."""
    candidates: tuple[ColumnType, ...] = ()
    """Types besides string that the text may turn out to be, in order of preference."""
    declared: ColumnType | None = None
    """The type that the file itself states; then `value` has it already."""
    nanoseconds: bool = False
    """True of declared times whose `value` is finer than the microseconds that are kept."""

    @property
    def kept(self) -> str:
        """SQL expression of the value as precise as we keep it."""
        return f"{self.value}::TIMESTAMP" if self.nanoseconds else self.value


@dataclass(frozen=True, kw_only=True)
class Cells:
    """A table that is checked but not yet typed."""

    relation: str
    """What follows FROM; the file in it is bound as `$path`."""
    path: str
    columns: tuple[Cell, ...]
    rows: int
    delimiter: str | None = None

    @property
    def bound(self) -> dict[str, str]:
        """The values to bind; DuckDB refuses one that the relation does not use."""
        return {"path": self.path} if "$path" in self.relation else {}
