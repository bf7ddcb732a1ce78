"""Rows that count more than others: the numbers of a direct computation, and honest intervals."""

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import demographic_parity_difference, equalized_odds_difference
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, precision_score, recall_score

from engine.errors import InvalidInput
from engine.fairness import BiasColumns, BiasOptions, Metric, Quantity, Verdict
from tests.fairness import EVERYONE, QUICK, analysed, attribute_of, finding, findings, of

COLUMNS = BiasColumns(label="y", prediction="p", protected=["g"], weights="w")
PLAIN = BiasColumns(label="y", prediction="p", protected=["g"])


def survey(rows=600, seed=1):
    generator = np.random.default_rng(seed)
    group = generator.choice(["a", "b", "c"], rows, p=[0.5, 0.3, 0.2])
    label = generator.random(rows) < 0.5
    chance = 0.3 + 0.2 * (group == "a") + 0.3 * label
    return pd.DataFrame(
        {
            "g": group,
            "y": label.astype(int),
            "p": (generator.random(rows) < chance).astype(int),
            "w": generator.gamma(2.0, 1.0, rows),
        }
    )


def test_weighted_numbers_agree_with_scikit_learn_and_fairlearn(tmp_path):
    data = survey()
    report = analysed(tmp_path, data, COLUMNS, EVERYONE)
    for group, rows in data.groupby("g"):
        assert of(report, group, Quantity.SELECTION_RATE).value == pytest.approx(
            np.average(rows.p, weights=rows.w)
        )
        for quantity, theirs in {
            Quantity.TRUE_POSITIVE_RATE: recall_score,
            Quantity.PRECISION: precision_score,
            Quantity.F1: f1_score,
            Quantity.ACCURACY: accuracy_score,
            Quantity.BALANCED_ACCURACY: balanced_accuracy_score,
        }.items():
            expected = theirs(rows.y, rows.p, sample_weight=rows.w)
            assert of(report, group, quantity).value == pytest.approx(expected, abs=1e-12)
    arguments = {"sensitive_features": data.g, "sample_weight": data.w}
    parity = demographic_parity_difference(data.y, data.p, **arguments)
    assert finding(report, Metric.DEMOGRAPHIC_PARITY_DIFFERENCE).value == pytest.approx(parity, abs=1e-12)
    odds = equalized_odds_difference(data.y, data.p, **arguments)
    assert finding(report, Metric.EQUALIZED_ODDS_DIFFERENCE).value == pytest.approx(odds, abs=1e-12)


def test_weighted_indices_agree_with_the_formula_over_rows(tmp_path):
    data = survey()
    report = analysed(tmp_path, data, COLUMNS)
    benefit = 1 + data.p - data.y
    share = benefit / np.average(benefit, weights=data.w)
    entropy = np.average((share**2 - 1) / 2, weights=data.w)
    theil = np.average(share * np.log(share.where(share > 0, 1)), weights=data.w)
    assert finding(report, Metric.GENERALIZED_ENTROPY_INDEX).value == pytest.approx(entropy, abs=1e-12)
    assert finding(report, Metric.THEIL_INDEX).value == pytest.approx(theil, abs=1e-12)


def test_weighted_disparity_within_strata_agrees_with_the_formula_over_rows(tmp_path):
    data = survey()
    data["w"] *= np.where(data.g == "b", 9, 1)  # groups weigh differently, and are shares of each other
    data["town"] = np.where(np.random.default_rng(2).random(len(data)) < 0.4, "x", "z")
    columns = BiasColumns(label="y", prediction="p", protected=["g"], weights="w", stratum="town")
    report = analysed(tmp_path, data, columns)
    expected = 0.0
    for _, town in data.groupby("town"):
        share = [town.w[(town.p == p) & (town.g == "b")].sum() / town.w[town.p == p].sum() for p in (0, 1)]
        expected += (share[0] - share[1]) * town.w.sum() / data.w.sum()
    assert of(report, "b", Quantity.CONDITIONAL_DISPARITY).value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("weight", [1, 0.37, 1000])
def test_equal_weights_are_no_weights(tmp_path, weight):
    data = survey()
    weighted = analysed(tmp_path, data.assign(w=weight), COLUMNS)
    plain = analysed(tmp_path, data, PLAIN)
    for ours, theirs in zip(findings(weighted), findings(plain), strict=True):
        assert (ours.value, ours.interval.low, ours.interval.high) == pytest.approx(
            (theirs.value, theirs.interval.low, theirs.interval.high)
        )
        assert (ours.verdict, ours.p_value) == (theirs.verdict, theirs.p_value)
    for ours, theirs in zip(weighted.attributes[0].groups, plain.attributes[0].groups, strict=True):
        assert ours.size == theirs.size
        for mine, other in zip(ours.metrics, theirs.metrics, strict=True):
            assert mine.value == pytest.approx(other.value)
            assert (mine.interval.low, mine.interval.high) == pytest.approx(
                (other.interval.low, other.interval.high)
            )


def test_weighted_intervals_are_those_of_drawn_rows(tmp_path):
    data = survey(rows=2000, seed=5)
    data = data[data.g != "c"]
    report = analysed(tmp_path, data, COLUMNS, BiasOptions(bootstrap_samples=4000))
    generator = np.random.default_rng(9)
    g, p, w = (data[name].to_numpy() for name in ("g", "p", "w"))
    rates = np.empty((2000, 2))
    for i in range(len(rates)):
        rows = generator.integers(0, len(data), len(data))
        for j, name in enumerate("ab"):
            of_group = rows[g[rows] == name]
            rates[i, j] = np.average(p[of_group], weights=w[of_group])
    for j, name in enumerate("ab"):
        interval = of(report, name, Quantity.SELECTION_RATE).interval
        # 1.96 standard errors either way; the error of the bootstrap's own is 1.6 %
        assert interval.high - interval.low == pytest.approx(2 * 1.96 * rates[:, j].std(), rel=0.08)
    gap = finding(report, Metric.DEMOGRAPHIC_PARITY_DIFFERENCE)
    half = 1.96 * (rates[:, 0] - rates[:, 1]).std()
    assert gap.interval.low == pytest.approx(gap.value - half, abs=0.1 * half)
    assert gap.interval.high == pytest.approx(gap.value + half, abs=0.1 * half)


def test_few_heavy_rows_are_little_evidence(tmp_path):
    # 100 rows a group; in b one row weighs as much as the 99 others: an effective (198)^2 / (99^2 + 99) = 3.96 rows
    data = {"g": ["a"] * 100 + ["b"] * 100, "y": [0, 1] * 100, "p": [0, 1] * 100}
    report = analysed(tmp_path, data | {"w": [1.0] * 199 + [99.0]}, COLUMNS)
    gap = finding(report, Metric.DEMOGRAPHIC_PARITY_DIFFERENCE)
    assert gap.verdict is Verdict.INSUFFICIENT_EVIDENCE
    assert "b, which has effectively 4 rows, fewer than 30" in gap.reason
    assert any("effective number of rows" in note for note in report.method.notes)


def test_weighted_groups_show_their_rows_and_no_counts(tmp_path):
    report = analysed(tmp_path, survey(), COLUMNS)
    assert sum(group.size for group in attribute_of(report, "g").groups) == 600
    rate = of(report, "a", Quantity.SELECTION_RATE)
    assert (rate.numerator, rate.denominator) == (None, None)


@pytest.mark.parametrize("wrong", [-1.0, None, float("nan"), float("inf")])
def test_a_weight_that_is_none_is_refused(tmp_path, wrong):
    data = survey(rows=60)
    with pytest.raises(InvalidInput, match=r"1 rows? ha(s|ve) no weight, or one below 0") as refused:
        analysed(tmp_path, data.assign(w=[wrong, *[1.0] * 59]), COLUMNS)
    assert refused.value.at == ("weights",)


def test_weights_of_zero_are_rows_that_do_not_count(tmp_path):
    data = survey()
    idle = data.assign(w=data.w.where(data.g != "c", 0.0))
    report = analysed(tmp_path, idle, COLUMNS)
    without = analysed(tmp_path, data[data.g != "c"], COLUMNS)
    gap, same = (finding(each, Metric.DEMOGRAPHIC_PARITY_DIFFERENCE) for each in (report, without))
    assert gap.value == same.value
    assert "c, which has effectively 0 rows" in gap.reason
    rate = of(report, "c", Quantity.SELECTION_RATE)
    assert (rate.value, rate.reason) == (None, "The selection rate is undefined: there are no rows.")


def test_when_all_weights_are_zero_there_is_nothing_to_compare(tmp_path):
    data = survey(rows=60)
    with pytest.raises(InvalidInput, match="all weights are 0"):
        analysed(tmp_path, data.assign(w=0.0), COLUMNS)
    # the only row that weighs something has no prediction
    gone = data.assign(w=[1.0, *[0.0] * 59], p=[None, *data.p[1:]])
    with pytest.raises(InvalidInput, match="every row with a prediction has the weight 0"):
        analysed(tmp_path, gone, COLUMNS, QUICK)


def test_when_the_only_large_group_weighs_nothing_nothing_is_compared(tmp_path):
    data = {"g": ["a"] * 100 + ["b"] * 5, "y": [0, 1] * 50 + [1] * 5, "p": [0, 1] * 50 + [1] * 5}
    report = analysed(tmp_path, data | {"w": [0.0] * 100 + [1.0] * 5}, COLUMNS)
    assert finding(report, Metric.DEMOGRAPHIC_PARITY_DIFFERENCE).verdict is Verdict.INSUFFICIENT_EVIDENCE


def test_words_are_no_weights(tmp_path):
    with pytest.raises(InvalidInput, match="weights needs numbers"):
        analysed(tmp_path, survey(rows=60).assign(w="heavy"), COLUMNS)
