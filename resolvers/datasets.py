"""Datasets that are here: listed, changed, archived and deleted. How they come in: `resolvers.uploads`."""

from collections.abc import Sequence
from dataclasses import dataclass

import strawberry
from strawberry import ID

import db.tables as t
from db.owned import one, one_to_change
from engine.tables import ColumnProfile, Preview, TableProfile
from resolvers.context import Info
from resolvers.ids import key
from resolvers.lists import ListOrder, is_, named, registered
from resolvers.paging import USUAL_PAGE, Page
from resolvers.removal import Removal, remove
from resolvers.removal import archive as archive_row
from resolvers.texts import LONGEST_NAME, description, words


@dataclass(frozen=True, kw_only=True)
class DatasetFilter:
    """Which datasets to list; conditions left out do not narrow the list."""

    status: t.Status | None = None
    name_contains: str | None = None
    archived: bool | None = False
    """False lists what is in use, true what is archived, null both."""


@dataclass(frozen=True, kw_only=True)
class DatasetChanges:
    """What to change of a dataset; what is left out or null stays as it is. Its rows never change."""

    name: str | None = None
    description: str | None = None


async def datasets(
    info: Info,
    first: int = USUAL_PAGE,
    after: str | None = None,
    filter: DatasetFilter | None = None,
    order: ListOrder = ListOrder.NEWEST_FIRST,
) -> Page[t.Dataset]:
    """The datasets, a page at a time."""
    asked = filter or DatasetFilter()
    wanted = named(asked.name_contains, asked.archived), is_("status", asked.status)
    return await registered(info.context, t.Dataset, first, after, order, *wanted)


async def dataset(info: Info, id: ID) -> t.Dataset:
    """One dataset by its id."""
    async with info.context.read() as session:
        return await one(session, t.Dataset, info.context.viewer.scope, key(t.Dataset, id))


async def columns(dataset: strawberry.Parent[t.Dataset], info: Info) -> Sequence[ColumnProfile] | None:
    """The columns and what is in them, once the file is read."""
    profile: TableProfile | None = await info.context.large(dataset, "profile")
    return None if profile is None else profile.columns


async def notes(dataset: strawberry.Parent[t.Dataset], info: Info) -> Sequence[str] | None:
    """What was changed or left out while the file was read."""
    profile: TableProfile | None = await info.context.large(dataset, "profile")
    return None if profile is None else profile.notes


async def preview(dataset: strawberry.Parent[t.Dataset], info: Info) -> Preview | None:
    """The first rows, as text, in the order of `columns`."""
    kept: Preview | None = await info.context.large(dataset, "preview")
    return kept


async def of_analysis(analysis: strawberry.Parent[t.Analysis], info: Info) -> t.Dataset | None:
    """The rows it is judged on."""
    return await info.context.one(t.Dataset, analysis.dataset_id)


async def of_explanation(explanation: strawberry.Parent[t.Explanation], info: Info) -> t.Dataset | None:
    """The dataset whose rows are looked at."""
    return await info.context.one(t.Dataset, explanation.dataset_id)


async def update(info: Info, id: ID, changes: DatasetChanges) -> t.Dataset:
    """Change a dataset's name or description."""
    async with info.context.write() as session:
        row = await one_to_change(session, t.Dataset, info.context.viewer.scope, key(t.Dataset, id))
        if changes.name is not None:
            row.name = words("name", changes.name, LONGEST_NAME)
        if changes.description is not None:
            row.description = description(changes.description)
    return row


async def archive(info: Info, id: ID, archived: bool = True) -> t.Dataset:
    """Take a dataset out of the lists, or with `archived: false` bring it back."""
    return await archive_row(info.context, t.Dataset, id, archived)


async def delete(info: Info, id: ID) -> Removal:
    """Delete a dataset and its rows; one that analyses, explanations or mitigations
    refer to is archived instead."""
    return await remove(info.context, t.Dataset, id)
