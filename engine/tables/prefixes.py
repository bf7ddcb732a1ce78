"""A table that stays in a bucket: which prefix is meant, and whether it may be read. Nothing is asked of a store here."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from engine.errors import InvalidInput
from engine.tables import names
from engine.tables.part import Remote, Store
from engine.tables.parts import OFF, ORGANIZATION, OUTSIDE, S3, Listing, fingerprint, refuse_count

FORM = (
    "a prefix is written like s3://bucket/a/b: after a bucket's name, words of letters, digits, _, =, . and -"
    " between single slashes"
)
BUCKET = re.compile(r"[a-z0-9](?:[a-z0-9-]|\.(?!\.)){1,61}[a-z0-9]")
WORD = re.compile(r"[A-Za-z0-9_=.-]{1,255}")  # nothing that a store or a reader would escape or take apart


@dataclass(frozen=True, kw_only=True)
class Prefix:
    """A bucket and what keys begin with in it, word by word."""

    bucket: str
    words: tuple[str, ...]

    @property
    def key(self) -> str:
        return "/".join(self.words)

    def __str__(self) -> str:
        return S3 + "/".join((self.bucket, *self.words))

    def holds(self, other: "Prefix") -> bool:
        """Whether the other is the same or lies below; `a/data-old` does not lie below `a/data`."""
        return self.bucket == other.bucket and other.words[: len(self.words)] == self.words


@dataclass(frozen=True, kw_only=True)
class Object:
    """What a store says of a part."""

    name: str
    """The last word of its key."""
    bytes: int
    version: str
    """Another one with each change of the content."""


def prefix(uri: str) -> Prefix:
    """What is meant; one slash at the end is as good as none.

    Raises:
        InvalidInput: it is written otherwise, or holds `..` or a character that has more than one reading.
    """
    bucket, *words = uri.removeprefix(S3).removesuffix("/").split("/")
    fine = uri.startswith(S3) and BUCKET.fullmatch(bucket) is not None
    if not fine or not all(WORD.fullmatch(word) and word.strip(".") for word in words):
        raise InvalidInput(FORM, at=("uri",))
    return Prefix(bucket=bucket, words=tuple(words))


def allowed(uri: str, roots: Sequence[str], organization: UUID) -> Prefix:
    """A prefix within the roots; errors as for `prefix`.

    Raises:
        InvalidInput: there are no roots, or it lies outside them all.
    """
    if not roots:
        raise InvalidInput(OFF, at=("uri",))
    found = prefix(uri)
    buckets = [root.replace(ORGANIZATION, str(organization)) for root in roots if root.startswith(S3)]
    if not any(prefix(root).holds(found) for root in buckets):
        raise InvalidInput(OUTSIDE, at=("uri",))
    return found


def listing(place: Prefix, objects: Sequence[Object], store: Store) -> Listing:
    """The parts of a table, of the objects that are right below a prefix.

    Raises:
        InvalidInput: there are none or too many, or one has a name that could be read in several ways.
    """
    refuse_count("prefix", len(objects))
    found = sorted(objects, key=lambda each: each.name)
    for each in found:
        if not WORD.fullmatch(each.name):
            raise InvalidInput(
                f"part {names.short(each.name)} has a name with other characters than letters, digits, _, =, . and -",
                at=("uri",),
            )
    return Listing(
        uri=str(place),
        parts=tuple(
            Remote(path="/".join((place.bucket, *place.words, each.name)), bytes=each.bytes, store=store)
            for each in found
        ),
        bytes=sum(each.bytes for each in found),
        fingerprint=fingerprint((each.name, each.bytes, each.version) for each in found),
    )
