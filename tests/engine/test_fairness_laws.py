"""Laws every gap between groups obeys, whichever it is. New metrics are covered by being listed."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from engine.fairness import METRICS, AnalysisType, BiasColumns, BiasOptions, BiasReport, Metric, Quantity
from engine.fairness.analysis import analyse, count
from engine.fairness.cube import Role, cube_of
from engine.fairness.metrics import QUANTITIES, Form, metrics_of
from engine.fairness.quantity import Curve, Share, Statistic
from engine.fairness.words import CROSS
from engine.values import ModelType
from tests.fairness import EVERYONE, findings, sets_of, soundness

BITS = ["0", "1"]
ROLES = [Role.PROTECTED, Role.PROTECTED, Role.STRATUM, Role.LABEL, Role.PREDICTION]


def cube(rows, weights=None):
    """A cube of rows (race, sex, town, label, prediction); None is missing. Weights are one for each row."""
    columns = list(zip(*rows, strict=True))
    encoded = []
    for column in columns:
        words = list(dict.fromkeys(column))
        encoded.append((words, np.array([words.index(value) for value in column])))
    return cube_of(
        ["race", "sex", "town", "label", "prediction"],
        encoded,
        np.ones(len(rows), dtype=np.int64),
        roles=ROLES,
        weights=None if weights is None else np.column_stack([weights, np.square(weights)]),
    )


def report(rows, options=EVERYONE, weights=None):
    made = analyse(cube(rows, weights), AnalysisType.COMPREHENSIVE, options)
    soundness(made)
    return made


def values(report):
    """The value of every metric on every attribute, and of every quantity of each group."""
    found = {(f.attribute, f.metric, f.outcome): f.value for f in findings(report)}
    for each in sets_of(report):
        for group in each.groups:
            found |= {(group.values, m.quantity, m.outcome): m.value for m in group.metrics}
    return found


def gaps(report):
    """The value of every metric that does not depend on which of equally large groups is the reference."""
    return {
        (f.attribute, f.metric, f.outcome): f.value
        for f in findings(report)
        if METRICS[f.metric].form is not Form.AGAINST_REFERENCE
    }


RACES = st.sampled_from(["a", "b", "c", None])
SEXES = st.sampled_from(["m", "f"])
TOWNS = st.sampled_from(["x", "y"])


def rows_of(classes):
    label, prediction = st.sampled_from([*classes, None]), st.sampled_from(classes)
    return st.lists(st.tuples(RACES, SEXES, TOWNS, label, prediction), min_size=1, max_size=30)


BINARY = rows_of(BITS)
# the first rows hold all classes on both sides, so that there are three whatever follows
THREE = rows_of(["low", "mid", "top"]).map(
    lambda rows: [*((None, "m", "x", word, word) for word in ("low", "mid", "top")), *rows]
)
ROWS = st.one_of(BINARY, THREE)


@settings(max_examples=12)
@given(rows=ROWS, data=st.data())
def test_row_order_does_not_matter(rows, data):
    shuffled = data.draw(st.permutations(rows))
    assert report(shuffled) == report(rows)


@settings(max_examples=12)
@given(rows=ROWS)
def test_group_names_do_not_matter(rows):
    other = {"a": "z", "b": f"é{CROSS}é", "c": "(missing)", None: None}
    renamed = [(other[race], *rest) for race, *rest in rows]
    ours, theirs = report(renamed), report(rows)
    assert gaps(ours) == pytest.approx(gaps(theirs))


@settings(max_examples=12)
@given(rows=ROWS, times=st.integers(2, 5))
def test_repeating_all_rows_changes_no_value(rows, times):
    assert values(report(rows * times)) == pytest.approx(values(report(rows)))


@settings(max_examples=12)
@given(rows=ROWS, more=ROWS)
def test_cubes_of_parts_add_up_to_the_cube_of_the_whole(rows, more):
    merged, whole = cube(rows) + cube(more), cube(rows + more)
    assert merged.axes == whole.axes
    assert np.array_equal(merged.codes, whole.codes)
    assert np.array_equal(merged.counts, whole.counts)
    assert analyse(merged, AnalysisType.COMPREHENSIVE, EVERYONE) == report(rows + more)


@settings(max_examples=12)
@given(rows=ROWS)
def test_values_lie_in_the_range_of_their_quantity(rows):
    result = report(rows)
    for attribute in sets_of(result):
        for group in attribute.groups:
            for metric in group.metrics:
                assert (metric.value is None) == (metric.reason is not None)
                low, high = ends_of(metric.quantity)
                if metric.value is not None:
                    assert low <= metric.value <= high
                if metric.interval is not None:
                    assert low <= metric.interval.low <= metric.interval.high <= high
        for finding in attribute.findings:
            if METRICS[finding.metric].form is Form.RATIO and finding.interval is not None:
                assert finding.interval.high <= 1


def ends_of(quantity):
    how = QUANTITIES[quantity].how
    if isinstance(how, Statistic):
        return how.low, np.inf if how.high is None else how.high
    assert isinstance(how, Share)
    return 0.0, np.inf if quantity is Quantity.TREATMENT_RATIO else 1.0


@settings(max_examples=12)
@given(rows=ROWS, weight=st.sampled_from([0.25, 1.0, 8.0]))
def test_equal_weights_change_nothing(rows, weight):
    weighted = report(rows, weights=np.full(len(rows), weight))
    assert values(weighted) == pytest.approx(values(report(rows)))
    for ours, theirs in zip(findings(weighted), findings(report(rows)), strict=True):
        assert (ours.metric, ours.verdict, ours.p_value) == (theirs.metric, theirs.verdict, theirs.p_value)
        if theirs.interval is not None:
            ends = (theirs.interval.low, theirs.interval.high)
            assert (ours.interval.low, ours.interval.high) == pytest.approx(ends)


@settings(max_examples=12)
@given(rows=ROWS, more=ROWS, data=st.data())
def test_rows_of_weight_zero_change_no_value(rows, more, data):
    weights = data.draw(st.lists(st.sampled_from([0.5, 1.0, 2.0]), min_size=len(rows), max_size=len(rows)))
    known = {each for row in rows for each in row}
    nothing = [row for row in more if set(row) <= known]
    padded = report([*rows, *nothing], weights=np.array([*weights, *[0.0] * len(nothing)]))
    ours, theirs = values(padded), values(report(rows, weights=np.array(weights)))
    # which group is the reference goes by rows, those of weight 0 included
    for key in theirs:
        if key[1] is not Metric.DISPARATE_IMPACT:
            assert ours[key] == pytest.approx(theirs[key])


@settings(max_examples=12)
@given(rows=ROWS, data=st.data())
def test_whole_weights_are_repeated_rows(rows, data):
    times = data.draw(st.lists(st.integers(1, 4), min_size=len(rows), max_size=len(rows)))
    repeated = [row for row, n in zip(rows, times, strict=True) for _ in range(n)]
    ours, theirs = values(report(rows, weights=np.array(times, dtype=float))), values(report(repeated))
    # gaps may leave out other groups, as weights are less evidence than rows
    of_groups = [key for key in theirs if isinstance(key[1], Quantity)]
    assert [ours[key] for key in of_groups] == pytest.approx([theirs[key] for key in of_groups])


@settings(max_examples=12)
@given(rows=ROWS)
def test_a_report_survives_json_and_holds_no_nan(rows):
    codec = TypeAdapter(BiasReport)
    result = report(rows)
    written = codec.dump_json(result)
    assert codec.validate_json(written) == result
    assert b"NaN" not in written


@settings(max_examples=12)
@given(rows=BINARY)
def test_swapping_what_is_favourable_keeps_the_difference_in_selection(rows):
    flip = {"0": "1", "1": "0"}
    swapped = [(*rest, label and flip[label], flip[prediction]) for *rest, label, prediction in rows]
    ours, theirs = values(report(swapped)), values(report(rows))
    alike = (
        Metric.DEMOGRAPHIC_PARITY_DIFFERENCE,
        Metric.ACCURACY_DIFFERENCE,
        Metric.BALANCED_ACCURACY_DIFFERENCE,
    )
    for key in ours:
        if key[1] in alike:
            assert ours[key] == pytest.approx(theirs[key])


def test_every_metric_is_listed_and_answers_a_question():
    assert set(METRICS) == set(Metric)
    asked = {m for model in ModelType for m in metrics_of(AnalysisType.COMPREHENSIVE, model)}
    assert asked == set(Metric)


def test_every_quantity_of_a_metric_can_be_read():
    for metric, spec in METRICS.items():
        for quantity in spec.of:
            how = QUANTITIES[quantity].how
            assert spec.form is not Form.DISTANCE or isinstance(how, Curve), metric
            assert not isinstance(how, Share) or (how.link is None) == (how.slope is None), quantity


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
