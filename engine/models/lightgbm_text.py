"""LightGBM's own text, as `save_model("model.txt")` writes it, read without LightGBM.

A head of `key=value` lines, a block of such lines for each tree, and after "end of trees" parameters and, where it was
trained on pandas, the categories of its columns.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from engine.errors import InvalidInput
from engine.models import found
from engine.models.ensemble import Ensemble, Link, Tree
from engine.models.signature import Feature, FeatureType, ModelFormat, Signature, Task
from engine.models.tree_scorer import category_text, opener
from engine.values import Count

VERSIONS = ("v3", "v4")
CATEGORICAL, DEFAULT_LEFT = 1, 2
NONE_MISSING, ZERO_MISSING, NAN_MISSING = 0, 1, 2

_VALUE = (Task.REGRESSION, Link.IDENTITY)
_LOGARITHM = (Task.REGRESSION, Link.EXPONENTIAL)
OBJECTIVES: dict[str, tuple[Task, Link]] = {
    "binary": (Task.BINARY, Link.LOGISTIC),
    "multiclass": (Task.MULTICLASS, Link.SOFTMAX),
    "multiclassova": (Task.MULTICLASS, Link.ONE_VS_REST),
    "regression": _VALUE,
    "regression_l1": _VALUE,
    "huber": _VALUE,
    "fair": _VALUE,
    "quantile": _VALUE,
    "mape": _VALUE,
    "lambdarank": _VALUE,
    "rank_xendcg": _VALUE,
    "poisson": _LOGARITHM,
    "gamma": _LOGARITHM,
    "tweedie": _LOGARITHM,
}
SETTINGS = ("num_class", "sigmoid")
"""What may stand behind the name of an objective; "sqrt" changes the scores in a way that is not read."""


@dataclass(frozen=True, kw_only=True)
class _Objective:
    name: str
    task: Task
    link: Link
    sigmoid: float
    """What margins are multiplied by before they are log-odds."""


def read(content: bytes) -> tuple[Ensemble, Signature]:
    """The trees of a model, and what it takes and gives.

    Raises:
        InvalidInput: it is damaged, or of a kind whose scores are not the sum of trees that we know; says which.
    """
    try:
        text = content.decode().replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise InvalidInput("the LightGBM file is damaged: it is no text in UTF-8") from None
    body, end, tail = text.partition("\nend of trees\n")
    if not end:
        raise InvalidInput('the LightGBM file is incomplete: it has no "end of trees"')
    first, *blocks = re.split(r"\nTree=(\d{1,9})\n", body)
    head = _lines(first, "the head of the LightGBM file")
    if head.get("version") not in VERSIONS:
        raise InvalidInput(
            f"the LightGBM file is of version {head.get('version')!r}; {' and '.join(VERSIONS)} are read: "
            "load it in LightGBM 4 and save it again"
        )
    objective = _objective(head)
    margins = 1
    if objective.task is Task.MULTICLASS:
        margins = found.whole(head.get("num_class"), 2, found.MAX_CLASSES, "num_class")
    found.whole(head.get("num_tree_per_iteration"), margins, margins, "num_tree_per_iteration")
    features = found.whole(head.get("max_feature_idx"), 0, found.MAX_FEATURES - 1, "max_feature_idx") + 1
    count = len(_needed(head, "tree_sizes").split())
    if not count or count % margins or blocks[::2] != [str(place) for place in range(count)]:
        raise InvalidInput(
            f"the LightGBM file is damaged: it tells of {count} trees of {margins} for each round, and has "
            f"{len(blocks) // 2}"
        )
    scale = objective.sigmoid / (count // margins if "average_output" in head else 1)
    sets: list[NDArray[np.int64]] = []
    zero: set[int] = set()
    other: set[int] = set()
    trees = [
        _Block(written, place).tree(place % margins, scale, sets, zero, other)
        for place, written in enumerate(blocks[1::2])
    ]
    if zero & other:
        raise InvalidInput(
            f"feature {min(zero & other)} of the LightGBM model has zeros that are missing in some splits and not in "
            "others; this is not read"
        )
    ensemble = Ensemble(
        features=features,
        base=np.zeros(margins),
        trees=trees,
        link=objective.link,
        sets=sets,
        zeros_missing=sorted(zero),
    )
    named, has_names, notes = _features(head, tail, features, trees)
    if objective.task is not Task.REGRESSION:
        notes.insert(0, _CLASSES)
    if objective.link is Link.ONE_VS_REST:
        notes.append(
            "Probabilities of one class against the rest are scaled to sum to 1; LightGBM leaves them as they are."
        )
    boosting = re.search(r"^\[boosting: (\w{1,20})\]$", tail, re.MULTILINE)
    return ensemble, Signature(
        format=ModelFormat.LIGHTGBM_TEXT,
        framework="LightGBM",
        framework_version=None,
        kind=f"booster{f' ({boosting[1]})' if boosting else ''}, {objective.name}",
        task=objective.task,
        features=named,
        classes=() if objective.task is Task.REGRESSION else tuple(str(i) for i in range(max(margins, 2))),
        trees=Count(count),
        named=has_names,
        notes=tuple(notes),
    )


opened = opener(read)


_CLASSES = (
    "The file does not carry the names of the classes: they are numbered from 0, in the order that LightGBM was given "
    "(LGBMClassifier: the order of sorted labels)."
)


def _lines(block: str, where: str) -> dict[str, str]:
    """The `key=value` lines up to the first empty one; a line without "=" is a key with nothing."""
    found_lines: dict[str, str] = {}
    for line in block.strip("\n").partition("\n\n")[0].split("\n"):
        key, _, value = line.partition("=")
        if key in found_lines:
            raise InvalidInput(f"{where} has {key!r} twice")
        found_lines[key] = value
    return found_lines


def _needed(lines: Mapping[str, str], key: str) -> str:
    if key not in lines:
        raise InvalidInput(f"the LightGBM file is damaged or incomplete: it has no {key}")
    return lines[key]


def _objective(head: Mapping[str, str]) -> _Objective:
    written = head.get("objective", "")
    name, *settings = written.split() or [""]
    pairs = dict(setting.partition(":")[::2] for setting in settings)
    if name not in OBJECTIVES or not set(pairs) <= set(SETTINGS):
        raise InvalidInput(
            f"the objective {written!r} of the LightGBM model is not one whose scores are known here; "
            f"known are {', '.join(OBJECTIVES)}, without sqrt"
        )
    task, link = OBJECTIVES[name]
    sigmoid = found.real(pairs.get("sigmoid", 1), "sigmoid")
    if not 0 < sigmoid <= 1e6:
        raise InvalidInput(f"sigmoid must lie in (0, 1e6], got {sigmoid:g}")
    return _Objective(name=name, task=task, link=link, sigmoid=sigmoid)


class _Block:
    """The lines of one tree."""

    def __init__(self, written: str, place: int) -> None:
        self.place = place
        self.lines = _lines(written, f"tree {place}")
        if self.lines.get("is_linear", "0") != "0":
            raise InvalidInput(
                "the LightGBM model has linear models in its leaves (linear_tree), which is not read; train it without"
            )
        self.leaves = len(_needed(self.lines, "leaf_value").split())
        found.whole(_needed(self.lines, "num_leaves"), max(self.leaves, 1), max(self.leaves, 1), "num_leaves")

    def reals(self, key: str, count: int) -> NDArray[np.float64]:
        return found.reals(_needed(self.lines, key).split(), count, f"{key} of tree {self.place}")

    def integers(self, key: str, count: int) -> NDArray[np.int64]:
        return found.integers(_needed(self.lines, key).split(), count, f"{key} of tree {self.place}")

    def tree(
        self, output: int, scale: float, sets: list[NDArray[np.int64]], zero: set[int], other: set[int]
    ) -> Tree:
        """Splits first and then leaves.

        Args:
            sets: its sets of categories are added to these.
            zero: features that it splits with zeros missing are added to these.
            other: features that it splits otherwise are added to these.
        """
        splits = self.leaves - 1
        leaf = np.full(self.leaves, -1, np.int64)
        left, right, feature, threshold, missing_left, categories = (
            np.concatenate([part, leaf.astype(part.dtype)])
            for part in self._splits(splits, sets, zero, other)
        )
        return Tree(
            left=left,
            right=right,
            feature=feature,
            threshold=threshold,
            missing_left=missing_left.astype(np.bool_),
            value=np.concatenate([np.zeros(splits), scale * self.reals("leaf_value", self.leaves)]),
            cover=np.concatenate(
                [self._counts("internal_count", splits), self._counts("leaf_count", self.leaves)]
            ),
            output=output,
            categories=categories if (categories >= 0).any() else None,
        )

    def _splits(
        self, splits: int, sets: list[NDArray[np.int64]], zero: set[int], other: set[int]
    ) -> Sequence[NDArray[np.generic]]:
        if not splits:
            return [np.zeros(0, np.int64)] * 3 + [np.zeros(0)] + [np.zeros(0, np.int64)] * 2
        feature = self.integers("split_feature", splits)
        threshold = self.reals("threshold", splits)
        decision = self.integers("decision_type", splits)
        missing = decision >> 2
        if ((decision < 0) | (missing > NAN_MISSING)).any():
            raise InvalidInput(f"tree {self.place} has a decision_type that is not known")
        children = [self.integers(f"{side}_child", splits) for side in ("left", "right")]
        if any((child >= splits).any() for child in children):
            raise InvalidInput(f"tree {self.place} has a child that is no split of it")
        left, right = (np.where(child < 0, splits + ~child, child) for child in children)
        by_category = (decision & CATEGORICAL) > 0
        by_zero = ~by_category & (missing == ZERO_MISSING)
        zero.update(feature[by_zero].tolist())
        other.update(feature[~by_zero].tolist())
        default = (decision & DEFAULT_LEFT) > 0
        missing_left = ~by_category & np.where(
            missing == NONE_MISSING, threshold >= 0, default
        )  # NaN is read as 0
        with np.errstate(invalid="ignore", over="ignore"):  # NaN is refused with the tree
            above = np.nextafter(threshold, np.inf)  # there `x <= threshold` goes left
        above = np.minimum(above, np.finfo(np.float64).max)  # inf where only missing values go right
        categories = np.full(splits, -1, np.int64)
        if by_category.any():
            categories[by_category] = len(sets) + self._places(threshold[by_category])
            sets += self._sets()
        return left, right, feature, np.where(by_category, 0.0, above), missing_left, categories

    def _places(self, threshold: NDArray[np.float64]) -> NDArray[np.int64]:
        count = found.whole(_needed(self.lines, "num_cat"), 1, len(self.lines["threshold"]), "num_cat")
        if not np.isin(threshold, np.arange(count)).all():
            raise InvalidInput(f"tree {self.place} splits by categories that it does not have")
        return threshold.astype(np.int64)

    def _sets(self) -> list[NDArray[np.int64]]:
        """The categories that go left, from bits in words of 32."""
        written = _needed(self.lines, "cat_threshold").split()
        words = found.integers(written, len(written), f"cat_threshold of tree {self.place}")
        count = found.whole(self.lines["num_cat"], 1, len(self.lines["threshold"]), "num_cat")
        bounds = self.integers("cat_boundaries", count + 1)
        if bounds[0] != 0 or bounds[-1] != len(words) or (np.diff(bounds) < 0).any():
            raise InvalidInput(f"tree {self.place} has cat_boundaries that do not fit its cat_threshold")
        if ((words < 0) | (words >= 2**32)).any():
            raise InvalidInput(f"tree {self.place} has a cat_threshold that is no 32 bits")
        bits = np.unpackbits(words.astype("<u4").view(np.uint8), bitorder="little")
        return [np.flatnonzero(bits[32 * a : 32 * b]) for a, b in pairwise(bounds)]

    def _counts(self, key: str, count: int) -> NDArray[np.float64]:
        return self.reals(key, count) if self.lines.get(key) else np.full(count, np.nan)


def _features(
    head: Mapping[str, str], tail: str, count: int, trees: Sequence[Tree]
) -> tuple[tuple[Feature, ...], bool, list[str]]:
    """The features, whether the file carries their names, and what to know of them."""
    notes = []
    names = found.names(_needed(head, "feature_names").split(" "), count)
    has_names = names != [f"Column_{place}" for place in range(count)]
    if not has_names:
        notes.append(
            "The file does not carry the names of the features: they are Column_0, Column_1, ... in their order."
        )
    infos = _needed(head, "feature_infos").split(" ")
    if len(infos) != count:
        raise InvalidInput(f"the LightGBM model has {count} features and {len(infos)} feature_infos")
    by_category = {place for place, info in enumerate(infos) if re.fullmatch(r"-?\d+(:-?\d+)*", info)}
    for tree in trees:
        if tree.categories is not None:
            by_category |= set(tree.feature[tree.categories >= 0].tolist())
    written = re.search(r"^\[categorical_feature: (\d{1,6}(?:,\d{1,6})*)\]$", tail, re.MULTILINE)
    if written:
        by_category |= {place for place in map(int, written[1].split(",")) if place < count}
    lists = _categories(tail)
    texts: dict[int, tuple[str, ...]] = {}
    if by_category and len(lists) == len(by_category):
        texts = dict(zip(sorted(by_category), lists, strict=True))
        notes.append(
            "The file lists texts of categories without saying of which columns; they are taken to be those of "
            f"{', '.join(repr(names[place]) for place in sorted(by_category)[:20])}, in this order."
        )
    elif by_category:
        notes.append(
            "The file does not carry the texts of all categories: columns without must hold their codes."
        )
    features = tuple(
        Feature(
            name=name,
            type=FeatureType.CATEGORY if place in by_category else FeatureType.NUMBER,
            categories=texts.get(place, ()),
        )
        for place, name in enumerate(names)
    )
    return features, has_names, notes


def _categories(tail: str) -> list[tuple[str, ...]]:
    """The categories of pandas' columns, in the order of their codes."""
    written = re.search(r"^pandas_categorical:(.*)$", tail, re.MULTILINE)
    try:
        lists = json.loads(written[1]) if written else None
    except (ValueError, RecursionError):
        raise InvalidInput("the LightGBM file is damaged: its pandas_categorical is no JSON") from None
    if lists is None:
        return []
    whole = isinstance(lists, list) and all(isinstance(values, list) for values in lists)
    if not whole or not all(isinstance(value, str | int | float) for values in lists for value in values):
        raise InvalidInput(
            "the LightGBM file is damaged: its pandas_categorical is no list of lists of values"
        )
    texts = [tuple(category_text(value) for value in values) for values in lists]
    if any(len(set(some)) != len(some) for some in texts):
        raise InvalidInput("two categories of one column of the LightGBM model are alike as texts")
    return texts
