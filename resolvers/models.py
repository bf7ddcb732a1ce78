"""Models: registered, listed, changed, archived and deleted."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

import strawberry
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from strawberry import ID

import db.tables as t
from auth.permissions import Viewer
from db.errors import Conflict
from db.owned import one, one_to_change
from engine.errors import InvalidInput
from engine.models.card import CardCompleteness, ModelCard
from resolvers.context import Info
from resolvers.ids import key
from resolvers.lists import ListOrder, is_, named, registered
from resolvers.paging import USUAL_PAGE, Page
from resolvers.removal import Removal, remove
from resolvers.removal import archive as archive_row
from resolvers.texts import LONGEST_NAME, LONGEST_VERSION, description, words

MOST_FEATURES = 2_000


@dataclass(frozen=True, kw_only=True)
class ModelFilter:
    """Which models to list; conditions left out do not narrow the list."""

    type: t.ModelType | None = None
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
    card: ModelCard | None = None
    """The whole card: what it leaves out is empty afterwards."""


async def models(
    info: Info,
    first: int = USUAL_PAGE,
    after: str | None = None,
    filter: ModelFilter | None = None,
    order: ListOrder = ListOrder.NEWEST_FIRST,
) -> Page[t.Model]:
    """The registered models, a page at a time."""
    asked = filter or ModelFilter()
    wanted = named(asked.name_contains, asked.archived), is_("type", asked.type)
    return await registered(info.context, t.Model, first, after, order, *wanted)


async def model(info: Info, id: ID) -> t.Model:
    """One model by its id."""
    async with info.context.read() as session:
        return await one(session, t.Model, info.context.viewer.scope, key(t.Model, id))


async def of_analysis(analysis: strawberry.Parent[t.Analysis], info: Info) -> t.Model | None:
    """The model that is judged."""
    return await info.context.one(t.Model, analysis.model_id)


def card(model: strawberry.Parent[t.Model]) -> ModelCard:
    """What people should know of it beyond its numbers; changed with updateModel."""
    return model.card or ModelCard()


def card_completeness(model: strawberry.Parent[t.Model]) -> CardCompleteness:
    """How much of the card is written, and what is missing."""
    return card(model).completeness()


async def of_artifact(artifact: strawberry.Parent[t.Artifact], info: Info) -> t.Model | None:
    """The model whose file or endpoint it is."""
    return await info.context.one(t.Model, artifact.model_id)


async def of_explanation(explanation: strawberry.Parent[t.Explanation], info: Info) -> t.Model | None:
    """The model that is explained."""
    return await info.context.one(t.Model, explanation.model_id)


async def register(info: Info, input: NewModel) -> t.Model:
    """Register a model; whoever registers it owns it."""
    row = made(info.context.viewer, input)
    async with info.context.write() as session:
        await add(session, row)
    return row


def made(viewer: Viewer, input: NewModel, id: UUID | None = None) -> t.Model:
    """The row of a new model, not yet stored."""
    return t.Model(
        id=id or uuid4(),
        organization_id=viewer.organization_id,
        owner_id=viewer.user_id,
        name=words("name", input.name, LONGEST_NAME),
        version=words("version", input.version, LONGEST_VERSION),
        type=input.type,
        description=description(input.description),
        features=_features(input.features),
    )


async def add(session: AsyncSession, row: t.Model) -> None:
    """Store a new model, unless there is one of the same name and version."""
    session.add(row)
    await _unique(session, row)


async def update(info: Info, id: ID, changes: ModelChanges) -> t.Model:
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
        if changes.card is not None:
            row.card = changes.card
        row.updated_at = t.now()
        await _unique(session, row)
    return row


async def archive(info: Info, id: ID, archived: bool = True) -> t.Model:
    """Take a model out of the lists, or with `archived: false` bring it back."""
    return await archive_row(info.context, t.Model, id, archived)


async def delete(info: Info, id: ID) -> Removal:
    """Delete a model with its file and its predictions; one that analyses, explanations or mitigations
    refer to is archived instead."""
    return await remove(info.context, t.Model, id)


async def _unique(session: AsyncSession, row: t.Model) -> None:
    """Say in words what the table's constraint says in SQL."""
    said = f"a model {row.name!r} of version {row.version!r} is registered already"
    try:
        await session.flush()
    except IntegrityError:
        raise Conflict(said) from None


def _features(names: Sequence[str]) -> tuple[str, ...]:
    if len(names) > MOST_FEATURES or len(set(names)) != len(names):
        raise InvalidInput(f"features must be at most {MOST_FEATURES} different names", at=("features",))
    return tuple(words("features", name, LONGEST_NAME) for name in names)
