"""Tree ensembles for tests: drawn at random, or taken from what libraries say of theirs; and Shapley values by definition."""

import json
from itertools import combinations
from math import factorial

import numpy as np

from engine.models.ensemble import Ensemble, Link, Tree

SETS = (np.array([0, 2]), np.array([1]), np.array([1, 3, 4]))


def drawn(rng, *, columns=4, depth=4, trees=3, margins=1, categorical=(), likely=0.85):
    """A random ensemble; columns in `categorical` have codes 0..5, others are split at -1, -0.5, 0, 0.5 or 1."""
    return Ensemble(
        features=columns,
        base=rng.normal(size=margins),
        trees=[_tree(rng, columns, depth, i % margins, categorical, likely) for i in range(trees)],
        link=Link.IDENTITY,
        sets=SETS,
    )


def _tree(rng, columns, depth, output, categorical, likely):
    nodes = []

    def grow(left, cover):
        me = len(nodes)
        nodes.append(
            {
                "left": -1,
                "right": -1,
                "feature": 0,
                "threshold": 0.0,
                "missing": False,
                "place": -1,
                "value": 0.0,
            }
        )
        nodes[me]["cover"] = cover
        if left == 0 or rng.random() > likely:
            nodes[me]["value"] = rng.normal()
            return me
        feature = int(rng.integers(columns))
        nodes[me].update(feature=feature, missing=bool(rng.integers(2)))
        if feature in categorical:
            nodes[me]["place"] = int(rng.integers(len(SETS)))
        else:
            nodes[me]["threshold"] = rng.choice([-1, -0.5, 0, 0.5, 1])
        share = rng.uniform(0.1, 0.9)
        nodes[me]["left"] = grow(left - 1, cover * share)
        nodes[me]["right"] = grow(left - 1, cover * (1 - share))
        return me

    grow(depth, 100.0)
    return _made(nodes, output)


def _made(nodes, output):
    """A tree of a list of nodes."""
    names = {
        "left": np.int32,
        "right": np.int32,
        "feature": np.int32,
        "threshold": float,
        "value": float,
        "cover": float,
    }
    arrays = {name: np.array([node[name] for node in nodes], kind) for name, kind in names.items()}
    return Tree(
        **arrays,
        missing_left=np.array([node["missing"] for node in nodes], bool),
        categories=np.array([node.get("place", -1) for node in nodes], np.int32),
        output=output,
    )


def rows_of(rng, n, columns, categorical=(), missing=0.2):
    """Encoded rows: numbers that also meet thresholds exactly, codes, and missing values."""
    rows = rng.choice([-1.5, -1, -0.7, -0.5, 0, 0.2, 0.5, 1, 3], size=(n, columns))
    for column in categorical:
        rows[:, column] = rng.integers(0, 6, size=n)
    rows[rng.random(rows.shape) < missing] = np.nan
    return rows


def without(ensemble, players, row, known, background):
    """v(S): the margins where only these players are known."""
    if background is not None:
        mixed = np.where(np.isin(players, known), row, background)
        return ensemble.margins(mixed).mean(axis=0)
    margins = ensemble.base.copy()
    for tree in ensemble.trees:
        margins[tree.output] += _expected(tree, ensemble, players, row, known, 0)
    return margins


def _expected(tree, ensemble, players, row, known, node):
    if tree.left[node] < 0:
        return tree.value[node]
    left, right = tree.left[node], tree.right[node]
    if players[tree.feature[node]] in known:
        below = left if goes_left(tree, ensemble, row, node) else right
        return _expected(tree, ensemble, players, row, known, below)
    return sum(
        tree.cover[below] / tree.cover[node] * _expected(tree, ensemble, players, row, known, below)
        for below in (left, right)
    )


def goes_left(tree, ensemble, row, node):
    value = row[tree.feature[node]]
    if np.isnan(value):
        return bool(tree.missing_left[node])
    if tree.categories is not None and tree.categories[node] >= 0:
        return value in ensemble.sets[tree.categories[node]]
    return value < tree.threshold[node]


def game_of(ensemble, players, row, background=None):
    """The margins for each set of known players."""
    n = int(players.max()) + 1
    sets = [known for size in range(n + 1) for known in combinations(range(n), size)]
    return n, {known: without(ensemble, players, row, known, background) for known in sets}


def interactions(ensemble, players, row, background=None):
    """(pairs, margins): the Shapley interaction index by its definition (Grabisch and Roubens 1999)."""
    n, game = game_of(ensemble, players, row, background)
    pairs = list(combinations(range(n), 2))
    values = np.zeros((len(pairs), len(ensemble.base)))
    for p, (i, j) in enumerate(pairs):
        for known in (s for s in game if i not in s and j not in s):
            with_i, with_j, both = (game[tuple(sorted((*known, *more)))] for more in ((i,), (j,), (i, j)))
            weight = factorial(len(known)) * factorial(n - len(known) - 2) / factorial(n - 1)
            values[p] += weight * (both - with_i - with_j + game[known])
    return values


def shapley(ensemble, players, row, background=None):
    """(players, margins) by Shapley's definition."""
    n, game = game_of(ensemble, players, row, background)
    values = np.zeros((n, len(ensemble.base)))
    for known, value in game.items():
        for j in set(range(n)) - set(known):
            gain = game[tuple(sorted((*known, j)))] - value
            values[j] += gain * factorial(len(known)) * factorial(n - len(known) - 1) / factorial(n)
    return values


def from_sklearn(trees, *, columns, base, scale=1.0, margin=None):
    """Of `tree_` of a forest or boosted trees; `margin` picks a class's probability."""
    made = []
    for each in trees:
        t = each.tree_
        leaf = t.children_left < 0
        below = t.threshold.astype(np.float32)  # x <= t of a float32 is x < the next float32
        below = np.where(below <= t.threshold, np.nextafter(below, np.float32(np.inf)), below)
        made.append(
            Tree(
                left=t.children_left.astype(np.int32),
                right=t.children_right.astype(np.int32),
                feature=t.feature.astype(np.int32),
                threshold=below.astype(np.float64),
                missing_left=t.missing_go_to_left.astype(bool),
                value=np.where(leaf, t.value[:, 0, margin or 0] * scale, 0.0),
                cover=t.weighted_n_node_samples.astype(np.float64),
                output=0,
            )
        )
    return Ensemble(features=columns, base=np.array([base]), trees=made, link=Link.IDENTITY, single=True)


def from_histograms(model):
    """Of scikit-learn's histogram gradient boosting."""
    made = []
    for iteration in model._predictors:
        for output, predictor in enumerate(iteration):
            n = predictor.nodes
            leaf = n["is_leaf"].astype(bool)
            made.append(
                Tree(
                    left=np.where(leaf, -1, n["left"]).astype(np.int32),
                    right=np.where(leaf, -1, n["right"]).astype(np.int32),
                    feature=n["feature_idx"].astype(np.int32),
                    threshold=np.where(leaf, 0.0, np.nextafter(n["num_threshold"], np.inf)),
                    missing_left=n["missing_go_to_left"].astype(bool),
                    value=np.where(leaf, n["value"], 0.0),
                    cover=n["count"].astype(np.float64),
                    output=output,
                )
            )
    base = np.asarray(model._baseline_prediction, np.float64).ravel()
    return Ensemble(features=model.n_features_in_, base=base, trees=made, link=Link.IDENTITY)


def from_xgboost(booster, base):
    """Of XGBoost's dump, numeric splits; tree i adds to margin i modulo the margins."""
    made = []
    for i, dump in enumerate(booster.get_dump(dump_format="json", with_stats=True)):
        nodes = []

        def grow(node, nodes=nodes):
            me = len(nodes)
            nodes.append(
                {"left": -1, "right": -1, "feature": 0, "threshold": 0.0, "missing": False, "value": 0.0}
            )
            nodes[me]["cover"] = node["cover"]
            if "leaf" in node:
                nodes[me]["value"] = node["leaf"]
                return me
            children = {child["nodeid"]: child for child in node["children"]}
            nodes[me].update(
                feature=int(node["split"][1:]),
                threshold=float(np.float32(node["split_condition"])),
                missing=node["missing"] == node["yes"],
            )
            nodes[me]["left"] = grow(children[node["yes"]])
            nodes[me]["right"] = grow(children[node["no"]])
            return me

        grow(json.loads(dump))
        made.append(_made(nodes, i % len(base)))
    columns = booster.num_features()
    return Ensemble(features=columns, base=base, trees=made, link=Link.IDENTITY, single=True)


def from_lightgbm(booster, margins=1):
    """Of LightGBM's dump; missing values must be of its kind NaN, or absent from the rows."""
    sets, made = [], []
    model = booster.dump_model()
    for i, tree in enumerate(model["tree_info"]):
        nodes = []

        def grow(node, nodes=nodes):
            me = len(nodes)
            nodes.append(
                {"left": -1, "right": -1, "feature": 0, "threshold": 0.0, "missing": False, "value": 0.0}
            )
            if "leaf_value" in node:
                nodes[me].update(value=node["leaf_value"], cover=float(node.get("leaf_count", 1)))
                return me
            nodes[me].update(feature=node["split_feature"], cover=float(node["internal_count"]))
            if node["decision_type"] == "==":
                nodes[me]["place"] = len(sets)
                sets.append(np.array(sorted(int(code) for code in node["threshold"].split("||"))))
            else:
                nodes[me].update(
                    threshold=np.nextafter(node["threshold"], np.inf), missing=node["default_left"]
                )
            nodes[me]["left"] = grow(node["left_child"])
            nodes[me]["right"] = grow(node["right_child"])
            return me

        grow(tree["tree_structure"])
        made.append(_made(nodes, i % margins))
    return Ensemble(
        features=booster.num_feature(), base=np.zeros(margins), trees=made, link=Link.IDENTITY, sets=sets
    )
