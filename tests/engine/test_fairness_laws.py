"""Laws every gap between groups obeys, whichever it is. New metrics are covered by being listed."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from engine.fairness import METRICS, AnalysisType, BiasColumns, BiasOptions, BiasReport, Metric
from engine.fairness.analysis import METRICS_OF, analyse, count
from engine.fairness.cube import cube_of
from engine.fairness.words import CROSS

ANY_SIZE = BiasOptions(min_group_size=1, bootstrap_samples=100)
BITS = ["0", "1"]


def cube(rows):
    """A cube of rows (race, sex, label, prediction); None is missing."""
    columns = list(zip(*rows, strict=True))
    encoded = []
    for column in columns:
        words = list(dict.fromkeys(column))
        encoded.append((words, np.array([words.index(value) for value in column])))
    return cube_of(["race", "sex", "label", "prediction"], encoded, np.ones(len(rows), dtype=np.int64))


def report(rows, options=ANY_SIZE):
    return analyse(cube(rows), AnalysisType.COMPREHENSIVE, options)


def values(report):
    """The value of every metric on every attribute."""
    return {(a.attribute, f.metric): f.value for a in report.attributes for f in a.findings}


RACES = st.sampled_from(["a", "b", "c", None])
SEXES = st.sampled_from(["m", "f"])
ROWS = st.lists(
    st.tuples(RACES, SEXES, st.sampled_from(BITS), st.sampled_from(BITS)), min_size=1, max_size=40
)


@settings(max_examples=40)
@given(rows=ROWS, data=st.data())
def test_row_order_does_not_matter(rows, data):
    shuffled = data.draw(st.permutations(rows))
    assert report(shuffled) == report(rows)


@settings(max_examples=40)
@given(rows=ROWS)
def test_group_names_do_not_matter(rows):
    other = {"a": "z", "b": f"é{CROSS}é", "c": "(missing)", None: None}
    renamed = [(other[race], *rest) for race, *rest in rows]
    assert values(report(renamed)) == values(report(rows))


@settings(max_examples=40)
@given(rows=ROWS, times=st.integers(2, 5))
def test_repeating_all_rows_changes_no_value(rows, times):
    assert values(report(rows * times)) == pytest.approx(values(report(rows)))


@settings(max_examples=40)
@given(rows=ROWS, more=ROWS)
def test_cubes_of_parts_add_up_to_the_cube_of_the_whole(rows, more):
    merged, whole = cube(rows) + cube(more), cube(rows + more)
    assert merged.axes == whole.axes
    assert np.array_equal(merged.codes, whole.codes)
    assert np.array_equal(merged.counts, whole.counts)
    assert analyse(merged, AnalysisType.COMPREHENSIVE, ANY_SIZE) == report(rows + more)


@settings(max_examples=40)
@given(rows=ROWS)
def test_every_value_lies_in_its_interval_and_in_unit_range(rows):
    result = report(rows)
    for attribute in result.attributes:
        for finding in attribute.findings:
            assert (finding.value is None) == (finding.interval is None)
            assert finding.reason
            if finding.value is not None:
                assert 0 <= finding.interval.low <= finding.value <= finding.interval.high <= 1
        for group in attribute.groups:
            for rate in (
                "selection_rate",
                "true_positive_rate",
                "false_positive_rate",
                "precision",
                "f1",
                "accuracy",
            ):
                estimate = getattr(group, rate)
                assert (
                    (estimate.value is None) == (estimate.interval is None) == (estimate.reason is not None)
                )
                if estimate.value is not None:
                    assert 0 <= estimate.interval.low <= estimate.value <= estimate.interval.high <= 1


@settings(max_examples=40)
@given(rows=ROWS)
def test_a_report_survives_json_and_holds_no_nan(rows):
    codec = TypeAdapter(BiasReport)
    result = report(rows)
    written = codec.dump_json(result)
    assert codec.validate_json(written) == result
    assert b"NaN" not in written
    for attribute in result.attributes:
        assert not any(f.value is not None and math.isnan(f.value) for f in attribute.findings)


@settings(max_examples=40)
@given(rows=ROWS)
def test_swapping_what_is_favourable_keeps_the_difference_in_selection(rows):
    flip = {"0": "1", "1": "0"}
    swapped = [(race, sex, flip[label], flip[prediction]) for race, sex, label, prediction in rows]
    ours, theirs = values(report(swapped)), values(report(rows))
    for key in ours:
        if key[1] is Metric.DEMOGRAPHIC_PARITY_DIFFERENCE:
            assert ours[key] == pytest.approx(theirs[key])


def test_every_metric_is_listed_and_answers_a_question():
    assert set(METRICS) == set(Metric)
    assert {metric for metrics in METRICS_OF.values() for metric in metrics} == set(Metric)


def test_counting_a_file_in_parts_gives_the_same_report(tmp_path):
    generator = np.random.default_rng(3)
    data = pd.DataFrame(
        {
            "race": generator.choice(["a", "b", None], 500),
            "sex": generator.choice([0, 1], 500),
            "label": generator.integers(0, 2, 500),
            "prediction": generator.integers(0, 2, 500),
        }
    )
    columns = BiasColumns(label="label", prediction="prediction", protected=["race", "sex"])
    for name, part in {"all": data, "one": data[:120], "two": data[120:]}.items():
        part.to_parquet(tmp_path / f"{name}.parquet")
    whole = count(tmp_path / "all.parquet", columns)
    parts = count(tmp_path / "one.parquet", columns) + count(tmp_path / "two.parquet", columns)
    assert analyse(parts, AnalysisType.COMPREHENSIVE, BiasOptions()) == analyse(
        whole, AnalysisType.COMPREHENSIVE, BiasOptions()
    )
