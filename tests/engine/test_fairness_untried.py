"""What is said of findings that fail: what a remedy brings to them, or that none was tried."""

import numpy as np
import pandas as pd
import pytest

from engine.fairness import AnalysisType, BiasColumns, Interval, Metric, Verdict
from engine.fairness.analysis import run
from engine.fairness.bringing import brings
from engine.fairness.untried import akin
from engine.values import ModelType
from tests.engine.test_fairness_assessment import found
from tests.fairness import QUICK, analysed, findings, sets_of


def lending(size=6000):
    """Group c scores low, and of those that it denies most are denied wrongly; sexes are alike."""
    generator = np.random.default_rng(5)
    group = generator.choice(["a", "c"], size)
    score = np.clip(generator.normal(0.55, 0.2, size) - 0.25 * (group == "c"), 0, 1).round(3)
    label = (generator.random(size) < np.where(group == "c", score + 0.3, score)).astype(int)
    return {
        "group": group,
        "sex": generator.choice(["f", "m"], size),
        "label": label,
        "score": score,
        "decision": (score >= 0.5).astype(int),
    }


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    columns = BiasColumns(label="label", prediction="decision", score="score", protected=["group", "sex"])
    return analysed(tmp_path_factory.mktemp("lending"), lending(), columns)


def test_each_finding_that_fails_has_a_recommendation_that_is_about_it(report):
    failing = [each for each in findings(report) if each.verdict is Verdict.FAIL]
    metrics = {each.metric for each in failing}
    assert Metric.FALSE_OMISSION_RATE_DIFFERENCE in metrics  # which thresholds are no remedy for
    assert any(len(each.attributes) == 2 for each in failing)
    about = {metric for each in report.recommendations for own in each.metrics for metric in akin(own)}
    assert metrics <= about
    untried = [each for each in report.recommendations if each.title.startswith("No remedy was tried")]
    assert any(Metric.FALSE_OMISSION_RATE_DIFFERENCE in each.metrics for each in untried)
    (own,) = [each for each in sets_of(report) if each.attribute == "group"]
    omitted = next(f for f in own.findings if f.metric is Metric.FALSE_OMISSION_RATE_DIFFERENCE)
    said = "the false omission rate difference, with the limit 0.1, of group"
    assert any(said in each.text and f"group ({omitted.value:.3f})" in each.text for each in untried)
    assert all(each.effects == () for each in untried)


def test_a_remedy_says_what_it_does_to_what_else_fails(report):
    remedy = next(each for each in report.recommendations if each.title.startswith("Set the threshold"))
    named = {each.metric: each for each in remedy.effects if each.metric is not None}
    (own,) = [each for each in sets_of(report) if each.attribute == "group"]
    others = {each.metric for each in own.findings if each.verdict is Verdict.FAIL}
    moved = named[Metric.FALSE_OMISSION_RATE_DIFFERENCE]
    assert Metric.FALSE_OMISSION_RATE_DIFFERENCE in others
    # as it is now: of those denied the share with a favourable label, in c less in a
    rows = pd.DataFrame(lending())
    denied = rows[rows.decision == 0].groupby("group").label.mean()
    assert moved.before == pytest.approx(abs(denied["a"] - denied["c"]), abs=1e-12)
    assert "Of what else fails for group it moves" in remedy.text
    assert "that fail was not measured:" in remedy.text and "group × sex" in remedy.text  # noqa: RUF001


def gap(value, low, high):
    return brings(found(0.213, Verdict.FAIL), (value, Interval(low=low, high=high)))


def test_a_remedy_that_does_not_suffice_says_so_with_the_limit():
    named = "With it the demographic parity difference would be "
    assert gap(0.16, 0.091, 0.229) == (
        f"{named}0.16 [0.091, 0.229], still beyond its limit of 0.1 as measured, though these rows cannot be sure of it."
    )
    assert gap(0.16, 0.12, 0.2) == (
        f"{named}0.16 [0.12, 0.2], still beyond its limit of 0.1: this helps and does not suffice."
    )
    assert gap(0.08, 0.02, 0.14) == (
        f"{named}0.08 [0.02, 0.14], within its limit of 0.1 as measured, though these rows cannot be sure of it."
    )
    assert gap(0.02, 0.0, 0.06) == f"{named}0.02 [0, 0.06], within its limit of 0.1."


def regression(tmp_path, label, prediction, group):
    steps = np.tile([-1.0, 1.0], 100)
    data = pd.DataFrame(
        {
            "group": np.repeat(np.array(group, dtype=object), 200),
            "label": np.tile(steps, len(group)) + np.repeat(label, 200),
            "prediction": np.tile(steps, len(group)) + np.repeat(prediction, 200),
        }
    )
    data.to_parquet(tmp_path / "rows.parquet")
    columns = BiasColumns(label="label", prediction="prediction", protected=["group"])
    made = run(
        tmp_path / "rows.parquet", columns, AnalysisType.DEMOGRAPHIC_PARITY, QUICK, model=ModelType.REGRESSION
    )
    return made.recommendations[0].text


def test_a_gap_in_predictions_is_advised_on_by_what_is_in_the_labels(tmp_path):
    text = regression(tmp_path, [0.0, 3.0], [0.5, 2.5], ["a", "b"])
    assert (
        "mean prediction is 0.5 for a and 2.5 for b, the mean label 0 and 3. Most of this gap is in the"
        in text
    )
    text = regression(tmp_path, [0.0, 0.5], [0.0, 2.0], ["a", "b"])
    assert (
        "mean label 0 and 0.5. Less than half of this gap is in the labels: the model makes the rest" in text
    )


def test_of_rows_of_unknown_group_nobody_is_told_to_train_with_more(tmp_path):
    text = regression(tmp_path, [0.0, 0.0], [0.0, 2.0], ["a", None])
    assert "(missing) holds the rows without a value of group" in text
    assert "find out who they are" in text
    assert "train with more" not in text


def test_what_is_said_of_one_metric_holds_for_those_that_the_same_thresholds_mend():
    assert Metric.DISPARATE_IMPACT in akin(Metric.DEMOGRAPHIC_PARITY_RATIO)
    assert Metric.EQUAL_OPPORTUNITY_DIFFERENCE in akin(Metric.EQUALIZED_ODDS_DIFFERENCE)
    assert Metric.EQUALIZED_ODDS_DIFFERENCE not in akin(Metric.EQUAL_OPPORTUNITY_DIFFERENCE)
    assert akin(Metric.FALSE_OMISSION_RATE_DIFFERENCE) == {Metric.FALSE_OMISSION_RATE_DIFFERENCE}
    assert akin(Metric.CONSISTENCY) == {Metric.CONSISTENCY}
