"""Which column of the user's each encoded column is made of, found by walking the fitted transformers.

To follow another transformer that looks at each column alone: a row of TRANSFORMERS. A row is not believed blindly:
`sklearn_inside.py` changes one column at a time and looks which encoded ones move.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from sklearn import preprocessing as pre
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction import text
from sklearn.feature_selection import SelectorMixin
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline

from engine.models.skops_schema import Malformed

TEXTS = (text.CountVectorizer, text.HashingVectorizer)
MOST_COLUMNS = 1_000_000
"""That a transformer makes of the user's."""


@dataclass(frozen=True)
class Column:
    """A column on its way through the transformers."""

    player: int
    """Place of the one column of the user's that it is made of."""
    raw: bool = True
    """Whether it still holds the user's own values, or these with what was missing filled in."""
    filled: bool = False


Columns = Sequence[Column]


@dataclass
class Seen:
    """What transformers say of the user's columns, by place."""

    used: set[int] = field(default_factory=set)
    numbers: set[int] = field(default_factory=set)
    texts: set[int] = field(default_factory=set)
    categories: dict[int, list[Any]] = field(default_factory=dict)
    closed: set[int] = field(default_factory=set)
    """Columns where a category that training has not seen is an error."""

    def number(self, columns: Columns) -> None:
        self.numbers.update(column.player for column in columns if column.raw)
        self.used.update(column.player for column in columns)

    def category(self, column: Column, values: Any, closed: bool) -> None:
        self.used.add(column.player)
        if column.raw:
            self.categories.setdefault(column.player, list(values))
            if closed:
                self.closed.add(column.player)


def through(step: Any, columns: Columns, seen: Seen) -> list[Column] | None:
    """The columns that a fitted transformer makes of these; None where one is made of several."""
    if step is None or step == "passthrough":
        return list(columns)
    if step == "drop":
        return []
    for kind, follow in TRANSFORMERS.items():
        if isinstance(step, kind):
            return follow(step, columns, seen)
    if isinstance(step, TEXTS):
        seen.used.update(column.player for column in columns)
        seen.texts.update(column.player for column in columns)
    else:
        seen.number(columns)
    return None


def _pipeline(step: Pipeline, columns: Columns, seen: Seen) -> list[Column] | None:
    now: list[Column] | None = list(columns)
    for _, inner in step.steps:
        if now is None:
            return None
        now = through(inner, now, seen)
    return now


def _union(step: FeatureUnion, columns: Columns, seen: Seen) -> list[Column] | None:
    return _joined([through(inner, columns, seen) for _, inner in step.transformer_list])


def _by_column(step: ColumnTransformer, columns: Columns, seen: Seen) -> list[Column] | None:
    parts = []
    for name, inner, _ in step.transformers_:
        if isinstance(inner, str) and inner == "drop":
            continue
        places = step._transformer_to_input_indices[name]
        if not all(0 <= place < len(columns) for place in places):
            raise Malformed("a transformer takes columns that there are not")
        parts.append(through(inner, [columns[place] for place in places], seen) if len(places) else [])
    return _joined(parts)


def _joined(parts: list[list[Column] | None]) -> list[Column] | None:
    """One after the other; all are walked before one of them may make the whole unknown."""
    known = [part for part in parts if part is not None]
    return [column for part in known for column in part] if len(known) == len(parts) else None


def _each(step: Any, columns: Columns, seen: Seen) -> list[Column]:
    seen.number(columns)
    return [replace(column, raw=False) for column in columns]


def _identity(step: pre.FunctionTransformer, columns: Columns, seen: Seen) -> list[Column]:
    return list(columns) if step.func is None else _each(step, columns, seen)


def _repeated(columns: Columns, times: Sequence[int]) -> list[Column]:
    """Each column as often as a transformer makes columns of it."""
    if sum(map(int, times)) > MOST_COLUMNS:
        raise Malformed(f"a transformer makes more than {MOST_COLUMNS:,} columns")
    return [
        replace(column, raw=False)
        for column, count in zip(columns, times, strict=True)
        for _ in range(int(count))
    ]


def _filled(step: SimpleImputer, columns: Columns, seen: Seen) -> list[Column]:
    if step.strategy in ("mean", "median"):
        seen.number(columns)
    empty = [statistic is None or statistic != statistic for statistic in step.statistics_]
    kept = [
        replace(column, filled=True)
        for column, gone in zip(columns, empty, strict=True)
        if not gone or step.keep_empty_features or step.strategy == "constant"
    ]
    seen.used.update(column.player for column in columns)
    return kept + (_missing(step.indicator_, columns, seen) if step.add_indicator else [])


def _missing(step: MissingIndicator, columns: Columns, seen: Seen) -> list[Column]:
    return [replace(columns[place], raw=False) for place in step.features_]


def _encoded(
    step: pre.OneHotEncoder | pre.OrdinalEncoder | pre.TargetEncoder, columns: Columns, seen: Seen
) -> list[Column]:
    closed = getattr(step, "handle_unknown", None) == "error"
    for column, values in zip(columns, step.categories_, strict=True):
        seen.category(column, values, closed)
    if isinstance(step, pre.OneHotEncoder):
        return _repeated(columns, step._n_features_outs)
    several = len(step.classes_) if getattr(step, "target_type_", None) == "multiclass" else 1
    return _repeated(columns, [several] * len(columns))


def _binned(step: pre.KBinsDiscretizer, columns: Columns, seen: Seen) -> list[Column]:
    seen.number(columns)
    return _repeated(columns, [1] * len(columns) if step.encode == "ordinal" else step.n_bins_)


def _splines(step: pre.SplineTransformer, columns: Columns, seen: Seen) -> list[Column]:
    seen.number(columns)
    return _repeated(columns, [step.n_features_out_ // len(columns)] * len(columns))


def _powers(step: pre.PolynomialFeatures, columns: Columns, seen: Seen) -> list[Column] | None:
    seen.number(columns)
    powers = step.powers_ > 0
    if (powers.sum(axis=1) > 1).any():
        return None
    return [
        replace(columns[place], raw=False) for place in powers.argmax(axis=1)
    ]  # a constant counts to the first


def _selected(step: SelectorMixin, columns: Columns, seen: Seen) -> list[Column]:
    seen.used.update(column.player for column in columns)
    return [column for column, kept in zip(columns, step.get_support(), strict=True) if kept]


TRANSFORMERS: Mapping[type, Callable[[Any, Columns, Seen], list[Column] | None]] = {
    Pipeline: _pipeline,
    FeatureUnion: _union,
    ColumnTransformer: _by_column,
    SimpleImputer: _filled,
    MissingIndicator: _missing,
    pre.StandardScaler: _each,
    pre.MinMaxScaler: _each,
    pre.MaxAbsScaler: _each,
    pre.RobustScaler: _each,
    pre.PowerTransformer: _each,
    pre.QuantileTransformer: _each,
    pre.Binarizer: _each,
    pre.FunctionTransformer: _identity,
    pre.OneHotEncoder: _encoded,
    pre.OrdinalEncoder: _encoded,
    pre.TargetEncoder: _encoded,
    pre.KBinsDiscretizer: _binned,
    pre.SplineTransformer: _splines,
    pre.PolynomialFeatures: _powers,
    SelectorMixin: _selected,
}
"""Transformers that look at each column alone, and how many columns they make of it."""


def chain(estimator: Any) -> tuple[list[Any], Any]:
    """The transformers before a model, in order, and the model itself."""
    steps: list[Any] = []
    while isinstance(estimator, Pipeline):
        *before, estimator = [step for _, step in estimator.steps]
        steps += before
    histogram = getattr(estimator, "_preprocessor", None)
    return (steps if histogram is None else [*steps, histogram]), estimator


def look(estimator: Any, count: int, seen: Seen) -> list[Column] | None:
    """The columns that the innermost model computes with, of so many that the whole takes; `seen` learns of each.

    None where a column is made of several, or where several models compute.
    """
    columns: list[Column] | None = [Column(player) for player in range(count)]
    steps, model = chain(estimator)
    for step in steps:
        if columns is None:
            return None
        columns = through(step, columns, seen)
    if columns is not None:
        parts = _members(model)
        if parts and not steps:
            for part in parts:
                look(part, count, seen)
            return None
        seen.number(columns)
        return None if parts else columns
    return None


def _members(model: Any) -> list[Any]:
    """The models that an ensemble asks and that take the user's own columns."""
    inner = getattr(model, "estimators_", None)
    if isinstance(inner, list) and type(model).__name__.startswith(("Voting", "Stacking")):
        return [part for part in inner if part != "drop"]
    calibrated = getattr(model, "calibrated_classifiers_", None)
    if isinstance(calibrated, list):
        return [part.estimator for part in calibrated]
    one = [getattr(model, name, None) for name in ("regressor_", "estimator_")]
    wrappers = ("TransformedTarget", "FixedThreshold", "TunedThreshold", "RANSAC", "Frozen")
    return [part for part in one if part is not None and type(model).__name__.startswith(wrappers)][:1]


def is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float | np.floating) and value != value)
