"""Rows on their way into a model: which ones, in which types, and what is said of those that are not there."""

import datetime as dt
import math
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.errors import InvalidInput
from engine.models.rows import Sample, batches, copy, count, frame, given
from engine.models.signature import Feature, FeatureType, ModelFormat, Signature, Task

COUNT = 1_000


@pytest.fixture
def table() -> pa.Table:
    return pa.table(
        {
            "id": np.arange(COUNT),
            "age": pa.array([None if i % 7 == 0 else i % 90 for i in range(COUNT)], pa.int32()),
            "city": pa.array([None if i % 5 == 0 else f"c{i % 3}" for i in range(COUNT)]),
            "member": pa.array([i % 2 == 0 for i in range(COUNT)]),
            "a.b": np.linspace(0, 1, COUNT),
            "a": np.ones(COUNT),
        }
    )


@pytest.fixture
def whole(table, tmp_path):
    """One file of several row groups."""
    pq.write_table(table, tmp_path / "whole.parquet", row_group_size=300)
    return [tmp_path / "whole.parquet"]


@pytest.fixture
def cut(table, tmp_path):
    """The same rows in three files, one of them without rows."""
    found = []
    for i, (start, rows) in enumerate([(0, 1), (1, 0), (1, COUNT - 1)]):
        found.append(tmp_path / f"part{i}.parquet")
        pq.write_table(table.slice(start, rows), found[-1])
    return found


def test_columns_come_in_the_types_and_order_that_a_scorer_takes(whole):
    rows = frame(whole, ["city", "age", "member", "id"])
    assert list(rows.columns) == ["city", "age", "member", "id"]
    assert [str(kind) for kind in rows.dtypes] == ["object", "float64", "int64", "int64"]
    assert rows["city"].head(3).tolist() == [None, "c1", "c2"]
    assert math.isnan(rows["age"][0]) and rows["age"][1] == 1.0
    assert rows["member"].head(3).tolist() == [1, 0, 1]
    assert rows.index.tolist() == list(range(COUNT))


def test_a_name_with_a_dot_is_a_name(whole):
    assert frame(whole, ["a"], [3])["a"].tolist() == [1.0]
    assert frame(whole, ["a.b"], [COUNT - 1])["a.b"].tolist() == [1.0]


def test_rows_come_in_the_order_they_are_asked_for(whole, cut):
    for parts in (whole, cut):
        rows = frame(parts, ["id", "city"], [999, 0, 300, 0])
        assert rows.index.tolist() == rows["id"].tolist() == [999, 0, 300, 0]
        assert rows["city"].tolist() == ["c0", None, None, None]


def test_a_sample_is_the_same_for_its_seed_over_any_parts(whole, cut):
    one, other = (
        frame(whole, ["id", "age"], Sample(rows=50, seed=3)),
        frame(cut, ["id", "age"], Sample(rows=50, seed=3)),
    )
    pd.testing.assert_frame_equal(one, other)
    assert one["id"].is_monotonic_increasing and one["id"].nunique() == 50
    assert one.index.tolist() == one["id"].tolist()
    assert frame(whole, ["id"], Sample(rows=50, seed=4))["id"].tolist() != one["id"].tolist()


def test_a_sample_of_more_than_there_are_is_all(cut):
    assert len(frame(cut, ["id"], Sample(rows=5_000, seed=0))) == COUNT == count(cut)


def test_a_sample_favours_no_row(whole):
    drawn = np.zeros(COUNT)
    for seed in range(400):
        drawn[Sample(rows=100, seed=seed).places(COUNT)] += 1
    # Binomial(400, 0.1): mean 40, standard deviation 6; 1,000 rows stay within 5 of these
    assert drawn.sum() == 40_000
    assert drawn.min() >= 10 and drawn.max() <= 70


def test_batches_are_all_rows_once(cut, monkeypatch):
    monkeypatch.setattr("engine.models.rows.BATCH_ROWS", 128)
    found = list(batches(cut, ["id"]))
    assert max(map(len, found)) == 128
    assert pd.concat(found)["id"].tolist() == list(range(COUNT))


def test_a_copy_has_the_columns_that_are_asked_for_in_one_file(cut, tmp_path):
    copy(cut, ["city", "id"], tmp_path / "copy.parquet")
    pd.testing.assert_frame_equal(
        frame([tmp_path / "copy.parquet"], ["city", "id"]), frame(cut, ["city", "id"])
    )


def test_other_types_become_numbers_or_texts(tmp_path):
    pq.write_table(
        pa.table(
            {
                "price": pa.array([Decimal("1.25"), None]),
                "large": pa.array([2**63, 1], pa.uint64()),
                "kind": pa.array(["x", None]).dictionary_encode(),
                "day": pa.array([dt.date(2024, 2, 29), None]),
                "none": pa.nulls(2),
                "half": pa.array([True, None]),
            }
        ),
        tmp_path / "t.parquet",
    )
    rows = frame([tmp_path / "t.parquet"], ["price", "large", "kind", "day", "none", "half"])
    assert rows["price"].fillna(-1).tolist() == [1.25, -1]
    assert rows["large"].tolist() == [float(2**63), 1.0]
    assert rows["kind"].tolist() == ["x", None]
    assert rows["day"].tolist() == ["2024-02-29", None]
    assert rows["none"].tolist() == [None, None]
    assert rows["half"].fillna(-1).tolist() == [1.0, -1]


@pytest.mark.parametrize("row", [COUNT, -1])
def test_a_row_that_is_not_there_is_said(cut, row):
    with pytest.raises(InvalidInput, match=f"has 1,000 rows, counted from 0, and no row {row}") as refused:
        frame(cut, ["id"], [0, row])
    assert refused.value.at == ("rows", 1)


def test_a_column_that_is_not_there_is_said(cut):
    with pytest.raises(InvalidInput, match="no column 'agge'; did you mean 'age'"):
        frame(cut, ["agge"])


def test_a_column_of_lists_is_refused(tmp_path):
    pq.write_table(pa.table({"x": [[1], [2]]}), tmp_path / "t.parquet")
    with pytest.raises(InvalidInput, match="single values are needed"):
        frame([tmp_path / "t.parquet"], ["x"])


SIGNATURE = Signature(
    format=ModelFormat.SKOPS,
    framework="scikit-learn",
    framework_version=None,
    kind="Pipeline",
    task=Task.BINARY,
    features=(
        Feature(name="age", type=FeatureType.NUMBER),
        Feature(name="city", type=FeatureType.CATEGORY, categories=("c0", "c1")),
        Feature(name="code", type=FeatureType.CATEGORY, categories=("1", "2")),
        Feature(name="zip", type=FeatureType.CATEGORY, categories=("007", "008")),
        Feature(name="more", type=FeatureType.ANY),
    ),
    classes=("0", "1"),
)


def test_values_that_a_person_gives_become_what_the_model_was_trained_with():
    rows = given(
        [{"age": "41.5", "city": "c1", "code": "2", "zip": "007", "more": "3"}, {"age": None}], SIGNATURE
    )
    assert list(rows.columns) == ["age", "city", "code", "zip", "more"]
    assert rows.loc[0].tolist() == [41.5, "c1", 2.0, "007", 3.0]
    assert rows.loc[1, ["city", "zip"]].tolist() == [None, None]
    assert rows.loc[1, ["age", "code", "more"]].isna().all()


def test_values_that_the_model_cannot_take_are_refused_at_their_place():
    with pytest.raises(InvalidInput, match="'age' is a number for this model, got 'old'") as refused:
        given([{}, {"age": "old"}], SIGNATURE)
    assert refused.value.at == (1, "age")
    with pytest.raises(InvalidInput, match="the model has no feature 'agee'; did you mean 'age'"):
        given([{"agee": "1"}], SIGNATURE)
