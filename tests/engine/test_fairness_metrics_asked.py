"""Metrics asked for by name: judged as among all, alone in the report, and refused where they cannot be measured."""

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from engine.errors import InvalidInput
from engine.fairness import AnalysisType, BiasColumns, BiasOptions, Metric, Threshold
from tests.fairness import analysed, finding, findings

COLUMNS = BiasColumns(label="label", prediction="prediction", protected=["race", "sex"])
SOME = [Metric.DEMOGRAPHIC_PARITY_DIFFERENCE, Metric.EQUAL_OPPORTUNITY_DIFFERENCE]


@pytest.fixture(scope="module")
def rows():
    draw = np.random.default_rng(3)
    return {
        "race": draw.choice(["a", "b", "c"], 900),
        "sex": draw.choice(["f", "m"], 900),
        "label": draw.integers(0, 2, 900),
        "prediction": draw.integers(0, 2, 900),
        "age": draw.normal(40, 9, 900),
    }


def asked(metrics, **more):
    return BiasOptions(bootstrap_samples=100, metrics=metrics, **more)


def test_metrics_asked_for_are_judged_as_they_are_among_all(tmp_path, rows):
    every, some = (analysed(tmp_path, rows, COLUMNS, asked(metrics)) for metrics in ((), SOME))
    assert {each.metric for each in findings(some)} == set(SOME)
    assert len(every.intersections) == len(some.intersections) == 1
    for metric in SOME:
        for attribute in ("race", "sex"):
            one, other = finding(every, metric, attribute), finding(some, metric, attribute)
            assert (one.value, one.interval, one.p_value) == (other.value, other.interval, other.p_value)


def test_p_values_are_adjusted_over_the_metrics_asked_for_alone(tmp_path, rows):
    found = findings(analysed(tmp_path, rows, COLUMNS, asked(SOME)))
    expected = multipletests([each.p_value for each in found], method="holm")[1]
    assert len(found) == 6
    assert [each.p_value_holm for each in found] == pytest.approx(list(expected), abs=1e-12)


def test_rows_are_compared_with_each_other_only_where_that_is_asked(tmp_path, rows):
    columns = BiasColumns(prediction="prediction", protected=["sex"], features=["age"])
    alone = analysed(tmp_path, rows, columns, asked([Metric.CONSISTENCY]))
    assert [each.metric for each in findings(alone)] == [Metric.CONSISTENCY]
    without = analysed(tmp_path, rows, columns, asked([Metric.DEMOGRAPHIC_PARITY_RATIO]))
    assert without.worst_pairs == ()
    assert not any("Consistency" in note for note in without.method.notes)


@pytest.mark.parametrize(
    ("metrics", "columns", "kind", "at", "said"),
    [
        ([SOME[0], SOME[1], SOME[0]], {}, "comprehensive", ("metrics", 2), "twice"),
        ([SOME[0], Metric.R2_DIFFERENCE], {}, "comprehensive", ("metrics", 1), "is for regression"),
        ([SOME[1]], {}, "demographic_parity", ("metrics", 0), "measured by equalized_odds or comprehensive"),
        ([SOME[1]], {"label": None}, "comprehensive", ("label",), "name the label column"),
        ([Metric.ABROCA], {}, "comprehensive", ("metrics", 0), "needs a column that is not named"),
        ([Metric.CONSISTENCY], {}, "comprehensive", ("features",), "name numeric columns as features"),
    ],
)
def test_a_metric_that_cannot_be_measured_is_refused_with_its_place(
    tmp_path, rows, metrics, columns, kind, at, said
):
    given = {"label": "label", "prediction": "prediction", "protected": ["sex"]} | columns
    with pytest.raises(InvalidInput, match=said) as refused:
        analysed(tmp_path, rows, BiasColumns(**given), asked(metrics), AnalysisType(kind))
    assert refused.value.at == at


def test_a_limit_for_another_kind_of_model_is_refused_with_its_place(tmp_path, rows):
    limits = [Threshold(metric=metric, limit=0.5) for metric in (SOME[0], Metric.CLUSTER_BALANCE)]
    with pytest.raises(
        InvalidInput, match="is for clustering, and this model is a classification"
    ) as refused:
        analysed(tmp_path, rows, COLUMNS, BiasOptions(bootstrap_samples=100, thresholds=limits))
    assert refused.value.at == ("thresholds", 1, "metric")


def test_one_list_of_limits_serves_all_questions_about_a_model(tmp_path, rows):
    limits = [Threshold(metric=metric, limit=0.5) for metric in (*SOME, Metric.CONSISTENCY)]
    options = BiasOptions(bootstrap_samples=100, thresholds=limits)
    found = analysed(tmp_path, rows, COLUMNS, options, AnalysisType.DEMOGRAPHIC_PARITY)
    assert finding(found, SOME[0], "sex").threshold == 0.5
