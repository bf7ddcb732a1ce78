"""A model that is trees alone: the user's columns as numbers and codes of categories, and then its scores."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from engine.errors import InvalidInput
from engine.models.ensemble import Ensemble
from engine.models.scorer import Inside
from engine.models.signature import Feature, FeatureType, Signature
from engine.models.values import spellings
from engine.tables.names import SHOWN_NAMES, no_column, short

Numbers = NDArray[np.float64]

UNSEEN = -1.0
"""The code of a category that was not in training: it is in no split's set, and goes right, as in LightGBM."""
LARGEST = float(np.nextafter(np.finfo(np.float64).max, 0))
"""Infinite values become this: below the threshold that every number is below, and above all others."""
NEAR_ZERO = float(np.float32(1e-35))
"""What LightGBM takes for zero."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TreeScorer:
    """An Ensemble whose columns are the features of its signature, in their order."""

    ensemble: Ensemble
    signature: Signature

    def scores(self, rows: pd.DataFrame) -> Numbers:
        return self.ensemble.link.scores(self.ensemble.margins(self.encode(rows)))

    def inside(self) -> Inside:
        players = np.arange(self.ensemble.features, dtype=np.intp)
        return Inside(core=self.ensemble, players=players, encode=self.encode)

    def encode(self, rows: pd.DataFrame) -> Numbers:
        """Numbers as they are, categories as their codes, NaN where a value is missing.

        Raises:
            InvalidInput: a column is missing, or holds a text where the model needs a number; says which.
        """
        encoded = np.empty((len(rows), self.ensemble.features), order="F")
        for place, feature in enumerate(self.signature.features):
            if feature.name not in rows.columns:
                raise no_column(feature.name, [str(name) for name in rows.columns], ())
            codes = self._codes.get(place)
            column = rows[feature.name]
            encoded[:, place] = (
                numbers(feature, column)
                if codes is None
                else _coded(feature, column, codes, unseen=not self.signature.refuses_unseen(feature))
            )
        for place in self.ensemble.zeros_missing:
            encoded[np.abs(encoded[:, place]) <= NEAR_ZERO, place] = np.nan
        return np.ascontiguousarray(encoded.clip(-LARGEST, LARGEST))  # NaN stays

    @cached_property
    def _codes(self) -> Mapping[int, Mapping[str, float]]:
        """Codes of the categories whose texts are known."""
        known = {}
        for place, feature in enumerate(self.signature.features):
            if feature.categories:
                codes = {text: float(code) for code, text in enumerate(feature.categories)}
                truths = spellings(feature.categories)
                known[place] = codes | {text: codes[category] for text, category in truths.items()}
        return known


def opener(read: Callable[[bytes], tuple[Ensemble, Signature]]) -> Callable[..., TreeScorer]:
    """What opens files of a format that holds trees alone, from what reads their bytes."""

    def opened(path: Path, names: Sequence[str] = ()) -> TreeScorer:
        """A model as a scorer; `names` of its features are taken where the file has none."""
        ensemble, signature = read(path.read_bytes())
        return TreeScorer(ensemble=ensemble, signature=renamed(signature, names))

    return opened


def renamed(signature: Signature, names: Sequence[str]) -> Signature:
    """With the names that are registered for the features, where the file has none, or has _ for their spaces
    or for all their marks (ONNX).

    Names that are not one for each feature, or not all different, are left aside, and a note says so.
    """
    if not names or tuple(names) == tuple(signature.names):
        return signature
    marks = any([re.sub(mark, "_", name) for name in names] == list(signature.names) for mark in (" ", r"\W"))
    if signature.named and not marks:
        return signature
    if len(names) != len(signature.features) or len(set(names)) != len(names):
        note = (
            f"{len(names)} names of features are registered and the model has {len(signature.features)}: "
            "they are not used, because it takes one for each, all different."
        )
        return replace(signature, notes=(*signature.notes, note))
    features = tuple(replace(known, name=name) for known, name in zip(signature.features, names, strict=True))
    return replace(
        signature,
        features=features,
        notes=(*signature.notes, "The names of the features are those registered."),
    )


def _is_numeric(column: "pd.Series[Any]") -> bool:
    return bool(pd.api.types.is_numeric_dtype(column.dtype))


def numbers(feature: Feature, column: "pd.Series[Any]") -> Numbers:
    """A column as numbers, also of texts that are numbers; NaN where a value is missing.

    Raises:
        InvalidInput: it holds another text; names the column.
    """
    if _is_numeric(column):
        return column.to_numpy(np.float64, na_value=np.nan)
    places, values = pd.factorize(column.to_numpy(object))
    return np.array([*(_number(feature, value) for value in values), np.nan])[places]


def _number(feature: Feature, value: object) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]  # what is neither text nor number is a TypeError
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise InvalidInput(
            f"column {short(feature.name)} holds {short(str(value))}; the model needs "
            f"{'the code of a category' if feature.type is FeatureType.CATEGORY else 'a number'} there"
        )
    return number


def _coded(
    feature: Feature, column: "pd.Series[Any]", codes: Mapping[str, float], *, unseen: bool
) -> Numbers:
    if _is_numeric(column) and not any(_is_number(text) for text in codes):
        raise InvalidInput(
            f"column {short(feature.name)} holds numbers; the model needs texts there such as "
            f"{short(feature.categories[0])}"
        )
    places, values = pd.factorize(column.to_numpy(object))
    texts = [category_text(value) for value in values]
    odd = next((text for text in texts if text not in codes), None)
    if odd is not None and not unseen:
        raise InvalidInput(
            f"column {short(feature.name)} holds {short(odd)}, which was not there in training, and XGBoost refuses "
            f"such categories; it knows {', '.join(short(text) for text in feature.categories[:SHOWN_NAMES])}"
        )
    return np.array([*(codes.get(text, UNSEEN) for text in texts), np.nan])[places]


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def category_text(value: object) -> str:
    """A class or category as it is written: 3.0 as "3", which is what the same code is in a column of whole numbers."""
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)
