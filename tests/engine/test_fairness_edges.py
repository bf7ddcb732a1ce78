"""Where data are thin, odd or missing: clear answers, never NaN and never a guess."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from engine.errors import InvalidInput
from engine.fairness import (
    AnalysisType,
    BiasColumns,
    BiasOptions,
    Finding,
    Metric,
    Quantity,
    Risk,
    Threshold,
    Verdict,
)
from engine.fairness.analysis import count
from engine.fairness.words import CROSS, crossed
from engine.tables.names import no_column
from tests.fairness import COLUMNS, LABEL, PREDICTION, SEX, findings, of
from tests.fairness import finding as only


def test_numbers_by_hand(report):
    result = report()
    # f: 20 TP, 20 FP, 30 FN, 30 TN; m: 30 TP, 30 FP, 20 FN, 20 TN
    for quantity, women, men in [
        (Quantity.SELECTION_RATE, 40 / 100, 60 / 100),
        (Quantity.BASE_RATE, 50 / 100, 50 / 100),
        (Quantity.TRUE_POSITIVE_RATE, 20 / 50, 30 / 50),
        (Quantity.FALSE_POSITIVE_RATE, 20 / 50, 30 / 50),
        (Quantity.PRECISION, 20 / 40, 30 / 60),
        (Quantity.FALSE_DISCOVERY_RATE, 20 / 40, 30 / 60),
        (Quantity.FALSE_OMISSION_RATE, 30 / 60, 20 / 40),
        (Quantity.F1, 40 / 90, 60 / 110),
        (Quantity.TREATMENT_RATIO, 30 / 20, 20 / 30),
        (Quantity.ACCURACY, 50 / 100, 50 / 100),
        (Quantity.BALANCED_ACCURACY, (20 / 50 + 30 / 50) / 2, (30 / 50 + 20 / 50) / 2),
    ]:
        assert of(result, "f", quantity).value == pytest.approx(women)
        assert of(result, "m", quantity).value == pytest.approx(men)
    rate = of(result, "f", Quantity.TRUE_POSITIVE_RATE)
    assert (rate.numerator, rate.denominator) == (20, 50)
    # equal sizes: f is first, the reference
    assert result.attributes[0].reference_group == "f"
    assert of(result, "m", Quantity.SELECTION_RATE).difference == pytest.approx(0.2)
    assert of(result, "m", Quantity.SELECTION_RATE).ratio == pytest.approx(1.5)
    assert of(result, "f", Quantity.SELECTION_RATE).difference is None


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        (Metric.DEMOGRAPHIC_PARITY_DIFFERENCE, 0.6 - 0.4),
        (Metric.DEMOGRAPHIC_PARITY_RATIO, 0.4 / 0.6),
        (Metric.DISPARATE_IMPACT, 0.6 / 0.4),  # m, the only other group, over f, the reference
        (Metric.EQUALIZED_ODDS_DIFFERENCE, 0.2),  # 30 / 50 - 20 / 50, both in TPR and in FPR
        (Metric.AVERAGE_ODDS_DIFFERENCE, 0.2),
        (Metric.EQUALIZED_ODDS_RATIO, 20 / 30),
        (Metric.EQUAL_OPPORTUNITY_DIFFERENCE, 0.2),
        (Metric.FALSE_POSITIVE_RATE_DIFFERENCE, 0.2),
        (Metric.PREDICTIVE_PARITY_DIFFERENCE, 0.0),
        (Metric.FALSE_OMISSION_RATE_DIFFERENCE, 0.0),
        (Metric.TREATMENT_EQUALITY_RATIO, (20 / 30) / (30 / 20)),
        (Metric.ACCURACY_DIFFERENCE, 0.0),
        (Metric.BALANCED_ACCURACY_DIFFERENCE, 0.0),
        # of all rows 100 have benefit 1, 50 benefit 2 and 50 benefit 0: mean 1, mean square 1.5
        (Metric.GENERALIZED_ENTROPY_INDEX, (1.5 - 1) / 2),
        (Metric.THEIL_INDEX, 50 * 2 * np.log(2) / 200),
    ],
)
def test_metrics_by_hand(report, metric, value):
    assert only(report(), metric).value == pytest.approx(value, abs=1e-12)


def test_a_gap_names_the_groups_that_drive_it(report):
    odds = only(report(), Metric.EQUALIZED_ODDS_DIFFERENCE)
    assert (odds.lowest, odds.highest) == ("f", "m")
    assert "from 0.4 (f) to 0.6 (m)" in odds.description


def test_a_clear_gap_fails_and_the_report_says_so(report):
    result = report(p=[0] * 100 + [1] * 100)
    finding = only(result, Metric.DEMOGRAPHIC_PARITY_DIFFERENCE)
    assert (finding.value, finding.verdict, result.verdict) == (1.0, Verdict.FAIL, Verdict.FAIL)
    assert "lies beyond the limit of 0.1" in finding.reason
    assert "comparisons lie beyond the limit: the " in result.summary
    # nobody of f is selected: the ratio is 0, and so is the low end of its interval
    ratio = only(result, Metric.DEMOGRAPHIC_PARITY_RATIO)
    assert (ratio.value, ratio.interval.low) == (0.0, 0.0)


def test_a_looser_limit_changes_the_verdict_and_is_in_the_report(report):
    loose = [Threshold(metric=Metric.DEMOGRAPHIC_PARITY_DIFFERENCE, limit=0.9)]
    options = BiasOptions(bootstrap_samples=100, thresholds=loose)
    result = report(kind=AnalysisType.DEMOGRAPHIC_PARITY, options=options)
    finding = only(result, Metric.DEMOGRAPHIC_PARITY_DIFFERENCE)
    assert (finding.threshold, finding.verdict) == (0.9, Verdict.PASS)
    assert [(limit.metric, limit.limit, limit.fair) for limit in result.limits] == [
        (Metric.DEMOGRAPHIC_PARITY_DIFFERENCE, 0.9, 0.0),
        (Metric.DEMOGRAPHIC_PARITY_RATIO, 0.8, 1.0),
        (Metric.DISPARATE_IMPACT, 0.8, 1.0),
    ]


def test_rows_without_prediction_are_left_out_and_counted(report):
    result = report(
        sex=[*SEX, "m", "m"], y=[*LABEL, 1, None], p=[*map(float, PREDICTION), float("nan"), None]
    )
    assert (result.rows, result.rows_excluded) == (202, 2)
    assert result.exclusion_reason == "2 rows have no prediction"
    assert result.attributes == report().attributes


def test_rows_without_a_label_count_in_selection_rates_alone(report):
    result = report(sex=[*SEX, *"ffff"], y=[*LABEL, *[None] * 4], p=[*PREDICTION, 1, 1, 1, 1])
    rate = of(result, "f", Quantity.SELECTION_RATE)
    assert (rate.numerator, rate.denominator) == (44, 104)
    for quantity in (Quantity.BASE_RATE, Quantity.PRECISION, Quantity.F1, Quantity.ACCURACY):
        assert of(result, "f", quantity) == of(report(), "f", quantity)
    assert "4 rows have no label; they count in selection rates and nowhere else." in result.method.notes


def test_without_a_label_column_only_selection_is_compared(report):
    result = report(BiasColumns(prediction="p", protected=["sex"]))
    assert {f.metric for f in result.attributes[0].findings} == {
        Metric.DEMOGRAPHIC_PARITY_DIFFERENCE,
        Metric.DEMOGRAPHIC_PARITY_RATIO,
        Metric.DISPARATE_IMPACT,
    }
    with pytest.raises(InvalidInput, match="name the label column"):
        report(BiasColumns(prediction="p", protected=["sex"]), kind=AnalysisType.EQUALIZED_ODDS)


def test_missing_protected_values_are_a_group_of_their_own(report):
    result = report(sex=["(missing)"] * 50 + [None] * 50 + SEX[100:])
    groups = {group.name: group for group in result.attributes[0].groups}
    assert {name: group.values for name, group in groups.items()} == {
        "(missing)": ("(missing)",),
        "((missing))": (None,),
        "m": ("m",),
    }
    assert [group.size for group in groups.values()] == [50, 100, 50]


def test_when_all_protected_values_are_missing_nothing_is_compared(report):
    result = report(kind=AnalysisType.DEMOGRAPHIC_PARITY, sex=pa.array([None] * 200, pa.string()))
    assert result.verdict is Verdict.INSUFFICIENT_EVIDENCE
    assert [group.name for group in result.attributes[0].groups] == ["(missing)"]


@pytest.mark.parametrize(
    "unseen", ["", "  ", "\t", "\r\n", "\a", "\0", "\xa0", "\u200b", "\u2028", "\ufeff \xad"]
)
def test_text_without_a_visible_character_is_missing(report, unseen):
    result = report(kind=AnalysisType.DEMOGRAPHIC_PARITY, sex=[unseen] * 50 + SEX[50:])
    sizes = {group.name: (group.values, group.size) for group in result.attributes[0].groups}
    assert sizes == {"f": (("f",), 50), "m": (("m",), 100), "(missing)": ((None,), 50)}


def test_a_space_within_a_text_is_part_of_it(report):
    result = report(kind=AnalysisType.DEMOGRAPHIC_PARITY, sex=["f\u200b"] * 50 + SEX[50:])
    assert [group.name for group in result.attributes[0].groups] == ["f", "f\u200b", "m"]


def test_one_group_is_no_comparison(report):
    result = report(kind=AnalysisType.DEMOGRAPHIC_PARITY, sex=["f"] * 200)
    finding = only(result, Metric.DEMOGRAPHIC_PARITY_DIFFERENCE)
    assert (finding.value, finding.interval, finding.verdict) == (None, None, Verdict.INSUFFICIENT_EVIDENCE)
    assert "needs two groups of sex that are large enough, and there is only one" in finding.reason
    assert result.summary.startswith("Nothing could be judged")


def test_all_rows_that_look_well_are_no_verdict_on_groups(report):
    # every prediction is right: the entropy of benefits is 0, which says nothing of how groups compare
    result = report(sex=["f"] * 200, p=LABEL)
    assert only(result, Metric.GENERALIZED_ENTROPY_INDEX).verdict is Verdict.PASS
    assert result.verdict is Verdict.INSUFFICIENT_EVIDENCE
    assert result.summary.startswith("No groups could be compared: ")
    assert result.risk_assessment.risk is Risk.MODERATE
    # between two groups that are alike the same rows pass
    assert report(sex=["f", "m"] * 100, p=LABEL).verdict is not Verdict.INSUFFICIENT_EVIDENCE


def test_individual_fairness_needs_no_groups(report):
    columns = BiasColumns(prediction="p", protected=["sex"], features=["x"])
    result = report(
        columns, AnalysisType.INDIVIDUAL_FAIRNESS, sex=["f"] * 200, p=[1] * 200, x=list(range(200))
    )
    assert result.verdict is Verdict.PASS


def test_without_favourable_labels_there_is_no_true_positive_rate(report):
    result = report(y=[0] * 200)
    odds, gap = (
        only(result, Metric.EQUALIZED_ODDS_DIFFERENCE),
        only(result, Metric.EQUAL_OPPORTUNITY_DIFFERENCE),
    )
    for finding in (odds, gap):
        assert (finding.value, finding.verdict) == (None, Verdict.INSUFFICIENT_EVIDENCE)
        assert "0 rows with a favourable label, fewer than 30" in finding.reason
    rate = of(result, "f", Quantity.TRUE_POSITIVE_RATE)
    assert (rate.value, rate.reason) == (
        None,
        "The true positive rate is undefined: there are no rows with a favourable label.",
    )
    # false positive rates remain: 40 of 100 against 60 of 100
    assert only(result, Metric.FALSE_POSITIVE_RATE_DIFFERENCE).value == pytest.approx(0.2)


def test_when_nobody_is_selected_the_ratio_is_undefined(report):
    result = report(p=[0] * 200)
    ratio = only(result, Metric.DEMOGRAPHIC_PARITY_RATIO)
    assert (ratio.value, ratio.verdict) == (None, Verdict.INSUFFICIENT_EVIDENCE)
    assert "the selection rate is 0 in every group" in ratio.reason
    assert only(result, Metric.DEMOGRAPHIC_PARITY_DIFFERENCE).value == 0
    assert of(result, "m", Quantity.SELECTION_RATE).ratio is None


def test_a_small_group_is_shown_but_never_judged(report):
    # 29 rows of x, all selected: they would make the gap 0.6, were they judged
    result = report(sex=[*SEX, *["x"] * 29], y=[*LABEL, *[1] * 29], p=[*PREDICTION, *[1] * 29])
    small = result.attributes[0].groups[-1]
    assert (small.name, small.judged) == ("x", False)
    assert of(result, "x", Quantity.SELECTION_RATE).value == 1.0
    assert small.reason == "It has 29 rows, fewer than 30."
    finding = only(result, Metric.DEMOGRAPHIC_PARITY_DIFFERENCE)
    assert finding.value == pytest.approx(0.2)
    assert [e.group for e in finding.excluded] == ["x"]
    assert "Not compared: 1 group (x, which has 29 rows, fewer than 30)" in finding.reason
    assert result.attributes[0].reference_group == "f"


def test_a_group_with_few_favourable_labels_is_out_of_true_positive_rates_only(report):
    # x has 60 rows, 10 of them with a favourable label
    result = report(sex=[*SEX, *["x"] * 60], y=[*LABEL, *[1] * 10, *[0] * 50], p=[*PREDICTION, *[1] * 60])
    gap = only(result, Metric.EQUAL_OPPORTUNITY_DIFFERENCE)
    assert (gap.value, [e.group for e in gap.excluded]) == (pytest.approx(0.2), ["x"])
    assert only(result, Metric.FALSE_POSITIVE_RATE_DIFFERENCE).highest == "x"  # 50 of 50


def test_a_protected_column_with_too_many_values_is_refused(report):
    rows = 10_000
    with pytest.raises(InvalidInput, match=r"'sex' has 10,000 distinct values.*Group the values") as refused:
        report(sex=[f"person {i}" for i in range(rows)], y=[0, 1] * 5000, p=[0, 1] * 5000)
    assert refused.value.at == ("protected", 0)


def test_too_many_crossed_groups_are_left_out_with_a_note(report):
    generator = np.random.default_rng(2)
    many = BiasColumns(label="y", prediction="p", protected=["sex", "town"])
    result = report(
        many,
        sex=[f"s{i}" for i in np.arange(9000) % 50],
        town=[f"t{i}" for i in np.arange(9000) // 50 % 50],
        y=generator.integers(0, 2, 9000),
        p=generator.integers(0, 2, 9000),
    )
    assert [each.attribute for each in result.attributes] == ["sex", "town"]
    assert result.intersections == ()
    assert any(
        "Not crossed" in note and f"sex{CROSS}town (2,500 groups)" in note for note in result.method.notes
    )


def test_names_of_columns_are_never_code(report):
    nasty = 'x"; DROP TABLE t; --'
    columns = BiasColumns(label="y", prediction="p", protected=[nasty, "SEX"])
    result = report(columns, kind=AnalysisType.DEMOGRAPHIC_PARITY, **{nasty: SEX, "SEX": SEX[::-1]})
    assert [each.attribute for each in result.attributes] == [nasty, "SEX"]
    assert [len(each.findings) for each in result.attributes] == [3, 3]


def test_values_that_hold_our_own_signs_make_no_two_groups_one(report):
    # x and "× y", and "x ×" and y, both read "x × × y" when they are only joined  # noqa: RUF003
    left, right = ["x", "x", "x ×", "x ×"] * 50, ["y", "× y"] * 100  # noqa: RUF001
    options = BiasOptions(bootstrap_samples=100, min_group_size=1)
    columns = BiasColumns(label="y", prediction="p", protected=["a", "b"])
    made = report(columns, options=options, a=left, b=right)
    (both,) = made.intersections
    assert {(group.name, group.values, group.size) for group in both.groups} == {
        ("x × y", ("x", "y"), 50),  # noqa: RUF001
        ('x × "× y"', ("x", "× y"), 50),  # noqa: RUF001
        ('"x ×" × y', ("x ×", "y"), 50),  # noqa: RUF001
        ('"x ×" × "× y"', ("x ×", "× y"), 50),  # noqa: RUF001
    }


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("x", f"a{CROSS}b"), (f"x{CROSS}a", "b")),
        (('"p', f'q"{CROSS}r'), (f'p{CROSS}"q', 'r"')),
        (('"x', 'y"'), (f"x{CROSS}y",)),
    ],
)
def test_different_names_are_never_written_alike(one, other):
    assert crossed(one) != crossed(other)


def test_a_column_that_is_not_there_is_named(report):
    with pytest.raises(InvalidInput, match="no column 'race'; its columns are 'sex', 'y', 'p'") as refused:
        report(BiasColumns(label="y", prediction="p", protected=["sex", "race"]))
    assert refused.value.at == ("protected", 1)


def test_a_misspelt_column_is_guessed_even_beyond_those_shown():
    columns = [*(f"c{i}" for i in range(30)), "Race", "sex"]
    message = str(no_column("rcae", columns, ("protected", 0)))
    assert "no column 'rcae'; did you mean 'Race'" in message
    assert "columns are 'c0', 'c1'" in message and message.endswith("'c19' and 12 more")
    assert "did you mean" not in str(no_column("zzzzzz", columns, ("label",)))


def test_nested_columns_and_long_texts_name_no_groups(report):
    with pytest.raises(InvalidInput, match="single values are needed"):
        report(sex=[["f"]] * 200)
    with pytest.raises(InvalidInput, match="longer than 200 characters"):
        report(sex=["f" * 201, *SEX[1:]])


def test_no_rows_and_no_parquet_are_refused(report, tmp_path):
    with pytest.raises(InvalidInput, match="no row has a prediction"):
        report(p=pa.array([None] * 200, pa.int64()))
    with pytest.raises(InvalidInput, match="no row has a prediction"):
        report(sex=pa.array([], pa.string()), y=pa.array([], pa.int8()), p=pa.array([], pa.int8()))
    (tmp_path / "text.parquet").write_text("sex,y,p")
    with pytest.raises(InvalidInput, match="not a readable Parquet file"):
        count(tmp_path / "text.parquet", COLUMNS)


def test_bands_and_categories_are_groups_too(report):
    result = report(sex=pa.array(pd.cut(np.arange(200), 4, labels=list("abcd"))))
    assert [(g.name, g.size) for g in result.attributes[0].groups] == [(c, 50) for c in "abcd"]


def test_the_seed_decides_the_draws(report):
    def intervals(seed):
        options = BiasOptions(bootstrap_samples=100, seed=seed)
        return [f.interval for f in report(options=options).attributes[0].findings]

    assert intervals(1) == intervals(1)
    assert intervals(1) != intervals(2)


def test_other_attributes_do_not_change_what_is_said_of_one(report):
    both = BiasColumns(label="y", prediction="p", protected=["town", "sex"])
    here, alone = report(both, town=["a", "b"] * 100).attributes[1], report().attributes[0]
    assert here.groups == alone.groups
    assert [(f.value, f.interval, f.p_value) for f in here.findings] == [
        (f.value, f.interval, f.p_value) for f in alone.findings
    ]


def test_progress_is_told_in_order_with_each_finding(report):
    steps = []
    result = report(tell=steps.append)
    fractions = [step.fraction for step in steps]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)
    found = [step.partial for step in steps if isinstance(step.partial, Finding)]
    # as told, p-values are not adjusted yet: that takes all findings
    adjusted = {(f.metric, f.attribute, f.value, f.interval, f.reason) for f in findings(result)}
    assert {(f.metric, f.attribute, f.value, f.interval, f.reason) for f in found} == adjusted
    assert any(
        step.message.startswith("Compared 2 groups of sex: demographic parity difference 0.2 [")
        for step in steps
    )
