"""How many rows would settle an open verdict: tried by multiplying the rows of a table by as much."""

from math import ceil

import numpy as np
import pytest

from engine.fairness import BiasOptions, Metric, Verdict
from engine.fairness.judging import judge
from engine.fairness.quantity import Cells
from engine.fairness.tables import Table

GAP, RATIO = Metric.DEMOGRAPHIC_PARITY_DIFFERENCE, Metric.DEMOGRAPHIC_PARITY_RATIO


def decided(*groups):
    """A table of groups, each of (favourable rows, rows), without labels."""
    cells = np.array([[[0, 0], [0, 0], [n - k, k]] for k, n in groups])
    names = tuple(f"g{i}" for i in range(len(groups)))
    return Table(
        kind=Cells.OUTCOMES,
        attributes=("g",),
        groups=tuple((name,) for name in names),
        names=names,
        rows=cells.sum((1, 2)),
        cells=cells,
    )


def found(metric, groups, times=1):
    table = decided(*((k * times, n * times) for k, n in groups))
    ((finding, _),) = judge(table, [metric], BiasOptions(), lambda _: None)
    return finding


def times_needed(finding, groups):
    return ceil(finding.rows_needed / min(n for _, n in groups))


@pytest.mark.parametrize(
    ("metric", "groups"),
    [
        (GAP, ((16, 40), (204, 400))),  # 0.11, and 0 is the lower end of the interval
        (RATIO, ((16, 40), (204, 400))),  # 0.784, and 1 is the upper end
        (GAP, ((18, 40), (240, 400))),  # 0.15
        (RATIO, ((18, 40), (240, 400))),  # 0.75
    ],
)
def test_so_many_rows_settle_it_where_the_interval_was_cut_off_at_the_end_of_the_scale(metric, groups):
    first = found(metric, groups)
    assert first.verdict is Verdict.WARNING
    assert (first.interval.low == 0) if metric is GAP else (first.interval.high == 1)
    assert found(metric, groups, times_needed(first, groups)).verdict is Verdict.FAIL
    # and the number is not merely large: with half of it the verdict is open still
    assert found(metric, groups, times_needed(first, groups) // 2).verdict is Verdict.WARNING


def test_so_many_rows_settle_nearly_all_open_verdicts():
    draw, settled, open_still, tried = np.random.default_rng(7), 0, 0, 0
    while tried < 60:
        sizes = draw.integers(40, 400, draw.integers(2, 5))
        groups = [
            (int(n * share), int(n)) for n, share in zip(sizes, draw.uniform(0.2, 0.8, 4), strict=False)
        ]
        for metric in (GAP, RATIO):
            first = found(metric, groups)
            if first.verdict is not Verdict.WARNING or first.rows_needed is None:
                continue
            times = times_needed(first, groups)
            if not 3 <= times <= 1000:
                continue
            tried += 1
            settled += found(metric, groups, times).verdict is not Verdict.WARNING
            open_still += found(metric, groups, int(times * 0.6)).verdict is Verdict.WARNING
    assert settled >= 0.95 * tried
    assert open_still >= 0.9 * tried


def test_a_value_on_its_limit_or_next_to_it_is_said_to_be_beyond_settling():
    on = found(GAP, ((300, 1000), (200, 1000)))  # 0.3 - 0.2 is the limit of 0.1 but for the last digit
    assert on.rows_needed is None
    assert on.reason.endswith("The value is so near the limit that more rows can hardly settle it.")
    # 0.3 - 0.1995 is 0.0005 beyond; the margin is about 1.96 sqrt(0.21 / 2000 + 0.16 / 2000) = 0.0266, and
    # (0.0266 / 0.0005)^2 is 2,840 times the 2,000 rows: with the slack 6.2 million
    near = found(GAP, ((600, 2000), (399, 2000)))
    assert near.rows_needed == pytest.approx(6.2e6, rel=0.1)
    assert near.reason.endswith(
        f"hardly settle it: it would take about {near.rows_needed:,} in the smallest group."
    )
    assert "hardly" not in found(GAP, ((18, 40), (240, 400))).reason


def test_the_detectable_gap_of_average_odds_is_a_mean_too():
    # in both groups 48 of 96 and 198 of 396 are favoured: smoothed variances 0.25 / 100 and 0.25 / 400, so one rate's
    # error is half the other's, and the mean of both is 0.75 of the larger one
    cells = np.array([[[198, 198], [48, 48], [0, 0]]] * 2)
    table = Table(
        kind=Cells.OUTCOMES,
        attributes=("g",),
        groups=(("a",), ("b",)),
        names=("a", "b"),
        rows=cells.sum((1, 2)),
        cells=cells,
    )
    asked = [Metric.EQUALIZED_ODDS_DIFFERENCE, Metric.AVERAGE_ODDS_DIFFERENCE]
    largest, mean = (finding for finding, _ in judge(table, asked, BiasOptions(), lambda _: None))
    assert mean.minimum_detectable == pytest.approx(0.75 * largest.minimum_detectable)
