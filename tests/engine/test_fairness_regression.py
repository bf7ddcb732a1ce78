"""Regression: against scikit-learn, fairlearn and SciPy on diabetes data, a bootstrap of rows, and by hand."""

from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest
from fairlearn.metrics import MetricFrame
from scipy.stats import ks_2samp, wasserstein_distance
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from sklearn.model_selection import train_test_split

from engine.errors import InvalidInput
from engine.fairness import (
    AnalysisType,
    Bands,
    BiasColumns,
    BiasOptions,
    Metric,
    Quantity,
    Verdict,
)
from engine.fairness.analysis import judged
from engine.fairness.cube import Axis
from engine.fairness.evidence import merged
from engine.fairness.moments import moments_of
from engine.fairness.regression import REGRESSION
from engine.values import ModelType
from tests.fairness import finding
from tests.regression import COLUMNS, moments, report, written


def group(report, name, attribute=0):
    return next(g for g in report.attributes[attribute].groups if g.name == name)


def measured(group):
    return {metric.quantity: metric.value for metric in group.metrics}


@pytest.fixture(scope="module")
def diabetes():
    """Predictions of a seeded model for rows that it has not seen, and for those that it has."""
    features, label = load_diabetes(return_X_y=True, scaled=False)
    train, _, known, _ = train_test_split(features, label, test_size=0.5, random_state=0)
    prediction = LinearRegression().fit(train[:, 2:], known).predict(features[:, 2:])
    age = np.where(
        features[:, 0] < 40, "below 40", np.where(features[:, 0] < 55, "40 to below 55", "55 and above")
    )
    data = {"age": features[:, 0], "sex": features[:, 1], "label": label, "prediction": prediction}
    return data, {"age": age, "sex": np.where(features[:, 1] == 1, "1", "2")}


@pytest.fixture(scope="module")
def audited(diabetes, tmp_path_factory):
    options = BiasOptions(bands=[Bands(attribute="age", edges=[40, 55])])
    columns = BiasColumns(protected=["sex", "age"], label="label", prediction="prediction")
    return report(tmp_path_factory.mktemp("diabetes"), diabetes[0], columns, options)


def test_quantities_of_groups_agree_with_scikit_learn(diabetes, audited):
    data, attributes = diabetes
    frame = {
        Quantity.MEAN_PREDICTION: lambda label, prediction: prediction.mean(),
        Quantity.MEAN_LABEL: lambda label, prediction: label.mean(),
        Quantity.MEAN_ERROR: lambda label, prediction: (prediction - label).mean(),
        Quantity.MEAN_ABSOLUTE_ERROR: mean_absolute_error,
        Quantity.ROOT_MEAN_SQUARED_ERROR: root_mean_squared_error,
        Quantity.R2: r2_score,
    }
    for each in audited.attributes:
        theirs = MetricFrame(
            metrics=frame,
            y_true=data["label"],
            y_pred=data["prediction"],
            sensitive_features=attributes[each.attribute],
        ).by_group
        assert {g.name for g in each.groups} == set(theirs.index)
        for ours in each.groups:
            assert measured(ours) == pytest.approx(theirs.loc[ours.name].to_dict(), rel=1e-9)


def test_gaps_agree_with_fairlearn(diabetes, audited):
    data, attributes = diabetes
    unit = data["label"].std()
    for name, values in attributes.items():
        for function, difference, ratio, scale in (
            (lambda label, p: p.mean(), Metric.MEAN_PREDICTION_DIFFERENCE, None, unit),
            (lambda label, p: (p - label).mean(), Metric.MEAN_ERROR_DIFFERENCE, None, unit),
            (
                mean_absolute_error,
                Metric.MEAN_ABSOLUTE_ERROR_DIFFERENCE,
                Metric.MEAN_ABSOLUTE_ERROR_RATIO,
                unit,
            ),
            (root_mean_squared_error, None, Metric.ROOT_MEAN_SQUARED_ERROR_RATIO, unit),
            (r2_score, Metric.R2_DIFFERENCE, None, 1.0),
        ):
            theirs = MetricFrame(
                metrics=function, y_true=data["label"], y_pred=data["prediction"], sensitive_features=values
            )
            if difference is not None:
                assert finding(audited, difference, name).value == pytest.approx(theirs.difference() / scale)
            if ratio is not None:
                assert finding(audited, ratio, name).value == pytest.approx(theirs.ratio())


def test_distances_of_distributions_agree_with_scipy(diabetes, audited):
    data, attributes = diabetes
    for name, values in attributes.items():
        parts = [data["prediction"][values == each] for each in np.unique(values)]
        pairs = list(combinations(parts, 2))
        statistic = max(ks_2samp(*pair).statistic for pair in pairs)
        area = max(wasserstein_distance(*pair) for pair in pairs) / data["label"].std()
        found = finding(audited, Metric.KOLMOGOROV_SMIRNOV_DISTANCE, name).value
        assert found == pytest.approx(statistic, abs=1e-12)
        assert finding(audited, Metric.WASSERSTEIN_DISTANCE, name).value == pytest.approx(area, rel=1e-9)


def test_the_kolmogorov_smirnov_distance_is_the_largest_parity_gap_over_thresholds(diabetes, audited):
    data, attributes = diabetes
    one, other = (data["prediction"][attributes["sex"] == each] for each in ("1", "2"))
    gaps = [abs((one > at).mean() - (other > at).mean()) for at in data["prediction"]]
    found = finding(audited, Metric.KOLMOGOROV_SMIRNOV_DISTANCE, "sex").value
    assert found == pytest.approx(max(gaps), abs=1e-12)


def test_a_file_in_parts_gives_the_report_of_the_whole(tmp_path, diabetes):
    data, attributes = diabetes
    table = {**data, "group": attributes["sex"]}
    options = BiasOptions()
    parts = [
        written(tmp_path, {name: values[rows] for name, values in table.items()}, name=str(i))
        for i, rows in enumerate((slice(0, 100), slice(100, None)))
    ]
    summaries = [REGRESSION.summarise(part, COLUMNS, options, lambda step: None) for part in parts]
    kind = AnalysisType.COMPREHENSIVE
    both = judged(merged(*summaries), COLUMNS, kind, options, model=ModelType.REGRESSION)
    whole = report(tmp_path, table, options=options)
    for one, other in zip(both.attributes[0].findings, whole.attributes[0].findings, strict=True):
        assert (one.metric, one.verdict, one.lowest) == (other.metric, other.verdict, other.lowest)
        ours, theirs = (np.array([f.value, f.interval.low, f.interval.high]) for f in (one, other))
        assert ours == pytest.approx(theirs, rel=1e-6)


def test_the_same_file_gives_the_same_report(tmp_path, diabetes):
    data, attributes = diabetes
    table = {**data, "group": attributes["age"]}
    assert report(tmp_path, table) == report(tmp_path, table)


def values_of(report):
    return {f.metric: f.value for f in report.attributes[0].findings}


def test_order_and_repetition_of_rows_change_no_value(tmp_path, diabetes):
    data, attributes = diabetes
    table = {**data, "group": attributes["age"]}
    once = values_of(report(tmp_path, table))
    order = np.random.default_rng(0).permutation(len(data["age"]))
    shuffled = {name: values[order] for name, values in table.items()}
    twice = {name: np.tile(values, 2) for name, values in table.items()}
    assert values_of(report(tmp_path, shuffled)) == pytest.approx(once)
    assert values_of(report(tmp_path, twice)) == pytest.approx(once)


def test_units_of_the_label_change_no_metric(tmp_path, diabetes):
    # degrees Celsius in Fahrenheit, far from 0 and in tiny units
    data, attributes = diabetes
    table = {"group": attributes["sex"], "label": data["label"], "prediction": data["prediction"]}
    once = values_of(report(tmp_path, table))
    for scale, shift in ((1.8, 32.0), (1.0, 1e7), (1e-9, 0.0), (1e12, 0.0)):
        moved = {name: table[name] * scale + shift for name in ("label", "prediction")}
        assert values_of(report(tmp_path, {**table, **moved})) == pytest.approx(once, rel=1e-5)


def test_rows_without_finite_numbers_are_left_out_and_counted(tmp_path):
    data = {
        "group": ["a", "a", "b", "b", "a", "b", None],
        "label": [1.0, 2.0, 3.0, 5.0, None, float("inf"), 2.0],
        "prediction": [1.5, 2.5, 2.0, 5.0, 3.0, float("nan"), float("nan")],
    }
    found = report(tmp_path, data)
    assert (found.rows, found.rows_excluded) == (7, 3)
    assert found.exclusion_reason == "2 rows have no finite label, and 1 row has no finite prediction"
    # a: errors 0.5 and 0.5, labels 1 and 2; b: errors -1 and 0, labels 3 and 5
    assert measured(group(found, "a")) == pytest.approx(
        {
            Quantity.MEAN_PREDICTION: 2.0,
            Quantity.MEAN_LABEL: 1.5,
            Quantity.MEAN_ERROR: 0.5,
            Quantity.MEAN_ABSOLUTE_ERROR: 0.5,
            Quantity.ROOT_MEAN_SQUARED_ERROR: 0.5,
            Quantity.R2: 0.0,  # 1 - 0.5 / 0.5
        }
    )
    assert measured(group(found, "b"))[Quantity.R2] == pytest.approx(0.5)  # 1 - 1 / 2
    # labels 1, 2, 3, 5 have variance 2.1875; predictions 1.5, 2.5 and 2, 5 are 0.5 and 2.5 apart when sorted
    assert finding(found, Metric.WASSERSTEIN_DISTANCE).value == pytest.approx(1.5 / np.sqrt(2.1875))
    assert finding(found, Metric.MEAN_ERROR_DIFFERENCE).value == pytest.approx(1.0 / np.sqrt(2.1875))
    assert finding(found, Metric.KOLMOGOROV_SMIRNOV_DISTANCE).value == pytest.approx(0.5)


def test_a_constant_label_leaves_no_scale_and_no_r2(tmp_path):
    generator = np.random.default_rng(0)
    data = {
        "group": ["a", "b"] * 50,
        "label": [0.1] * 100,
        "prediction": generator.normal(size=100),
    }
    found = report(tmp_path, data)
    for metric in (Metric.MEAN_ERROR_DIFFERENCE, Metric.WASSERSTEIN_DISTANCE, Metric.R2_DIFFERENCE):
        assert finding(found, metric).verdict is Verdict.INSUFFICIENT_EVIDENCE
        assert finding(found, metric).value is None
    assert (
        "no mean error in standard deviations of the label"
        in finding(found, Metric.MEAN_ERROR_DIFFERENCE).reason
    )
    assert finding(found, Metric.MEAN_ABSOLUTE_ERROR_RATIO).value is not None
    assert finding(found, Metric.KOLMOGOROV_SMIRNOV_DISTANCE).value is not None
    r2 = next(m for m in group(found, "a").metrics if m.quantity is Quantity.R2)
    assert (r2.value, r2.reason) == (None, "The R2 is undefined: there are no rows with differing labels.")
    assert any("The label has one value only" in note for note in found.method.notes)


def test_perfect_and_constant_predictions(tmp_path):
    label = np.arange(100.0)
    perfect = report(tmp_path, {"group": ["a", "b"] * 50, "label": label, "prediction": label})
    assert finding(perfect, Metric.MEAN_ERROR_DIFFERENCE).value == 0
    assert finding(perfect, Metric.R2_DIFFERENCE).value == 0
    assert finding(perfect, Metric.MEAN_ABSOLUTE_ERROR_RATIO).value is None
    constant = report(tmp_path, {"group": ["a", "b"] * 50, "label": label, "prediction": np.full(100, 7.0)})
    assert finding(constant, Metric.KOLMOGOROV_SMIRNOV_DISTANCE).value == 0
    assert finding(constant, Metric.WASSERSTEIN_DISTANCE).value == 0


def test_one_group_and_tiny_groups_are_shown_and_not_judged(tmp_path):
    generator = np.random.default_rng(0)
    label = generator.normal(size=43)
    data = {"group": ["a"] * 40 + ["b", "c", "c"], "label": label, "prediction": label + 1}
    found = report(tmp_path, data, options=BiasOptions(bootstrap_samples=100))
    assert found.verdict is Verdict.INSUFFICIENT_EVIDENCE
    assert [g.judged for g in found.attributes[0].groups] == [True, False, False]
    assert measured(group(found, "b"))[Quantity.MEAN_ERROR] == pytest.approx(1.0)
    assert measured(group(found, "b"))[Quantity.R2] is None


def test_files_that_say_nothing_are_refused(tmp_path):
    nothing = pa.array([None, None], pa.float64())
    with pytest.raises(InvalidInput, match="no row has both a label and a prediction"):
        report(tmp_path, {"group": ["a", "b"], "label": nothing, "prediction": [1.0, 2.0]})
    with pytest.raises(InvalidInput, match="needs numbers") as refused:
        report(tmp_path, {"group": ["a", "b"], "label": ["x", "y"], "prediction": [1.0, 2.0]})
    assert refused.value.at == ("label",)
    with pytest.raises(InvalidInput, match="more than 100 distinct values"):
        report(
            tmp_path,
            {
                "group": [str(i) for i in range(200)],
                "label": np.arange(200.0),
                "prediction": np.arange(200.0),
            },
        )
    one = moments([1.0], [1.0], ["a"])
    other = moments_of(["other"], [(["a"], np.zeros(1, dtype=np.int64))], np.ones(1), np.ones(1))
    assert one.axes == (Axis(name="group", values=("a",)),)
    with pytest.raises(InvalidInput, match="only summaries of the same columns"):
        one + other


def test_each_question_has_its_metrics(tmp_path, diabetes):
    data, attributes = diabetes
    table = {**data, "group": attributes["sex"]}
    parity = report(tmp_path, table, kind=AnalysisType.DEMOGRAPHIC_PARITY)
    assert set(values_of(parity)) == {
        Metric.MEAN_PREDICTION_DIFFERENCE,
        Metric.KOLMOGOROV_SMIRNOV_DISTANCE,
        Metric.WASSERSTEIN_DISTANCE,
    }
    odds = values_of(report(tmp_path, table, kind=AnalysisType.EQUALIZED_ODDS))
    assert Metric.MEAN_ERROR_DIFFERENCE in odds
    assert Metric.R2_DIFFERENCE not in odds
