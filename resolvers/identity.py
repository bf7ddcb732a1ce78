"""People and their organization."""

from dataclasses import dataclass
from datetime import datetime

import strawberry
from sqlmodel import col, select

import auth.sign_in
import db.tables as t
from auth.permissions import GRANTS, Permission
from db.owned import one
from resolvers.context import Context, Info


@dataclass(frozen=True, kw_only=True)
class SignedIn:
    """A token to send with every request, as `Authorization: Bearer <token>`."""

    token: str
    expires_at: datetime
    viewer: t.User


async def sign_in(info: Info, email: str, password: str) -> SignedIn:
    """Exchange an e-mail address and a password for a token."""
    house = info.context.house
    user = await auth.sign_in.sign_in(house.database, email, password)
    token, expires = house.tokens.for_user(user)
    return SignedIn(token=token, expires_at=expires, viewer=user)


async def me(info: Info) -> t.User:
    """The person who asks."""
    context = info.context
    async with context.read() as session:
        return await one(session, t.User, context.viewer.scope, context.viewer.user_id)


async def organization(info: Info) -> t.Organization:
    """The organization of the person who asks."""
    return await organization_of(info.context)


async def organization_of(context: Context) -> t.Organization:
    async with context.read() as session:
        query = select(t.Organization).where(col(t.Organization.id) == context.viewer.organization_id)
        return (await session.scalars(query)).one()


def permissions(user: strawberry.Parent[t.User]) -> list[str]:
    """What this person may do, by the names that `@requires` shows in the schema."""
    granted: frozenset[Permission] = GRANTS[user.role]
    return sorted(granted)


async def owner(model: strawberry.Parent[t.Model], info: Info) -> t.User | None:
    """Who answers for this model."""
    return await info.context.one(t.User, model.owner_id)


async def author(row: strawberry.Parent[t.Worked], info: Info) -> t.User | None:
    """Who started this."""
    return await info.context.one(t.User, row.created_by_id)
