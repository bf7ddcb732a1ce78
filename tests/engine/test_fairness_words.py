"""Sentences for people: which class is meant, who is at either end, and what is said of each attribute."""

import pytest

from engine.fairness import BiasColumns, BiasOptions, Interval, Metric, Verdict
from engine.fairness.words import beside, three_digits, verdict_reason
from tests.fairness import analysed, attribute_of, finding, findings

SURE = BiasOptions(bootstrap_samples=100, min_group_size=10)


def decided(**shares):
    """Of each group 200 rows, and how many of them are decided favourably."""
    rows = [(group, int(i < yes)) for group, yes in shares.items() for i in range(200)]
    return {"g": [group for group, _ in rows], "p": [p for _, p in rows]}


def test_large_numbers_are_told_in_full_and_small_ones_in_three_digits():
    told = [three_digits(value) for value in (2313.6, -3200.4, 123.456, 0.01234, 0.0, 999.96, 5e12)]
    assert told == ["2,314", "-3,200", "123", "0.0123", "0", "1,000", "5e+12"]
    assert [three_digits(value, "+") for value in (2313.6, -0.5)] == ["+2,314", "-0.5"]


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


@pytest.mark.parametrize(
    ("value", "limit", "said"),
    [
        (0.79951, 0.8, "0.7995"),
        (0.79996, 0.8, "0.79996"),
        (0.1004, 0.1, "0.1004"),
        (0.1, 0.1, "0.1"),
        (0.3 - 0.2, 0.1, "0.1"),
        (0.213, 0.1, "0.213"),
        (0.01251, 0.0125, "0.013"),
        (0.0126, 0.0127, "0.0126"),  # not 0.013, which is beyond
    ],
)
def test_no_value_is_rounded_onto_a_limit_that_it_is_not(value, limit, said):
    assert beside(value, limit) == said


def test_a_sentence_is_not_contradicted_by_its_own_numbers():
    metric, beyond = Metric.DEMOGRAPHIC_PARITY_RATIO, Interval(low=0.194, high=0.79951)
    assert verdict_reason(Verdict.FAIL, beyond, metric, 0.8, ()).startswith(
        "The whole interval [0.194, 0.7995] lies beyond the limit of 0.8:"
    )
    gap, astride = Metric.DEMOGRAPHIC_PARITY_DIFFERENCE, Interval(low=0.0998, high=0.3432)
    assert verdict_reason(Verdict.WARNING, astride, gap, 0.1, ()).startswith(
        "The interval [0.0998, 0.343] straddles the limit of 0.1:"
    )
    assert "limit of 0.0125:" in verdict_reason(Verdict.WARNING, astride, gap, 0.0125, ())


def test_a_gap_says_who_is_worse_off_where_the_decision_is_good_for_the_person(tmp_path):
    # of 100 denied in a 10 and in b 40 have a favourable label; of 110 and 140 with one, 100 get the decision
    rows = [
        ("a", 1, 1, 100),
        ("a", 1, 0, 10),
        ("a", 0, 0, 90),
        ("b", 1, 1, 100),
        ("b", 1, 0, 40),
        ("b", 0, 0, 60),
    ]
    every = [(g, y, p) for g, y, p, n in rows for _ in range(n)]
    table = {name: [row[i] for row in every] for i, name in enumerate("gyp")}
    report = analysed(tmp_path, table, BiasColumns(label="y", prediction="p", protected=["g"]), SURE)
    assert finding(report, Metric.FALSE_OMISSION_RATE_DIFFERENCE, "g").description.endswith(
        "goes from 0.1 (a) to 0.4 (b): those of b who are denied are most often denied wrongly."
    )
    assert finding(report, Metric.EQUAL_OPPORTUNITY_DIFFERENCE, "g").description.endswith(
        "(a): those of b with a favourable label most often do not get the favourable decision."
    )


def test_of_several_classes_none_is_taken_to_be_good_for_the_person(tmp_path):
    table = {"g": ["a", "b"] * 90, "y": ["x", "y", "z"] * 60, "p": ["x", "x", "y", "z", "x", "y"] * 30}
    columns = BiasColumns(label="y", prediction="p", protected=["g"])
    for each in findings(analysed(tmp_path, table, columns, SURE)):
        assert "denied" not in each.description and "most often do not" not in each.description
