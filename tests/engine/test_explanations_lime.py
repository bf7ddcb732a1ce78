"""LIME: the same numbers as the package `lime` for the same points, and what is said of them."""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from lime.lime_tabular import LimeTabularExplainer
from scipy.stats import truncnorm

from engine.explanations.explain import explain
from engine.explanations.lime_fit import fit
from engine.explanations.lime_samples import MISSING, Categories, Quartiles, drawn, often, readings
from engine.explanations.options import ExplanationKind, ExplanationOptions
from tests.scorers import Made, case

NAMES = [f"x{i}" for i in range(9)]
BACKGROUND = pd.DataFrame(np.random.default_rng(0).normal(size=(500, 9)), columns=NAMES)
ROW = pd.DataFrame(np.random.default_rng(1).normal(size=(1, 9)), columns=NAMES)


def probability(rows: pd.DataFrame) -> np.ndarray:
    x = rows[NAMES].to_numpy(dtype=float)
    return 1 / (1 + np.exp(-(2 * x[:, 0] - x[:, 1] * x[:, 2] + 0.5 * x[:, 3] + 0.1 * x[:, 4:].sum(axis=1))))


MODEL = Made(function=probability, names=NAMES, classes=["no", "yes"])


@pytest.mark.parametrize("most", [4, 6, 7, 9])
def test_the_weights_are_those_of_lime_for_the_same_points(most: int) -> None:
    theirs = LimeTabularExplainer(BACKGROUND.to_numpy(), feature_names=NAMES, random_state=0)
    kept = {}
    inverse = theirs._LimeTabularExplainer__data_inverse

    def keeping(row: np.ndarray, points: int) -> tuple[np.ndarray, np.ndarray]:
        kept["same"], kept["values"] = inverse(row, points)
        return kept["same"], kept["values"]

    theirs._LimeTabularExplainer__data_inverse = keeping
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a penalty of 0 is ill-conditioned, scikit-learn says
        said = theirs.explain_instance(
            ROW.to_numpy()[0],
            lambda x: MODEL.scores(pd.DataFrame(x, columns=NAMES)),
            num_features=most,
            num_samples=1_000,
        )
    answers = probability(pd.DataFrame(kept["values"], columns=NAMES))
    ours = fit(kept["same"].astype(bool), answers, most)
    features, weights = zip(*said.local_exp[1], strict=True)
    assert list(ours.features) == list(features)
    np.testing.assert_allclose(ours.weights, weights, atol=1e-9)
    assert ours.intercept == pytest.approx(said.intercept[1], abs=1e-9)
    assert ours.fidelity == pytest.approx(said.score, abs=1e-9)


def test_bins_and_their_words_are_those_of_lime() -> None:
    theirs = LimeTabularExplainer(BACKGROUND.to_numpy(), feature_names=NAMES, random_state=0)
    expected = theirs.discretizer.discretize(BACKGROUND.to_numpy())
    for j, each in enumerate(readings(MODEL.signature, BACKGROUND)):
        np.testing.assert_array_equal(each.bins(BACKGROUND[each.name]), expected[:, j])
    age = Quartiles.of(pd.Series([10.0, 20.0, 30.0, 40.0, 50.0], name="age"))
    assert [age.condition(bin) for bin in (MISSING, 0, 1, 3)] == [
        "age is missing",
        "age <= 20",
        "20 < age <= 30",
        "age > 40",
    ]


def test_values_are_drawn_from_the_truncated_normal_of_their_bin() -> None:
    column = pd.Series(np.random.default_rng(2).exponential(size=2_000), name="x")
    read = Quartiles.of(column)
    found = read.drawn(np.full(20_000, 3), np.random.default_rng(0))
    low, high = (
        (read.least[3] - read.means[3]) / read.spreads[3],
        (read.most[3] - read.means[3]) / read.spreads[3],
    )
    law = truncnorm(low, high, loc=read.means[3], scale=read.spreads[3])
    assert found.min() >= read.least[3]
    assert found.max() <= read.most[3]
    quantiles = np.quantile(found, [0.1, 0.5, 0.9])
    np.testing.assert_allclose(law.cdf(quantiles), [0.1, 0.5, 0.9], atol=0.012)


def test_categories_and_missing_values_are_drawn_as_often_as_the_background_has_them() -> None:
    background = pd.DataFrame({"c": ["a"] * 50 + ["b"] * 30 + [None] * 20, "n": [1.0, np.nan] * 50})
    model = Made(function=lambda rows: np.zeros(len(rows)), names=["c", "n"])
    read = readings(model.signature, background)
    found = drawn(read, often(read, background), 20_000, np.random.default_rng(0)).points
    assert (found["c"] == "a").mean() == pytest.approx(0.5, abs=0.02)
    assert found["c"].isna().mean() == pytest.approx(0.2, abs=0.02)
    assert found["n"].isna().mean() == pytest.approx(0.5, abs=0.02)
    unseen = Categories.of(background["c"])
    assert (
        unseen.condition(int(unseen.bins(pd.Series(["z"]))[0])) == "c = a value the background does not have"
    )


def test_a_report_says_how_faithful_and_how_stable_it_is() -> None:
    row = ROW.assign(x0=2.0)
    asked = case(MODEL, row, BACKGROUND, ExplanationOptions(max_features=3, samples=2_000))
    report = explain(ExplanationKind.LIME, asked)
    row = report.rows[0]
    assert row.attributions[0].feature == "x0"
    assert row.attributions[0].condition is not None
    assert "x0" in row.attributions[0].condition
    assert 0.2 < row.fidelity <= 1
    assert 2 / 3 <= row.stability <= 1
    assert row.output == pytest.approx(row.base + sum(each.attribution for each in row.attributions))
    assert report.evaluations == 5 * 2_000 + 1
    assert explain(ExplanationKind.LIME, asked).rows == report.rows  # by seed
    assert (
        explain(ExplanationKind.LIME, replace(asked, options=replace(asked.options, seed=1))).rows
        != report.rows
    )


def test_a_model_that_always_says_the_same_has_no_fidelity() -> None:
    flat = Made(function=lambda rows: np.full(len(rows), 0.3), names=NAMES, classes=["no", "yes"])
    report = explain(ExplanationKind.LIME, case(flat, ROW, BACKGROUND, ExplanationOptions(samples=500)))
    assert report.rows[0].fidelity is None
    assert all(each.attribution == pytest.approx(0, abs=1e-12) for each in report.rows[0].attributions)
    assert "same answer" in report.summary


@pytest.mark.parametrize("odd", [np.inf, -np.inf, 1e308])
def test_numbers_that_cannot_be_computed_with_are_of_an_outer_quarter_and_never_drawn(odd: float) -> None:
    column = pd.Series([1.0, 2.0, 3.0, 4.0, odd], name="income")
    quarters = Quartiles.of(column)
    assert quarters.edges.tolist() == [1.75, 2.5, 3.25]  # of 1 to 4
    assert quarters.bins(column).tolist() == [0, 1, 2, 3, 3 if odd > 0 else 0]
    drawn = quarters.drawn(quarters.bins(column), np.random.default_rng(0))
    assert (drawn >= 1).all() and (drawn <= 4).all()
