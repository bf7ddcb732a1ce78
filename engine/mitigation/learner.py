"""A scikit-learn model trained again: its earlier steps once, its last step for each candidate."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from engine.errors import InvalidInput
from engine.models.scorer import Numbers
from engine.models.sklearn_columns import is_missing
from engine.models.sklearn_scorer import SklearnScorer, quiet

WITHOUT: Mapping[str, Any] = MappingProxyType(
    {"memory": None, "n_jobs": None, "verbose": False, "warm_start": False}
)
"""Settings that would write files, start processes, print, or go on from other rows: put back wherever they stand."""
EVEN = 0.5
"""The score of the favourable class from which on a decision is favourable, as everywhere here."""

Decisions = NDArray[np.bool_]


class Learner:
    """A model's own way of training, on rows that its earlier steps have encoded once."""

    def __init__(
        self, scorer: SklearnScorer, rows: pd.DataFrame, truth: Decisions, favorable: int, seed: int
    ) -> None:
        """Train the earlier steps.

        Args:
            rows: to train on, at least the model's features.
            truth: (rows,), whether the label is the favourable one.
            favorable: place of that class.

        Raises:
            InvalidInput: the last step cannot weigh rows, or the earlier ones do not take these rows.
        """
        self.scorer, self.truth, self.favorable = scorer, truth, favorable
        fresh = unfitted(scorer.estimator, seed)
        self.whole = isinstance(fresh, Pipeline)
        steps: list[tuple[str, Any]] = fresh.steps if self.whole else [("model", fresh)]
        self.steps = steps[:-1]
        self.name, self.last = steps[-1]
        if not has_fit_parameter(self.last, "sample_weight"):
            raise InvalidInput(
                f"{type(self.last).__name__} cannot weigh rows when it is trained, which this kind of mitigation needs;"
                " a model whose last step takes sample_weight is needed, such as a logistic regression, a forest or"
                " boosted trees",
                at=("model_id",),
            )
        taken = scorer.taken(_typed(scorer, scorer.frame(rows)))
        with quiet(), _in_words():
            self.rows = Pipeline(self.steps).fit_transform(taken, self.labels(truth)) if self.steps else taken

    def labels(self, favored: Decisions) -> Any:
        """Classes of the model."""
        return np.asarray(self.scorer.estimator.classes_)[
            np.where(favored, self.favorable, 1 - self.favorable)
        ]

    def trained(self, favored: Decisions, weights: Numbers | None = None) -> Any:
        """The last step, trained to decide so about the training rows."""
        model = clone(self.last)
        with quiet(), _in_words():
            return model.fit(self.rows, self.labels(favored), sample_weight=weights)

    def on_training(self, model: Any) -> Decisions:
        """What a trained last step decides about the training rows."""
        with quiet():
            found: Decisions = np.asarray(model.predict(self.rows) == self.labels(np.array([True]))[0])
        return found

    def estimator(self, model: Any) -> Any:
        """The whole model with this last step."""
        return Pipeline([*self.steps, (self.name, model)]) if self.whole else model

    def scorer_of(self, model: Any) -> SklearnScorer:
        """The same as what scores rows."""
        return replace(self.scorer, estimator=self.estimator(model), _found=[])


def favored(scorer: SklearnScorer, rows: pd.DataFrame, favorable: int) -> Decisions:
    """Which rows a model decides favourably."""
    found: Decisions = scorer.scores(rows)[:, favorable] >= EVEN
    return found


def unfitted(estimator: Any, seed: int) -> Any:
    """The estimator as it was before it was trained, without settings that reach beyond it, and with our seed."""
    fresh = clone(estimator)
    for path in sorted(fresh.get_params(deep=True)):
        name = path.rpartition("__")[2]
        if name in WITHOUT:
            fresh.set_params(**{path: WITHOUT[name]})
        elif name == "random_state":
            fresh.set_params(**{path: seed})
    return fresh


def _typed(scorer: SklearnScorer, made: pd.DataFrame) -> pd.DataFrame:
    """With categories as such where the model was trained on pandas' own; it knows them by their type alone."""
    if getattr(scorer.estimator, "categorical_features", None) != "from_dtype":
        return made
    names = {scorer.columns[place]: values for place, values in scorer.seen.categories.items()}
    typed = {
        name: pd.Categorical(made[name], [value for value in values if not is_missing(value)])
        for name, values in names.items()
    }
    return made.assign(**typed)


@contextmanager
def _in_words() -> Iterator[None]:
    """Around training, which scikit-learn may refuse in any way."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  # estimators of a file fail in any way
        said = str(error).strip().splitlines()
        why = said[0][:200] if said else type(error).__name__
        raise InvalidInput(f"the model cannot be trained on these rows: {why}") from None
