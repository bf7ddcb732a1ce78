"""What an explanation takes from the bias analysis that it is asked from: model, dataset, and for a gap its groups."""

from dataclasses import replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from strawberry import ID

import db.tables as t
from auth.permissions import Permission, Viewer
from db.errors import Conflict
from db.owned import one
from engine.errors import InvalidInput
from engine.explanations.options import ExplanationOptions
from engine.fairness.furthest import furthest_apart
from engine.models.signature import Signature
from engine.models.values import class_meant
from resolvers.ids import global_id, key


async def analysis(session: AsyncSession, viewer: Viewer, id: ID | None) -> t.Analysis | None:
    """The analysis with its report, if one is named."""
    if id is None:
        return None
    viewer.require(Permission.ANALYSIS_READ)
    return await one(session, t.Analysis, viewer.scope, key(t.Analysis, id, at="analysis_id"), "report")


def model_of(base: t.Analysis | None, id: ID | None) -> ID:
    """The model to explain: the one named, which is that of the analysis."""
    if base is None:
        return _named("model", id, None)
    if id is not None and key(t.Model, id, at="model_id") != base.model_id:
        raise InvalidInput("the analysis is of another model; leave modelId out", at=("model_id",))
    return global_id("Model", base.model_id)


def dataset_of(base: t.Analysis | None, id: ID | None) -> ID:
    """The dataset to look at: the one named, else that of the analysis."""
    return _named("dataset", id, None if base is None else base.dataset_id)


def with_groups(base: t.Analysis, options: ExplanationOptions, signature: Signature) -> ExplanationOptions:
    """The options of a gap with what they leave open: the groups that a report puts first, as it cut and judged them."""
    report = base.report
    if report is None:
        if options.attribute is None:
            raise Conflict(
                f"the analysis is {base.status}; a gap takes its groups from one that is completed, or name the attribute"
            )
        return options
    pair = furthest_apart(report, options.attribute)
    attribute = options.attribute or (None if pair is None else pair.attribute)
    if attribute is None:
        raise InvalidInput(
            "the analysis found no two groups to compare; name the attribute", at=("options", "attribute")
        )
    open_ = pair is not None and options.group is None and options.reference is None
    bands = next((each.edges for each in base.options.bands if each.attribute == attribute), ())
    favorable = class_meant(signature.classes, report.favorable)
    return replace(
        options,
        attribute=attribute,
        group=pair.lowest if pair is not None and open_ else options.group,
        reference=pair.highest if pair is not None and open_ else options.reference,
        bands=options.bands or bands,
        explained_class=options.explained_class or favorable,
    )


def _named(what: str, id: ID | None, default: UUID | None) -> ID:
    if id is not None:
        return id
    if default is None:
        raise InvalidInput(f"name the {what}, or an analysis to take it from", at=(f"{what}_id",))
    return global_id(what.capitalize(), default)
