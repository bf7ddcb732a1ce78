"""Trees of scikit-learn as flat arrays: forests, gradient boosting and histogram boosting."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from engine.models.ensemble import Ensemble, Link, Tree

Numbers = NDArray[np.float64]
LARGEST = float(np.finfo(float).max)
_CONSTANT = ("prior", "most_frequent", "constant")


def next_single(threshold: Numbers) -> Numbers:
    """The least float32 above each threshold: `float32(x) <= t` is `float32(x) < next_single(t)`."""
    with np.errstate(over="ignore"):
        near = threshold.astype(np.float32)
    low, high = np.float32(-np.inf), np.float32(np.inf)
    below = np.where(near > threshold, np.nextafter(near, low), near)
    return finite(np.asarray(np.nextafter(below, high), dtype=float))


def finite(threshold: Numbers) -> Numbers:
    """Infinite is what scikit-learn writes where every number goes left and only what is missing goes right."""
    return np.clip(threshold, -LARGEST, LARGEST)


def _tree(grown: Any, place: int, scale: float, output: int) -> Tree:
    """One tree of sklearn.tree; `place` is the class whose share its leaves give."""
    left = grown.children_left.astype(np.int32)
    leaf = left == -1
    return Tree(
        left=left,
        right=grown.children_right.astype(np.int32),
        feature=np.where(leaf, 0, grown.feature).astype(np.int32),
        threshold=np.where(leaf, 0.0, next_single(grown.threshold)),
        missing_left=grown.missing_go_to_left.astype(bool),
        value=np.where(leaf, grown.value[:, 0, place] * scale, 0.0),
        cover=grown.weighted_n_node_samples.astype(float),
        output=output,
    )


def _forest(model: Any) -> list[Ensemble]:
    trees = [tree.tree_ for tree in getattr(model, "estimators_", [model])]
    classes = len(getattr(model, "classes_", ()))
    links = {0: Link.IDENTITY, 2: Link.COMPLEMENT}
    places = {0: [0], 2: [1]}.get(classes, list(range(classes)))
    return [
        Ensemble(
            features=model.n_features_in_,
            base=np.zeros(len(places)),
            trees=[
                _tree(grown, place, 1 / len(trees), output)
                for grown in trees
                for output, place in enumerate(places)
            ],
            link=links.get(classes, Link.IDENTITY),
            single=True,
        )
    ]


def _boosting(model: Any) -> list[Ensemble]:
    first, outputs = model.init_, model.estimators_.shape[1]
    if isinstance(first, str):
        base = np.zeros(outputs)
    elif isinstance(first, DummyRegressor) or (
        isinstance(first, DummyClassifier) and first.strategy in _CONSTANT
    ):
        base = model._raw_predict_init(np.zeros((1, model.n_features_in_), np.float32)).ravel()
    else:
        return []  # another model comes first: no sum of trees
    twice = 2.0 if model.loss == "exponential" else 1.0  # its margins are half the log-odds
    classes = len(getattr(model, "classes_", ()))
    return [
        Ensemble(
            features=model.n_features_in_,
            base=base * twice,
            trees=[
                _tree(tree.tree_, 0, model.learning_rate * twice, output)
                for stage in model.estimators_
                for output, tree in enumerate(stage)
            ],
            link=Link.IDENTITY if not classes else Link.LOGISTIC if classes == 2 else Link.SOFTMAX,
            single=True,
        )
    ]


def _histogram(model: Any) -> list[Ensemble]:
    sets: list[NDArray[np.int64]] = []
    trees = [
        _binned(predictor, output, sets)
        for stage in model._predictors
        for output, predictor in enumerate(stage)
    ]
    classes = len(getattr(model, "classes_", ()))
    logarithm = type(getattr(model._loss, "link", None)).__name__ == "LogLink"
    value = Link.EXPONENTIAL if logarithm else Link.IDENTITY
    return [
        Ensemble(
            features=model.n_features_in_,
            base=np.asarray(model._baseline_prediction, dtype=float).ravel(),
            trees=trees,
            link=value if not classes else Link.LOGISTIC if classes == 2 else Link.SOFTMAX,
            sets=sets,
        )
    ]


def _binned(predictor: Any, output: int, sets: list[NDArray[np.int64]]) -> Tree:
    nodes = predictor.nodes
    leaf = nodes["is_leaf"].astype(bool)
    by_set = nodes["is_categorical"].astype(bool) & ~leaf
    categories = np.full(len(nodes), -1, np.int32)
    for node in np.flatnonzero(by_set):
        bits = np.ascontiguousarray(predictor.raw_left_cat_bitsets[nodes["bitset_idx"][node]], dtype="<u4")
        categories[node] = len(sets)
        sets.append(np.flatnonzero(np.unpackbits(bits.view(np.uint8), bitorder="little")).astype(np.int64))
    return Tree(
        left=np.where(leaf, -1, nodes["left"].astype(np.int64)).astype(np.int32),
        right=np.where(leaf, -1, nodes["right"].astype(np.int64)).astype(np.int32),
        feature=np.where(leaf, 0, nodes["feature_idx"]).astype(np.int32),
        threshold=np.where(leaf | by_set, 0.0, finite(np.nextafter(nodes["num_threshold"], np.inf))),
        missing_left=nodes["missing_go_to_left"].astype(bool),
        value=np.where(leaf, nodes["value"], 0.0),
        cover=nodes["count"].astype(float),
        output=output,
        categories=categories if by_set.any() else None,
    )


TREES: Mapping[type, Callable[[Any], list[Ensemble]]] = {
    RandomForestClassifier: _forest,
    RandomForestRegressor: _forest,
    ExtraTreesClassifier: _forest,
    ExtraTreesRegressor: _forest,
    DecisionTreeClassifier: _forest,
    DecisionTreeRegressor: _forest,
    GradientBoostingClassifier: _boosting,
    GradientBoostingRegressor: _boosting,
    HistGradientBoostingClassifier: _histogram,
    HistGradientBoostingRegressor: _histogram,
}
"""Estimators that are sums of trees, subclasses included; empty where one is not."""
