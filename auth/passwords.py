"""Passwords: hashed with argon2id, slowly and off the event loop."""

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from engine.errors import InvalidInput

SHORTEST, LONGEST = 12, 1024

_hasher = PasswordHasher()
_NOBODY = _hasher.hash("compared when no such person exists, so that the answer takes as long")


def check_strength(password: str, *, at: tuple[str | int, ...] = ("password",)) -> None:
    """Refuse a password that is too short to keep or too long to hash."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise InvalidInput(
            f"a password has {SHORTEST} to {LONGEST} characters, this one has {len(password)}", at=at
        )


def hashed(password: str) -> str:
    """The argon2id hash of a password; takes about 0.1 s of a core."""
    return _hasher.hash(password)


async def matches(password: str, hash: str | None) -> bool:
    """Whether the password is the hashed one; as slow for an unknown person (None) as for a known one."""
    return await asyncio.to_thread(_matches, password, hash)


def _matches(password: str, hash: str | None) -> bool:
    try:
        _hasher.verify(hash or _NOBODY, password[:LONGEST])
    except (VerificationError, InvalidHashError):
        return False
    return hash is not None
