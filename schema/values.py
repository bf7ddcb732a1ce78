"""Engine values in the API. The engine's own classes are the GraphQL types: no copies."""

import inspect

import strawberry
from strawberry.types.scalar import ScalarDefinition

import engine.explanations.gap_report as gaps
import engine.explanations.options as o
import engine.explanations.report as told
import engine.fairness as f
import engine.fairness.comparison as c
import engine.fairness.flip_report as w
import engine.mitigation as mt
import engine.models.card as k
import engine.models.comparison as x
import engine.models.endpoint as q
import engine.models.matching as g
import engine.models.prediction as y
import engine.models.signature as s
import engine.tables as e
import resolvers.artifacts as a
import resolvers.bias as b
import resolvers.datasets as d
import resolvers.explanations as ex
import resolvers.incoming as i
import resolvers.mitigations as mi
import resolvers.models as m
import resolvers.paging as p
import resolvers.references as n
import resolvers.scoring as z
import resolvers.trends as r
import resolvers.uploads as u
import resolvers.versions as v
import resolvers.vetted as l
from db.tables import Role, Status, Subject
from engine.explanations.performance import Performance
from engine.values import Count, ModelType
from resolvers.lists import ListOrder
from resolvers.removal import Removal
from schema.docs import describe

CHOICES = (
    Role,
    Status,
    Subject,
    ModelType,
    f.AnalysisType,
    f.Metric,
    f.Quantity,
    f.Verdict,
    f.Risk,
    f.Urgency,
    c.Direction,
    mt.Constraint,
    o.ExplanationKind,
    o.Perturbation,
    Performance,
    told.ExplanationMethod,
    e.TableFormat,
    s.ModelFormat,
    s.FeatureType,
    s.Task,
    q.EndpointProtocol,
    q.Tensors,
    q.Numbers,
    q.Answers,
    g.MismatchKind,
    k.CardPart,
    e.ColumnType,
    e.RoleHint,
    ListOrder,
    b.AnalysisOrder,
    ex.ExplanationOrder,
    mi.MitigationOrder,
)
VALUES = (
    f.Interval,
    f.GroupMetric,
    f.GroupReport,
    f.Exclusion,
    f.Finding,
    w.FlipValue,
    w.FlipPair,
    w.FlipExample,
    w.FlipReport,
    f.AttributeReport,
    f.Limit,
    f.Method,
    f.RiskAssessment,
    f.Effect,
    f.Proposal,
    f.Recommendation,
    f.AlikePair,
    f.BiasReport,
    c.Change,
    c.NotCompared,
    c.ReportComparison,
    r.TrendPoint,
    told.Background,
    told.Attribution,
    told.RowExplanation,
    told.Importance,
    told.DependencePoint,
    told.Dependence,
    told.Interaction,
    told.ChangedValue,
    told.Counterfactual,
    told.Agreement,
    gaps.FeatureGap,
    gaps.GroupGap,
    told.ExplanationReport,
    mt.GroupRates,
    mt.ModelMeasures,
    mt.Candidate,
    mt.MitigationRows,
    mt.MitigationReport,
    e.ValueCount,
    e.ColumnProfile,
    s.Feature,
    s.Signature,
    x.FeatureChange,
    x.SignatureComparison,
    g.Mismatch,
    g.ModelFit,
    y.ClassScore,
    y.Predicted,
    k.CardCompleteness,
    v.ModelComparison,
    l.VettedType,
    p.PageInfo,
    Removal,
    i.UploadTicket,
)
INPUTS = (
    f.BiasColumns,
    f.Threshold,
    f.Bands,
    f.Reference,
    f.BiasOptions,
    k.ModelCard,
    y.FeatureValue,
    y.GivenRow,
    y.Scoring,
    z.NewScoring,
    m.ModelFilter,
    d.DatasetFilter,
    m.NewModel,
    a.NewArtifact,
    q.DeclaredFeature,
    q.Endpoint,
    a.NewEndpoint,
    m.ModelChanges,
    d.DatasetChanges,
    b.AnalysisFilter,
    b.NewAnalysis,
    o.FeatureGroup,
    o.AllowedChange,
    o.ExplanationOptions,
    ex.ExplanationFilter,
    ex.NewExplanation,
    mt.MitigationOptions,
    mi.MitigationFilter,
    mi.NewMitigation,
    u.NewDataset,
    n.NewReference,
)
"""What clients send: named with Input at the end, as people expect."""
NAMES: dict[type, str] = {
    mt.Constraint: "FairnessConstraint",
    mt.GroupRates: "MitigationGroup",
    mt.ModelMeasures: "MitigationMeasures",
    mt.Candidate: "MitigationCandidate",
    s.Task: "ModelTask",
    s.Feature: "ModelFeature",
    s.Signature: "ModelSignature",
    q.Tensors: "EndpointTensors",
    q.Numbers: "EndpointNumbers",
    q.Answers: "EndpointAnswers",
}
"""Classes whose own names say too little outside of their package."""


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"a Count is a whole number, got {value!r}")
    return value


SCALARS: dict[object, ScalarDefinition] = {
    Count: strawberry.scalar(
        name="Count",
        description="A whole number of rows or bytes, up to 2^63; a JSON number, larger than GraphQL's Int allows.",
        serialize=int,
        parse_value=_whole,
    )
}

for choice in CHOICES:
    strawberry.enum(choice, name=NAMES.get(choice), description=inspect.getdoc(choice))
for value in VALUES:
    strawberry.type(value, name=NAMES.get(value), description=inspect.getdoc(value))
    describe(value)
for options in INPUTS:
    strawberry.input(options, name=f"{options.__name__}Input", description=inspect.getdoc(options))
    describe(options)

__all__ = ["CHOICES", "INPUTS", "SCALARS", "VALUES"]
