"""Engine values in the API. The engine's own classes are the GraphQL types: no copies."""

import inspect

import strawberry
from strawberry.types.scalar import ScalarDefinition

import engine.fairness as f
import engine.fairness.comparison as c
import engine.tables as e
import resolvers.bias as b
import resolvers.datasets as d
import resolvers.models as m
import resolvers.paging as p
import resolvers.references as n
import resolvers.trends as r
import resolvers.uploads as u
from db.tables import Role, Status, Subject
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
    e.TableFormat,
    e.ColumnType,
    e.RoleHint,
    ListOrder,
    b.AnalysisOrder,
)
VALUES = (
    f.Interval,
    f.GroupMetric,
    f.GroupReport,
    f.Exclusion,
    f.Finding,
    f.AttributeReport,
    f.Limit,
    f.Method,
    f.RiskAssessment,
    f.Effect,
    f.Recommendation,
    f.AlikePair,
    f.BiasReport,
    c.Change,
    c.NotCompared,
    c.ReportComparison,
    r.TrendPoint,
    e.ValueCount,
    e.ColumnProfile,
    p.PageInfo,
    Removal,
    u.UploadTicket,
)
INPUTS = (
    f.BiasColumns,
    f.Threshold,
    f.Bands,
    f.Reference,
    f.BiasOptions,
    m.ModelFilter,
    d.DatasetFilter,
    m.NewModel,
    m.ModelChanges,
    d.DatasetChanges,
    b.AnalysisFilter,
    b.NewAnalysis,
    u.NewDataset,
    n.NewReference,
)
"""What clients send: named with Input at the end, as people expect."""


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
    strawberry.enum(choice, description=inspect.getdoc(choice))
for value in VALUES:
    strawberry.type(value, description=inspect.getdoc(value))
    describe(value)
for options in INPUTS:
    strawberry.input(options, name=f"{options.__name__}Input", description=inspect.getdoc(options))
    describe(options)

__all__ = ["CHOICES", "INPUTS", "SCALARS", "VALUES"]
