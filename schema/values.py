"""Engine values in the API. The engine's own classes are the GraphQL types: no copies."""

import inspect

import strawberry
from strawberry.types.scalar import ScalarDefinition

import engine.fairness as f
import engine.tables as e
import resolvers.bias as b
import resolvers.datasets as d
import resolvers.models as m
import resolvers.paging as p
import resolvers.uploads as u
from db.tables import ModelType, Role, Status, Subject
from engine.values import Count
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
    f.Verdict,
    e.TableFormat,
    e.ColumnType,
    e.RoleHint,
    ListOrder,
    b.AnalysisOrder,
)
VALUES = (
    f.Interval,
    f.Estimate,
    f.GroupReport,
    f.Exclusion,
    f.Finding,
    f.AttributeReport,
    f.Limit,
    f.Method,
    f.BiasReport,
    e.ValueCount,
    e.ColumnProfile,
    p.PageInfo,
    Removal,
    u.UploadTicket,
)
INPUTS = (
    f.BiasColumns,
    f.Threshold,
    f.BiasOptions,
    m.ModelFilter,
    d.DatasetFilter,
    m.NewModel,
    m.ModelChanges,
    d.DatasetChanges,
    b.AnalysisFilter,
    b.NewAnalysis,
    u.NewDataset,
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
