"""XGBoost's own JSON, as `save_model("model.json")` writes it, read without XGBoost; and what its values mean in any form.

A tree here goes left where a value is below the split's condition, and right where it is in the split's categories.
"""

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import InvalidInput
from engine.models import found
from engine.models.ensemble import Ensemble, Link, Tree
from engine.models.signature import Feature, FeatureType, ModelFormat, Signature, Task
from engine.models.tree_scorer import opener
from engine.values import Count

DELETED = 2**31 - 1
"""What stands in place of the split's feature in a node that was pruned."""
CLIP = 1e-6
"""XGBoost keeps a base score that is a probability so far from 0 and 1."""
LARGEST_CODE = 2**24 - 1
LISTS = list, np.ndarray
"""What lists of numbers are: the second in the binary form."""

_VALUE = (Task.REGRESSION, Link.IDENTITY)
_LOGARITHM = (Task.REGRESSION, Link.EXPONENTIAL)
OBJECTIVES: dict[str, tuple[Task, Link]] = {
    "binary:logistic": (Task.BINARY, Link.LOGISTIC),
    "multi:softprob": (Task.MULTICLASS, Link.SOFTMAX),
    "multi:softmax": (Task.MULTICLASS, Link.SOFTMAX),
    "reg:squarederror": _VALUE,
    "reg:linear": _VALUE,
    "reg:squaredlogerror": _VALUE,
    "reg:pseudohubererror": _VALUE,
    "reg:absoluteerror": _VALUE,
    "reg:quantileerror": _VALUE,
    "rank:ndcg": _VALUE,
    "rank:pairwise": _VALUE,
    "rank:map": _VALUE,
    "count:poisson": _LOGARITHM,
    "reg:gamma": _LOGARITHM,
    "reg:tweedie": _LOGARITHM,
}


def read(content: bytes) -> tuple[Ensemble, Signature]:
    """The trees of a model, and what it takes and gives.

    Raises:
        InvalidInput: it is damaged, or of a kind whose scores are not the sum of trees that we know; says which.
    """
    try:
        whole = json.loads(content)
    except (
        ValueError,
        RecursionError,
    ):  # ValueError: also text that is no UTF-8, and numbers of thousands of digits
        raise InvalidInput(
            'the XGBoost file is no JSON; save the model again with save_model("model.json")'
        ) from None
    return understood(whole, ModelFormat.XGBOOST_JSON)


opened = opener(read)


def understood(whole: object, format: ModelFormat) -> tuple[Ensemble, Signature]:
    """The model that the values of a file are, whose lists of numbers may be arrays.

    Raises:
        InvalidInput: as `read`.
    """
    learner = _part(whole, "learner", dict)
    task, link = _objective(learner)
    param = _part(learner, "learner_model_param", dict)
    features = found.whole(param.get("num_feature"), 1, found.MAX_FEATURES, "num_feature")
    margins = 1
    if task is Task.MULTICLASS:
        margins = found.whole(param.get("num_class"), 2, found.MAX_CLASSES, "num_class")
    found.whole(param.get("num_target", 1), 1, 1, "num_target (models with several targets are not read)")
    model, weights = _model(learner)
    trees, sets = _trees(model, weights, margins)
    used = _used(learner, model, margins, len(trees))
    ensemble = Ensemble(
        features=features,
        base=_base(param, link, margins),
        trees=trees[:used],
        link=link,
        single=True,
        sets=sets,
    )
    notes = [_CLASSES] if task is not Task.REGRESSION else []
    if used < len(trees):
        notes.append(
            f"Training stopped early: the {used} trees up to its best iteration are used, of {len(trees)} in the file, "
            "as XGBoost's scikit-learn interface does."
        )
    named, more = _features(learner, model, features, _by_category(trees))
    kind = "booster" if weights is None else "booster with dropout (dart)"
    version = _optional(whole, "version")
    return ensemble, Signature(
        format=format,
        framework="XGBoost",
        framework_version=".".join(str(part)[:9] for part in version[:3]) or None,
        kind=f"{kind}, {learner['objective']['name']}",
        task=task,
        features=named,
        classes=() if task is Task.REGRESSION else tuple(str(place) for place in range(max(margins, 2))),
        trees=Count(used),
        named=len(_optional(learner, "feature_names")) > 0,
        notes=(*notes, *more),
    )


_CLASSES = "The file does not carry the names of the classes: they are numbered from 0, as XGBoost was trained on them."


def _part(parent: object, name: str, kind: type | tuple[type, ...]) -> Any:
    return found.part(parent, name, kind, "XGBoost")


def _optional(parent: object, name: str) -> Any:
    """A list or array that may be missing, and is empty then."""
    value = parent.get(name) if isinstance(parent, dict) else None
    return value if isinstance(value, LISTS) else []


def _objective(learner: dict[str, Any]) -> tuple[Task, Link]:
    name = _part(_part(learner, "objective", dict), "name", str)
    if name not in OBJECTIVES:
        raise InvalidInput(
            f"the objective {name!r} of the XGBoost model is not one whose scores are known here; "
            f"known are {', '.join(OBJECTIVES)}"
        )
    return OBJECTIVES[name]


def _model(learner: dict[str, Any]) -> tuple[dict[str, Any], Sequence[Any] | None]:
    """Where the trees stand, and the weight of each where it has one."""
    booster = _part(learner, "gradient_booster", dict)
    name = _part(booster, "name", str)
    if name == "dart":
        return _part(_part(booster, "gbtree", dict), "model", dict), _part(booster, "weight_drop", LISTS)
    if name != "gbtree":
        raise InvalidInput(f"the booster {name!r} is no sum of trees; gbtree and dart are read")
    return _part(booster, "model", dict), None


def _base(param: dict[str, Any], link: Link, margins: int) -> NDArray[np.float64]:
    """The margins without trees, from scores of the base: a number, or since XGBoost 3.1 a list of one for each class."""
    text = _part(param, "base_score", str)
    values = [found.real(value, "base_score") for value in text.strip("[]").split(",")]
    if len(values) not in (1, margins):
        raise InvalidInput(f"base_score must have 1 or {margins} values, got {len(values)}")
    base = np.array(values * (margins // len(values)), np.float64)
    if link is Link.LOGISTIC:
        if not 0 <= base[0] <= 1:
            raise InvalidInput(f"base_score must lie in [0, 1] for this objective, got {base[0]:g}")
        base = base.clip(CLIP, 1 - CLIP)
        return np.log(base) - np.log1p(-base)
    if link is Link.EXPONENTIAL:
        if not base[0] > 0:
            raise InvalidInput(f"base_score must be above 0 for this objective, got {base[0]:g}")
        return np.log(base)
    return base


def _used(learner: dict[str, Any], model: dict[str, Any], margins: int, trees: int) -> int:
    """How many trees XGBoost's classifier and regressor look at after training that stopped early."""
    attributes = learner.get("attributes")
    best = attributes.get("best_iteration") if isinstance(attributes, dict) else None
    if best is None:
        return trees
    rounds = found.whole(best, 0, 10**9, "best_iteration") + 1
    ends = model.get("iteration_indptr")
    if ends is None:  # before XGBoost 2
        param = _part(model, "gbtree_model_param", dict)
        return min(
            trees,
            rounds * margins * found.whole(param.get("num_parallel_tree"), 1, 10**6, "num_parallel_tree"),
        )
    if not isinstance(ends, LISTS) or rounds >= len(ends):
        return trees
    ends = found.integers(ends, len(ends), "iteration_indptr")
    return found.whole(int(ends[rounds]), 0, trees, "iteration_indptr")


def _trees(
    model: dict[str, Any], weights: Sequence[Any] | None, margins: int
) -> tuple[list[Tree], list[NDArray[np.int64]]]:
    written = _part(model, "trees", list)
    if not written:
        raise InvalidInput("the XGBoost model has no trees")
    outputs = found.integers(_part(model, "tree_info", LISTS), len(written), "tree_info")
    if weights is None:
        weights = [1.0] * len(written)
    scales = found.reals(weights, len(written), "weight_drop")
    sets: list[NDArray[np.int64]] = []
    trees = [
        _tree(tree, int(output), float(scale), sets)
        for tree, output, scale in zip(written, outputs, scales, strict=True)
    ]
    return trees, sets


def _tree(written: object, output: int, scale: float, sets: list[NDArray[np.int64]]) -> Tree:
    """One tree; its sets of categories are added to `sets`."""
    param = _part(written, "tree_param", dict)
    found.whole(
        param.get("size_leaf_vector", 0), 0, 1, "size_leaf_vector (leaves of several values are not read)"
    )
    left = _part(written, "left_children", LISTS)
    n = len(left)

    def integers(name: str) -> NDArray[np.int64]:
        return found.integers(_part(written, name, LISTS), n, name)

    left, right, feature = (
        found.integers(left, n, "left_children"),
        integers("right_children"),
        integers("split_indices"),
    )
    missing_left = integers("default_left") != 0
    with np.errstate(over="ignore"):  # infinite is refused with the tree
        condition = found.reals(_part(written, "split_conditions", LISTS), n, "split_conditions").astype(
            np.float32
        )
    cover = found.reals(_part(written, "sum_hessian", LISTS), n, "sum_hessian")
    categories = _categories(written, n, sets)
    swapped = categories >= 0
    odd = swapped & (left >= 0) & ~np.isfinite(condition)
    condition[odd] = 0  # looked at by nobody: XGBoost 2.1 writes NaN there
    left, right = np.where(swapped, right, left), np.where(swapped, left, right)
    keep = feature != DELETED
    left, right = _renumbered(left, keep), _renumbered(right, keep)
    condition = condition.astype(np.float64)
    return Tree(
        left=left[keep],
        right=right[keep],
        feature=feature[keep],
        threshold=condition[keep],
        missing_left=(missing_left ^ swapped)[keep],
        value=scale * condition[keep],
        cover=cover[keep],
        output=output,
        categories=categories[keep] if swapped.any() else None,
    )


def _renumbered(child: NDArray[np.int64], keep: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Children counted without the nodes that were pruned; a child that was is no node, -2."""
    if keep.all():
        return child
    places = np.where(keep, np.cumsum(keep) - 1, -2)
    inside = (child >= 0) & (child < len(keep))
    return np.where(inside, places[np.where(inside, child, 0)], child)


def _categories(written: Any, n: int, sets: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """For each node the place of its set, -1 for a numeric split."""
    places = np.full(n, -1, np.int64)
    nodes = _optional(written, "categories_nodes")
    kinds = _optional(written, "split_type")
    if not len(nodes) and not found.integers(kinds, len(kinds), "split_type").any():
        return places
    codes = _part(written, "categories", LISTS)
    codes = found.integers(codes, len(codes), "categories")
    nodes = found.integers(nodes, len(nodes), "categories_nodes")
    starts = found.integers(_part(written, "categories_segments", LISTS), len(nodes), "categories_segments")
    sizes = found.integers(_part(written, "categories_sizes", LISTS), len(nodes), "categories_sizes")
    kinds = found.integers(_part(written, "split_type", LISTS), n, "split_type")
    if not np.array_equal(np.sort(nodes), np.flatnonzero(kinds == 1)) or not np.isin(kinds, (0, 1)).all():
        raise InvalidInput(
            "the XGBoost file is damaged: split_type and categories_nodes tell of different splits"
        )
    if (
        (starts < 0).any()
        or (sizes < 0).any()
        or sizes.sum() > len(codes)
        or (starts + sizes > len(codes)).any()
    ):
        raise InvalidInput("the XGBoost file is damaged: categories_segments reach beyond the categories")
    if ((codes < 0) | (codes > LARGEST_CODE)).any():
        raise InvalidInput(f"categories must be codes in [0, {LARGEST_CODE}]")
    for node, start, size in zip(nodes, starts, sizes, strict=True):
        places[node] = len(sets)
        sets.append(np.unique(codes[start : start + size]))
    return places


def _by_category(trees: Sequence[Tree]) -> set[int]:
    """Features that some split knows the categories of."""
    splits = [tree.feature[tree.categories >= 0] for tree in trees if tree.categories is not None]
    return {int(feature) for some in splits for feature in some}


def _features(
    learner: dict[str, Any], model: dict[str, Any], count: int, by_category: set[int]
) -> tuple[tuple[Feature, ...], list[str]]:
    notes = []
    named = _optional(learner, "feature_names")
    if not len(named):
        notes.append(
            "The file does not carry the names of the features: they are f0, f1, ... in their order."
        )
    names = found.names(named, count) if len(named) else [f"f{i}" for i in range(count)]
    types = _optional(learner, "feature_types")
    if len(types) == count:
        by_category = by_category | {place for place, kind in enumerate(types) if kind == "c"}
    texts = _texts(model, count)
    bare = [names[place] for place in sorted(by_category) if place not in texts]
    if bare:
        listed = ", ".join(map(repr, bare[:20]))
        notes.append(
            f"The file does not carry the texts of the categories of {listed} (XGBoost writes none before 3.1, and whole"
            " only where all are ASCII): these columns must hold their codes, which number the categories from 0 in the"
            " order that training had, of pandas the sorted one."
        )
    features = tuple(
        Feature(
            name=name,
            type=FeatureType.CATEGORY if place in by_category else FeatureType.NUMBER,
            categories=texts.get(place, ()) if place in by_category else (),
            closed=place in by_category and place in texts,
        )
        for place, name in enumerate(names)
    )
    return features, notes


def _texts(model: dict[str, Any], count: int) -> dict[int, tuple[str, ...]]:
    """The categories that XGBoost has kept since 3.1, in the order of their codes: texts as bytes with offsets, or numbers."""
    cats = model.get("cats")
    if cats is None:
        return {}
    written = _part(cats, "enc", list)
    if written and len(written) != count:
        raise InvalidInput(
            f"the XGBoost file is damaged: it has categories of {len(written)} of {count} features"
        )
    texts = {}
    for place, entry in enumerate(written):
        values = _part(entry, "values", LISTS)
        if not len(values):
            continue
        if "offsets" not in entry:
            texts[place] = tuple(str(value) for value in found.integers(values, len(values), "categories"))
            continue
        offsets = _part(entry, "offsets", LISTS)
        ends = found.integers(offsets, len(offsets), "offsets of categories")
        raw = (found.integers(values, len(values), "categories") & 0xFF).astype(np.uint8).tobytes()
        if not len(ends) or ends[0] != 0 or ends[-1] != len(raw) or (np.diff(ends) < 0).any():
            raise InvalidInput("the XGBoost file is damaged: offsets of categories do not fit the categories")
        if (
            raw.isascii()
        ):  # of other texts XGBoost keeps as many bytes as they have characters, which are too few
            texts[place] = tuple(raw[a:b].decode() for a, b in pairwise(ends))
    return texts
