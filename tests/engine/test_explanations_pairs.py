"""Which two features do together what neither does alone, over many rows: beside shap and the definition."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import shap
import xgboost
from scipy import stats

from engine.explanations import leaf_tables, pairs
from engine.explanations.explain import explain
from engine.explanations.options import ExplanationKind, ExplanationOptions, Perturbation
from engine.models.ensemble import Ensemble, Link
from engine.models.scorer import Inside, Linear
from tests.scorers import Made, case
from tests.trees import drawn, from_xgboost
from tests.trees import interactions as defined

NAMES = ["a", "b", "c", "d", "e"]
RANDOM = np.random.default_rng(5)
ROWS = pd.DataFrame(RANDOM.normal(size=(40, 5)), columns=NAMES)
BACKGROUND = pd.DataFrame(RANDOM.normal(size=(9, 5)), columns=NAMES)


def model(core, classes=()):
    inside = Inside(core=core, players=np.arange(5), encode=lambda rows: rows[NAMES].to_numpy(dtype=float))
    return Made(
        function=lambda rows: core.link.scores(core.margins(inside.encode(rows)))[:, -1],
        names=NAMES,
        classes=classes,
        structure=inside,
    )


def over_rows(scorer, **options):
    return explain(ExplanationKind.GLOBAL, case(scorer, ROWS, BACKGROUND, ExplanationOptions(**options)))


def strengths(report):
    return {tuple(sorted((each.first, each.second))): each.strength for each in report.interactions}


def numeric(seed, link=Link.IDENTITY):
    core = drawn(np.random.default_rng(seed), columns=5, depth=4, trees=5)
    return Ensemble(features=5, base=core.base, trees=core.trees, link=link)


def test_strengths_are_the_means_of_what_shap_gives_to_both_halves():
    x = RANDOM.normal(size=(400, 5))
    booster = xgboost.XGBRegressor(n_estimators=15, max_depth=5, base_score=0.0, n_jobs=1).fit(
        x, x[:, 0] * x[:, 1] + x[:, 2]
    )
    report = over_rows(
        model(from_xgboost(booster.get_booster(), np.zeros(1))), perturbation=Perturbation.PATH_DEPENDENT
    )
    theirs = shap.TreeExplainer(booster).shap_interaction_values(ROWS.to_numpy())
    for i, j in combinations(range(5), 2):
        assert strengths(report)[NAMES[i], NAMES[j]] == pytest.approx(
            np.abs(2 * theirs[:, i, j]).mean(), abs=2e-5
        )
    assert {report.interactions[0].first, report.interactions[0].second} == {"a", "b"}
    assert [each.strength for each in report.interactions] == sorted(strengths(report).values(), reverse=True)
    assert report.interactions_rows == 40
    assert "exactly" in report.interactions_why


def test_against_a_background_they_are_those_of_the_definition_with_their_interval_and_direction():
    core = numeric(1)
    report = over_rows(model(core))
    expected = np.array(
        [defined(core, np.arange(5), row, BACKGROUND.to_numpy())[:, 0] for row in ROWS.to_numpy()]
    )
    for place, (i, j) in enumerate(combinations(range(5), 2)):
        found = next(
            each for each in report.interactions if {each.first, each.second} == {NAMES[i], NAMES[j]}
        )
        sizes = np.abs(expected[:, place])
        assert found.strength == pytest.approx(sizes.mean(), abs=1e-12)
        assert found.mean == pytest.approx(expected[:, place].mean(), abs=1e-12)
        if sizes.any():
            low, high = stats.t.interval(0.95, 39, sizes.mean(), stats.sem(sizes))
            assert (found.interval.low, found.interval.high) == pytest.approx((low, high))


def test_of_the_first_class_they_are_turned_and_as_strong():
    scorer = model(numeric(1, Link.COMPLEMENT), ("no", "yes"))
    first, second = (over_rows(scorer, explained_class=name) for name in ("no", "yes"))
    assert strengths(first) == pytest.approx(strengths(second))
    assert first.interactions[0].mean == pytest.approx(-second.interactions[0].mean)


def test_only_the_features_shown_and_a_bounded_number_of_rows_are_looked_at(monkeypatch):
    monkeypatch.setattr(pairs, "MOST_ROWS", 7)
    report = over_rows(model(numeric(1)), max_features=3)
    shown = {each.feature for each in report.importances}
    assert {name for each in report.interactions for name in (each.first, each.second)} == shown
    assert len(report.interactions) == 3
    assert (report.rows_used, report.interactions_rows) == (40, 7)
    monkeypatch.setattr(pairs, "MOST_NUMBERS", 30)
    scorer = model(numeric(1, Link.COMPLEMENT), ("no", "yes"))
    assert over_rows(scorer, max_features=3).interactions_rows == 5  # 3 pairs, 2 classes


def test_a_weighted_sum_has_none_and_says_that_this_is_by_construction():
    core = Linear(weights=np.arange(5.0)[None, :], intercept=np.zeros(1), link=Link.IDENTITY)
    report = over_rows(model(core))
    assert set(strengths(report).values()) == {0.0}
    assert "0 by construction" in report.interactions_why


def test_a_method_that_gives_none_says_so(monkeypatch):
    asked = over_rows(Made(function=lambda rows: rows["a"] * rows["b"], names=NAMES))
    assert (asked.interactions, asked.interactions_rows) == (None, None)
    assert "can only be asked" in asked.interactions_why
    monkeypatch.setattr(leaf_tables, "MAX_TABLE_BYTES", 8)
    large = over_rows(model(numeric(1)))
    assert (large.interactions, large.interactions_rows) == (None, None)
    assert "too large" in large.interactions_why
