"""What is streamed to an address: a dataset or the file of a model, as the ticket in the address says.

To let something else come in: a class of `incoming.Asked`, and a row of ASKED.
"""

from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import Any

from pydantic import TypeAdapter

import db.tables as t
from auth.errors import Unauthenticated
from auth.tokens import UPLOAD, Claims
from resolvers.artifacts import AskedArtifact
from resolvers.context import Context
from resolvers.incoming import Asked, take_in
from resolvers.uploads import AskedDataset

ASKED: Mapping[str, type[Asked]] = MappingProxyType(
    {asked.subject.value: asked for asked in (AskedDataset, AskedArtifact)}
)


async def receive(context: Context, ticket: str, body: AsyncIterator[bytes]) -> t.Dataset | t.Artifact:
    """Take in what is streamed to an address; the ticket says for whom, their rights are looked up now."""
    try:
        context.claims = claims = context.house.tokens.check(ticket, UPLOAD)
        viewer = await context.identify()
    except Unauthenticated:  # one sentence for all: whoever guesses addresses learns nothing
        others = " or ".join(asked.entrance for asked in ASKED.values())
        raise Unauthenticated(
            f"this upload address is unknown, was used or has expired; ask for another one with {others}"
        ) from None
    asked = _of_ticket(claims)
    viewer.require(asked.permission)
    made: t.Dataset | t.Artifact = await take_in(context, asked, body)
    return made


def _of_ticket(claims: Claims) -> Asked:
    kind: Any = ASKED[claims.content["of"]]
    asked: Asked = TypeAdapter(kind).validate_python(claims.content["upload"])
    return asked
