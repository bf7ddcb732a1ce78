"""Which prefixes of buckets may be read as tables."""

from uuid import UUID

import pytest

from engine.errors import InvalidInput
from engine.tables.part import Remote, Store
from engine.tables.prefixes import Object, allowed, listing, prefix

US, THEM = UUID(int=1), UUID(int=2)
STORE = Store(
    access_key_id="the key", secret_access_key="the secret", endpoint="https://user:word@store.example"
)


def object_(name: str, bytes: int = 10, version: str = "etag") -> Object:
    return Object(name=name, bytes=bytes, version=version)


@pytest.mark.parametrize(
    ("uri", "roots"),
    [
        ("s3://b-1/data", ["s3://b-1/data"]),
        ("s3://b-1/data/", ["/lake", "s3://b-1/data"]),
        ("s3://b-1/data/day=2026-01-01/x", ["s3://b-1/data/"]),
        ("s3://b-1/anything", ["s3://b-1"]),
        ("s3://b-1", ["s3://b-1/"]),
        (f"s3://b-1/of/{US}/loans", ["s3://b-1/of/{organization}"]),
        (f"s3://{US}/loans", ["s3://{organization}"]),
    ],
)
def test_what_lies_below_a_root_is_allowed(uri, roots):
    assert str(allowed(uri, roots, US)) == uri.rstrip("/")


@pytest.mark.parametrize(
    ("uri", "roots"),
    [
        ("s3://b-1/data-private", ["s3://b-1/data"]),
        ("s3://b-1/dat", ["s3://b-1/data"]),
        ("s3://b-1", ["s3://b-1/data"]),
        ("s3://b-12/data", ["s3://b-1/data"]),
        ("s3://b-2/data", ["s3://b-1/data", "/b-2/data"]),
        ("s3://b-1/data", ["/"]),
        ("s3://b-1/Data", ["s3://b-1/data"]),
        (f"s3://b-1/of/{THEM}/loans", ["s3://b-1/of/{organization}"]),
    ],
)
def test_what_lies_beside_it_is_not(uri, roots):
    with pytest.raises(InvalidInput, match="names nothing in the folders"):
        allowed(uri, roots, US)


@pytest.mark.parametrize(
    "uri",
    [
        "s3://b-1/data/../private",
        "s3://b-1/data/..",
        "s3://b-1/data/./x",
        "s3://b-1/data//x",
        "s3://b-1//",
        "s3://b-1/data/%2e%2e/x",
        "s3://b-1/data/a b",
        "s3://b-1/data/a?x=1",
        "s3://b-1/data/a#x",
        "s3://b-1/data/*",
        "s3://b-1/data\\x",
        "s3://b-1/data\0",
        "s3://b-1/dätä",
        "s3://user:word@b-1/data",
        "s3://b-1:9000/data",
        "s3://B-1/data",
        "s3://b..1/data",
        "s3://b",
        "s3://",
        "s3:///data",
        "S3://b-1/data",
        f"s3://b-1/{'x' * 256}",
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(uri):
    with pytest.raises(InvalidInput, match="written like s3://bucket/a/b"):
        allowed(uri, ["s3://b-1"], US)


def test_parts_come_in_the_order_of_their_names():
    found = listing(prefix("s3://b-1/data"), [object_("b.parquet", 2), object_("a.parquet", 3)], STORE)
    assert found.parts == (
        Remote(path="b-1/data/a.parquet", bytes=3, store=STORE),
        Remote(path="b-1/data/b.parquet", bytes=2, store=STORE),
    )
    assert (found.bytes, found.uri) == (5, "s3://b-1/data")


@pytest.mark.parametrize(
    "other",
    [
        [object_("a.parquet", 11)],
        [object_("b.parquet")],
        [object_("a.parquet", version="new")],
        [object_("a.parquet"), object_("b.parquet")],
    ],
)
def test_whatever_changes_a_part_changes_the_fingerprint(other):
    of = [listing(prefix("s3://b-1"), each, STORE).fingerprint for each in ([object_("a.parquet")], other)]
    assert of[0] != of[1]


@pytest.mark.parametrize(
    ("objects", "said"),
    [
        ([], "this prefix has 0"),
        ([object_(f"{i}.parquet") for i in range(10_001)], "this prefix has 10,001"),
        ([object_("a b.parquet")], "'a b.parquet' has a name with other characters"),
    ],
)
def test_no_parts_too_many_and_odd_names_are_refused(objects, said):
    with pytest.raises(InvalidInput, match=said):
        listing(prefix("s3://b-1"), objects, STORE)


def test_a_store_shows_nothing_of_what_opens_it():
    part = listing(prefix("s3://b-1"), [object_("a.parquet")], STORE).parts[0]
    assert not any(
        word in f"{part!r} {part} {STORE}" for word in ("the key", "the secret", "word", "example")
    )
