"""Global ids (Relay): the name of a row's kind and its key, as one opaque text."""

import base64
import binascii
from uuid import UUID

from strawberry import ID

from db.errors import NotFound
from engine.errors import InvalidInput


def global_id(kind: str, key: UUID) -> ID:
    """The id by which clients know a row."""
    return ID(base64.urlsafe_b64encode(f"{kind}:{key}".encode()).decode())


def parts(id: str, *, at: str) -> tuple[str, UUID]:
    """Kind and key of a global id; `at` names the argument that it came in."""
    try:
        kind, _, key = base64.urlsafe_b64decode(id.encode()).decode().partition(":")
        return kind, UUID(key)
    except (binascii.Error, ValueError):
        raise InvalidInput(f"{at} must be an id that this API has given", at=(at,)) from None


def key(kind: type, id: str, *, at: str = "id") -> UUID:
    """The key of a row of this kind; an id of another kind looks like a row that does not exist."""
    found, key = parts(id, at=at)
    if found != kind.__name__:
        raise NotFound(f"there is no {kind.__name__.lower()} with this id")
    return key
