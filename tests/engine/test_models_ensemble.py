"""Ensembles: what is no tree is refused, and rows go where the contract says."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from engine.errors import InvalidInput
from engine.models.ensemble import Ensemble, Link, Tree

NAN = float("nan")


def tree(left, right, **changes):
    """Feature 0 split at 0, leaves that add their own number."""
    n = len(left)
    left, right = np.array(left, np.int32), np.array(right, np.int32)
    given = {
        "left": left,
        "right": right,
        "feature": np.zeros(n, np.int32),
        "threshold": np.zeros(n),
        "missing_left": np.zeros(n, bool),
        "value": np.where(left < 0, np.arange(n, dtype=float), 0.0),
        "cover": np.full(n, NAN),
        "output": 0,
    }
    return Tree(**(given | changes))


STUMP = tree([1, -1, -1], [2, -1, -1])


def ensemble(*trees, **changes):
    given = {"features": 1, "base": np.zeros(1), "trees": trees, "link": Link.IDENTITY}
    return Ensemble(**(given | changes))


def column(*values):
    return np.array(values, float)[:, None]


def test_below_the_threshold_is_left_and_at_it_is_right():
    model = ensemble(STUMP, base=np.array([10.0]))
    assert model.margins(column(-1, 0, 1, NAN)).ravel().tolist() == [11, 12, 12, 12]
    left = ensemble(replace(STUMP, missing_left=np.array([True, False, False])))
    assert left.margins(column(NAN)).ravel().tolist() == [1]


def test_values_are_rounded_to_float32_where_the_library_does_so():
    # 1e-60 is above 0, but float32 has no number between 0 and 1.4e-45; 1e300 is infinite there.
    above = replace(STUMP, threshold=np.full(3, np.nextafter(0.0, 1.0)))
    assert ensemble(above).margins(column(1e-60, 1e300)).ravel().tolist() == [2, 2]
    assert ensemble(above, single=True).margins(column(1e-60, 1e300)).ravel().tolist() == [1, 2]


def test_categories_in_the_set_go_left_and_all_others_right():
    split = replace(
        STUMP, categories=np.array([0, -1, -1], np.int32), missing_left=np.array([True, False, False])
    )
    model = ensemble(split, sets=(np.array([0, 3, 7]),))
    seen = model.margins(column(0, 3, 7.9, -0.5, 1, 8, -1, -3, 1e300, -np.inf, NAN)).ravel().tolist()
    assert seen == [1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 1]


def test_many_rows_in_blocks_are_what_they_are_alone():
    rng = np.random.default_rng(0)
    trees = [
        tree(
            [1, -1, 3, -1, -1],
            [2, -1, 4, -1, -1],
            feature=rng.integers(0, 3, 5, dtype=np.int32),
            threshold=rng.normal(size=5),
            output=output,
        )
        for output in (0, 1, 1)
    ]
    model = ensemble(*trees, features=3, base=np.array([0.5, -0.5]))
    rows = rng.normal(size=(5_000, 3))
    together = model.margins(rows)
    assert together.shape == (5_000, 2)
    some = [0, 63, 64, 2_047, 2_048, 4_999]
    assert np.array_equal(together[some], np.vstack([model.margins(rows[[i]]) for i in some]))
    assert np.array_equal(model.margins(np.asfortranarray(rows)), together)
    assert model.margins(rows[:0]).shape == (0, 2)


@pytest.mark.parametrize(
    ("damaged", "words"),
    [
        (tree([1, 0, -1], [2, 2, -1]), "reached exactly once"),
        (tree([1, -1, -1, 4, 3], [2, -1, -1, 4, 3]), "reached exactly once"),
        (tree([1, -1, -1, 4, 5, 3, -1, -1, -1], [2, -1, -1, 6, 7, 8, -1, -1, -1]), "a ring"),
        (tree([1, -1, -1], [1, -1, -1]), "reached exactly once"),
        (tree([1, -1, -1, -1], [2, -1, -1, -1]), "node 3 is not reached"),
        (tree([1, -1, -1], [3, -1, -1]), "no node of its tree"),
        (tree([1, -1, -1], [-2, -1, -1]), "no node of its tree"),
        (tree([1, -1], [-1, -1]), "one child"),
        (tree([], []), "no nodes"),
        (replace(STUMP, feature=np.array([1, 0, 0], np.int32)), "not among the 1"),
        (replace(STUMP, feature=np.array([2**32, 0, 0])), "not among the 1"),
        (replace(STUMP, feature=np.array([-1, 0, 0], np.int32)), "not among the 1"),
        (replace(STUMP, feature=np.zeros(2, np.int32)), "another feature"),
        (replace(STUMP, feature=np.zeros(3)), "another feature"),
        (replace(STUMP, threshold=np.array([NAN, 0, 0])), "threshold"),
        (replace(STUMP, threshold=np.array([np.inf, 0, 0])), "threshold"),
        (replace(STUMP, value=np.array([0, NAN, 0])), "value"),
        (replace(STUMP, value=np.array([0, 1e308, 0])), "add up to"),
        (replace(STUMP, cover=np.array([-1.0, 0, 0])), "weight of rows"),
        (replace(STUMP, output=1), "margin 1"),
        (replace(STUMP, output=-1), "margin -1"),
        (replace(STUMP, categories=np.array([0, -1, -1])), "set of categories"),
    ],
)  # fmt: skip
def test_what_is_no_tree_is_refused_in_words(damaged, words):
    with pytest.raises(InvalidInput, match=words):
        ensemble(STUMP, damaged)


@pytest.mark.parametrize("codes", [[3, 1], [1, 1], [-1, 2]])
def test_categories_must_ascend_from_0(codes):
    with pytest.raises(InvalidInput, match="ascending codes"):
        ensemble(STUMP, sets=(np.array(codes),))


def test_margins_that_no_number_can_hold_are_refused():
    large = replace(STUMP, value=np.array([0, 800.0, 0]))
    assert ensemble(large).margins(column(-1)).item() == 800
    with pytest.raises(InvalidInput, match="may add up to 800"):
        ensemble(large, link=Link.EXPONENTIAL)
    with pytest.raises(InvalidInput, match="finite"):
        ensemble(STUMP, base=np.array([NAN]))
    with pytest.raises(InvalidInput, match="one margin"):
        ensemble(STUMP, base=np.zeros(2), link=Link.LOGISTIC)


def test_a_chain_of_a_hundred_thousand_nodes_is_a_tree_and_costs_what_it_is():
    n = 100_001  # node 2i splits, 2i + 1 is its left leaf and 2i + 2 goes on
    inner = np.arange(n) % 2 == 0
    inner[-1] = False
    left = np.where(inner, np.arange(n) + 1, -1).astype(np.int32)
    chain = tree(left, np.where(inner, left + 1, -1))
    tracemalloc.start()
    model = ensemble(chain)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 400 * n
    assert model.margins(column(1, -1)).ravel().tolist() == [n - 1, 1]
    ring = left.copy()
    ring[-3] = 0
    with pytest.raises(InvalidInput, match="reached exactly once"):
        ensemble(replace(chain, left=ring))


def test_more_nodes_than_are_read_are_refused_before_they_are_looked_at():
    n = 2_500_001
    many = tree(np.full(n, -1, np.int32), np.full(n, -1, np.int32))
    with pytest.raises(InvalidInput, match="at most 5000000"):
        ensemble(many, many)


def test_columns_must_be_as_many_as_the_model_sees():
    with pytest.raises(InvalidInput, match="sees 1 columns"):
        ensemble(STUMP).margins(np.zeros((2, 3)))


def test_scores_of_each_link_by_hand():
    # logistic(ln 3) = 3/4; exp(ln 2) = 2; softmax(0, ln 3) = 1/4, 3/4; one against rest: 1/2 and 3/4, scaled to 2/5, 3/5.
    ln2, ln3 = np.log(2), np.log(3)
    assert Link.IDENTITY.scores(column(5)).tolist() == [[5]]
    assert Link.COMPLEMENT.scores(column(0.25)).tolist() == [[0.75, 0.25]]
    assert Link.LOGISTIC.scores(column(ln3)) == pytest.approx(np.array([[0.25, 0.75]]))
    assert Link.EXPONENTIAL.scores(column(ln2)) == pytest.approx(np.array([[2.0]]))
    assert Link.SOFTMAX.scores(np.array([[0, ln3]])) == pytest.approx(np.array([[0.25, 0.75]]))
    assert Link.ONE_VS_REST.scores(np.array([[0, ln3]])) == pytest.approx(np.array([[0.4, 0.6]]))


@pytest.mark.parametrize("link", [Link.LOGISTIC, Link.SOFTMAX, Link.ONE_VS_REST])
@pytest.mark.parametrize("size", [1e4, 1e300])
def test_probabilities_sum_to_one_however_large_the_margins(link, size):
    margins = (
        column(-size, size) if link is Link.LOGISTIC else np.array([[-size, -size / 2], [size, size / 2]])
    )
    assert link.scores(margins).sum(axis=1) == pytest.approx([1, 1])
