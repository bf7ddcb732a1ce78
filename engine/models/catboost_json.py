"""CatBoost's JSON, as `save_model("model.json", format="json")` writes it, read without CatBoost.

Trees of one split for each level become trees like all others. A value goes right where it is above the border.
"""

import json
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import InvalidInput
from engine.models import found
from engine.models.ensemble import Ensemble, Link, Tree
from engine.models.forest import MAX_NODES
from engine.models.signature import Feature, FeatureType, ModelFormat, Signature, Task
from engine.models.tree_scorer import category_text, opener
from engine.values import Count

DEEPEST = 16
"""Levels of a tree with one split for each; CatBoost has no more."""
_VALUE = (Task.REGRESSION, Link.IDENTITY)
_LOGARITHM = (Task.REGRESSION, Link.EXPONENTIAL)
LOSSES: dict[str, tuple[Task, Link]] = {
    "Logloss": (Task.BINARY, Link.LOGISTIC),
    "CrossEntropy": (Task.BINARY, Link.LOGISTIC),
    "MultiClass": (Task.MULTICLASS, Link.SOFTMAX),
    "MultiClassOneVsAll": (Task.MULTICLASS, Link.ONE_VS_REST),
    **dict.fromkeys(("RMSE", "MAE", "MAPE", "Quantile", "Expectile", "Huber", "LogCosh", "Lq"), _VALUE),
    **dict.fromkeys(("PairLogit", "QueryRMSE", "YetiRank"), _VALUE),  # scores without a scale
    **dict.fromkeys(("Poisson", "Tweedie"), _LOGARITHM),
}


def read(content: bytes) -> tuple[Ensemble, Signature]:
    """The trees of a model, and what it takes and gives.

    Raises:
        InvalidInput: it is damaged, or of a kind whose scores are not the sum of trees that we know; says which.
    """
    try:
        whole = json.loads(content)
    except (ValueError, RecursionError):  # as in xgboost_json
        raise InvalidInput(
            'the CatBoost file is no JSON; save the model again with save_model("model.json", format="json")'
        ) from None
    about = _part(_part(whole, "model_info", dict), "params", dict)
    loss = _part(_part(about, "loss_function", dict), "type", str)
    if loss not in LOSSES:
        raise InvalidInput(
            f"the loss {loss[:100]!r} of the CatBoost model is not one whose scores are known here; "
            f"known are {', '.join(LOSSES)}"
        )
    task, link = LOSSES[loss]
    classes = _classes(whole["model_info"], task)
    scale, base = _scale_and_bias(whole, len(classes) if task is Task.MULTICLASS else 1)
    columns = _columns(whole)
    trees = list(_trees(whole, columns, scale, len(base)))
    if not trees:
        raise InvalidInput("the CatBoost model has no trees")
    notes = (
        []
        if columns.named
        else ["The file does not carry the names of the features: they are numbered from 0."]
    )
    if link is Link.ONE_VS_REST:
        notes.append(
            "Probabilities of one class against the rest are scaled to sum to 1; CatBoost leaves them as they are."
        )
    ensemble = Ensemble(features=len(columns.features), base=base, trees=trees, link=link, single=True)
    return ensemble, Signature(
        format=ModelFormat.CATBOOST_JSON,
        framework="CatBoost",
        framework_version=None,
        kind=f"booster, {loss}",
        task=task,
        features=columns.features,
        classes=classes,
        trees=Count(len(trees) // len(base)),
        named=columns.named,
        notes=tuple(notes),
    )


opened = opener(read)


def _part(parent: object, name: str, kind: type | tuple[type, ...]) -> Any:
    return found.part(parent, name, kind, "CatBoost")


def _classes(info: dict[str, Any], task: Task) -> tuple[str, ...]:
    """Their names in the order of the margins."""
    if task is Task.REGRESSION:
        return ()
    names = _part(_part(info, "class_params", dict), "class_names", list)
    if not names and task is Task.BINARY:  # labels were probabilities
        return "0", "1"
    if not all(isinstance(name, str | int | float) for name in names):
        raise InvalidInput("the CatBoost file is damaged: names of classes must be texts or numbers")
    classes = found.names([category_text(name) for name in names], len(names))
    most = 2 if task is Task.BINARY else found.MAX_CLASSES
    found.whole(len(classes), 2, most, "the number of classes")
    return tuple(classes)


def _scale_and_bias(whole: dict[str, Any], margins: int) -> tuple[float, NDArray[np.float64]]:
    """What the trees are multiplied by, and the margins without trees."""
    written = _part(whole, "scale_and_bias", list)
    if len(written) != 2:
        raise InvalidInput(f"scale_and_bias must have 2 values, got {len(written)}")
    scale, bias = written
    if not isinstance(bias, list):  # one number before CatBoost 0.25
        bias = [bias] * margins
    if len(bias) != margins:
        raise InvalidInput(f"the bias must have {margins} values for this loss, got {len(bias)}")
    return found.real(scale, "the scale"), np.array([found.real(value, "the bias") for value in bias])


@dataclass(frozen=True, kw_only=True)
class _Columns:
    """The features in the order of the columns of training."""

    features: tuple[Feature, ...]
    named: bool
    """Whether the file has their names."""
    places: Mapping[int, int]
    """Of each feature, by its number in splits."""
    above: Set[int]
    """Columns whose missing values are above all others; in the others they are below."""

    def split(self, written: object) -> tuple[int, float, bool]:
        """The column of a split, the number below which a value goes left, and whether a missing one does."""
        if _part(written, "split_type", str) != "FloatFeature":
            raise InvalidInput(
                "the CatBoost model has splits by something else than a number, which are not read"
            )
        index = _part(written, "float_feature_index", int)
        if index not in self.places:
            raise InvalidInput(
                f"the CatBoost file is damaged: it splits by the number {index}, which it lacks"
            )
        with np.errstate(over="ignore"):  # infinite is refused with the tree
            border = np.float32(found.real(_part(written, "border", (float, int)), "border"))
            below = float(np.nextafter(border, np.float32(np.inf)))
        return self.places[index], below, self.places[index] not in self.above


def _columns(whole: dict[str, Any]) -> _Columns:
    info = _part(whole, "features_info", dict)
    if info.get("text_features") or info.get("embedding_features"):
        raise InvalidInput("the CatBoost model looks at texts or embeddings, which are not read")
    if info.get("categorical_features"):
        raise InvalidInput(
            "the CatBoost model takes categories, of which its file has only hashes and statistics; give them as columns"
            " of numbers in training, one of 0 and 1 for each category, or serve the model and register it as an endpoint"
        )
    features: dict[int, Feature] = {}
    places: dict[int, int] = {}
    above: set[int] = set()
    named = False
    for written in _part(info, "float_features", list):
        place = found.whole(
            _part(written, "flat_feature_index", int), 0, found.MAX_FEATURES - 1, "flat_feature_index"
        )
        if place in features:
            raise InvalidInput(f"the CatBoost file is damaged: two features are column {place}")
        own = _part(written, "feature_id", str)
        named |= bool(own)
        features[place] = Feature(name=own or str(place), type=FeatureType.NUMBER)
        places[_part(written, "feature_index", int)] = place
        if written.get("nan_value_treatment") == "AsTrue":
            above.add(place)
    if not features or max(features) != len(features) - 1:
        raise InvalidInput("the CatBoost file is damaged: it does not list one feature for each column")
    ordered = tuple(features[place] for place in range(len(features)))
    found.names([feature.name for feature in ordered], len(ordered))
    return _Columns(features=ordered, named=named, places=places, above=above)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Shape:
    """A tree, one entry for each node."""

    left: NDArray[np.int32]
    """-1 in a leaf."""
    right: NDArray[np.int32]
    split: NDArray[np.int64]
    """Place in `splits`; -1 in a leaf."""
    splits: Sequence[object]
    """As written."""
    values: NDArray[np.float64]
    """(nodes, margins)"""
    cover: NDArray[np.float64]


def _trees(whole: dict[str, Any], columns: _Columns, scale: float, margins: int) -> Iterator[Tree]:
    """Of each tree in the file one for each margin."""
    name, shape_of = ("trees", _uneven) if "trees" in whole else ("oblivious_trees", _even)
    nodes = 0
    for place, written in enumerate(_part(whole, name, list)):
        shape = shape_of(written, margins, f"tree {place}")
        nodes += len(shape.left) * margins
        if nodes > MAX_NODES:
            raise InvalidInput(f"the trees have more than {MAX_NODES} nodes, which are not read")
        table = [*map(columns.split, shape.splits), (0, 0.0, False)]  # the last for leaves
        feature, threshold, missing_left = (np.array(each)[shape.split] for each in zip(*table, strict=True))
        for margin in range(margins):
            yield Tree(
                left=shape.left,
                right=shape.right,
                feature=feature,
                threshold=threshold,
                missing_left=missing_left,
                value=scale * shape.values[:, margin],
                cover=shape.cover,
                output=margin,
            )


def _even(written: object, margins: int, where: str) -> _Shape:
    """A tree with one split for each level. CatBoost counts its leaves by bits, of which the first split has the lowest.

    The last split becomes the root, as in CatBoost's own Shapley values: path-dependent ones depend on the order.
    """
    splits = _part(written, "splits", list)[::-1]
    if len(splits) > DEEPEST:
        raise InvalidInput(f"{where} has {len(splits)} levels; CatBoost has at most {DEEPEST}")
    leaves = 2 ** len(splits)
    values = found.reals(
        _part(written, "leaf_values", list), leaves * margins, f"leaf_values of {where}"
    ).reshape(leaves, margins)
    weights = written.get("leaf_weights") if isinstance(written, dict) else None
    cover = [
        found.reals(weights, leaves, f"leaf_weights of {where}")
        if isinstance(weights, list) and weights
        else np.full(leaves, np.nan)
    ]
    while len(cover[0]) > 1:
        cover.insert(0, cover[0].reshape(-1, 2).sum(axis=1))
    inner = np.arange(leaves - 1, dtype=np.int32)
    leaf = np.full(leaves, -1, np.int32)
    return _Shape(
        left=np.concatenate([2 * inner + 1, leaf]),
        right=np.concatenate([2 * inner + 2, leaf]),
        split=np.concatenate([np.repeat(np.arange(len(splits)), 2 ** np.arange(len(splits))), leaf]),
        splits=splits,
        values=np.concatenate([np.zeros((leaves - 1, margins)), values]),
        cover=np.concatenate(cover),
    )


def _uneven(written: object, margins: int, where: str) -> _Shape:
    """A tree that was grown by depth or by loss: nodes in nodes."""
    sides: tuple[list[int], list[int]] = [], []
    split: list[int] = []
    splits: list[object] = []
    values: list[list[Any]] = []
    cover: list[float] = []
    waiting: list[tuple[object, list[int], int]] = [(written, [-1], 0)]  # with where its place is to be noted
    while waiting:
        node, side, parent = waiting.pop()
        place = side[parent] = len(split)
        for each in sides:
            each.append(-1)
        inner = isinstance(node, dict) and "split" in node
        split.append(len(splits) if inner else -1)
        own = 0.0 if inner else _part(node, "value", (list, float, int))
        values.append(own if isinstance(own, list) else [own] * margins)
        cover.append(
            0.0 if inner else found.real(_part(node, "weight", (float, int)), f"a weight of {where}")
        )
        if inner:
            splits.append(_part(node, "split", dict))
            waiting += [
                (_part(node, name, dict), sides[i], place) for i, name in enumerate(("left", "right"))
            ]
    for place in reversed(range(len(split))):  # children stand behind their parents
        if split[place] >= 0:
            cover[place] = cover[sides[0][place]] + cover[sides[1][place]]
    flat = [value for own in values for value in own]
    return _Shape(
        left=np.array(sides[0], np.int32),
        right=np.array(sides[1], np.int32),
        split=np.array(split),
        splits=splits,
        values=found.reals(flat, len(split) * margins, f"values of {where}").reshape(-1, margins),
        cover=np.array(cover),
    )
