"""The one place that says whose rows a query may see; row-level security says the same again, in SQL."""

from typing import TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, or_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import undefer
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from db.errors import NotFound
from db.session import Scope
from db.tables import Event, Owned, Share

Row = TypeVar("Row", bound=Owned)


def owned(table: type[Row], scope: Scope) -> SelectOfScalar[Row]:
    """Every row of `table` that the organization owns or was given a share of, to be narrowed further."""
    return select(table).where(
        or_(col(table.organization_id) == scope.organization_id, _shared(table, scope).exists())
    )


def own(table: type[Row], scope: Scope) -> SelectOfScalar[Row]:
    """Every row of `table` that the organization owns, and so may change."""
    return select(table).where(col(table.organization_id) == scope.organization_id)


def events(scope: Scope) -> SelectOfScalar[Event]:
    """The organization's events, oldest first."""
    return (
        select(Event).where(col(Event.organization_id) == scope.organization_id).order_by(col(Event.number))
    )


async def one(session: AsyncSession, table: type[Row], scope: Scope, id: UUID, *large: str) -> Row:
    """The row with this id and those of its large columns that are named, or NotFound naming the table in words."""
    query = (
        owned(table, scope)
        .where(col(table.id) == id)
        .options(*(undefer(getattr(table, column)) for column in large))
    )
    return _found(await session.scalar(query), table)


async def one_to_change(session: AsyncSession, table: type[Row], scope: Scope, id: UUID) -> Row:
    """The organization's own row with this id, locked until the transaction ends."""
    query = own(table, scope).where(col(table.id) == id).with_for_update()
    return _found(await session.scalar(query), table)


def _found(row: Row | None, table: type[Row]) -> Row:
    if row is None:
        raise NotFound(f"there is no {table.__name__.lower()} with this id")
    return row


def _shared(table: type[Row], scope: Scope) -> SelectOfScalar[UUID]:
    given: list[ColumnElement[bool]] = [col(Share.with_organization_id) == scope.organization_id]
    if scope.user_id is not None:
        given.append(col(Share.with_user_id) == scope.user_id)
    theirs = (col(Share.row_id) == table.id, col(Share.organization_id) == table.organization_id)
    return select(Share.row_id).where(*theirs, or_(*given))
