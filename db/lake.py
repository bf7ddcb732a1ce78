"""Tables that stay where they are: their parts as they are there now, in a folder or in an S3-compatible store.

Both functions wait for disks and stores: call them in a thread or a child.
"""

import re
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from obstore.exceptions import BaseError

from db.blobs import s3
from engine.errors import InvalidInput
from engine.tables import parts, prefixes
from engine.tables.part import AWAY, DENIED, Store
from engine.tables.parts import MAX_PARTS, S3, Lake, Listing, is_part, refuse_count
from engine.tables.prefixes import Object, Prefix

if TYPE_CHECKING:
    from obstore.store import RetryConfig

MOST_OBJECTS = 100_000
"""Below a prefix, parts or not: a store tells a thousand at a time, and somebody waits."""
CHANGED = "the parts of this dataset have changed since it was registered: register it again"
NO_BUCKET = "the store has no bucket of that name"
ANSWER = timedelta(seconds=20)
RETRIES: "RetryConfig" = {"max_retries": 2, "retry_timeout": timedelta(seconds=10)}
"""Somebody waits for the answer."""


def listed(uri: str, lake: Lake, organization: UUID) -> Listing:
    """The Parquet files in a folder, or right below a prefix of a bucket, that the operator allows.

    Raises:
        InvalidInput: it is not allowed, has no or too many parts, or the store is away or refuses; see
            `parts.listed` and `prefixes.allowed`.
    """
    if not uri.startswith(S3):
        return parts.listed(uri, lake.roots, organization)
    place = prefixes.allowed(uri, lake.roots, organization)
    return prefixes.listing(place, _objects(place, lake.store), lake.store)


def again(uri: str, lake: Lake, organization: UUID, fingerprint: str) -> Listing:
    """The parts, if they are still those of before; errors as for `listed`.

    Raises:
        InvalidInput: a part was added, removed or changed.
    """
    found = listed(uri, lake, organization)
    if found.fingerprint != fingerprint:
        raise InvalidInput(CHANGED)
    return found


def _words(said: str) -> str:
    """What the store said, without its address; the library has no classes of errors for these."""
    if "NoSuchBucket" in said:
        return NO_BUCKET
    return DENIED if re.search(r"status code: 40[13]\b", said) else AWAY


def _objects(place: Prefix, store: Store) -> list[Object]:
    """The parts right below a prefix, as few requests tell them."""
    found: list[Object] = []
    seen = 0
    start = f"{place.key}/" if place.words else ""
    try:
        bucket = s3(f"{S3}{place.bucket}", store.options, ANSWER, RETRIES)
        for batch in bucket.list(place.key or None):
            seen += len(batch)
            for each in batch:
                name = each["path"].removeprefix(start)
                if "/" not in name and is_part(name):
                    version = f"{each['e_tag']} {each['last_modified'].timestamp()}"
                    found.append(Object(name=name, bytes=each["size"], version=version))
            if len(found) > MAX_PARTS:
                refuse_count("prefix", len(found), "at least ")
            if seen > MOST_OBJECTS:
                raise InvalidInput(
                    f"more than {MOST_OBJECTS:,} objects lie below this prefix; give the parts a prefix of their own",
                    at=("uri",),
                )
    except (BaseError, OSError, ValueError) as error:  # whose message tells the address
        raise InvalidInput(_words(str(error)), at=("uri",)) from None
    return found
