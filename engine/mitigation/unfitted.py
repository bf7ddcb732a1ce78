"""A fitted estimator as it was before training, and how it is trained on rows that weigh more or less."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import feature_selection
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import has_fit_parameter

from engine.errors import InvalidInput
from engine.models.scorer import Numbers
from engine.models.skops_types import SCORES

WITHOUT: Mapping[str, Any] = MappingProxyType(
    {"memory": None, "n_jobs": None, "verbose": False, "warm_start": False}
)
"""Settings that would write files, start processes, print, or go on from other rows: put back wherever they stand."""


def unfitted(estimator: Any, seed: int) -> Any:
    """The estimator as it was before it was trained, without settings that reach beyond it, and with our seed.

    Raises:
        InvalidInput: a part of it is never trained again, or its file does not say how.
    """
    fitted = estimator.get_params(deep=True)
    _refuse_kept(fitted)
    fresh = clone(estimator)
    for path, value in sorted(fresh.get_params(deep=True).items()):
        name = path.rpartition("__")[2]
        if name in WITHOUT:
            fresh.set_params(**{path: WITHOUT[name]})
        elif name == "random_state":
            fresh.set_params(**{path: seed})
        elif name == "score_func" and f"{value}" in {score.rpartition(".")[2] for score in SCORES}:
            fresh.set_params(**{path: getattr(feature_selection, value)})
        elif isinstance(value, ColumnTransformer):
            value.transformers = list(_with_columns(value, fitted[path]))
    return fresh


def weighs(estimator: Any) -> bool:
    """Whether it is trained on rows that weigh more or less, and whatever it trains inside too."""
    settings = estimator.get_params(deep=False)
    several = settings.get("estimators") or []
    inside = [settings.get("estimator"), settings.get("final_estimator"), *(each for _, each in several)]
    takes = has_fit_parameter(estimator, "sample_weight")
    takes = takes or isinstance(estimator, VotingClassifier | StackingClassifier)  # among other arguments
    return takes and all(weighs(each) for each in inside if hasattr(each, "fit"))


def drawn(favored: NDArray[np.bool_], weights: Numbers) -> NDArray[np.intp]:
    """(rows,) places that stand in for weights: each row as often as it weighs, up to less than one time.

    Both decisions are among them, if both are among `favored` with some weight.
    """
    upto = np.cumsum(weights)
    marks = (np.arange(len(weights)) + 0.5) * (upto[-1] / len(weights))
    places: NDArray[np.intp] = np.searchsorted(upto, marks)
    for wanted in (favored, ~favored):
        if wanted.any() and not wanted[places].any():
            places = np.append(places, np.where(wanted, weights, -1).argmax())
    return places


def _refuse_kept(settings: Mapping[str, Any]) -> None:
    """Refuse what stays as it was trained: it has seen rows on which models are measured."""
    for path, value in settings.items():
        name = path.rpartition("__")[2]
        if (
            isinstance(value, FrozenEstimator)
            or (name == "prefit" and value is True)
            or f"{value}" == "prefit"
        ):
            said = "a FrozenEstimator" if isinstance(value, FrozenEstimator) else f"{path}={value!r}"
            raise InvalidInput(
                f"a part of the model was trained beforehand and is never trained again ({said}), so it would not be"
                " measured on rows it has not seen; give a model whose parts are all trained together",
                at=("model_id",),
            )


def _with_columns(fresh: ColumnTransformer, fitted: ColumnTransformer) -> Iterator[tuple[str, Any, Any]]:
    """Its transformers, with the columns that a selector had found, which the file does not hold itself."""
    found = getattr(fitted, "_columns", [])
    for place, (name, transformer, columns) in enumerate(fresh.transformers):
        if columns is None and place >= len(found):
            raise InvalidInput(
                f"the file does not say which columns go to {name!r}: a selector of columns stands in a part that is"
                " trained several times; name the columns instead",
                at=("model_id",),
            )
        yield name, transformer, found[place] if columns is None else columns
