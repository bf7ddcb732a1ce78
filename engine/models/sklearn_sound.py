"""Estimators out of a file, made sound before they compute: native code of scikit-learn and SciPy indexes into
arrays without looking, so whatever such code reads is checked here, and made anew where that is simpler.

skops vouches for the types of objects and never for what they hold. To open an estimator with native code of its
own, add its check to CHECKS.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import scipy.sparse
from scipy.interpolate import BSpline
from sklearn.compose import ColumnTransformer
from sklearn.ensemble._forest import BaseForest
from sklearn.ensemble._gb import BaseGradientBoosting
from sklearn.ensemble._hist_gradient_boosting.gradient_boosting import BaseHistGradientBoosting
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer
from sklearn.neighbors import BallTree, KDTree
from sklearn.neighbors._base import NeighborsBase
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder
from sklearn.svm._base import BaseLibSVM
from sklearn.tree import BaseDecisionTree

from engine.models.skops_schema import Malformed

MOST_OBJECTS = 5_000_000


def sound(root: Any) -> Any:
    """The same estimator, checked, with one thread and nothing to say.

    Raises:
        Malformed: what it holds does not fit together; says what.
    """
    splines: dict[int, BSpline] = {}
    for thing in _everything(root):
        if isinstance(thing, BSpline):
            splines[id(thing)] = thing
        if hasattr(thing, "get_params"):
            quiet = {"n_jobs": None, "verbose": 0, "memory": None}
            vars(thing).update({name: value for name, value in quiet.items() if name in vars(thing)})
        if scipy.sparse.issparse(thing):
            thing.check_format(full_check=True)
        for kind, check in CHECKS.items():
            if isinstance(thing, kind):
                check(thing)
    for spline in splines.values():  # its constructor looks at knots and coefficients
        vars(spline).update(vars(BSpline(spline._t, spline._c, spline.k, extrapolate=spline.extrapolate)))
    return root


def _everything(root: Any) -> Iterator[Any]:
    """Every object within, containers and arrays of objects gone through, each once."""
    seen: dict[int, Any] = {}
    waiting = [root]
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, str | int | float | bool | None):
            continue
        seen[id(thing)] = thing
        if len(seen) > MOST_OBJECTS:
            raise Malformed("it holds more objects than a model needs")
        if isinstance(thing, dict):
            waiting.extend(thing.values())
        elif isinstance(thing, list | tuple | set):
            waiting.extend(thing)
        elif isinstance(thing, np.ndarray):
            if thing.dtype == object:
                waiting.extend(thing.ravel().tolist())
        else:
            yield thing
            waiting.extend(getattr(thing, "__dict__", {}).values())


def hold(truth: Any, said: str) -> None:
    if not truth:
        raise Malformed(said)


def _nodes_in_order(left: Any, right: Any, leaves: Any, said: str) -> None:
    """Children come after their parents and exist: whoever walks down ends in a leaf."""
    here = np.arange(len(left))[~leaves]
    for child in (left[~leaves], right[~leaves]):
        hold((child > here).all() and (child < len(left)).all(), said)


def _tree(thing: BaseDecisionTree) -> None:
    tree, said = thing.tree_, "the nodes of a tree do not fit together"
    hold(tree.node_count == tree.capacity and tree.node_count >= 1, said)
    hold(tree.n_features == thing.n_features_in_ and tree.max_depth >= 0, said)
    left, right, leaves = tree.children_left, tree.children_right, tree.children_left == -1
    _nodes_in_order(left, right, leaves, said)
    split = tree.feature[~leaves]
    hold((split >= 0).all() and (split < tree.n_features).all(), said)
    hold(np.isfinite(tree.value).all(), "a tree predicts what is no number")


def _forest(thing: BaseForest) -> None:
    hold(len(thing.estimators_) >= 1, "a forest has no trees")
    for tree in thing.estimators_:
        hold(isinstance(tree, BaseDecisionTree), "a forest holds something that is no tree")
        hold(
            tree.n_features_in_ == thing.n_features_in_,
            "the trees of a forest see other columns than it does",
        )


def _boosting(thing: BaseGradientBoosting) -> None:
    said = "the trees of a boosting do not fit together"
    trees = thing.estimators_
    hold(isinstance(trees, np.ndarray) and trees.ndim == 2 and trees.size, said)
    classes = len(getattr(thing, "classes_", ()))
    hold(trees.shape[1] == (classes if classes > 2 else 1) == thing.n_trees_per_iteration_, said)
    for tree in trees.ravel():
        hold(isinstance(tree, BaseDecisionTree) and tree.n_features_in_ == thing.n_features_in_, said)
        hold(tree.tree_.value.shape[1:] == (1, 1), said)


def _histogram(thing: BaseHistGradientBoosting) -> None:
    said = "the trees of a histogram boosting do not fit together"
    before, columns = thing._preprocessor, thing.n_features_in_
    if before is not None:
        hold(isinstance(before, ColumnTransformer), said)
        taken = []
        for name, step, _ in before.transformers_:
            hold(isinstance(step, OrdinalEncoder | FunctionTransformer | str), said)
            if isinstance(step, str) and step == "drop":
                continue
            taken += list(before._transformer_to_input_indices[name])
            hold(getattr(step, "func", None) is None, said)
        hold(sorted(taken) == list(range(columns)), said)
    bins = thing._bin_mapper
    categorical = np.asarray(bins.is_categorical_)
    hold(categorical.dtype == np.uint8 and categorical.shape == (columns,), said)
    for place in np.flatnonzero(categorical):
        known = np.asarray(bins.bin_thresholds_[place])
        hold(((known >= 0) & (known < 256)).all(), said)
    for predictor in (predictor for stage in thing._predictors for predictor in stage):
        nodes, sets = predictor.nodes, predictor.raw_left_cat_bitsets
        hold(nodes.ndim == 1 and len(nodes) and nodes.dtype.names is not None, said)
        hold(sets.ndim == 2 and sets.shape[1] == 8 and sets.dtype == np.uint32, said)
        leaves = nodes["is_leaf"].astype(bool)
        _nodes_in_order(nodes["left"].astype(np.int64), nodes["right"].astype(np.int64), leaves, said)
        split, by_set = nodes["feature_idx"].astype(np.int64), nodes["is_categorical"].astype(bool) & ~leaves
        hold(((split >= 0) & (split < columns))[~leaves].all(), said)
        hold((nodes["bitset_idx"][by_set] < len(sets)).all() and categorical[split[by_set]].all(), said)
        hold(np.isfinite(nodes["value"]).all(), "a tree predicts what is no number")


def _support_vectors(thing: BaseLibSVM) -> None:
    said = "the support vectors do not fit together"
    hold(isinstance(thing.kernel, str) and thing.kernel != "precomputed", "its kernel is not one by name")
    vectors, weights, counts = thing.support_vectors_, thing._dual_coef_, np.asarray(thing._n_support)
    classes = len(thing.classes_) if hasattr(thing, "classes_") else 2
    pairs = classes * (classes - 1) // 2
    hold(vectors.ndim == 2 and vectors.shape[1] == thing.n_features_in_ == thing.shape_fit_[1], said)
    hold(weights.shape == (classes - 1, vectors.shape[0]) and counts.shape == (classes,), said)
    hold(thing.support_.shape == (vectors.shape[0],) and (counts >= 0).all(), said)
    hold(not hasattr(thing, "classes_") or counts.sum() == vectors.shape[0], said)
    hold(np.asarray(thing._intercept_).shape == (pairs,), said)
    chances = (np.asarray(thing._probA).size, np.asarray(thing._probB).size)
    hold(chances in ((0, 0), (pairs, pairs)) or (not hasattr(thing, "classes_") and chances[0] <= 1), said)
    if scipy.sparse.issparse(weights):
        hold(scipy.sparse.issparse(vectors) and weights.data.size == (classes - 1) * vectors.shape[0], said)


def _neighbours(thing: NeighborsBase) -> None:
    """The tree of neighbours is made anew from the rows, which is what training did."""
    said = "the rows of its neighbours do not fit together"
    rows, metric = thing._fit_X, thing.effective_metric_
    hold(isinstance(metric, str) and metric != "precomputed", "its metric is not one by name")
    hold(rows.ndim == 2 and rows.shape[1] == thing.n_features_in_, said)
    hold(getattr(thing, "n_samples_fit_", rows.shape[0]) == rows.shape[0], said)
    classes, labels = getattr(thing, "classes_", None), getattr(thing, "_y", None)
    if labels is not None:
        hold(labels.shape[0] == rows.shape[0], said)
        if isinstance(classes, np.ndarray):
            hold(((labels >= 0) & (labels < len(classes))).all(), said)
    made = {"kd_tree": KDTree, "ball_tree": BallTree}.get(thing._fit_method)
    hold(made is not None or thing._fit_method == "brute", said)
    thing._tree = made and made(rows, thing.leaf_size, metric=metric, **thing.effective_metric_params_)


def _text(thing: CountVectorizer | HashingVectorizer) -> None:
    """Whoever may write a cell must not name a file in it that is then opened and counted."""
    hold(thing.input == "content", "it takes names of files where rows have texts")


CHECKS: Mapping[type, Callable[[Any], None]] = {
    BaseDecisionTree: lambda thing: _tree(thing) if hasattr(thing, "tree_") else None,
    BaseForest: lambda thing: _forest(thing) if hasattr(thing, "estimators_") else None,
    BaseGradientBoosting: lambda thing: _boosting(thing) if hasattr(thing, "estimators_") else None,
    BaseHistGradientBoosting: lambda thing: _histogram(thing) if hasattr(thing, "_predictors") else None,
    CountVectorizer: _text,
    HashingVectorizer: _text,
    BaseLibSVM: lambda thing: _support_vectors(thing) if hasattr(thing, "support_vectors_") else None,
    NeighborsBase: lambda thing: _neighbours(thing) if hasattr(thing, "_fit_X") else None,
}
"""Kinds of estimator with native code, and what is looked at once they are fitted; and those that could open files."""
