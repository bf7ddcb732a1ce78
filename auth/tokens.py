"""Tokens: what a signed-in person shows with every request, and what an upload address carries.

A token proves who asks. What they may do is read from the database at each operation; the role and the
permissions in the token are hints for clients. Only the signature check is remembered.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from jose import jwk, jwt
from jose.exceptions import JWKError, JWTError

import db.tables as t
from auth.errors import Unauthenticated
from auth.permissions import GRANTS

ISSUER = "fairmind"
API = "fairmind-api"
UPLOAD = "fairmind-upload"
LONGEST_TOKEN = 8 * 1024
_FORBIDDEN_HEADERS = {"crit", "jku", "jwk", "x5u", "x5c"}
_REMEMBERED = 1024


@dataclass(frozen=True, kw_only=True)
class Claims:
    """What a token says, once its signature, audience, issuer and dates hold."""

    user_id: UUID
    organization_id: UUID
    id: str
    expires_at: datetime
    content: dict[str, Any]

    def still_valid(self) -> None:
        """Raise Unauthenticated when the token has expired since it was checked."""
        if self.expires_at <= datetime.now(UTC):
            raise Unauthenticated("the token has expired, sign in again")


class Tokens:
    """Signs and checks tokens with one secret and one algorithm, chosen by the operator, never by a token."""

    def __init__(self, secret: str, *, algorithm: str = "HS256", hours: float = 24) -> None:
        if algorithm not in ("HS256", "HS384", "HS512"):
            raise ValueError(f"JWT_ALGORITHM must be HS256, HS384 or HS512, got {algorithm}")
        try:
            jwk.construct(secret, algorithm)
        except JWKError:  # what others may know must not sign
            raise ValueError(
                "JWT_SECRET_KEY must be a random text, not a key pair or a certificate"
            ) from None
        self._secret, self._algorithm, self.hours = secret, algorithm, hours
        self._checked: OrderedDict[tuple[str, str], dict[str, Any]] = OrderedDict()

    def for_user(self, user: t.User) -> tuple[str, datetime]:
        """A token for the API, and when it expires."""
        who = {
            "email": user.email,
            "role": user.role.value,
            "permissions": sorted(GRANTS[user.role]),
        }
        return self.sign(API, user.id, user.organization_id, who, seconds=self.hours * 3600)

    def sign(
        self, audience: str, user_id: UUID, organization_id: UUID, content: dict[str, Any], *, seconds: float
    ) -> tuple[str, datetime]:
        """A token of any audience, and when it expires."""
        now = int(time.time())
        claims = content | {
            "sub": str(user_id),
            "organization_id": str(organization_id),
            "iat": now,
            "exp": now + int(seconds),
            "aud": audience,
            "iss": ISSUER,
            "jti": uuid4().hex,
        }
        token = str(jwt.encode(claims, self._secret, algorithm=self._algorithm))
        return token, datetime.fromtimestamp(now + int(seconds), UTC)

    def check(self, token: str, audience: str = API) -> Claims:
        """The claims of a token, or Unauthenticated saying what is wrong with it."""
        if len(token.encode(errors="replace")) > LONGEST_TOKEN:
            raise Unauthenticated(f"the token is longer than {LONGEST_TOKEN} bytes")
        content = self._checked.get((audience, token))
        if content is None:
            content = self._checked[audience, token] = self._decoded(token, audience)
            if len(self._checked) > _REMEMBERED:
                self._checked.popitem(last=False)
        return _claims(content)

    def _decoded(self, token: str, audience: str) -> dict[str, Any]:
        try:
            if _FORBIDDEN_HEADERS & jwt.get_unverified_header(token).keys():
                raise Unauthenticated("the token has a header that is not accepted")
            content: dict[str, Any] = jwt.decode(
                token,
                self._secret,
                algorithms=[self._algorithm],
                audience=audience,
                issuer=ISSUER,
                options={f"require_{name}": True for name in ("exp", "iat", "aud", "iss", "sub", "jti")},
            )
            return content
        except JWTError as error:
            said = "has expired, sign in again" if "expired" in str(error) else "is not valid, sign in again"
            raise Unauthenticated(f"the token {said}") from None
        except (TypeError, OverflowError, RecursionError):  # the library trips over dates that are no numbers
            raise Unauthenticated("the token is not valid, sign in again") from None


def _claims(content: dict[str, Any]) -> Claims:
    """Claims of the right types: the library accepts a list as audience and a string as expiry."""
    expires, audience = content["exp"], content["aud"]
    if type(expires) is not int or type(content["iat"]) is not int or not isinstance(audience, str):
        raise Unauthenticated("the token is not valid, sign in again")
    try:
        claims = Claims(
            user_id=UUID(content["sub"]),
            organization_id=UUID(content["organization_id"]),
            id=str(content["jti"]),
            expires_at=datetime.fromtimestamp(expires, UTC),
            content=content,
        )
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError, OSError):
        raise Unauthenticated("the token is not valid, sign in again") from None
    claims.still_valid()  # looked at each time: the signature check may be remembered
    return claims
