"""Lists of named rows: how they are sorted and narrowed."""

from collections.abc import Mapping
from enum import StrEnum
from itertools import chain

from db.owned import Row
from resolvers.context import Context
from resolvers.paging import MOMENTS, NAMES, Order, Page, Slice, whole
from resolvers.texts import sought

Conditions = tuple[tuple[str, str, object], ...]


class ListOrder(StrEnum):
    """How a list of named rows is sorted."""

    NEWEST_FIRST = "newest_first"
    OLDEST_FIRST = "oldest_first"
    NAME_ASCENDING = "name_ascending"
    NAME_DESCENDING = "name_descending"


ORDERS: Mapping[ListOrder, Order] = {
    ListOrder.NEWEST_FIRST: Order(column="created_at", kind=MOMENTS, descending=True),
    ListOrder.OLDEST_FIRST: Order(column="created_at", kind=MOMENTS),
    ListOrder.NAME_ASCENDING: Order(column="name", kind=NAMES),
    ListOrder.NAME_DESCENDING: Order(column="name", kind=NAMES, descending=True),
}


def is_(column: str, value: object) -> Conditions:
    """Only rows whose column has this value; None does not narrow the list."""
    return () if value is None else ((column, "is", value),)


def named(contains: str | None, archived: bool | None) -> Conditions:
    """Only rows whose name contains a text, and that are archived or not; None does not narrow the list."""
    wanted: Conditions = (("name", "contains", sought("name_contains", contains)),) if contains else ()
    return wanted if archived is None else (*wanted, ("archived_at", "known", archived))


async def registered(
    context: Context,
    table: type[Row],
    first: int,
    after: str | None,
    order: ListOrder,
    *wanted: Conditions,
) -> Page[Row]:
    """One page of a table of named rows."""
    part = Slice(
        table=table,
        scope=context.viewer.scope,
        order=ORDERS[order],
        first=first,
        after=after,
        where=tuple(chain(*wanted)),
    )
    return await page(context, part)


async def page(context: Context, part: Slice[Row]) -> Page[Row]:
    """One page of a whole table."""
    async with context.read() as session:
        return part.page((await session.scalars(whole(part))).all())
