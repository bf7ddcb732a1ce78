"""More than two classes: each against the others, their mean, and which values are no classes at all."""

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import MetricFrame
from sklearn.datasets import load_iris, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    precision_score,
    recall_score,
)
from sklearn.model_selection import cross_val_predict

from engine.errors import InvalidInput
from engine.fairness import BiasColumns, Metric, Quantity, Verdict
from tests.fairness import EVERYONE, QUICK, analysed, finding, findings, of

COLUMNS = BiasColumns(label="y", prediction="p", protected=["g"])


@pytest.fixture(params=[load_iris, load_wine], ids=["iris", "wine"])
def flowers(request):
    """Three classes predicted from a noisy feature or two, and two groups made up."""
    places, labels = request.param(return_X_y=True)
    generator = np.random.default_rng(6)
    noisy = places[:, :2] + generator.normal(size=(len(labels), 2))
    predicted = cross_val_predict(LogisticRegression(max_iter=5000), noisy, labels, cv=5)
    names = np.array(["setosa", "versicolor", "virginica"])
    group = np.where(generator.random(len(labels)) < 0.4, "a", "b")
    return pd.DataFrame({"g": group, "y": names[labels], "p": names[predicted]})


def test_rates_of_each_class_agree_with_scikit_learn(tmp_path, flowers):
    report = analysed(tmp_path, flowers, COLUMNS, EVERYONE)
    assert report.favorable == "each class in turn"
    for group, rows in flowers.groupby("g"):
        for name in sorted(set(flowers.y)):
            truth, guess = rows.y == name, rows.p == name
            ((tn, fp), (fn, tp)) = confusion_matrix(truth, guess)
            for quantity, expected in {
                Quantity.SELECTION_RATE: guess.mean(),
                Quantity.BASE_RATE: truth.mean(),
                Quantity.TRUE_POSITIVE_RATE: recall_score(truth, guess),
                Quantity.FALSE_POSITIVE_RATE: fp / (fp + tn),
                Quantity.PRECISION: precision_score(truth, guess),
                Quantity.FALSE_DISCOVERY_RATE: fp / (fp + tp),
                Quantity.FALSE_OMISSION_RATE: fn / (fn + tn),
                Quantity.F1: f1_score(truth, guess),
            }.items():
                assert of(report, group, quantity, outcome=name).value == pytest.approx(expected, abs=1e-12)
        together = {Quantity.ACCURACY: accuracy_score, Quantity.BALANCED_ACCURACY: balanced_accuracy_score}
        for quantity, theirs in together.items():
            assert of(report, group, quantity).value == pytest.approx(theirs(rows.y, rows.p), abs=1e-12)


def test_gaps_of_each_class_and_their_mean_agree_with_fairlearn(tmp_path, flowers):
    report = analysed(tmp_path, flowers, COLUMNS, EVERYONE)
    for metric, theirs in {
        Metric.DEMOGRAPHIC_PARITY_DIFFERENCE: lambda y, p: p.mean(),
        Metric.EQUAL_OPPORTUNITY_DIFFERENCE: recall_score,
        Metric.PREDICTIVE_PARITY_DIFFERENCE: precision_score,
    }.items():
        expected = [
            MetricFrame(
                metrics=theirs,
                y_true=flowers.y == name,
                y_pred=flowers.p == name,
                sensitive_features=flowers.g,
            ).difference()
            for name in sorted(set(flowers.y))
        ]
        ours = [finding(report, metric, outcome=name).value for name in sorted(set(flowers.y))]
        assert ours == pytest.approx(expected, abs=1e-12)
        macro = finding(report, metric)
        assert macro.value == pytest.approx(np.mean(expected), abs=1e-12)
        assert macro.description.startswith("The mean over 3 classes")
    expected = MetricFrame(
        metrics=balanced_accuracy_score, y_true=flowers.y, y_pred=flowers.p, sensitive_features=flowers.g
    ).difference()
    assert finding(report, Metric.BALANCED_ACCURACY_DIFFERENCE).value == pytest.approx(expected, abs=1e-12)


def test_accuracy_is_said_once_and_not_for_each_class(tmp_path, flowers):
    report = analysed(tmp_path, flowers, COLUMNS, EVERYONE)
    assert {f.outcome for f in findings(report) if f.metric is Metric.ACCURACY_DIFFERENCE} == {None}


def test_names_of_classes_do_not_matter(tmp_path, flowers):
    other = {"setosa": "2", "versicolor": "0", "virginica": "1"}
    renamed = flowers.assign(y=flowers.y.map(other), p=flowers.p.map(other))
    ours, theirs = (analysed(tmp_path, each, COLUMNS, EVERYONE) for each in (flowers, renamed))
    for metric in (Metric.EQUALIZED_ODDS_DIFFERENCE, Metric.ACCURACY_DIFFERENCE):
        assert finding(ours, metric).value == pytest.approx(finding(theirs, metric).value)
    for name, now in other.items():
        metric = Metric.EQUALIZED_ODDS_DIFFERENCE
        assert finding(ours, metric, outcome=name).value == finding(theirs, metric, outcome=now).value


def test_a_favourable_class_is_judged_alone(tmp_path, flowers):
    columns = BiasColumns(label="y", prediction="p", protected=["g"], favorable="setosa")
    report = analysed(tmp_path, flowers, columns, EVERYONE)
    each = analysed(tmp_path, flowers, COLUMNS, EVERYONE)
    metric = Metric.DEMOGRAPHIC_PARITY_DIFFERENCE
    assert finding(report, metric).value == finding(each, metric, outcome="setosa").value


def test_a_class_that_only_one_group_has_is_out_and_said(tmp_path):
    # c occurs as a label in group a only: its true positive rate cannot be compared, and so no mean over classes
    data = {"g": ["a"] * 90 + ["b"] * 90, "y": ["x", "y", "c"] * 30 + ["x", "y", "x"] * 30}
    report = analysed(tmp_path, data | {"p": ["x", "y", "c"] * 60}, COLUMNS, EVERYONE)
    metric = Metric.EQUAL_OPPORTUNITY_DIFFERENCE
    lone, macro = finding(report, metric, outcome="c"), finding(report, metric)
    for each in (lone, macro):
        assert (each.value, each.verdict) == (None, Verdict.INSUFFICIENT_EVIDENCE)
        assert "b, which has 0 rows with a favourable label" in each.reason
    assert of(report, "b", Quantity.TRUE_POSITIVE_RATE, outcome="c").value is None
    assert finding(report, metric, outcome="x").value == pytest.approx(0.5)  # all of a, 30 of 60 of b


@pytest.mark.parametrize(
    ("labels", "predictions"),
    [
        (("bad", "good"), (0, 1)),
        (("bad", "good"), ("Bad", "Good")),
        (("1", "2", "3"), ("1.0", "2.0", "3.0")),
    ],
)
def test_values_of_two_languages_are_no_classes(tmp_path, labels, predictions):
    rows = 60
    data = {
        "g": ["a", "b"] * (rows // 2),
        "y": [labels[i % len(labels)] for i in range(rows)],
        "p": [predictions[i % len(predictions)] for i in range(rows)],
    }
    with pytest.raises(InvalidInput, match="write both alike, or name the favourable value") as refused:
        analysed(tmp_path, data, COLUMNS)
    assert refused.value.at == ("favorable",)


def test_a_class_that_is_never_predicted_is_a_class(tmp_path):
    data = {"g": ["a", "b"] * 60, "y": list("xyz") * 40, "p": list("xyy") * 40}
    report = analysed(tmp_path, data, COLUMNS)
    assert finding(report, Metric.DEMOGRAPHIC_PARITY_DIFFERENCE, outcome="z").value == 0.0
    odd = analysed(tmp_path, data | {"p": list("xyw") * 40}, COLUMNS)  # w is never a label
    assert finding(odd, Metric.DEMOGRAPHIC_PARITY_DIFFERENCE, outcome="w").value == 0.0


def test_too_many_classes_are_refused(tmp_path):
    data = {"g": ["a", "b"] * 63, "y": [f"c{i % 21}" for i in range(126)]}
    with pytest.raises(InvalidInput, match="hold 21 classes; at most 20"):
        analysed(tmp_path, data | {"p": data["y"]}, COLUMNS, QUICK)


def test_ratios_to_the_reference_do_not_make_up_for_each_other_in_the_mean(tmp_path):
    # x is said of 100 of 400 in a, the reference, and of 100 of 200 in b: 2; y of 200 and 60: 0.6; z of 100 and 40: 0.8
    said = {"a": [100, 200, 100], "b": [100, 60, 40]}
    rows = [
        (g, c) for g, counts in said.items() for c, n in zip("xyz", counts, strict=True) for _ in range(n)
    ]
    table = {"g": [g for g, _ in rows], "p": [c for _, c in rows]}
    report = analysed(tmp_path, table, BiasColumns(prediction="p", protected=["g"]))
    impact = {c: finding(report, Metric.DISPARATE_IMPACT, "g", c) for c in ("x", "y", "z", None)}
    assert [impact[c].value for c in "xyz"] == pytest.approx([2.0, 0.6, 0.8])
    assert impact[None].value == pytest.approx((1 / 2 + 0.6 + 0.8) / 3)
    assert impact[None].interval.high < 1
    assert impact[None].verdict is not Verdict.PASS
    assert "For 'x', where it is worst, the selection rate goes from 0.25 (a) to 0.5 (b)" in (
        impact[None].description
    )
    # the ends stand in the order of their rates, whichever is the reference
    assert (impact["x"].lowest, impact["x"].lowest_value) == ("a", 0.25)
    assert (impact["x"].highest, impact["x"].highest_value) == ("b", 0.5)
    assert (impact["y"].lowest, impact["y"].highest) == ("b", "a")
