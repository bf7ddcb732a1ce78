"""Leaf tables say of libraries' own models what shap and these libraries say of them."""

import warnings

import lightgbm
import numpy as np
import pytest
import xgboost
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from threadpoolctl import threadpool_limits

from engine.explanations.leaf_tables import LeafTables
from tests.trees import from_histograms, from_lightgbm, from_sklearn, from_xgboost

with warnings.catch_warnings():
    warnings.simplefilter("ignore", PendingDeprecationWarning)  # its colours use what matplotlib will drop
    import shap

COLUMNS = 6
ROWS = 40


@pytest.fixture(scope="module")
def numbers():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(600, COLUMNS)).astype(np.float32).astype(np.float64)
    y = 2 * x[:, 0] + x[:, 1] * x[:, 2] + np.sin(3 * x[:, 3]) + rng.normal(size=600) / 4
    return x, y


def by_shap(model, x, background=None):
    """(rows, columns[, outputs]) of shap, and its base."""
    explainer = shap.TreeExplainer(model) if background is None else shap.TreeExplainer(model, background)
    return explainer.shap_values(x[:ROWS], check_additivity=False), explainer.expected_value


@pytest.mark.parametrize("interventional", [True, False])
def test_forests_of_scikit_learn(numbers, interventional):
    x, y = numbers
    background = x[100:180] if interventional else None
    value = RandomForestRegressor(n_estimators=20, max_depth=7, random_state=0).fit(x, y)
    share = RandomForestClassifier(n_estimators=20, max_depth=5, random_state=0).fit(
        x, np.digitize(y, [-1, 1])
    )
    for model, margin in ((value, None), (share, 2)):
        ensemble = from_sklearn(model.estimators_, columns=COLUMNS, base=0.0, scale=1 / 20, margin=margin)
        tables = LeafTables.built(ensemble, np.arange(COLUMNS), background)
        expected, base = by_shap(model, x, background)
        expected = expected if margin is None else expected[:, :, margin]
        assert tables.values(x[:ROWS])[:, :, 0] == pytest.approx(expected, abs=1e-6)
        assert tables.base[0] == pytest.approx(np.ravel(base)[margin or 0], abs=1e-6)


@pytest.mark.parametrize("interventional", [True, False])
def test_gradient_boosting_of_scikit_learn(numbers, interventional):
    x, y = numbers
    background = x[100:180] if interventional else None
    model = GradientBoostingClassifier(n_estimators=30, max_depth=4, random_state=0).fit(x, y > 0)
    start = np.log(np.mean(y > 0) / np.mean(y <= 0))
    ensemble = from_sklearn(model.estimators_[:, 0], columns=COLUMNS, base=start, scale=model.learning_rate)
    tables = LeafTables.built(ensemble, np.arange(COLUMNS), background)
    expected, base = by_shap(model, x, background)
    assert tables.values(x[:ROWS])[:, :, 0] == pytest.approx(expected, abs=1e-6)
    assert tables.base[0] == pytest.approx(np.ravel(base)[0], abs=1e-6)
    assert tables.base + tables.values(x)[:, :, 0].sum(axis=1) == pytest.approx(
        model.decision_function(x), abs=1e-9
    )


@pytest.mark.parametrize("interventional", [True, False])
def test_histogram_boosting_of_scikit_learn_with_missing_values(numbers, interventional):
    x, y = numbers
    x = np.where(np.random.default_rng(1).random(x.shape) < 0.2, np.nan, x)
    background = x[100:180] if interventional else None
    with threadpool_limits(1):  # its threads wait for each other in busy loops
        value = HistGradientBoostingRegressor(max_iter=10, max_depth=6, min_samples_leaf=5).fit(x, y)
        classes = HistGradientBoostingClassifier(max_iter=3, max_depth=4).fit(x, np.digitize(y, [-1, 1]))
    tables = LeafTables.built(from_histograms(value), np.arange(COLUMNS), background)
    expected, _ = by_shap(value, x, background)
    assert tables.values(x[:ROWS])[:, :, 0] == pytest.approx(expected, abs=1e-6)
    tables = LeafTables.built(from_histograms(classes), np.arange(COLUMNS), background)
    sums = tables.base + tables.values(x).sum(axis=1)
    assert sums == pytest.approx(classes.decision_function(x), abs=1e-9)


@pytest.mark.parametrize("interventional", [True, False])
def test_xgboost_with_missing_values_and_classes(numbers, interventional):
    x, y = numbers
    x = np.where(np.random.default_rng(1).random(x.shape) < 0.2, np.nan, x)
    model = xgboost.XGBClassifier(n_estimators=20, max_depth=5, base_score=0.5, n_jobs=1).fit(x, y > 0)
    background = x[100:180] if interventional else None
    tables = LeafTables.built(from_xgboost(model.get_booster(), np.zeros(1)), np.arange(COLUMNS), background)
    expected, _ = by_shap(model, x, background)
    assert tables.values(x[:ROWS])[:, :, 0] == pytest.approx(expected, abs=2e-5)  # theirs in single precision

    several = xgboost.XGBClassifier(n_estimators=6, max_depth=4, base_score=0.5, n_jobs=1).fit(
        x, np.digitize(y, [-1, 1])
    )
    tables = LeafTables.built(
        from_xgboost(several.get_booster(), np.full(3, 0.5)), np.arange(COLUMNS), background
    )
    if interventional:
        sums = tables.base + tables.values(x).sum(axis=1)
        assert sums == pytest.approx(several.predict(x, output_margin=True), abs=1e-5)
    else:
        native = several.get_booster().predict(xgboost.DMatrix(x), pred_contribs=True)
        assert tables.values(x) == pytest.approx(native[:, :, :-1].transpose(0, 2, 1), abs=2e-5)
        assert tables.base == pytest.approx(native[0, :, -1], abs=2e-5)


def test_lightgbm_with_missing_values_and_categories(numbers):
    x, y = numbers
    rng = np.random.default_rng(1)
    x = np.where(rng.random(x.shape) < 0.2, np.nan, x)
    x[:, 4] = rng.integers(0, 8, size=600)
    y = y + np.isin(x[:, 4], [1, 2, 5]) * 2 * x[:, 5].clip(-1, 1)
    options = {
        "verbose": -1,
        "num_threads": 1,
        "min_data_per_group": 5,
        "cat_smooth": 1,
        "max_cat_to_onehot": 1,
    }
    data = lightgbm.Dataset(x, np.nan_to_num(y), categorical_feature=[4])
    model = lightgbm.train(options, data, num_boost_round=30)
    ensemble = from_lightgbm(model)
    assert any((tree.categories >= 0).any() for tree in ensemble.trees)
    tables = LeafTables.built(ensemble, np.arange(COLUMNS))
    native = model.predict(x, pred_contrib=True)
    assert tables.values(x)[:, :, 0] == pytest.approx(native[:, :-1], abs=1e-9)
    assert tables.base[0] == pytest.approx(native[0, -1], abs=1e-9)


def test_lightgbm_against_a_background(numbers):
    x, y = numbers
    model = lightgbm.train({"verbose": -1, "num_threads": 1}, lightgbm.Dataset(x, y), num_boost_round=20)
    tables = LeafTables.built(from_lightgbm(model), np.arange(COLUMNS), x[100:180])
    expected, base = by_shap(model, x, x[100:180])
    assert tables.values(x[:ROWS])[:, :, 0] == pytest.approx(expected, abs=1e-6)
    assert tables.base[0] == pytest.approx(np.ravel(base)[0], abs=1e-6)
