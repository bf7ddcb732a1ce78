"""What follows from an interval, and which options are refused."""

import pytest

from engine.errors import InvalidInput
from engine.fairness import BiasColumns, BiasOptions, Interval, Metric, Threshold, Verdict
from engine.fairness.judging import verdict
from tests.fairness import EVERYONE, QUICK, analysed, findings
from tests.fairness import finding as only

DIFFERENCE, RATIO = (0.0, 0.1), (1.0, 0.8)  # fair value and limit


@pytest.mark.parametrize(
    ("low", "high", "scale", "expected"),
    [
        (0.0, 0.09, DIFFERENCE, Verdict.PASS),
        (0.0, 0.1, DIFFERENCE, Verdict.PASS),
        (0.05, 0.11, DIFFERENCE, Verdict.WARNING),
        (0.1, 0.2, DIFFERENCE, Verdict.WARNING),
        (0.11, 0.2, DIFFERENCE, Verdict.FAIL),
        (0.81, 1.0, RATIO, Verdict.PASS),
        (0.8, 0.9, RATIO, Verdict.PASS),
        (0.79, 0.9, RATIO, Verdict.WARNING),
        (0.7, 0.8, RATIO, Verdict.WARNING),
        (0.5, 0.79, RATIO, Verdict.FAIL),
        (0.0, 0.0, (0.0, 0.0), Verdict.PASS),
        (0.0, 0.01, (0.0, 0.0), Verdict.WARNING),
        (1.0, 1.0, (1.0, 1.0), Verdict.PASS),
        (0.9, 0.99, (1.0, 1.0), Verdict.FAIL),
    ],
)
def test_verdict_of_an_interval(low, high, scale, expected):
    assert verdict(Interval(low=low, high=high), *scale) is expected


def test_without_an_interval_there_is_no_evidence():
    assert verdict(None, 0.0, 0.1) is Verdict.INSUFFICIENT_EVIDENCE


@pytest.mark.parametrize(
    ("wrong", "at", "words"),
    [
        ({"confidence": 7}, ("confidence",), r"confidence must lie in \[0.5, 0.99\], got 7"),
        ({"confidence": float("nan")}, ("confidence",), "got nan"),
        ({"bootstrap_samples": 99}, ("bootstrap_samples",), r"\[100, 10000\], got 99"),
        ({"seed": 2**31}, ("seed",), "seed must lie in"),
        ({"min_group_size": 0}, ("min_group_size",), "got 0"),
        (
            {"thresholds": [Threshold(metric=Metric.EQUALIZED_ODDS_DIFFERENCE, limit=7)]},
            ("thresholds", 0, "limit"),
            r"the limit of equalized_odds_difference must lie in \[0, 1\], got 7",
        ),
        (
            {"thresholds": [Threshold(metric=Metric.CONSISTENCY, limit=0.5)] * 2},
            ("thresholds", 1, "metric"),
            "consistency has two thresholds",
        ),
    ],
)
def test_options_off_the_scale_are_refused_in_words(wrong, at, words):
    with pytest.raises(InvalidInput, match=words) as refused:
        BiasOptions(**wrong)
    assert refused.value.at == at


@pytest.mark.parametrize(
    ("wrong", "at", "words"),
    [
        ({"protected": []}, ("protected",), "1 to 10 columns, got 0"),
        ({"protected": [str(i) for i in range(11)]}, ("protected",), "got 11"),
        ({"protected": ["sex", "race", "sex"]}, ("protected", 2), "'sex' is used twice"),
        ({"prediction": "y"}, ("prediction",), "'y' is used twice, as label and prediction"),
        ({"features": ["income", "sex"]}, ("features", 1), "'sex' is used twice, as protected and features"),
        ({"label": ""}, ("label",), "empty name"),
    ],
)
def test_columns_that_make_no_sense_are_refused_in_words(wrong, at, words):
    with pytest.raises(InvalidInput, match=words) as refused:
        BiasColumns(**{"label": "y", "prediction": "p", "protected": ["sex"]} | wrong)
    assert refused.value.at == at


@pytest.mark.parametrize("rows", [1, 2, 9])
def test_a_handful_of_rows_is_a_warning_at_most(tmp_path, rows):
    columns = BiasColumns(prediction="p", protected=["g"])
    data = {"g": ["a"] * rows + ["b"] * rows, "p": [0] * rows + [1] * rows}
    found = analysed(tmp_path, data, columns, EVERYONE)
    assert {each.verdict for each in findings(found)} <= {Verdict.WARNING, Verdict.INSUFFICIENT_EVIDENCE}
    gap = only(found, Metric.DEMOGRAPHIC_PARITY_DIFFERENCE)
    assert (gap.value, gap.verdict, gap.rows_needed) == (1.0, Verdict.WARNING, 10)
    assert gap.reason.endswith("A group rests on fewer than 10 rows, so this is a warning at most.")


def test_ten_rows_are_enough_for_a_clear_verdict(tmp_path):
    data = {"g": ["a"] * 10 + ["b"] * 10, "p": [0] * 10 + [1] * 10}
    found = analysed(tmp_path, data, BiasColumns(prediction="p", protected=["g"]), EVERYONE)
    assert only(found, Metric.DEMOGRAPHIC_PARITY_DIFFERENCE).verdict is Verdict.FAIL


def test_sentences_speak_of_one_row_in_the_singular(tmp_path):
    # of c one row; of b 40 rows of which one has a favourable label
    data = {
        "g": ["a"] * 80 + ["b"] * 40 + ["c"],
        "y": [0, 1] * 40 + [1] + [0] * 39 + [None],
        "p": [1, 1, 0, 0] * 20 + [1] * 40 + [1],
    }
    found = analysed(tmp_path, data, BiasColumns(label="y", prediction="p", protected=["g"]), QUICK)
    groups = {group.name: group for group in found.attributes[0].groups}
    assert groups["c"].reason == "It has 1 row, fewer than 30."
    assert "1 row has no label; it counts in selection rates and nowhere else." in found.method.notes
    reason = only(found, Metric.EQUAL_OPPORTUNITY_DIFFERENCE).reason
    assert "b, which has 1 row with a favourable label, fewer than 30" in reason
    assert "c, which has 1 row, fewer than 30" in reason


def test_a_ratio_of_errors_says_which_errors_are_too_few(tmp_path):
    # of a 40 false negatives and no false positive; of b 12 of each
    data = {
        "g": ["a"] * 100 + ["b"] * 100,
        "y": [1] * 100 + [1, 0] * 12 + [1] * 76,
        "p": [0] * 40 + [1] * 60 + [0, 1] * 12 + [1] * 76,
    }
    columns = BiasColumns(label="y", prediction="p", protected=["g"])
    reason = only(analysed(tmp_path, data, columns, QUICK), Metric.TREATMENT_EQUALITY_RATIO).reason
    assert "a, which has no wrong predictions that are favourable, so no ratio of" in reason
    assert "b, which has 24 wrong predictions, fewer than 30" in reason
