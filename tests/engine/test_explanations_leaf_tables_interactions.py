"""What two features do together, from the same leaves: by definition, and beside XGBoost."""

from itertools import combinations

import numpy as np
import pytest
import xgboost

from engine.explanations import leaf_tables
from engine.explanations.leaf_tables import LeafTables
from tests.trees import drawn, from_xgboost, interactions, rows_of


@pytest.mark.parametrize("interventional", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_interactions_are_those_of_the_definition(seed, interventional):
    rng = np.random.default_rng(seed)
    ensemble = drawn(rng, columns=6, depth=5, trees=4, margins=2, categorical=(1,))
    players = np.array([0, 1, 2, 3, 4, 2])
    rows, background = rows_of(rng, 5, 6, (1,)), rows_of(rng, 7, 6, (1,)) if interventional else None
    expected = np.array([interactions(ensemble, players, row, background) for row in rows])
    tables = LeafTables.built(ensemble, players, background)
    assert tables.interactions(rows, range(5)) == pytest.approx(expected, abs=1e-12)
    # Some of the players, in another order.
    pairs = list(combinations(range(5), 2))
    wanted = [pairs.index(pair) for pair in ((1, 4), (0, 4), (0, 1))]
    assert tables.interactions(rows, [4, 1, 0]) == pytest.approx(expected[:, wanted], abs=1e-12)


def test_interactions_do_not_depend_on_how_many_tables_are_held_at_a_time(monkeypatch):
    rng = np.random.default_rng(0)
    tables = LeafTables.built(drawn(rng, columns=6, depth=6, trees=30), np.arange(6))
    rows = rows_of(rng, 3_000, 6)
    before = tables.interactions(rows, [1, 2, 3, 5])
    monkeypatch.setattr(leaf_tables, "PART_BYTES", 4_096)
    assert tables.interactions(rows, [1, 2, 3, 5]) == pytest.approx(before, abs=1e-12)


def test_players_that_no_tree_knows_interact_with_nobody():
    tables = LeafTables.built(drawn(np.random.default_rng(0), columns=2), np.array([0, 1]))
    assert not tables.interactions(np.zeros((3, 2)), [0, 7, 9]).any()
    assert tables.interactions(np.zeros((3, 2)), [0]).shape == (3, 0, 1)


def test_xgboost_halves_them():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(400, 5)).astype(np.float32).astype(np.float64)
    model = xgboost.XGBRegressor(n_estimators=15, max_depth=5, base_score=0.0, n_jobs=1).fit(
        x, x[:, 0] * x[:, 1] + x[:, 2]
    )
    tables = LeafTables.built(from_xgboost(model.get_booster(), np.zeros(1)), np.arange(5))
    native = model.get_booster().predict(xgboost.DMatrix(x[:30]), pred_interactions=True)
    expected = np.stack([2 * native[:, i, j] for i, j in combinations(range(5), 2)], axis=1)
    assert tables.interactions(x[:30], range(5))[:, :, 0] == pytest.approx(expected, abs=2e-5)
