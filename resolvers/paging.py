"""Pages of lists by keyset: a cursor holds the sort values of its row, so pages stay right while rows come.

To let a list be ordered in a new way: a row of the list's ORDERS.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

import orjson
from pydantic import AfterValidator, AwareDatetime, TypeAdapter, ValidationError
from sqlalchemy import ColumnElement, Executable, and_, func, or_
from sqlalchemy.orm import aliased
from sqlmodel import select
from sqlmodel.sql.expression import SelectOfScalar

from db.owned import Row, owned
from db.session import Scope
from db.tables import Owned
from engine.errors import InvalidInput

Item = TypeVar("Item", bound=Owned)

USUAL_PAGE, LARGEST_PAGE = 20, 100


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("PostgreSQL keeps no NUL")
    return text


MOMENTS = Annotated[AwareDatetime, AfterValidator(lambda moment: moment.astimezone(UTC))]
NAMES = Annotated[str, AfterValidator(_storable)]
"""Kinds of column to sort by: what a cursor may hold, whoever wrote it."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """A column to sort by, its kind, and the direction; ties are broken by id."""

    column: str
    kind: Any
    descending: bool = False


@dataclass(frozen=True)
class PageInfo:
    """Where a page lies in its list (Relay)."""

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@dataclass(frozen=True)
class Edge(Generic[Item]):
    """A row and its place in the list."""

    node: Item
    cursor: str


@dataclass(frozen=True)
class Page(Generic[Item]):
    """One page of a list, and which list it is of, so that the whole can be counted when asked."""

    edges: Sequence[Edge[Item]]
    page_info: PageInfo
    part: "Slice[Item]"
    of: tuple[str, UUID | str] | None = None
    """For a list below a row: the column that names the row, and the row."""


@dataclass(frozen=True, kw_only=True)
class Slice(Generic[Item]):
    """Which part of a list is asked for."""

    table: type[Item]
    scope: Scope
    order: Order
    first: int
    after: str | None
    where: tuple[tuple[str, str, Any], ...] = ()
    """Conditions as (column, operator, value), so that equal slices are one batch."""

    def __post_init__(self) -> None:
        if not 1 <= self.first <= LARGEST_PAGE:
            raise InvalidInput(f"first must lie in [1, {LARGEST_PAGE}], got {self.first}", at=("first",))

    def conditions(self, table: Any) -> list[ColumnElement[bool]]:
        return [OPERATORS[operator](getattr(table, column), value) for column, operator, value in self.where]

    def beyond(self, table: Any) -> list[ColumnElement[bool]]:
        """Rows after the cursor, in the slice's order."""
        if self.after is None:
            return []
        value, id = _place(self.after, self.order)
        column = getattr(table, self.order.column)
        further = column < value if self.order.descending else column > value
        return [or_(further, and_(column == value, table.id > id))]

    def sorted(self, table: Any) -> list[Any]:
        column = getattr(table, self.order.column)
        return [column.desc() if self.order.descending else column.asc(), table.id.asc()]

    def page(self, rows: Sequence[Item], of: tuple[str, UUID | str] | None = None) -> Page[Item]:
        """The page made of these rows, which are one more than asked for if there is a next page."""
        shown = rows[: self.first]
        edges = [Edge(node=row, cursor=self._cursor(row)) for row in shown]
        info = PageInfo(
            has_next_page=len(rows) > self.first,
            has_previous_page=self.after is not None,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        )
        return Page(edges=edges, page_info=info, part=self, of=of)

    def every(self) -> SelectOfScalar[Item]:
        return owned(self.table, self.scope).where(*self.conditions(self.table))

    def _cursor(self, row: Item) -> str:
        return base64.urlsafe_b64encode(orjson.dumps([getattr(row, self.order.column), str(row.id)])).decode()


OPERATORS: Mapping[str, Any] = {
    "is": lambda column, value: column == value,
    "in": lambda column, value: column.in_(value),
    "contains": lambda column, value: column.icontains(value, autoescape=True),
    "known": lambda column, value: column.is_not(None) if value else column.is_(None),
}


def whole(part: Slice[Row]) -> SelectOfScalar[Row]:
    """The rows of one page and one more, over the whole table."""
    table = part.table
    return part.every().where(*part.beyond(table)).order_by(*part.sorted(table)).limit(part.first + 1)


def sliced(
    table: type[Row], scope: Scope, part: Slice[Row], key: str, parents: Sequence[UUID | str]
) -> SelectOfScalar[Row]:
    """The rows of one page and one more, for each of the parents, in one query."""
    place = func.row_number().over(partition_by=getattr(table, key), order_by=part.sorted(table))
    inner = (
        owned(table, scope)
        .where(getattr(table, key).in_(parents), *part.conditions(table), *part.beyond(table))
        .add_columns(place.label("place"))
        .subquery()
    )
    row = aliased(table, inner)
    return select(row).where(inner.c.place <= part.first + 1).order_by(*part.sorted(row))


def count(part: Slice[Any]) -> Executable:
    """Counts the whole list that a slice is of."""
    return part.every().with_only_columns(func.count())


def counts(part: Slice[Any], key: str, parents: Sequence[UUID | str]) -> Executable:
    """Counts the whole lists below each of the parents, in one query; a parent without rows is left out."""
    column = getattr(part.table, key)
    return part.every().where(column.in_(parents)).with_only_columns(column, func.count()).group_by(column)


def _place(cursor: str, order: Order) -> tuple[Any, UUID]:
    try:
        value, id = orjson.loads(base64.urlsafe_b64decode(cursor.encode()))
        return TypeAdapter(order.kind).validate_python(value), UUID(id)
    except (binascii.Error, ValueError, TypeError, AttributeError, OverflowError, ValidationError):
        raise InvalidInput(
            "after must be a cursor of this very list, in the same order", at=("after",)
        ) from None
