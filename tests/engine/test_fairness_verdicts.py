"""What follows from an interval, and which options are refused."""

import pytest

from engine.errors import InvalidInput
from engine.fairness import BiasColumns, BiasOptions, Interval, Metric, Threshold, Verdict
from engine.fairness.judging import verdict

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
