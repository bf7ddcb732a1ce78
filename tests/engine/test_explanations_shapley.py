"""Shapley values of models that can only be asked, and of linear ones: against their definition and against shap."""

from dataclasses import replace
from itertools import pairwise, permutations

import numpy as np
import pandas as pd
import pytest
import shap
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidInput
from engine.explanations.enumeration import shapley
from engine.explanations.explain import explain
from engine.explanations.options import ExplanationKind, ExplanationOptions, Perturbation
from engine.explanations.report import Explained, ExplanationMethod
from engine.models.ensemble import Link
from engine.models.scorer import Inside, Linear
from tests.scorers import Made, case

RANDOM = np.random.default_rng(5)
NAMES = ["a", "b", "c", "d"]


def table(rows: int, names: list[str] = NAMES, seed: int = 0) -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(seed).normal(size=(rows, len(names))), columns=names)


def twisted(rows: pd.DataFrame) -> np.ndarray:
    """A value with interactions of two and three features."""
    a, b, c, d = (rows[name].to_numpy(dtype=float) for name in NAMES)
    return a * b + np.sin(c) * a * d + np.maximum(b, d)


def by_definition(function, row: pd.DataFrame, background: pd.DataFrame) -> np.ndarray:
    """Shapley values over all orders, in which features join one by one."""
    names = list(row.columns)
    worth = {}

    def of(known: frozenset[str]) -> float:
        if known not in worth:
            mixed = background.copy()
            for name in known:
                mixed[name] = row[name].iloc[0]
            worth[known] = float(function(mixed).mean())
        return worth[known]

    total = dict.fromkeys(names, 0.0)
    orders = list(permutations(names))
    for order in orders:
        for i, name in enumerate(order):
            total[name] += of(frozenset(order[: i + 1])) - of(frozenset(order[:i]))
    return np.array([total[name] / len(orders) for name in names])


def values_of(report: Explained, names: list[str], row: int = 0) -> np.ndarray:
    found = {each.feature: each.attribution for each in report.rows[row].attributions}
    return np.array([found[name] for name in names])


def test_enumeration_gives_the_values_of_the_definition() -> None:
    rows, background = table(3), table(20, seed=1)
    report = explain(ExplanationKind.SHAP, case(Made(function=twisted, names=NAMES), rows, background))
    assert report.method is ExplanationMethod.ENUMERATION
    assert report.exact
    for i in range(3):
        expected = by_definition(twisted, rows.iloc[[i]], background)
        np.testing.assert_allclose(values_of(report, NAMES, i), expected, atol=1e-12)
    assert report.largest_additivity_error is not None
    assert report.largest_additivity_error < 1e-12


def test_a_glove_game_is_split_as_in_the_textbook() -> None:
    worths = np.array(
        [0, 0, 0, 1, 0, 1, 0, 1], dtype=float
    )  # player 0 has the left glove, 1 and 2 a right one each
    np.testing.assert_allclose(shapley(worths, 3), [2 / 3, 1 / 6, 1 / 6])


def test_mixed_types_and_missing_values_are_taken_as_they_are() -> None:
    background = pd.DataFrame({"size": [1.0, 2.0, np.nan], "colour": ["red", None, "blue"]})
    row = pd.DataFrame({"size": [np.nan], "colour": ["red"]})

    def value(rows: pd.DataFrame) -> np.ndarray:
        return rows["size"].isna().to_numpy() * 2.0 + (rows["colour"] == "red").to_numpy(dtype=float)

    report = explain(
        ExplanationKind.SHAP, case(Made(function=value, names=["size", "colour"]), row, background)
    )
    shown = {each.feature: (each.value, each.attribution) for each in report.rows[0].attributions}
    assert shown["size"] == (None, pytest.approx(2 * (1 - 1 / 3)))
    assert shown["colour"] == ("red", pytest.approx(1 - 1 / 3))


def test_a_binary_model_explains_its_second_class_and_on_request_the_first() -> None:
    rows, background = table(1), table(10, seed=1)

    def probability(of: pd.DataFrame) -> np.ndarray:
        return 1 / (1 + np.exp(-twisted(of)))

    scorer = Made(function=probability, names=NAMES, classes=["bad", "good"])
    second = explain(ExplanationKind.SHAP, case(scorer, rows, background))
    first = explain(
        ExplanationKind.SHAP, case(scorer, rows, background, ExplanationOptions(explained_class="bad"))
    )
    assert (second.explained_class, first.explained_class) == ("good", "bad")
    assert second.unit == "probability"
    np.testing.assert_allclose(values_of(first, NAMES), -values_of(second, NAMES), atol=1e-12)
    assert first.rows[0].prediction == pytest.approx(1 - second.rows[0].prediction)


def test_each_row_of_several_classes_explains_the_class_it_is_given() -> None:
    def softmax(of: pd.DataFrame) -> np.ndarray:
        raised = np.exp(of[["a", "b", "c"]].to_numpy())
        return raised / raised.sum(axis=1, keepdims=True)

    rows = pd.DataFrame({"a": [3.0, 0.0], "b": [0.0, 0.0], "c": [0.0, 3.0]})
    scorer = Made(function=softmax, names=["a", "b", "c"], classes=["x", "y", "z"])
    report = explain(ExplanationKind.SHAP, case(scorer, rows, table(20, ["a", "b", "c"])))
    assert report.explained_class is None
    assert [row.explained_class for row in report.rows] == ["x", "z"]
    assert [row.predicted for row in report.rows] == ["x", "z"]
    assert [row.attributions[0].feature for row in report.rows] == ["a", "c"]


def test_sampled_values_lie_within_their_standard_errors_of_the_exact_ones() -> None:
    names = [f"x{i}" for i in range(12)]
    rows, background = table(1, names), table(50, names, seed=1)

    def value(of: pd.DataFrame) -> np.ndarray:
        x = of.to_numpy()
        return np.tanh(x).sum(axis=1) ** 3 + x[:, 0] * x[:, 1] * x[:, 2]

    asked = case(
        Made(function=value, names=names),
        rows,
        background,
        ExplanationOptions(budget=22_000, max_features=12),
    )
    report = explain(ExplanationKind.SHAP, asked)
    assert report.method is ExplanationMethod.SAMPLED_PERMUTATIONS
    assert not report.exact
    assert "12 features" in report.why
    exact = shap.ExactExplainer(lambda x: value(pd.DataFrame(x, columns=names)), background.to_numpy())
    expected = dict(zip(names, exact(rows.to_numpy()).values[0], strict=True))
    off = [
        abs(each.attribution - expected[each.feature]) / each.standard_error
        for each in report.rows[0].attributions
        if each.standard_error is not None
    ]
    assert max(off) < 4
    assert np.mean(np.square(off)) < 2  # 1 where standard errors are right
    assert report.rows[0].additivity_error == pytest.approx(0, abs=1e-9)
    assert explain(ExplanationKind.SHAP, asked).rows == report.rows  # by seed


def test_a_budget_below_one_pair_for_each_background_row_is_refused() -> None:
    names = [f"x{i}" for i in range(12)]
    asked = case(
        Made(function=lambda of: of.to_numpy().sum(axis=1), names=names),
        table(1, names),
        table(50, names),
        ExplanationOptions(budget=1_000),
    )
    with pytest.raises(InvalidInput, match="they need 1,100"):
        explain(ExplanationKind.SHAP, asked)


def linear(names: list[str], weights: np.ndarray, intercept: float) -> Made:
    inside = Inside(
        core=Linear(weights=weights[None, :], intercept=np.array([intercept]), link=Link.LOGISTIC),
        players=np.array([0, 1, 1]),
        encode=lambda rows: np.column_stack(
            [rows[names[0]].to_numpy(), rows[names[1]].to_numpy(), rows[names[1]].to_numpy() ** 2]
        ),
    )
    return Made(
        function=lambda rows: 1 / (1 + np.exp(-inside.core.margins(inside.encode(rows))[:, 0])),
        names=names,
        classes=["no", "yes"],
        structure=inside,
    )


def test_a_linear_model_has_the_values_of_shap_summed_over_the_columns_of_a_feature() -> None:
    names, weights = ["a", "b"], np.array([2.0, -1.0, 0.5])
    scorer = linear(names, weights, 0.3)
    rows, background = table(5, names), table(30, names, seed=1)
    report = explain(ExplanationKind.SHAP, case(scorer, rows, background))
    assert (report.method, report.unit, report.evaluations) == (ExplanationMethod.LINEAR, "log-odds", 0)
    encode = scorer.structure.encode
    theirs = shap.LinearExplainer(
        (weights, 0.3), shap.maskers.Independent(encode(background), max_samples=30)
    )
    expected = theirs.shap_values(encode(rows))
    for i in range(5):
        np.testing.assert_allclose(
            values_of(report, names, i), [expected[i, 0], expected[i, 1] + expected[i, 2]], atol=1e-12
        )


def test_path_dependent_values_of_a_model_without_trees_are_refused_in_words() -> None:
    asked = case(
        linear(["a", "b"], np.ones(3), 0.0),
        table(1, ["a", "b"]),
        table(5, ["a", "b"]),
        ExplanationOptions(perturbation=Perturbation.PATH_DEPENDENT),
    )
    with pytest.raises(InvalidInput, match="has none"):
        explain(ExplanationKind.SHAP, asked)


def test_what_is_not_shown_is_summed_up() -> None:
    rows, background = table(1), table(20, seed=1)
    scorer = Made(function=twisted, names=NAMES)
    whole = explain(ExplanationKind.SHAP, case(scorer, rows, background)).rows[0]
    short = explain(
        ExplanationKind.SHAP, case(scorer, rows, background, ExplanationOptions(max_features=1))
    ).rows[0]
    assert short.attributions == whole.attributions[:1]
    assert short.others == pytest.approx(sum(each.attribution for each in whole.attributions[1:]))


@given(st.lists(st.floats(-5, 5), min_size=16, max_size=16), st.permutations(range(4)))
def test_the_laws_of_shapley_values(worths: list[float], order: list[int]) -> None:
    game = np.array(worths)
    found = shapley(game, 4)
    assert found.sum() == pytest.approx(game[-1] - game[0], abs=1e-9)  # efficiency
    np.testing.assert_allclose(shapley(3 * game + 2, 4), 3 * found, atol=1e-9)  # linearity
    renamed = np.array([game[sum(1 << order[j] for j in range(4) if c >> j & 1)] for c in range(16)])
    np.testing.assert_allclose(shapley(renamed, 4), found[order], atol=1e-9)  # symmetry
    without = np.array([game[c & ~1] for c in range(16)])
    assert shapley(without, 4)[0] == pytest.approx(0, abs=1e-9)  # dummy


def test_importance_over_rows_is_the_mean_absolute_value_with_an_interval_and_dependence() -> None:
    names, weights = ["a", "b"], np.array([2.0, 0.0, 0.5])
    rows = table(400, names)
    scorer = linear(names, weights, 0.0)
    told = []
    report = explain(ExplanationKind.GLOBAL, replace(case(scorer, rows, rows), tell=told.append))
    first = report.importances[0]
    away = 2 * np.abs(rows["a"] - rows["a"].mean())
    assert first.feature == "a"
    assert first.importance == pytest.approx(away.mean())
    assert first.mean == pytest.approx(0, abs=1e-9)
    half = 1.965927 * away.std(ddof=1) / 20
    assert (first.interval.low, first.interval.high) == pytest.approx(
        (away.mean() - half, away.mean() + half)
    )
    points = report.dependence[0].points
    assert len(points) == 10
    assert [point.rows for point in points] == [40] * 10
    assert all(a.mean < b.mean for a, b in pairwise(points))
    assert report.unit == "log-odds"
    assert [step.interim for step in told] == [True, True, False, False]
    assert told[0].partial.feature == "a"


def test_no_rows_are_an_error() -> None:
    with pytest.raises(InvalidInput, match="no rows to explain"):
        explain(ExplanationKind.SHAP, case(Made(function=twisted, names=NAMES), table(0), table(3)))
