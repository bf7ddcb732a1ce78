"""How sure we are: intervals against other libraries, by brute force, and by repeated sampling."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from engine.fairness.intervals import _largest, deviations, draws, f1_interval, simultaneous, spread, wilson
from engine.fairness.metrics import Form


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (0, 40), (40, 40), (7, 31), (512, 1000)])
@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.99])
def test_wilson_agrees_with_statsmodels(k, n, confidence):
    theirs = proportion_confint(k, n, alpha=1 - confidence, method="wilson")
    assert wilson(k, n, confidence) == pytest.approx(theirs, abs=1e-9)


def test_f1_interval_by_hand():
    # 8 of 10 rows that are favourable in label or prediction are so in both: J = 0.8, F1 = 1.6 / 1.8.
    # statsmodels gives the Wilson interval of 8 / 10 as [0.4901625, 0.9433178];
    # 2 J / (1 + J) maps it to [0.6578642, 0.9708323].
    assert f1_interval(8, 10, 0.95) == pytest.approx((0.6578642, 0.9708323), abs=1e-6)


@settings(max_examples=60)
@given(groups=st.integers(2, 40), seed=st.integers(0, 2**16), tight=st.booleans())
def test_the_largest_deviation_is_that_over_all_pairs(groups, seed, tight):
    generator = np.random.default_rng(seed)
    error = generator.normal(size=(5, groups)) if not tight else np.ones((5, groups))
    variance = generator.uniform(0.01, 2, size=(5, groups))
    all_pairs = (error[:, :, None] - error[:, None, :]) ** 2 / (variance[:, :, None] + variance[:, None, :])
    assert _largest(error, variance) == pytest.approx(all_pairs.max((1, 2)))


def test_draws_have_the_size_and_the_mean_of_the_data():
    table = np.array([[[40, 10], [0, 50]], [[300, 100], [200, 300]]])
    blocks = list(draws(table, 4000, seed=5))
    drawn = np.concatenate(blocks)
    assert drawn.shape == (4000, 2, 2, 2)
    assert (drawn.sum((1, 2, 3)) == 1000).all()
    assert (drawn[:, 0, 1, 0] == 0).all()  # an empty cell stays empty
    # the standard error of a mean of 4000 draws of a count of at most 300 of 1000 is below 0.25
    assert drawn.mean(0) == pytest.approx(table, abs=1.0)


def test_many_groups_are_drawn_in_blocks_of_bounded_size():
    table = np.ones((1000, 2, 2), dtype=np.int64)
    blocks = list(draws(table, 1000, seed=0))
    assert sum(len(block) for block in blocks) == 1000
    assert max(block.nbytes for block in blocks) <= 4_000_000


def interval(k, n, form, seed, samples=300):
    """Interval of the gap between the rates k / n of groups, and the percentile interval for contrast."""
    observed = spread(k, n, form)
    drawn = np.random.default_rng(seed).binomial(n, k / n, size=(samples, k.size))
    largest = deviations(observed, drawn, np.broadcast_to(n, drawn.shape))
    rates = drawn / n
    naive = (
        rates.max(1) - rates.min(1)
        if form is Form.DIFFERENCE
        else rates.min(1) / np.maximum(rates.max(1), 1e-9)
    )
    return simultaneous([observed], largest, 0.95), tuple(np.quantile(naive, [0.025, 0.975]))


@pytest.mark.parametrize(
    ("rates", "sizes"),
    [
        pytest.param([0.5] * 3, [100] * 3, id="three equal groups"),
        pytest.param([0.3] * 5, [5200, 2000, 1500, 900, 400], id="five equal groups of uneven size"),
        pytest.param([0.5, 0.45, 0.4], [300] * 3, id="a gap of a tenth"),
    ],
)
@pytest.mark.parametrize("form", [Form.DIFFERENCE, Form.RATIO])
def test_intervals_hold_the_truth_as_often_as_they_say(rates, sizes, form):
    rates, sizes = np.array(rates), np.array(sizes)
    true = rates.max() - rates.min() if form is Form.DIFFERENCE else rates.min() / rates.max()
    generator = np.random.default_rng(11)
    held, naive_held, runs = 0, 0, 400
    for run in range(runs):
        ours, naive = interval(generator.binomial(sizes, rates), sizes, form, run)
        held += ours[0] - 1e-12 <= true <= ours[1] + 1e-12
        naive_held += naive[0] <= true <= naive[1]
    assert held / runs > 0.92  # 95 % promised; its standard error here is 0.011
    if rates.min() == rates.max():
        assert naive_held / runs < 0.05  # what the percentile bootstrap would have done


def test_more_confidence_is_a_wider_interval():
    k, n = np.array([30, 50, 45]), np.array([100, 100, 100])
    observed = spread(k, n, Form.DIFFERENCE)
    drawn = np.random.default_rng(0).binomial(n, k / n, size=(1000, 3))
    largest = deviations(observed, drawn, np.broadcast_to(n, drawn.shape))
    widths = [np.diff(simultaneous([observed], largest, c))[0] for c in (0.5, 0.9, 0.99)]
    assert widths == sorted(widths)
    assert widths[0] < widths[-1]
