"""A small group in which a rare event did not happen is not exactly known, and a handful of rows is no clear ratio."""

from dataclasses import replace
from math import hypot, sqrt
from statistics import NormalDist

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import fisher_exact

from benchmarks.coverage import held
from benchmarks.people import decided, table
from benchmarks.scenes import scenes
from engine.fairness import AnalysisType, BiasColumns, BiasOptions, Metric, Verdict
from engine.fairness.analysis import run
from engine.fairness.comparing import floored
from engine.fairness.judging import judge
from engine.fairness.quantity import Cells
from engine.values import ModelType, silent
from tests.fairness import analysed, finding

GAP, RATIO = Metric.DEMOGRAPHIC_PARITY_DIFFERENCE, Metric.DEMOGRAPHIC_PARITY_RATIO
THIN = "count towards the selection rate, nor were 5 to be expected, so this is a warning at most."
RARE = ["a"] * 30 + ["b"] * 1000


def judged(metric, *groups, **options):
    """The finding of groups, each of label by prediction, (3, 2); or of (favourable rows, rows)."""
    cells = np.array([[[0, 0], [0, 0], [g[1] - g[0], g[0]]] if len(g) == 2 else g for g in groups])
    people = table(Cells.OUTCOMES, cells, classes=("no", "yes"))
    ((found, _),) = judge(people, [metric], BiasOptions(**options), lambda _: None)
    return found


def test_a_group_varies_no_less_than_a_share_of_what_all_do():
    # of all rows 0.004 * 1000^2 / 1040; 40 rows borrow 100 / 140 of it, and 1,000 rows vary more than 100 / 1100 of it
    together = 0.004 * 1000**2 / 1040
    assert floored(np.array([0.0, 0.004]), np.array([40, 1000])) == pytest.approx(
        [100 / 140 * together / 40, 0.004]
    )


def test_alike_groups_keep_their_variance():
    variance, rows = np.array([[0.1, 0.02], [0.12, 0.018]]), np.array([40, 200])
    assert (floored(variance, rows) == variance).all()


@pytest.mark.parametrize("seed", [0, 1])
def test_a_rare_distance_that_a_small_group_does_not_show_is_no_proof(tmp_path, seed):
    far = [30.0 if i % 50 == 0 else 1.0 for i in range(1000)]
    data = {"r": RARE, "c": [str(i % 3) for i in range(1030)], "d": [1.0] * 30 + far}
    pq.write_table(pa.table(data), tmp_path / "rows.parquet")
    columns = BiasColumns(protected=["r"], prediction="c", distance="d")
    asked = BiasOptions(metrics=[Metric.SOCIAL_COST_RATIO], seed=seed)
    report = run(
        tmp_path / "rows.parquet", columns, AnalysisType.COMPREHENSIVE, asked, silent, ModelType.CLUSTERING
    )
    found = finding(report, Metric.SOCIAL_COST_RATIO, "r")
    assert found.value == pytest.approx(1 / 1.58)  # 20 of 1,000 are 29 further off
    assert found.verdict is Verdict.WARNING
    assert found.interval.high == 1
    assert found.p_value > 0.05


def test_a_p_value_is_no_surer_than_its_interval_where_a_rate_is_zero(tmp_path):
    data = {"r": RARE, "p": [0] * 30 + [1] * 30 + [0] * 970}
    report = analysed(tmp_path, data, BiasColumns(prediction="p", protected=["r"]), BiasOptions())
    found = finding(report, GAP, "r")
    assert fisher_exact([[0, 30], [30, 970]]).pvalue == 1
    assert (found.value, found.interval.low) == (0.03, 0)
    # shares smoothed to 2 of 34 and 32 of 1,004
    a, b = 2 / 34, 32 / 1004
    error = hypot(sqrt(a * (1 - a) / 34), sqrt(b * (1 - b) / 1004))
    assert found.p_value == pytest.approx(2 * NormalDist().cdf(-0.03 / error), rel=1e-6)


@pytest.mark.parametrize("metric", [GAP, RATIO])
@pytest.mark.parametrize("k", [0, 1, 3, 20, 39, 40])
@pytest.mark.parametrize("m", [0, 20, 500, 990, 1000])
def test_p_values_are_small_only_where_the_interval_is_clear_of_no_gap(metric, k, m):
    found = judged(metric, (k, 40), (m, 1000), bootstrap_samples=200)
    if found.interval is None:
        assert (metric, k, m) == (RATIO, 0, 0)
    elif found.interval.low <= (0 if metric is GAP else 1) <= found.interval.high:
        assert found.p_value > 0.05 - 1e-9


def test_four_favourable_rows_of_forty_are_a_warning_at_most():
    found = judged(RATIO, (4, 40), (30, 1000))
    assert found.interval.high < 0.8
    assert (found.verdict, found.rows_needed) == (Verdict.WARNING, 50)  # 5 of 50
    assert found.reason.endswith(f" Fewer than 5 rows of 00 {THIN}")


@pytest.mark.parametrize(("m", "n", "verdict"), [(104, 49, Verdict.WARNING), (105, 50, Verdict.FAIL)])
def test_none_of_five_that_were_to_be_expected_may_fail(m, n, verdict):
    # together 105 of 1,050, of which 50 rows expect 5
    found = judged(RATIO, (0, n), (m, 1000))
    assert found.interval.high < 0.8
    assert found.verdict is verdict


def test_twenty_of_forty_where_one_was_to_be_expected_may_fail():
    assert judged(RATIO, (20, 40), (30, 1000)).verdict is Verdict.FAIL


def test_a_thin_group_hides_no_gap_between_others():
    found = judged(RATIO, (2, 40), (150, 5000), (500, 5000))
    assert found.verdict is Verdict.FAIL
    assert THIN not in found.reason


def test_of_wrong_predictions_both_kinds_are_counted():
    # 36 false negatives for 4 false positives, beside 1,940 for 40
    groups = [[[0, 4], [36, 0], [0, 0]], [[0, 40], [1940, 0], [0, 0]]]
    found = judged(Metric.TREATMENT_EQUALITY_RATIO, *groups)
    assert found.interval.high < 0.8
    assert found.verdict is Verdict.WARNING
    assert "Fewer than 5 rows of 00 count towards the" in found.reason


def test_equal_groups_with_rare_outcomes_are_never_failed_for_a_handful_of_rows():
    draw, generator, options = (
        decided([0.03, 0.03], [40, 1000]),
        np.random.default_rng(3),
        BiasOptions(bootstrap_samples=100),
    )
    thin = failed = 0
    for _ in range(200):
        ((found, _),) = judge(draw(generator)[0], [RATIO], options, lambda _: None)
        failed += found.verdict is Verdict.FAIL
        thin += THIN in found.reason
    # 5 of 40 happen once in 120 samples
    assert failed <= 6
    assert thin > 0


def test_intervals_of_errors_hold_the_truth_where_a_rare_one_did_not_happen():
    (scene,) = (each for each in scenes() if each.family == "regression, rare errors")
    mean, r2 = Metric.MEAN_ABSOLUTE_ERROR_DIFFERENCE, Metric.R2_DIFFERENCE
    shares = held(replace(scene, truth={mean: 0.0, r2: 0.0}), 40, 100)
    # without the floor about half of them do
    assert min(shares[mean][0], shares[r2][0]) >= 33 / 40
    assert max(shares[mean][1], shares[r2][1]) <= 7 / 40
