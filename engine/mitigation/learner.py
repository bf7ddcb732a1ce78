"""A scikit-learn model trained again: its earlier steps once, its last step for each candidate."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing

from engine.errors import InvalidInput
from engine.mitigation.unfitted import drawn, unfitted, weighs
from engine.models.scorer import Numbers
from engine.models.sklearn_columns import is_missing
from engine.models.sklearn_scorer import SklearnScorer, quiet

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
            InvalidInput: a part of it cannot be trained anew, or the earlier steps do not take these rows.
        """
        self.scorer, self.truth, self.favorable, self.seed = scorer, truth, favorable, seed
        with self._training():
            fresh = unfitted(scorer.estimator, seed)
            self.weighs = weighs(fresh[-1] if isinstance(fresh, Pipeline) else fresh)
        self.whole = isinstance(fresh, Pipeline)
        steps: list[tuple[str, Any]] = fresh.steps if self.whole else [("model", fresh)]
        self.steps = steps[:-1]
        self.name, self.last = steps[-1]
        taken = scorer.taken(_typed(scorer, scorer.frame(rows)))
        with self._training():
            self.rows = Pipeline(self.steps).fit_transform(taken, self.labels(truth)) if self.steps else taken

    @property
    def coarse(self) -> str | None:
        """The kind of the last step, where it cannot be told what rows weigh."""
        return None if self.weighs else type(self.last).__name__

    def labels(self, favored: Decisions) -> Any:
        """Classes of the model."""
        return np.asarray(self.scorer.estimator.classes_)[
            np.where(favored, self.favorable, 1 - self.favorable)
        ]

    def trained(self, favored: Decisions, weights: Numbers) -> Any:
        """The last step, trained to decide so about the training rows."""
        model, labels = clone(self.last), self.labels(favored)
        with self._training():
            if self.weighs:
                return model.fit(self.rows, labels, sample_weight=weights)
            places = drawn(favored, weights)
            return model.fit(_safe_indexing(self.rows, places), labels[places])

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

    @contextmanager
    def _training(self) -> Iterator[None]:
        """Around training, which scikit-learn may refuse in any way, and which may draw from numpy's global generator."""
        before = np.random.get_state()  # noqa: NPY002  # as scikit-learn does where it is given no seed
        np.random.seed(self.seed)  # noqa: NPY002
        try:
            with quiet():
                yield
        except (InvalidInput, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001  # estimators of a file fail in any way
            said = str(error).strip().splitlines()
            why = said[0][:200] if said else type(error).__name__
            raise InvalidInput(
                f"the model cannot be trained on these rows: {why}", at=("model_id",)
            ) from None
        finally:
            np.random.set_state(before)  # noqa: NPY002


def favored(scorer: SklearnScorer, rows: pd.DataFrame, favorable: int) -> Decisions:
    """Which rows a model decides favourably."""
    found: Decisions = scorer.scores(rows)[:, favorable] >= EVEN
    return found


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
