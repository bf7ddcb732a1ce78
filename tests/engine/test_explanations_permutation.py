"""Permutation importance: scikit-learn's numbers for the same shuffles, intervals that hold, groups and bad input."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from engine.errors import InvalidInput
from engine.explanations.case import Case
from engine.explanations.explain import explain
from engine.explanations.measures import MEASURES, labels
from engine.explanations.options import ExplanationKind, ExplanationOptions, FeatureGroup
from engine.explanations.performance import Performance
from engine.models.ensemble import Link
from engine.models.scorer import Inside, Linear
from tests.scorers import Made, case

RANDOM = np.random.default_rng(0)
TRUTH = RANDOM.integers(0, 2, 400).astype(float)
SCORES = np.clip(np.round(TRUTH * 0.3 + RANDOM.random(400) * 0.7, 2), 0.01, 0.99)  # rounded, for ties
BOTH = np.column_stack([1 - SCORES, SCORES])
THREE = RANDOM.integers(0, 3, 400).astype(float)
OF_THREE = RANDOM.dirichlet([1, 1, 1], 400)
VALUES = RANDOM.normal(size=400)
NEAR = (VALUES + RANDOM.normal(size=400))[:, None]

THEIRS = {
    Performance.ROC_AUC: (TRUTH, BOTH, lambda: metrics.roc_auc_score(TRUTH, SCORES)),
    Performance.ACCURACY: (THREE, OF_THREE, lambda: metrics.accuracy_score(THREE, OF_THREE.argmax(1))),
    Performance.BALANCED_ACCURACY: (
        THREE,
        OF_THREE,
        lambda: metrics.balanced_accuracy_score(THREE, OF_THREE.argmax(1)),
    ),
    Performance.F1: (TRUTH, BOTH, lambda: metrics.f1_score(TRUTH, BOTH.argmax(1))),
    Performance.LOG_LOSS: (THREE, OF_THREE, lambda: -metrics.log_loss(THREE, OF_THREE)),
    Performance.BRIER: (TRUTH, BOTH, lambda: -metrics.brier_score_loss(TRUTH, SCORES)),
    Performance.R2: (VALUES, NEAR, lambda: metrics.r2_score(VALUES, NEAR[:, 0])),
    Performance.MEAN_ABSOLUTE_ERROR: (VALUES, NEAR, lambda: -metrics.mean_absolute_error(VALUES, NEAR[:, 0])),
    Performance.ROOT_MEAN_SQUARED_ERROR: (
        VALUES,
        NEAR,
        lambda: -metrics.root_mean_squared_error(VALUES, NEAR[:, 0]),
    ),
}


@pytest.mark.parametrize("name", list(Performance))
def test_measures_are_those_of_scikit_learn(name: Performance) -> None:
    truth, scores, theirs = THEIRS[name]
    assert MEASURES[name].of(truth, scores).value == pytest.approx(theirs(), abs=1e-12)


@pytest.mark.parametrize("name", list(Performance))
def test_influences_give_the_standard_error_of_a_bootstrap(name: Performance) -> None:
    truth, scores, _ = THEIRS[name]
    found = MEASURES[name].of(truth, scores)
    assert found.influence.mean() == pytest.approx(0, abs=1e-9)
    generator = np.random.default_rng(1)
    drawn = []
    for _ in range(600):
        rows = generator.integers(0, len(truth), len(truth))
        drawn.append(MEASURES[name].of(truth[rows], scores[rows]).value)
    assert found.influence.std(ddof=1) / 20 == pytest.approx(np.std(drawn), rel=0.12)


def test_f1_of_more_classes_is_the_mean_over_them() -> None:
    expected = metrics.f1_score(THREE, OF_THREE.argmax(1), average="macro")
    assert MEASURES[Performance.F1].of(THREE, OF_THREE).value == pytest.approx(expected)


NAMES = ["a", "b", "c"]


def table(rows: int, seed: int) -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(seed).normal(size=(rows, 3)), columns=NAMES)


def value(rows: pd.DataFrame) -> np.ndarray:
    return 2 * rows["a"].to_numpy() + rows["b"].to_numpy()


def asked(seed: int = 0, rows: int = 300, **options: object) -> Case:
    of = table(rows, seed)
    truth = pd.Series(value(of) + np.random.default_rng(seed + 1_000).normal(size=rows), name="y")
    made = case(Made(function=value, names=NAMES), of, of, ExplanationOptions(label="y", **options))
    return replace(made, labels=truth)


def test_the_loss_is_that_of_scikit_learns_measure_on_the_same_shuffled_rows() -> None:
    of = asked(repeats=2)
    report = explain(ExplanationKind.PERMUTATION, of)
    generator = np.random.default_rng(0)
    orders = [generator.permutation(300) for _ in range(2)]
    expected = {}
    for name in NAMES:
        shuffled = [
            metrics.r2_score(of.labels, value(of.rows.assign(**{name: of.rows[name].to_numpy()[order]})))
            for order in orders
        ]
        expected[name] = metrics.r2_score(of.labels, value(of.rows)) - np.mean(shuffled)
    assert {each.feature: each.importance for each in report.importances} == pytest.approx(expected)
    assert [each.feature for each in report.importances] == ["a", "b", "c"]
    assert report.importances[2].importance == 0
    assert report.performance is Performance.R2
    assert report.performance_value == pytest.approx(metrics.r2_score(of.labels, value(of.rows)))


def test_intervals_hold_the_true_loss_as_often_as_they_say() -> None:
    """Shuffling `a` adds Var(2a - 2a') = 8 to an error of 1, in mean squares; R2 falls by 8 / Var(y) = 8 / 6."""
    held = 0
    for seed in range(200):
        first = explain(ExplanationKind.PERMUTATION, asked(seed, rows=400, repeats=5)).importances[0]
        held += first.interval.low <= 8 / 6 <= first.interval.high
    assert 180 <= held <= 198


def test_groups_are_shuffled_together() -> None:
    alone = explain(ExplanationKind.PERMUTATION, asked())
    together = explain(
        ExplanationKind.PERMUTATION, asked(groups=[FeatureGroup(name="both", features=["a", "b"])])
    )
    assert [each.feature for each in together.importances] == ["both", "c"]
    assert together.importances[0].features == ("a", "b")
    assert together.importances[0].importance > alone.importances[0].importance


def test_rows_encoded_once_give_the_same_as_rows_encoded_each_time() -> None:
    inside = Inside(
        core=Linear(weights=np.array([[2.0, 1.0, 0.0]]), intercept=np.zeros(1), link=Link.IDENTITY),
        players=np.arange(3),
        encode=lambda rows: rows[NAMES].to_numpy(dtype=float),
    )
    of = asked()
    known = replace(of, scorer=Made(function=value, names=NAMES, structure=inside))
    ours, theirs = (explain(ExplanationKind.PERMUTATION, each).importances for each in (known, of))
    for one, other in zip(ours, theirs, strict=True):
        assert one.importance == pytest.approx(other.importance, abs=1e-12)


def test_one_label_leaves_nothing_to_measure_and_says_so() -> None:
    of = table(20, 0)
    model = Made(function=lambda rows: np.full(len(rows), 0.5), names=NAMES, classes=["no", "yes"])
    made = replace(
        case(model, of, of, ExplanationOptions(label="y")), labels=pd.Series(["yes"] * 19 + [None], name="y")
    )
    report = explain(ExplanationKind.PERMUTATION, made)
    assert report.performance_value is None
    assert all(each.importance is None for each in report.importances)
    assert "same label" in report.importances[0].reason
    assert report.notes == ("1 row has no label and took no part.",)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"groups": [FeatureGroup(name="g", features=["z"])]}, "no feature 'z'"),
        ({"groups": [FeatureGroup(name="a", features=["b"])]}, "both called 'a'"),
        (
            {"groups": [FeatureGroup(name="g", features=["a"]), FeatureGroup(name="h", features=["a"])]},
            "in two groups",
        ),
        ({"performance": Performance.ROC_AUC}, "no measure of a regression model"),
    ],
)
def test_bad_questions_are_refused_in_words(change: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        explain(ExplanationKind.PERMUTATION, asked(**change))


def test_a_label_that_is_no_class_is_named() -> None:
    of = table(3, 0)
    model = Made(function=lambda rows: np.full(len(rows), 0.5), names=NAMES, classes=["no", "yes"])
    made = replace(case(model, of, of), labels=pd.Series(["yes", "maybe", "no"], name="y"))
    with pytest.raises(InvalidInput, match="'maybe' in column 'y'"):
        explain(ExplanationKind.PERMUTATION, made)
    with pytest.raises(InvalidInput, match="needs the column"):
        explain(ExplanationKind.PERMUTATION, replace(made, labels=None))


def test_a_column_of_truth_values_holds_the_labels_of_false_and_true() -> None:
    for classes in (["False", "True"], ["0", "1"], ["no", "yes"]):
        signature = Made(function=len, names=NAMES, classes=classes).signature
        for column in ([1, 0], [1.0, 0.0], ["true", "false"]):
            if classes == ["no", "yes"]:
                with pytest.raises(InvalidInput, match="none of the model's classes"):
                    labels(pd.Series(column), signature)
            else:
                assert labels(pd.Series(column), signature)[0].tolist() == [1, 0]


def test_no_and_yes_are_the_labels_of_a_model_that_knows_its_classes_by_number() -> None:
    for classes in (["0", "1"], ["False", "True"]):
        signature = Made(function=len, names=NAMES, classes=classes).signature
        assert labels(pd.Series(["yes", "no", "Yes", "NO", None]), signature)[0].tolist() == [1, 0, 1, 0]
    signature = Made(function=len, names=NAMES, classes=["0", "1", "2"]).signature
    with pytest.raises(
        InvalidInput, match="'yes' in column 'paid' is none of the model's classes '0', '1', '2'"
    ):
        labels(pd.Series(["yes"], name="paid"), signature)
