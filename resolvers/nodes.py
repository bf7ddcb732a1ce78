"""What every row has in common: an id, a place in a list, and being found by its id alone."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import strawberry
from sqlmodel import SQLModel
from strawberry import ID

import db.tables as t
from auth.permissions import Permission
from db.errors import NotFound
from db.owned import one
from engine.values import Count
from resolvers.context import Info
from resolvers.identity import organization_of
from resolvers.ids import global_id, parts
from resolvers.paging import Page

OPENED_BY: Mapping[str, tuple[type[t.Owned], Permission]] = MappingProxyType(
    {
        "Model": (t.Model, Permission.MODEL_READ),
        "Artifact": (t.Artifact, Permission.MODEL_READ),
        "Dataset": (t.Dataset, Permission.DATASET_READ),
        "Analysis": (t.Analysis, Permission.ANALYSIS_READ),
        "Prediction": (t.Prediction, Permission.ANALYSIS_READ),
        "Explanation": (t.Explanation, Permission.EXPLANATION_READ),
        "Mitigation": (t.Mitigation, Permission.ANALYSIS_READ),
        "User": (t.User, Permission.USER_READ),
    }
)
"""Kinds of row that `node` finds, and the permission that each asks for."""


async def node(info: Info, id: ID) -> SQLModel:
    """Anything by its id (Relay); each kind of row asks for its own permission to read."""
    context = info.context
    kind, key = parts(id, at="id")
    if kind == "Organization":
        found = await organization_of(context)
        if found.id == key:
            return found
    if kind not in OPENED_BY:
        raise NotFound("there is nothing with this id")
    table, permission = OPENED_BY[kind]
    context.viewer.require(permission)
    async with context.read() as session:
        return await one(session, table, context.viewer.scope, key)


def id_of(row: strawberry.Parent[Any]) -> ID:
    """The global id, by which `node` finds it again."""
    return global_id(type(row).__name__, row.id)


async def total_count(page: strawberry.Parent[Page[Any]], info: Info) -> Count:
    """Length of the whole list; counted only when asked for."""
    return Count(await info.context.total(page))
