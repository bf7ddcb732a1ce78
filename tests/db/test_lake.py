"""Tables that stay in a store: read like the same files in a folder, and refused in one sentence when they cannot be."""

import datetime as dt
import pickle
from decimal import Decimal
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from db.lake import again, listed
from engine.errors import InvalidInput
from engine.fairness import AnalysisType, BiasColumns, BiasOptions
from engine.fairness.analysis import run
from engine.tables.in_place import profiled, rows_of
from engine.tables.parts import Lake
from tests.store import SECRET

US = UUID(int=1)
DAY = dt.date(2026, 1, 1)
ODD = pa.table(
    {
        "a.b": pa.array([1, 2, None]),
        "Ä 'x' \"y\"": ["p", "q", None],
        "coded": pa.array(["u", "v", "u"]).dictionary_encode(),
        "half": pa.array([1.5, 2, None], pa.float16()),
        "large": pa.array([2**63] * 3, pa.uint64()),
        "nan": pa.array([1.0, float("nan"), None]),
        "money": pa.array([Decimal("1.50")] * 3, pa.decimal128(10, 2)),
        "long money": pa.array([Decimal("1.50")] * 3, pa.decimal256(50, 2)),
        "day": pa.array([DAY] * 3, pa.date64()),
        "moment": pa.array([1, 2, 3], pa.timestamp("ns")),
        "moment there": pa.array([1, 2, 3], pa.timestamp("us", "Europe/Berlin")),
        "hour": pa.array([1, 2, 3], pa.time32("ms")),
        "fine hour": pa.array([1000, 2000, 3000], pa.time64("ns")),
        "view": pa.array(["q"] * 3, pa.string_view()),
        "yes": [True, False, None],
        "none": pa.nulls(3),
    }
)


@pytest.fixture
def lake(bucket):
    return Lake(roots=(f"s3://{bucket.name}/lake",), store=bucket.store)


def said(call) -> str:
    with pytest.raises(InvalidInput) as refused:
        call()
    assert SECRET not in str(refused.value) and "127.0.0.1" not in str(refused.value)
    return str(refused.value)


def test_every_kind_of_column_is_described_as_from_a_folder(bucket, lake, tmp_path):
    for i in range(2):
        pq.write_table(ODD, tmp_path / f"part-{i}.parquet")
    here = profiled(listed(str(tmp_path), Lake(roots=(str(tmp_path),)), US))
    there = profiled(listed(bucket.write("lake/odd", ODD, ODD), lake, US))
    assert there == here
    assert there.profile.rows == 6


def test_rows_that_are_compared_with_each_other_are_read_alike(bucket, lake, tmp_path):
    table = pa.table(
        {
            "race": ["a", "b"] * 200,
            "income": [float(i * 7919 % 400) for i in range(400)],
            "approved": [i % 3 % 2 for i in range(400)],
        }
    )
    pq.write_table(table, tmp_path / "whole.parquet")
    (part,) = listed(bucket.write("lake/loans", table), lake, US).parts
    asked = (
        BiasColumns(prediction="approved", protected=("race",), features=("income",)),
        AnalysisType.COMPREHENSIVE,
        BiasOptions(bootstrap_samples=200),
    )
    assert run(part, *asked) == run(tmp_path / "whole.parquet", *asked)


def test_a_folder_with_wildcards_in_its_name_is_read(tmp_path):
    folder = tmp_path / "a[1]*?"
    folder.mkdir()
    pq.write_table(ODD, folder / "[x].parquet")
    assert profiled(listed(str(folder), Lake(roots=(str(tmp_path),)), US)).profile.rows == 3


def test_a_part_travels_and_is_read_where_it_arrives(bucket, lake):
    parts = pickle.loads(pickle.dumps(listed(bucket.write("lake/odd", ODD), lake, US).parts))  # noqa: S301 - ours
    assert rows_of(parts) == [3]


def test_a_part_of_the_same_size_that_was_written_anew_is_noticed(bucket, lake):
    one, other = (pa.table({"x": [value] * 3}) for value in ("a", "b"))
    uri = bucket.write("lake/x", one)
    before = listed(uri, lake, US)
    assert again(uri, lake, US, before.fingerprint) == before
    bucket.write("lake/x", other)
    assert listed(uri, lake, US).bytes == before.bytes
    assert "have changed since" in said(lambda: again(uri, lake, US, before.fingerprint))


def test_a_store_that_is_away_or_refuses_is_told_in_one_sentence(bucket, lake):
    uri = bucket.write("lake/odd", ODD)
    found = listed(uri, lake, US)
    bucket.lock()
    assert "does not let this server read" in said(lambda: listed(uri, lake, US))
    assert "does not let this server read" in said(lambda: rows_of(found.parts))
    bucket.stop()
    assert "does not answer" in said(lambda: listed(uri, lake, US))
    assert "does not answer" in said(lambda: rows_of(found.parts))


def test_what_is_not_there_is_told_in_one_sentence(bucket, lake):
    uri = bucket.write("lake/odd", ODD)
    found = listed(uri, lake, US)
    assert "this prefix has 0" in said(lambda: listed(f"s3://{bucket.name}/lake/nothing", lake, US))
    bucket.delete()
    assert "no longer in its store" in said(lambda: rows_of(found.parts))
    assert "no bucket of that name" in said(lambda: listed(uri, lake, US))


def test_a_part_that_changes_while_it_is_read_is_told(bucket, lake):
    (part,) = listed(bucket.write("lake/odd", ODD), lake, US).parts
    bucket.write("lake/odd", ODD.append_column("more", [["longer" * 100] * 3]))
    columns = BiasColumns(prediction="yes", protected=("coded",))
    assert "changed while it was read" in said(
        lambda: run(part, columns, AnalysisType.COMPREHENSIVE, BiasOptions())
    )


def test_a_prefix_above_very_many_objects_is_refused(bucket, lake, monkeypatch):
    uri = bucket.write("lake/odd", ODD)
    monkeypatch.setattr("db.lake.MOST_OBJECTS", 3)
    assert "more than 3 objects" in said(lambda: listed(uri, lake, US))
