"""Candidates: the model trained under the constraint at different prices, by fairlearn's grid search.

The reduction turns "as right as possible under a constraint" into trainings on the same rows with other labels and weights,
one for each vector of Lagrange multipliers (Agarwal, Beygelzimer, Dudik, Langford and Wallach, "A Reductions Approach to
Fair Classification", ICML 2018). A search over a grid gives plain models, where the exponentiated gradient would give
many that take turns by lot.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from fairlearn.reductions import (
    DemographicParity,
    EqualizedOdds,
    ErrorRateParity,
    FalsePositiveRateParity,
    GridSearch,
    TruePositiveRateParity,
)
from numpy.typing import NDArray
from scipy.stats import qmc

from engine.mitigation.learner import Decisions, Learner
from engine.mitigation.options import Constraint, MitigationOptions
from engine.models.scorer import Numbers
from engine.models.sklearn_scorer import quiet

MOMENTS: Mapping[Constraint, Any] = MappingProxyType(
    {
        Constraint.DEMOGRAPHIC_PARITY: DemographicParity,
        Constraint.EQUALIZED_ODDS: EqualizedOdds,
        Constraint.TRUE_POSITIVE_RATE_PARITY: TruePositiveRateParity,
        Constraint.FALSE_POSITIVE_RATE_PARITY: FalsePositiveRateParity,
        Constraint.ERROR_RATE_PARITY: ErrorRateParity,
    }
)

REACH = 1.5
"""How far the search goes: at 1 a constraint begins to outweigh labels; a little beyond lie models that a proxy still
serves. Ours."""


Found = Callable[[int, Any], None]
"""What is done with a candidate as soon as it is trained: its number, and the last step."""


def candidates(learner: Learner, groups: Sequence[str], options: MitigationOptions, found: Found) -> None:
    """Train last steps under the constraint, and hand over each with its number; 0 is without it.

    Those are left out that would decide about all training rows alike.

    Args:
        groups: (rows,), the group of each training row.
    """
    truth = learner.truth.astype(int)
    places, sensitive = np.arange(len(truth))[:, None], np.asarray(groups, object)
    grid = multipliers(options.constraint, truth, sensitive, options.candidates, options.seed)
    search = GridSearch(None, MOMENTS[options.constraint](), grid=grid)

    def trained(model: Any) -> None:
        found(
            len(search.predictors_), model
        )  # those before it, the ones that decide all rows alike among them

    search.estimator = _Reduced(learner, trained)
    with quiet():  # fairlearn calls pandas in ways that are on their way out
        search.fit(places, truth, sensitive_features=sensitive)


def multipliers(
    constraint: Constraint, truth: NDArray[np.integer], groups: NDArray[Any], count: int, seed: int
) -> pd.DataFrame:
    """Lagrange multipliers as `GridSearch` takes them: a column each, the first without any.

    In each direction they reach REACH times as far as it takes to outweigh the label of a row of the group it is about.
    """
    moment = MOMENTS[constraint]()
    with quiet():  # as above
        moment.load_data(np.zeros((len(truth), 1)), truth, sensitive_features=groups)
    basis = {1: moment.pos_basis.loc[moment.index], -1: moment.neg_basis.loc[moment.index]}
    reach = np.abs(moment.U.to_numpy() @ basis[1].to_numpy()).max(axis=0)
    points = REACH * spread(len(reach), count, seed) / np.where(reach > 0, reach, np.inf)
    made = sum(
        basis[sign].to_numpy() @ np.clip(sign * points.T, 0, None) for sign in basis
    )  # how much of each constraint, whichever way it is broken
    return pd.DataFrame(made, index=moment.index, columns=range(count))


def spread(dimensions: int, count: int, seed: int) -> Numbers:
    """Points of [-1, 1] in each dimension, on both sides of 0, which comes first."""
    if dimensions == 1:
        below = (count - 1) // 2
        sides = (
            np.linspace(-1, 0, below, endpoint=False),
            np.linspace(1, 0, count - 1 - below, endpoint=False),
        )
        return np.concatenate([[0.0], *sides])[:, None]
    drawn = qmc.Halton(dimensions, rng=seed).random(count - 1)
    return np.concatenate([np.zeros((1, dimensions)), 2 * drawn - 1])


class _Reduced:
    """What fairlearn trains: it hands over places of rows, and labels and weights that the reduction asks for."""

    def __init__(self, learner: Learner, trained: Callable[[Any], None]) -> None:
        self.learner, self.trained = learner, trained
        self.model: Any = None

    def __deepcopy__(self, memo: object) -> "_Reduced":
        """A fresh one on the same rows."""
        return _Reduced(self.learner, self.trained)

    def fit(self, places: object, labels: Any, sample_weight: Any) -> "_Reduced":
        self.model = self.learner.trained(np.asarray(labels) == 1, np.asarray(sample_weight, float))
        self.trained(self.model)
        return self

    def predict(self, places: object) -> Decisions:
        return self.learner.on_training(self.model).astype(int)
