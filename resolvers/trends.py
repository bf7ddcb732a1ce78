"""Analyses seen together: two of them compared, and one metric over all of a model's."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import strawberry
from sqlalchemy import ColumnElement, cast, func, literal, select, true
from sqlalchemy.dialects.postgresql import JSONB, JSONPATH
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col
from strawberry import ID

import db.tables as t
from db.columns import Stored
from db.errors import Conflict
from db.owned import one, owned
from engine.errors import InvalidInput
from engine.fairness import BiasReport, Interval, Metric, Verdict
from engine.fairness.comparison import ReportComparison, compared
from engine.fairness.differing import Question
from engine.fairness.options import refuse_other_model
from engine.fairness.trend import Headline
from engine.tables.names import meant
from resolvers.context import Context, Info
from resolvers.ids import global_id, key
from resolvers.paging import LARGEST_PAGE

_ASKED_FOR = "$[*] ? (@.metric == $metric && ((@.attribute == $attribute) || ($attribute == null && @.crossed == false)))"


@dataclass(frozen=True, kw_only=True)
class TrendPoint:
    """One metric as one analysis found it."""

    analysis_id: ID
    at: datetime
    """When the analysis was started."""
    attribute: str
    outcome: str | None
    """The class it is about, where classes are compared one by one."""
    value: float | None
    interval: Interval | None
    threshold: float
    verdict: Verdict


async def compare_analyses(info: Info, a: ID, b: ID) -> ReportComparison:
    """Whether what two completed analyses found differs by more than chance: of each gap the change from a to b."""
    (first, asked), (second, asked_then) = await _report(info, a, "a"), await _report(info, b, "b")
    if key(t.Analysis, a, at="a") == key(t.Analysis, b, at="b"):
        raise InvalidInput("a and b are the same analysis", at=("b",))
    return compared(first, second, (asked, asked_then))


async def fairness_trend(
    model: strawberry.Parent[t.Model],
    info: Info,
    metric: Metric,
    attribute: str | None = None,
    last: int = 50,
) -> list[TrendPoint]:
    """One metric over the completed analyses of this model, oldest first; of the last so many that measured it.

    Without an attribute, of each protected attribute by itself; crossings are named as in reports, "race × sex".
    An attribute that none of its completed analyses is about is bad input.
    """  # noqa: RUF002
    if not 1 <= last <= LARGEST_PAGE:
        raise InvalidInput(f"last must lie in [1, {LARGEST_PAGE}], got {last}", at=("last",))
    if "\0" in (attribute or ""):
        raise InvalidInput("attribute may hold no NUL, and no name does", at=("attribute",))
    refuse_other_model(metric, model.type, at=("metric",))
    asked = metric, attribute, last
    points: list[TrendPoint] = await info.context.together(
        ("trend", asked), partial(_points, info.context, asked), model.id
    )
    return points


async def _report(info: Info, id: ID, at: str) -> tuple[BiasReport, Question]:
    async with info.context.read() as session:
        asked = key(t.Analysis, id, at=at)
        row = await one(session, t.Analysis, info.context.viewer.scope, asked, "report")
    if row.report is None:
        raise Conflict(f"the analysis {at} is {row.status}; only completed ones can be compared")
    return row.report, Question(columns=row.columns, options=row.options)


async def _points(
    context: Context, asked: tuple[Metric, str | None, int], models: list[UUID]
) -> list[list[TrendPoint] | InvalidInput]:
    """The points of each model, in one query that reads headlines and no report; or why there are none."""
    metric, attribute, last = asked
    named = literal({"metric": metric.value, "attribute": attribute}, JSONB)
    path = cast(literal(_ASKED_FOR), JSONPATH)
    row = t.Analysis
    newest = func.row_number().over(
        partition_by=col(row.model_id), order_by=(col(row.created_at).desc(), col(row.id))
    )
    found: ColumnElement[Any] = func.jsonb_path_query_array(
        row.headlines, path, named, type_=Stored(tuple[Headline, ...])
    )
    inner = (
        owned(row, context.viewer.scope)
        .where(
            col(row.model_id).in_(models),
            col(row.status) == t.Status.COMPLETED,
            func.jsonb_path_exists(row.headlines, path, named),
        )
        .with_only_columns(
            col(row.model_id), col(row.id), col(row.created_at), found.label("found"), newest.label("place")
        )
        .subquery()
    )
    points: dict[UUID, list[TrendPoint]] = defaultdict(list)
    async with context.read() as session:
        query = select(inner).where(inner.c.place <= last).order_by(inner.c.created_at, inner.c.id)
        for model, id, at, headlines, _ in await session.execute(query):
            points[model] += [_point(id, at, headline) for headline in headlines]
        missing = [] if attribute is None else [model for model in models if not points[model]]
        known = await _attributes(session, context, missing) if missing else {}
    return [points[model] or _unknown(attribute, known.get(model)) for model in models]


async def _attributes(session: AsyncSession, context: Context, models: list[UUID]) -> dict[UUID, list[str]]:
    """What the completed analyses of each model have findings on, single attributes first."""
    row = t.Analysis
    headline = func.jsonb_array_elements(row.headlines).table_valued("value").render_derived()
    name, crossed = (headline.c.value.op("->>")(key) for key in ("attribute", "crossed"))
    query = (
        owned(row, context.viewer.scope)
        .join(headline, true())
        .where(col(row.model_id).in_(models), col(row.status) == t.Status.COMPLETED)
        .with_only_columns(col(row.model_id), crossed, name)
        .distinct()
    )
    known: dict[UUID, list[str]] = defaultdict(list)
    for model, _, attribute in sorted(await session.execute(query)):
        known[model].append(attribute)
    return known


def _unknown(attribute: str | None, known: list[str] | None) -> list[TrendPoint] | InvalidInput:
    """No points, or the refusal of an attribute that none of a model's analyses is about; a batch raises nothing itself."""
    if attribute is None or known is None or attribute in known:
        return []
    said = (
        f"no completed analysis of this model is about {attribute!r}; {meant(attribute, known, 'attributes')}"
    )
    return InvalidInput(said, at=("attribute",))


def _point(analysis: UUID, at: datetime, headline: Headline) -> TrendPoint:
    return TrendPoint(
        analysis_id=global_id("Analysis", analysis),
        at=at,
        attribute=headline.attribute,
        outcome=headline.outcome,
        value=headline.value,
        interval=headline.interval,
        threshold=headline.threshold,
        verdict=headline.verdict,
    )
