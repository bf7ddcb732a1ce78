"""Shapley values of trees from leaf tables: those of the definition, and the laws they obey."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.explanations import leaf_groups, leaf_tables
from engine.explanations.leaf_tables import LeafTables, fits
from engine.models.ensemble import Ensemble, Link, Tree
from tests.trees import drawn, rows_of, shapley

SEEDS = st.integers(0, 2**32 - 1)
GAMES = pytest.mark.parametrize("interventional", [True, False], ids=["interventional", "path dependent"])
laws = settings(max_examples=25, deadline=None)


def stump(feature, threshold, left, right, cover=(4.0, 1.0, 3.0)):
    """One split: left below the threshold, missing values right."""
    return Tree(
        left=np.array([1, -1, -1], np.int32),
        right=np.array([2, -1, -1], np.int32),
        feature=np.array([feature, 0, 0], np.int32),
        threshold=np.array([threshold, 0.0, 0.0]),
        missing_left=np.zeros(3, bool),
        value=np.array([0.0, left, right]),
        cover=np.array(cover),
        output=0,
    )


def of(trees, columns=2, base=0.0):
    return Ensemble(features=columns, base=np.array([base]), trees=trees, link=Link.IDENTITY)


def scene(seed, interventional, **shape):
    """An ensemble with a categorical column, its players, rows with missing values, and a background or none."""
    rng = np.random.default_rng(seed)
    columns = shape.setdefault("columns", 5)
    ensemble = drawn(rng, categorical=(1,), **shape)
    background = rows_of(rng, int(rng.integers(1, 9)), columns, (1,)) if interventional else None
    return rng, ensemble, rows_of(rng, 6, columns, (1,)), background


def test_one_split_by_hand():
    # Three of four training rows went right, and two of three background rows do: without the feature the model says
    # 0.25 * 10 + 0.75 * 2 = 4, or (10 + 2 + 2) / 3 = 14 / 3. A row that goes left is told 10, so the feature did the rest.
    model = of([stump(0, 1.0, 10.0, 2.0)])
    row = np.array([[0.0, 7.0]])
    background = np.array([[0.0, 0.0], [1.0, 0.0], [np.nan, 0.0]])
    path = LeafTables.built(model, np.arange(2))
    rows = LeafTables.built(model, np.arange(2), background)
    assert (path.base[0], rows.base[0]) == pytest.approx((4, 14 / 3))
    assert path.values(row)[0, :, 0] == pytest.approx([6, 0])
    assert rows.values(row)[0, :, 0] == pytest.approx([10 - 14 / 3, 0])


def test_a_category_in_two_columns_is_one_player():
    # Columns 0 and 1 say "is red" and "is blue"; red adds 3, blue takes 1. Against one grey background row the colour
    # owes everything to itself, whatever other columns there are.
    model = of([stump(0, 0.5, 0.0, 3.0), stump(1, 0.5, 0.0, -1.0)], columns=3)
    tables = LeafTables.built(model, np.array([0, 0, 1]), np.array([[0.0, 0.0, 9.0]]))
    values = tables.values(np.array([[1.0, 0.0, 5.0], [0.0, 1.0, 5.0]]))
    assert values[:, :, 0] == pytest.approx(np.array([[3, 0], [-1, 0]]))


@GAMES
@pytest.mark.parametrize("seed", range(6))
def test_values_are_those_of_the_definition(seed, interventional):
    _, ensemble, rows, background = scene(seed, interventional, columns=7, depth=5, trees=4, margins=2)
    players = np.arange(7)
    values = LeafTables.built(ensemble, players, background).values(rows)
    expected = [shapley(ensemble, players, row, background) for row in rows]
    assert values == pytest.approx(np.array(expected), abs=1e-12)


@GAMES
@pytest.mark.parametrize("seed", range(6))
def test_columns_of_one_player_come_and_go_together(seed, interventional):
    _, ensemble, rows, background = scene(seed, interventional, columns=8, depth=5, trees=4)
    players = np.array([0, 1, 0, 2, 2, 2, 3, 1])
    values = LeafTables.built(ensemble, players, background).values(rows)
    expected = [shapley(ensemble, players, row, background) for row in rows]
    assert values == pytest.approx(np.array(expected), abs=1e-12)


@GAMES
@pytest.mark.parametrize("bits", [1, 3, 16])
def test_values_do_not_depend_on_how_leaves_are_grouped(monkeypatch, bits, interventional):
    _, ensemble, rows, background = scene(3, interventional, depth=4, trees=5, likely=1.0)
    before = LeafTables.built(ensemble, np.arange(5), background).values(rows)
    monkeypatch.setattr(leaf_groups, "GROUP_BITS", bits)
    assert LeafTables.built(ensemble, np.arange(5), background).values(rows) == pytest.approx(
        before, abs=1e-12
    )


@GAMES
@laws
@given(seed=SEEDS)
def test_base_and_values_sum_to_the_margins(interventional, seed):
    _, ensemble, rows, background = scene(seed, interventional, columns=12, depth=8, margins=3)
    rows = np.vstack([rows, np.full((1, 12), np.nan)])
    tables = LeafTables.built(ensemble, np.arange(12), background)
    sums = tables.base + tables.values(rows).sum(axis=1)
    assert sums == pytest.approx(ensemble.margins(rows), abs=1e-9)


@GAMES
@laws
@given(seed=SEEDS)
def test_a_player_that_no_split_asks_for_did_nothing(interventional, seed):
    _, ensemble, rows, background = scene(seed, interventional)
    asked = {int(f) for t in ensemble.trees for f in t.feature[t.left >= 0]}
    values = LeafTables.built(ensemble, np.arange(5), background).values(rows)
    assert not values[:, [j for j in range(5) if j not in asked]].any()


@laws
@given(seed=SEEDS)
def test_equal_players_get_equal_values(seed):
    # Columns 3 and 4 are the same in all rows, and each tree has a twin in which they are exchanged.
    _rng, ensemble, rows, background = scene(seed, True)
    exchange = np.array([0, 1, 2, 4, 3])
    twins = [
        Tree(**(vars(tree) | {"feature": exchange[tree.feature].astype(np.int32)})) for tree in ensemble.trees
    ]
    both = Ensemble(**(vars_of(ensemble) | {"trees": [*ensemble.trees, *twins]}))
    rows[:, 4], background[:, 4] = rows[:, 3], background[:, 3]
    values = LeafTables.built(both, np.arange(5), background).values(rows)
    assert values[:, 3] == pytest.approx(values[:, 4], abs=1e-12)


@GAMES
@laws
@given(seed=SEEDS)
def test_values_of_a_sum_of_models_are_sums(interventional, seed):
    rng, first, rows, background = scene(seed, interventional)
    second = drawn(rng, columns=5, categorical=(1,))
    both = Ensemble(
        **(vars_of(first) | {"trees": [*first.trees, *second.trees], "base": first.base + second.base})
    )
    apart = [LeafTables.built(model, np.arange(5), background) for model in (first, second)]
    together = LeafTables.built(both, np.arange(5), background)
    assert together.values(rows) == pytest.approx(sum(t.values(rows) for t in apart), abs=1e-12)
    assert together.base == pytest.approx(sum(t.base for t in apart))


@laws
@given(seed=SEEDS)
def test_order_and_repetition_of_the_background_do_not_matter(seed):
    rng, ensemble, rows, background = scene(seed, True)
    other = np.repeat(rng.permutation(background), 3, axis=0)
    expected = LeafTables.built(ensemble, np.arange(5), background).values(rows)
    assert LeafTables.built(ensemble, np.arange(5), other).values(rows) == pytest.approx(expected, abs=1e-12)


@GAMES
def test_many_rows_are_explained_as_each_alone(interventional):
    rng, ensemble, _, background = scene(1, interventional, depth=6, trees=20)
    rows = rows_of(rng, 5_000, 5, (1,))
    tables = LeafTables.built(ensemble, np.arange(5), background)
    values = tables.values(rows)
    for i in (0, 2_047, 2_048, 3_333, 4_999):
        assert tables.values(rows[i : i + 1])[0] == pytest.approx(values[i], abs=0)
    assert tables.values(rows[:0]).shape == (0, 5, 1)


def test_a_large_background_is_used_whole():
    # 5,000 rows of which the last alone goes left: its 1 in 5,000 shows.
    background = np.ones((5_000, 2))
    background[-1, 0] = -1
    tables = LeafTables.built(of([stump(0, 0.0, 1.0, 0.0)]), np.arange(2), background)
    assert tables.base[0] == pytest.approx(1 / 5_000)


def test_a_tree_that_asks_nothing_goes_to_the_base():
    leaf = Tree(
        left=np.array([-1], np.int32),
        right=np.array([-1], np.int32),
        feature=np.zeros(1, np.int32),
        threshold=np.zeros(1),
        missing_left=np.zeros(1, bool),
        value=np.array([2.5]),
        cover=np.ones(1),
        output=0,
    )
    for trees in ([leaf], [leaf, stump(0, 0.0, 1.0, 1.0)], []):
        tables = LeafTables.built(of(trees, base=1.0), np.arange(2))
        assert tables.base[0] == pytest.approx(of(trees, base=1.0).margins(np.zeros((1, 2)))[0, 0])
        assert not tables.values(np.zeros((4, 2))).any()


def test_values_are_rounded_to_single_precision_where_the_model_does():
    # 0.1 is a little less than its float32, so only the exact value is below the threshold.
    threshold = float(np.float32(0.1))
    exact = of([stump(0, threshold, 1.0, 0.0)])
    rounding = Ensemble(**(vars_of(exact) | {"single": True}))
    rows, background = np.array([[0.1, 0.0]]), np.array([[0.0, 0.0]])
    assert LeafTables.built(exact, np.arange(2), background).values(rows)[0, 0, 0] == 0
    assert LeafTables.built(rounding, np.arange(2), background).values(rows)[0, 0, 0] == -1


def test_a_branch_that_no_training_row_took_weighs_nothing_and_below_it_halves():
    never = of([stump(0, 0.0, 8.0, 2.0, cover=(4.0, 0.0, 4.0))])
    assert LeafTables.built(never, np.arange(2)).base[0] == pytest.approx(2)
    unknown = of([stump(0, 0.0, 8.0, 2.0, cover=(0.0, 0.0, 0.0))])
    assert LeafTables.built(unknown, np.arange(2)).base[0] == pytest.approx(5)


def test_sixteen_features_of_one_leaf():
    # The row passes all splits and the background row none, so only all features together get there: a 16th each.
    tables = LeafTables.built(of([chain(16)], columns=16), np.arange(16), np.full((1, 16), -1.0))
    assert tables.values(np.ones((1, 16)))[0, :, 0] == pytest.approx(np.full(16, 1 / 16), abs=1e-12)


def test_what_does_not_fit_says_why(monkeypatch):
    deep = of([chain(17)], columns=17)
    assert fits(deep, np.arange(17)) == "17 features decide about one leaf; tables know at most 16"
    assert fits(deep, np.arange(17) // 2) is None
    blind = of([stump(0, 0.0, 1.0, 2.0, cover=(np.nan, np.nan, np.nan))])
    assert fits(blind, np.arange(2)) is None
    why = fits(blind, np.arange(2), path_dependent=True)
    assert why == "the file does not say how many training rows took each branch"
    with pytest.raises(ValueError, match="does not say how many"):
        LeafTables.built(blind, np.arange(2))
    with pytest.raises(ValueError, match="no rows"):
        LeafTables.built(blind, np.arange(2), np.empty((0, 2)))
    monkeypatch.setattr(leaf_tables, "MAX_TABLE_BYTES", 1 << 20)
    # 2 ** 16 patterns of 16 features, 8 bytes each.
    assert (
        fits(of([chain(16)], columns=16), np.arange(16)) == "its tables would need 8 MiB; the most is 1 MiB"
    )


def chain(splits):
    """A tree that says 1 where no feature is below 0: each split has a leaf on the left and the next split on the right."""
    n = 2 * splits + 1
    inner = (np.arange(n) % 2 == 0) & (np.arange(n) < n - 1)
    return Tree(
        left=np.where(inner, np.arange(n) + 1, -1).astype(np.int32),
        right=np.where(inner, np.arange(n) + 2, -1).astype(np.int32),
        feature=(np.arange(n) // 2).astype(np.int32),
        threshold=np.zeros(n),
        missing_left=np.zeros(n, bool),
        value=np.append(np.zeros(n - 1), 1.0),
        cover=np.arange(n, 0.0, -1.0),
        output=0,
    )


def vars_of(ensemble):
    return {name: getattr(ensemble, name) for name in ("features", "base", "trees", "link", "single", "sets")}
