"""The line of a model's versions, and two models compared."""

from dataclasses import dataclass
from uuid import UUID

import strawberry
from sqlalchemy import ColumnElement, Select
from sqlalchemy.orm import aliased, undefer
from sqlmodel import col, select
from strawberry import ID

import db.tables as t
from auth.permissions import Permission
from db.errors import Conflict
from db.owned import one, owned
from db.session import Scope
from engine.errors import InvalidInput
from engine.fairness.comparison import ReportComparison, compared
from engine.models.comparison import SignatureComparison, compare
from engine.models.signature import Signature
from engine.values import Count
from resolvers.context import Context, Info
from resolvers.ids import key
from resolvers.lists import ORDERS, ListOrder
from resolvers.paging import USUAL_PAGE, Page, Slice


@dataclass(frozen=True, kw_only=True)
class ModelComparison:
    """Two models side by side: what they take and give, and what their latest analyses on the same dataset found."""

    signatures: SignatureComparison
    bytes_before: Count
    bytes_after: Count
    same_file: bool
    """Or the same endpoint; what is served there may have changed meanwhile."""
    fairness: ReportComparison | None
    """Of the latest completed analyses, one of each model, that ask the same question of the same dataset."""
    fairness_reason: str | None
    """Why there is none."""


async def versions(
    model: strawberry.Parent[t.Model], info: Info, first: int = USUAL_PAGE, after: str | None = None
) -> Page[t.Model]:
    """All models of this name, itself included, newest first, a page at a time."""
    part = Slice(
        table=t.Model,
        scope=info.context.viewer.scope,
        order=ORDERS[ListOrder.NEWEST_FIRST],
        first=first,
        after=after,
        where=(("organization_id", "is", model.organization_id),),
    )
    return await info.context.children(t.Model, "name", model.name, part)


async def compare_models(info: Info, a: ID, b: ID) -> ModelComparison:
    """What changes from model a to model b: features, classes, file, and what analyses of the same dataset found."""
    context = info.context
    first, second = key(t.Model, a, at="a"), key(t.Model, b, at="b")
    if first == second:
        raise InvalidInput("a and b are the same model", at=("b",))
    before, after = await _file(context, a, "a"), await _file(context, b, "b")
    fairness, reason = await _fairness(context, before.model_id, after.model_id)
    return ModelComparison(
        signatures=compare(_known(before.signature), _known(after.signature)),
        bytes_before=before.bytes,
        bytes_after=after.bytes,
        same_file=before.sha256 == after.sha256,
        fairness=fairness,
        fairness_reason=reason,
    )


async def _file(context: Context, id: ID, at: str) -> t.Artifact:
    scope = context.viewer.scope
    async with context.read() as session:
        model = await one(session, t.Model, scope, key(t.Model, id, at=at))
        query = owned(t.Artifact, scope).where(col(t.Artifact.model_id) == model.id)
        found: t.Artifact | None = await session.scalar(query.options(undefer(t.Artifact.signature)))  # type: ignore[arg-type]  # a column
    if found is None or found.signature is None:
        raise Conflict(
            f"the model {at} has no file or endpoint that was read; only models with one can be compared"
        )
    return found


async def _fairness(context: Context, a: UUID, b: UUID) -> tuple[ReportComparison | None, str | None]:
    if Permission.ANALYSIS_READ not in context.viewer.permissions:
        return None, f"this needs the permission {Permission.ANALYSIS_READ}"
    first, second = aliased(t.Analysis), aliased(t.Analysis)
    both: list[ColumnElement[bool]] = [
        col(first.dataset_id) == col(second.dataset_id),
        col(first.type) == col(second.type),
        col(first.status) == t.Status.COMPLETED,
        col(second.status) == t.Status.COMPLETED,
    ]
    scope = context.viewer.scope
    pair = (
        select(first.id, second.id)
        .where(col(first.model_id) == a, col(second.model_id) == b, *both)
        .where(col(first.id).in_(_ids(scope)), col(second.id).in_(_ids(scope)))
        .order_by(col(second.created_at).desc(), col(first.created_at).desc(), col(first.id))
        .limit(1)
    )
    async with context.read() as session:
        found = (await session.execute(pair)).one_or_none()
        if found is None:
            return None, "the two have no completed analyses of the same kind on the same dataset"
        reports = [(await one(session, t.Analysis, scope, id, "report")).report for id in found]
    if reports[0] is None or reports[1] is None:
        return None, "one of the two reports is no longer there"
    return compared(reports[0], reports[1]), None


def _ids(scope: Scope) -> Select[tuple[UUID]]:
    return owned(t.Analysis, scope).with_only_columns(col(t.Analysis.id))


def _known(signature: Signature | None) -> Signature:
    assert signature is not None  # noqa: S101  looked at when it was read
    return signature
