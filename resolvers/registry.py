"""The registry: models and datasets, listed, changed, archived and deleted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

import strawberry
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col
from strawberry import ID

import db.tables as t
from db.errors import Conflict
from db.owned import one, one_to_change, own
from engine.errors import InvalidInput
from resolvers.context import Context, Info
from resolvers.ids import global_id, key
from resolvers.paging import Order, Page, Slice, whole

Archivable = TypeVar("Archivable", t.Model, t.Dataset)

LONGEST_NAME, LONGEST_VERSION, LONGEST_TEXT, MOST_FEATURES = 200, 100, 10_000, 2_000


class ListOrder(StrEnum):
    """How a list of named rows is sorted."""

    NEWEST_FIRST = "newest_first"
    OLDEST_FIRST = "oldest_first"
    NAME_ASCENDING = "name_ascending"
    NAME_DESCENDING = "name_descending"


ORDERS: Mapping[ListOrder, Order] = {
    ListOrder.NEWEST_FIRST: Order(column="created_at", kind=datetime, descending=True),
    ListOrder.OLDEST_FIRST: Order(column="created_at", kind=datetime),
    ListOrder.NAME_ASCENDING: Order(column="name", kind=str),
    ListOrder.NAME_DESCENDING: Order(column="name", kind=str, descending=True),
}


@dataclass(frozen=True, kw_only=True)
class ModelFilter:
    """Which models to list; conditions left out do not narrow the list."""

    type: t.ModelType | None = None
    name_contains: str | None = None
    archived: bool | None = False
    """False lists what is in use, true what is archived, null both."""


@dataclass(frozen=True, kw_only=True)
class DatasetFilter:
    """Which datasets to list; conditions left out do not narrow the list."""

    status: t.Status | None = None
    name_contains: str | None = None
    archived: bool | None = False
    """False lists what is in use, true what is archived, null both."""


@dataclass(frozen=True, kw_only=True)
class NewModel:
    """A model to register. Name and version together are unique in the organization."""

    name: str
    type: t.ModelType
    version: str = "1"
    description: str = ""
    features: Sequence[str] = ()
    """Names of the columns it looks at."""


@dataclass(frozen=True, kw_only=True)
class ModelChanges:
    """What to change of a model; what is left out or null stays as it is."""

    name: str | None = None
    version: str | None = None
    description: str | None = None
    features: Sequence[str] | None = None
    owner_id: ID | None = None


@dataclass(frozen=True, kw_only=True)
class DatasetChanges:
    """What to change of a dataset; what is left out or null stays as it is. Its rows never change."""

    name: str | None = None
    description: str | None = None


@dataclass(frozen=True, kw_only=True)
class Removal:
    """What became of a row that was to be deleted."""

    id: ID
    deleted: bool
    archived: bool
    """True when the row is referenced: it stays readable for the sake of what refers to it."""
    message: str


async def models(
    info: Info,
    first: int = 20,
    after: str | None = None,
    filter: ModelFilter | None = None,
    order: ListOrder = ListOrder.NEWEST_FIRST,
) -> Page[t.Model]:
    """The registered models, a page at a time."""
    asked = filter or ModelFilter()
    where = (*_named(asked.name_contains, asked.archived), *_is("type", asked.type))
    return await _page(
        info.context,
        Slice(
            table=t.Model,
            scope=info.context.viewer.scope,
            order=ORDERS[order],
            first=first,
            after=after,
            where=where,
        ),
    )


async def datasets(
    info: Info,
    first: int = 20,
    after: str | None = None,
    filter: DatasetFilter | None = None,
    order: ListOrder = ListOrder.NEWEST_FIRST,
) -> Page[t.Dataset]:
    """The datasets, a page at a time."""
    asked = filter or DatasetFilter()
    where = (*_named(asked.name_contains, asked.archived), *_is("status", asked.status))
    return await _page(
        info.context,
        Slice(
            table=t.Dataset,
            scope=info.context.viewer.scope,
            order=ORDERS[order],
            first=first,
            after=after,
            where=where,
        ),
    )


async def model(info: Info, id: ID) -> t.Model:
    """One model by its id."""
    async with info.context.read() as session:
        return await one(session, t.Model, info.context.viewer.scope, key(t.Model, id))


async def dataset(info: Info, id: ID) -> t.Dataset:
    """One dataset by its id."""
    async with info.context.read() as session:
        return await one(session, t.Dataset, info.context.viewer.scope, key(t.Dataset, id))


async def register_model(info: Info, input: NewModel) -> t.Model:
    """Register a model; whoever registers it owns it."""
    viewer = info.context.viewer
    row = t.Model(
        organization_id=viewer.organization_id,
        owner_id=viewer.user_id,
        name=words("name", input.name, LONGEST_NAME),
        version=words("version", input.version, LONGEST_VERSION),
        type=input.type,
        description=description(input.description),
        features=_features(input.features),
    )
    async with info.context.write() as session:
        session.add(row)
        await _unique(session, row)
    return row


async def update_model(info: Info, id: ID, changes: ModelChanges) -> t.Model:
    """Change what is known of a model."""
    scope = info.context.viewer.scope
    async with info.context.write() as session:
        row = await one_to_change(session, t.Model, scope, key(t.Model, id))
        if changes.name is not None:
            row.name = words("name", changes.name, LONGEST_NAME)
        if changes.version is not None:
            row.version = words("version", changes.version, LONGEST_VERSION)
        if changes.description is not None:
            row.description = description(changes.description)
        if changes.features is not None:
            row.features = _features(changes.features)
        if changes.owner_id is not None:
            owner = await one(session, t.User, scope, key(t.User, changes.owner_id, at="owner_id"))
            row.owner_id = owner.id
        row.updated_at = t.now()
        await _unique(session, row)
    return row


async def update_dataset(info: Info, id: ID, changes: DatasetChanges) -> t.Dataset:
    """Change a dataset's name or description."""
    async with info.context.write() as session:
        row = await one_to_change(session, t.Dataset, info.context.viewer.scope, key(t.Dataset, id))
        if changes.name is not None:
            row.name = words("name", changes.name, LONGEST_NAME)
        if changes.description is not None:
            row.description = description(changes.description)
    return row


async def archive_model(info: Info, id: ID, archived: bool = True) -> t.Model:
    """Take a model out of the lists, or with `archived: false` bring it back."""
    return await _archive(info.context, t.Model, id, archived)


async def archive_dataset(info: Info, id: ID, archived: bool = True) -> t.Dataset:
    """Take a dataset out of the lists, or with `archived: false` bring it back."""
    return await _archive(info.context, t.Dataset, id, archived)


async def delete_model(info: Info, id: ID) -> Removal:
    """Delete a model; one that analyses refer to is archived instead."""
    removal, _ = await _remove(info.context, t.Model, id, "model_id")
    return removal


async def delete_dataset(info: Info, id: ID) -> Removal:
    """Delete a dataset and its rows; one that analyses refer to is archived instead."""
    context = info.context
    removal, row = await _remove(context, t.Dataset, id, "dataset_id")
    if removal.deleted:
        await _forget_blobs(context, row)
    return removal


async def _remove(
    context: Context, table: type[Archivable], id: ID, reference: str
) -> tuple[Removal, Archivable]:
    async with context.write() as session:
        row = await one_to_change(session, table, context.viewer.scope, key(table, id))
        users = own(t.Analysis, context.viewer.scope).where(getattr(t.Analysis, reference) == row.id)
        used = await session.scalar(users.limit(1)) is not None
        name = table.__name__.lower()
        if used:
            row.archived_at = row.archived_at or t.now()
            message = f"analyses refer to this {name}, so it is archived: delete them first"
        else:
            await session.delete(row)
            message = f"the {name} is deleted"
    given = global_id(table.__name__, row.id)
    return Removal(id=given, deleted=not used, archived=used, message=message), row


async def _forget_blobs(context: Context, row: t.Dataset) -> None:
    if row.upload is not None and row.status is not t.Status.RUNNING:
        await context.house.blobs.delete(row.upload)
    if row.blob is None:
        return
    async with context.read() as session:
        others = own(t.Dataset, context.viewer.scope).where(col(t.Dataset.blob) == row.blob)
        shared = await session.scalar(others.limit(1)) is not None
    if not shared:
        await context.house.blobs.delete(row.blob)


async def _archive(context: Context, table: type[Archivable], id: ID, archived: bool) -> Archivable:
    async with context.write() as session:
        row = await one_to_change(session, table, context.viewer.scope, key(table, id))
        row.archived_at = (row.archived_at or t.now()) if archived else None
    return row


async def _page(context: Context, part: Slice[Archivable]) -> Page[Archivable]:
    async with context.read() as session:
        return part.page((await session.scalars(whole(part))).all())


async def _unique(session: AsyncSession, row: t.Model) -> None:
    """Say in words what the table's constraint says in SQL."""
    said = f"a model {row.name!r} of version {row.version!r} is registered already"
    try:
        await session.flush()
    except IntegrityError:
        raise Conflict(said) from None


def _named(contains: str | None, archived: bool | None) -> tuple[tuple[str, str, object], ...]:
    named = (("name", "contains", contains),) if contains else ()
    return named if archived is None else (*named, ("archived_at", "known", archived))


def _is(column: str, value: object) -> tuple[tuple[str, str, object], ...]:
    return () if value is None else ((column, "is", value),)


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


def _features(names: Sequence[str]) -> tuple[str, ...]:
    if len(names) > MOST_FEATURES or len(set(names)) != len(names):
        raise InvalidInput(f"features must be at most {MOST_FEATURES} different names", at=("features",))
    return tuple(words("features", name, LONGEST_NAME) for name in names)


async def model_of(analysis: strawberry.Parent[t.Analysis], info: Info) -> t.Model | None:
    """The model that is judged."""
    return await info.context.one(t.Model, analysis.model_id)


async def dataset_of(analysis: strawberry.Parent[t.Analysis], info: Info) -> t.Dataset | None:
    """The rows it is judged on."""
    return await info.context.one(t.Dataset, analysis.dataset_id)
