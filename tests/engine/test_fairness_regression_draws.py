"""Regression: how sure it is, and how parts add up, against bootstraps of rows, SciPy and by hand."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp, sem, wasserstein_distance

from engine.fairness import (
    METRICS,
    AnalysisType,
    BiasOptions,
    Metric,
    Quantity,
)
from engine.fairness.analysis import judged
from engine.fairness.distributions import grid_of
from engine.fairness.moments import EXACT_BELOW, MAX_BINS
from engine.fairness.of_errors import OF_ERRORS
from engine.fairness.regression import deviation
from engine.values import ModelType
from tests.fairness import finding
from tests.regression import COLUMNS, moments, report, tables


def test_many_values_are_compared_on_a_grid_within_the_stated_error():
    generator = np.random.default_rng(5)
    groups = generator.choice(["a", "b", "c"], 60_000)
    prediction = generator.lognormal(groups == "a", 1.0)
    found = moments(prediction, prediction, groups)
    assert np.unique(found.binned.bin).size <= MAX_BINS
    grid = grid_of(found, deviation(found))
    jump, moved = grid.doubt(found)
    assert not grid.exact
    assert jump < 0.02
    assert moved < 0.02
    points = tables(found)[1].cells
    shares = points[:, 0] / points[:, 0, -1:]
    for (i, one), (j, other) in combinations(enumerate("abc"), 2):
        pair = prediction[groups == one], prediction[groups == other]
        statistic = np.abs(shares[i] - shares[j]).max()
        exact = ks_2samp(*pair).statistic
        assert exact - jump <= statistic <= exact + 1e-12
        area = (np.abs(shares[i] - shares[j]) * points[0, 1]).sum()
        assert area == pytest.approx(wasserstein_distance(*pair) / prediction.std(), abs=moved)


@pytest.mark.parametrize("rows", [700, 30_000])
def test_distances_of_distributions_are_exact_though_they_are_drawn_at_fewer_values(tmp_path, rows):
    generator = np.random.default_rng(8)
    data = {"group": generator.choice(["a", "b"], rows), "label": generator.normal(size=rows)}
    data["prediction"] = generator.lognormal(0.1 * (data["group"] == "b"), 1.0)
    found = report(tmp_path, data)
    pair = [data["prediction"][data["group"] == group] for group in "ab"]
    exact = wasserstein_distance(*pair) / data["label"].std()
    ks, area = (
        finding(found, metric) for metric in (Metric.KOLMOGOROV_SMIRNOV_DISTANCE, Metric.WASSERSTEIN_DISTANCE)
    )
    assert ks.value == pytest.approx(ks_2samp(*pair).statistic, abs=1e-12)
    assert area.value == pytest.approx(exact, abs=1e-9)
    assert any("Distributions are drawn at" in note for note in found.method.notes)


def row_bootstrap(label, prediction, samples, seed):
    """Statistics of resampled rows, one column for each."""
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(samples):
        chosen = generator.integers(0, len(label), len(label))
        y, p = label[chosen], prediction[chosen]
        error = p - y
        r2 = 1 - (error**2).sum() / ((y - y.mean()) ** 2).sum()
        found.append([p.mean(), error.mean(), np.abs(error).mean(), np.sqrt((error**2).mean()), r2])
    return np.array(found)


QUANTITIES = [
    Quantity.MEAN_PREDICTION,
    Quantity.MEAN_ERROR,
    Quantity.MEAN_ABSOLUTE_ERROR,
    Quantity.ROOT_MEAN_SQUARED_ERROR,
    Quantity.R2,
]


@pytest.mark.parametrize("size", [40, 400, EXACT_BELOW, 3 * EXACT_BELOW])
def test_draws_agree_with_a_bootstrap_of_rows(size):
    generator = np.random.default_rng(size)
    label = 1000 + 20 * generator.standard_t(12, size)
    prediction = 1000 + 0.8 * (label - 1000) + generator.normal(3, 8 + 4 * (label > 1010))
    table = tables(moments(label, prediction, ["a"] * size))[0]
    block = np.concatenate(list(table.draws(np.array([0]), 3000, 1)))[:, 0]
    theirs = row_bootstrap(label, prediction, 3000, 2)
    for i, quantity in enumerate(QUANTITIES):
        ours = OF_ERRORS[quantity].how.value(block)
        # the 2.5 % quantile of 3,000 draws has an error of 0.05 standard deviations, the difference of two 0.07
        apart = np.quantile(ours, [0.025, 0.5, 0.975]) - np.quantile(theirs[:, i], [0.025, 0.5, 0.975])
        assert np.abs(apart).max() < 0.25 * theirs[:, i].std()


@pytest.mark.parametrize("sizes", [(60, 300), (EXACT_BELOW, 3 * EXACT_BELOW)])
def test_draws_of_distributions_agree_with_a_bootstrap_of_rows(sizes):
    generator = np.random.default_rng(sum(sizes))
    parts = [generator.normal(0, 1, sizes[0]).round(1), generator.gamma(2, 1, sizes[1]).round(1)]
    every = np.concatenate(parts)
    table = tables(moments(every, every, np.repeat(["a", "b"], sizes)))[1]
    values = np.unique(every)
    drawn = np.concatenate(list(table.draws(np.array([0, 1]), 2000, 1)))
    ours = drawn[:, :, 0] / drawn[:, :, 0, -1:]
    theirs = np.stack(
        [
            [
                np.searchsorted(np.sort(generator.choice(part, part.size)), values, side="right") / part.size
                for part in parts
            ]
            for _ in range(2000)
        ]
    )
    observed = table.cells[:, 0] / table.cells[:, 0, -1:]
    assert observed == pytest.approx(theirs.mean(0), abs=0.01)
    change = [np.abs((each - observed)[:, 0] - (each - observed)[:, 1]).max(-1) for each in (ours, theirs)]
    apart = np.quantile(change[0], [0.5, 0.95]) - np.quantile(change[1], [0.5, 0.95])
    assert np.abs(apart).max() < 0.25 * change[1].std()


def test_intervals_hold_no_gap_about_as_often_as_they_say():
    # 3 equal groups of 60; of 100 intervals at 95 %, 95 hold the true value, give or take 4.4 (two standard errors)
    generator = np.random.default_rng(11)
    options = BiasOptions(bootstrap_samples=200)
    names = np.repeat(["a", "b", "c"], 60)
    held = dict.fromkeys((m for m, spec in METRICS.items() if spec.model is ModelType.REGRESSION), 0)
    for _ in range(100):
        label = generator.normal(size=180)
        found = moments(label, label + generator.standard_t(8, 180), names)
        result = judged((found,), COLUMNS, AnalysisType.COMPREHENSIVE, options, model=ModelType.REGRESSION)
        for metric in held:
            one = finding(result, metric)
            held[metric] += one.interval.low <= one.fair <= one.interval.high
    assert all(90 <= times <= 100 for times in held.values()), held


@pytest.mark.parametrize("size", [50, 3 * EXACT_BELOW])
def test_standard_errors_agree_with_scipy_and_a_bootstrap_of_rows(size):
    generator = np.random.default_rng(size)
    label = 1000 + 20 * generator.standard_normal(size)
    error = generator.normal(3, 8, size)
    cells = tables(moments(label, label + error, ["a"] * size))[0].cells
    ours = [np.sqrt(OF_ERRORS[quantity].how.variance(cells)[0]) for quantity in QUANTITIES]
    assert ours[:3] == pytest.approx([sem(label + error), sem(error), sem(np.abs(error))])
    # the root of a mean of squares moves by half of what the mean moves by, over the root
    assert ours[3] == pytest.approx(sem(error**2) / (2 * np.sqrt((error**2).mean())))
    theirs = row_bootstrap(label, label + error, 1000, 3)[:, 4].std()
    assert ours[4] == pytest.approx(theirs, rel=0.15)


def test_forty_groups_of_1250_rows_are_drawn_row_by_row():
    # a normal draw of the one row that is wrong would be any number; a draw of rows has it a whole number of times
    size, count = 1250, 40
    label = np.arange(size * count, dtype=np.float64)
    error = np.zeros(size * count)
    error[0] = 1.0
    found = tables(moments(label, label + error, np.repeat([f"{i:02}" for i in range(count)], size)))[0]
    drawn = next(iter(found.draws(np.arange(count), 100, 1)))[:, 0, 1]
    # 625 rows are drawn, so it counts 2 k instead of 1, moved to 1 until the variance is that of 1250 drawn rows
    times = (1 + (drawn - 1) * np.sqrt(2)) / 2
    assert times == pytest.approx(times.round(), abs=1e-9)
    assert times.max() > 0


NUMBERS = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))
ROWS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c", None]), NUMBERS | st.just(float("nan")), NUMBERS), max_size=30
)


def of_rows(rows):
    groups, label, prediction = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [])
    return moments(label, prediction, groups)


def alike(one, other):
    assert one.axes == other.axes
    assert np.array_equal(one.codes, other.codes)
    assert (one.rows, one.unlabelled, one.unpredicted) == (other.rows, other.unlabelled, other.unpredicted)
    for first, second in zip(tables(one), tables(other), strict=True):
        scale = np.nanmax(np.abs(second.cells))
        assert np.array_equal(first.rows, second.rows)
        assert np.allclose(first.cells, second.cells, rtol=1e-7, atol=1e-9 * scale, equal_nan=True)


@settings(max_examples=30)
@given(rows=ROWS, more=ROWS)
def test_moments_of_parts_add_up_to_those_of_the_whole(rows, more):
    whole = of_rows(rows + more)
    if whole.sizes.size:
        alike(of_rows(rows) + of_rows(more), whole)


def test_bins_of_parts_nest_whatever_the_parts():
    generator = np.random.default_rng(1)
    prediction = np.concatenate(
        [generator.normal(5, 1, 9000), generator.lognormal(3, 3, 9000), [1e9, -1e-9, 0.0]]
    )
    groups = generator.choice(["a", "b"], prediction.size)
    whole = moments(prediction, prediction, groups)
    for seed in range(3):
        part = np.random.default_rng(seed).integers(0, 4, prediction.size)
        parts = [moments(prediction[part == i], prediction[part == i], groups[part == i]) for i in range(4)]
        found = (parts[0] + parts[1]) + (parts[2] + parts[3])
        assert found.binned.level == whole.binned.level
        for name in ("cell", "bin", "count"):
            assert np.array_equal(getattr(found.binned, name), getattr(whole.binned, name))
