"""Query: every way to read, and the permission that opens it."""

import strawberry

import resolvers.bias
import resolvers.datasets
import resolvers.explanations
import resolvers.identity
import resolvers.mitigations
import resolvers.models
import resolvers.nodes
import resolvers.scoring
import resolvers.trends
import resolvers.versions
import resolvers.vetted
from auth.permissions import Open, Permission
from engine.fairness.comparison import ReportComparison
from engine.models.matching import ModelFit
from resolvers.versions import ModelComparison
from resolvers.vetted import VettedType
from schema.fields import door
from schema.rows import (
    Analysis,
    Connection,
    Dataset,
    Explanation,
    Mitigation,
    Model,
    Node,
    Organization,
    User,
)


@strawberry.type
class Query:
    """What can be read. A field that is denied is null, with the reason in `errors`."""

    node: Node | None = door(resolvers.nodes.node, allow=Open.SIGNED_IN)
    me: User | None = door(resolvers.identity.me, allow=Open.SIGNED_IN)
    organization: Organization | None = door(resolvers.identity.organization, allow=Open.SIGNED_IN)
    model: Model | None = door(resolvers.models.model, allow=Permission.MODEL_READ)
    models: Connection[Model] | None = door(resolvers.models.models, allow=Permission.MODEL_READ)
    compare_models: ModelComparison | None = door(
        resolvers.versions.compare_models, allow=Permission.MODEL_READ
    )
    model_fits: ModelFit | None = door(resolvers.scoring.model_fits, allow=Permission.MODEL_READ)
    vetted_types: list[VettedType] | None = door(resolvers.vetted.vetted_types, allow=Permission.MODEL_READ)
    dataset: Dataset | None = door(resolvers.datasets.dataset, allow=Permission.DATASET_READ)
    datasets: Connection[Dataset] | None = door(resolvers.datasets.datasets, allow=Permission.DATASET_READ)
    analysis: Analysis | None = door(resolvers.bias.analysis, allow=Permission.ANALYSIS_READ)
    analyses: Connection[Analysis] | None = door(resolvers.bias.analyses, allow=Permission.ANALYSIS_READ)
    explanation: Explanation | None = door(
        resolvers.explanations.explanation, allow=Permission.EXPLANATION_READ
    )
    explanations: Connection[Explanation] | None = door(
        resolvers.explanations.explanations, allow=Permission.EXPLANATION_READ
    )
    mitigation: Mitigation | None = door(resolvers.mitigations.mitigation, allow=Permission.ANALYSIS_READ)
    mitigations: Connection[Mitigation] | None = door(
        resolvers.mitigations.mitigations, allow=Permission.ANALYSIS_READ
    )
    compare_analyses: ReportComparison | None = door(
        resolvers.trends.compare_analyses, allow=Permission.ANALYSIS_READ
    )
