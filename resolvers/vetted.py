"""Types of objects in model files that are opened for an organization once an administrator allows them."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlmodel import col, select

import db.tables as t
from engine.errors import InvalidInput
from engine.models.skops_types import VETTED
from resolvers.context import Info
from resolvers.identity import organization_of


@dataclass(frozen=True, kw_only=True)
class VettedType:
    """A type of objects in skops files that is opened where an administrator allows it, and nowhere else."""

    name: str
    """As it stands in the message that refuses a file."""
    why: str
    """What it does, and why it may be allowed but is not opened for everybody."""
    allowed: bool
    """Whether this organization opens it."""


async def vetted_types(info: Info) -> list[VettedType]:
    """Every type that an administrator may allow, by name, and whether this organization opens it; no other type ever is."""
    allowed = (await organization_of(info.context)).allowed_types
    return [_of(name, allowed) for name in VETTED]


async def allow(info: Info, name: str) -> VettedType:
    """Open model files with objects of a vetted type from now on; a file that was refused before is uploaded again."""
    return await _changed(info, name, lambda allowed: allowed | {name})


async def disallow(info: Info, name: str) -> VettedType:
    """Open none of them any more: work with models that hold the type then fails in words, until it is allowed again."""
    return await _changed(info, name, lambda allowed: allowed - {name})


async def _changed(info: Info, name: str, change: Callable[[frozenset[str]], frozenset[str]]) -> VettedType:
    if name not in VETTED:
        raise InvalidInput(
            f"there is no vetted type {name[:120]!r}: vettedTypes lists the {len(VETTED)} that there are",
            at=("name",),
        )
    context = info.context
    async with context.write() as session:
        query = select(t.Organization).where(col(t.Organization.id) == context.viewer.organization_id)
        organization = (await session.scalars(query.with_for_update())).one()
        allowed = tuple(sorted(change(frozenset(organization.allowed_types))))
        if allowed != organization.allowed_types:
            organization.allowed_types = allowed
    return _of(name, allowed)


def _of(name: str, allowed: tuple[str, ...]) -> VettedType:
    return VettedType(name=name, why=VETTED[name], allowed=name in allowed)
