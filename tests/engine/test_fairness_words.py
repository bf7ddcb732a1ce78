"""Sentences for people: which class is meant, who is at either end, and what is said of each attribute."""

import pytest

from engine.fairness import BiasColumns, BiasOptions, Metric, Verdict
from tests.fairness import analysed, attribute_of, finding

SURE = BiasOptions(bootstrap_samples=100, min_group_size=10)


def decided(**shares):
    """Of each group 200 rows, and how many of them are decided favourably."""
    rows = [(group, int(i < yes)) for group, yes in shares.items() for i in range(200)]
    return {"g": [group for group, _ in rows], "p": [p for _, p in rows]}


def test_the_summary_names_the_selection_of_both_ends(tmp_path):
    report = analysed(tmp_path, decided(a=180, b=60), BiasColumns(prediction="p", protected=["g"]), SURE)
    gap = finding(report, Metric.DEMOGRAPHIC_PARITY_DIFFERENCE, "g")
    # 60 / 200 and 180 / 200
    assert (gap.lowest, gap.lowest_value, gap.highest, gap.highest_value) == ("b", 0.3, "a", 0.9)
    assert ", between b (0.3) and a (0.9)" in report.summary


def test_each_attribute_has_a_verdict_and_a_sentence_of_its_own(tmp_path):
    table = decided(a=180, b=60)
    table["sex"] = ["f", "m"] * 200  # in halves of everything, so alike
    columns = BiasColumns(prediction="p", protected=["g", "sex"])
    report = analysed(tmp_path, table, columns, BiasOptions(bootstrap_samples=100, max_depth=1))
    race, sex = attribute_of(report, "g"), attribute_of(report, "sex")
    assert (race.verdict, report.verdict) == (Verdict.FAIL, Verdict.FAIL)
    assert sex.verdict is not Verdict.FAIL
    assert "of g is" in race.summary
    assert "of sex is" in sex.summary or "All of" in sex.summary


def test_a_summary_of_what_passes_names_no_groups(tmp_path):
    table = {"g": ["a", "b"] * 2000, "p": [0, 0, 1, 1] * 1000}
    report = analysed(tmp_path, table, BiasColumns(prediction="p", protected=["g"]), SURE)
    assert report.verdict is Verdict.PASS
    assert "between" not in report.summary


def test_no_gap_is_said_as_such_and_not_as_one_between_a_group_and_itself(tmp_path):
    # of 20 rows in each group 10 are selected: no gap, and too few rows to be sure of it
    table = {"g": ["a", "b"] * 20, "p": [0, 0, 1, 1] * 10}
    report = analysed(tmp_path, table, BiasColumns(prediction="p", protected=["g"]), SURE)
    gap = finding(report, Metric.DEMOGRAPHIC_PARITY_DIFFERENCE, "g")
    assert (gap.value, gap.verdict) == (0, Verdict.WARNING)
    assert gap.description.endswith(
        "Here there is no gap: all groups compared have the same selection rate (0.5)."
    )
    assert report.summary.endswith(", and all groups compared have the same selection rate.")
    impact = finding(report, Metric.DISPARATE_IMPACT, "g")
    assert impact.description.endswith("Here there is no gap: b and a have the same selection rate (0.5).")


def test_no_gap_in_several_classes_shows_the_rate_of_none(tmp_path):
    # x is said of half of either group, y and z of a quarter each
    table = {"g": ["a", "b"] * 40, "p": ["x", "x", "y", "y", "x", "x", "z", "z"] * 10}
    report = analysed(tmp_path, table, BiasColumns(prediction="p", protected=["g"]), SURE)
    mean = finding(report, Metric.DEMOGRAPHIC_PARITY_DIFFERENCE, "g")
    said = "Here there is no gap in any class: all groups compared have the same selection rate."
    assert mean.value == 0 and mean.description.endswith(said)


@pytest.fixture
def classes(tmp_path):
    # x is said of 100 of 200 in a and of 20 of 200 in the other; y and z share the rest alike
    said = {"a": ["x"] * 100 + ["y"] * 50 + ["z"] * 50, "Here b": ["x"] * 20 + ["y"] * 90 + ["z"] * 90}
    rows = [(group, word) for group, words in said.items() for word in words]
    table = {"g": [group for group, _ in rows], "p": [word for _, word in rows]}
    return analysed(tmp_path, table, BiasColumns(prediction="p", protected=["g"]), SURE)


def test_a_finding_on_one_class_names_it_wherever_it_is_told(classes):
    assert any("of g for 'x' is 0.4" in factor for factor in classes.risk_assessment.factors)


def test_the_mean_over_classes_names_the_class_whose_rates_it_shows(classes):
    mean = finding(classes, Metric.DEMOGRAPHIC_PARITY_DIFFERENCE, "g")
    assert mean.value == pytest.approx((0.4 + 0.2 + 0.2) / 3)
    assert (
        "For 'x', where it is worst, the selection rate goes from 0.1 (Here b) to 0.5 (a)" in mean.description
    )
