"""The structure of a scikit-learn model: a sum of trees or of weighted columns, and the user's column behind each.

Nothing here is believed without a look: a structure counts only if it gives the scores of the estimator itself, and
if changing one of the user's columns changes no encoded column but its own, on rows made up for it. To know another
linear model: a row of LINEAR.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse
from numpy.typing import NDArray
from sklearn import linear_model as linear
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.svm import LinearSVR

from engine.models.ensemble import Ensemble, Link
from engine.models.scorer import Inside, Linear
from engine.models.sklearn_columns import Seen, chain, look
from engine.models.sklearn_scorer import SklearnScorer, quiet
from engine.models.sklearn_trees import LARGEST, TREES

Numbers = NDArray[np.float64]
PROBES = 8
SAME = 1e-6

_VALUE = (Link.IDENTITY,)
_LOG = (Link.EXPONENTIAL, Link.IDENTITY)
_CHANCE = (Link.LOGISTIC, Link.SOFTMAX, Link.ONE_VS_REST)
LINEAR: Mapping[type, Sequence[Link]] = {
    linear.ARDRegression: _VALUE,
    linear.BayesianRidge: _VALUE,
    linear.ElasticNet: _VALUE,
    linear.ElasticNetCV: _VALUE,
    linear.HuberRegressor: _VALUE,
    linear.Lars: _VALUE,
    linear.Lasso: _VALUE,
    linear.LassoCV: _VALUE,
    linear.LinearRegression: _VALUE,
    linear.OrthogonalMatchingPursuit: _VALUE,
    linear.QuantileRegressor: _VALUE,
    linear.Ridge: _VALUE,
    linear.RidgeCV: _VALUE,
    linear.SGDRegressor: _VALUE,
    linear.TheilSenRegressor: _VALUE,
    LinearSVR: _VALUE,
    linear.GammaRegressor: _LOG,
    linear.PoissonRegressor: _LOG,
    linear.TweedieRegressor: _LOG,
    linear.LogisticRegression: _CHANCE,
    linear.SGDClassifier: _CHANCE,
    LinearDiscriminantAnalysis: _CHANCE,
}
"""Estimators with `coef_` and `intercept_`, and the links they may have: the one that gives their scores is theirs."""


def inside(scorer: SklearnScorer) -> Inside | None:
    """The structure of a model, where it is known and true."""
    steps, model = chain(scorer.estimator)
    last = look(scorer.estimator, len(scorer.columns), Seen())
    if last is None:
        return None
    where = {place: player for player, place in enumerate(scorer.places)}
    players = np.array([where[column.player] for column in last], dtype=np.intp)

    def encode(rows: pd.DataFrame) -> Numbers:
        made = scorer.frame(rows)
        taken = scorer.taken(made)
        try:
            with quiet():
                for step in steps:
                    if step is not None and step != "passthrough":
                        taken = step.transform(taken)
        except Exception as error:  # noqa: BLE001  # as when it scores
            raise scorer.blamed(made, error) from None
        values: Numbers = np.asarray(taken.toarray() if scipy.sparse.issparse(taken) else taken, dtype=float)
        finite: Numbers = np.clip(values, -LARGEST, LARGEST)  # infinite is beyond every threshold
        return finite

    probes = scorer.plain(PROBES, seed=1)
    encoded = encode(probes)
    if encoded.shape != (PROBES, len(players)) or not _apart(scorer, encode, probes, encoded, players):
        return None
    scores = scorer.answers(scorer.frame(probes))
    for core in cores(model):
        if np.abs(core.link.scores(core.margins(encoded)) - scores).max() <= SAME * (
            1 + np.abs(scores).max()
        ):
            return Inside(core=core, players=players, encode=encode)
    return None


def cores(model: Any) -> Sequence[Ensemble | Linear]:
    """What the model may compute, of the columns it sees; none where that is neither trees nor weights."""
    for kind, trees in TREES.items():
        if isinstance(model, kind):
            return trees(model)
    for kind, links in LINEAR.items():
        if isinstance(model, kind):
            return _weighted(model, links)
    return ()


def _weighted(model: Any, links: Sequence[Link]) -> list[Linear]:
    coef = model.coef_.toarray() if scipy.sparse.issparse(model.coef_) else model.coef_
    weights = np.atleast_2d(np.asarray(coef, dtype=float))
    intercept = np.broadcast_to(np.asarray(model.intercept_, dtype=float).ravel(), (len(weights),)).copy()
    several = len(weights) > 1
    fitting = [link for link in links if (link in (Link.SOFTMAX, Link.ONE_VS_REST)) == several]
    return [Linear(weights=weights, intercept=intercept, link=link) for link in fitting]


def _apart(
    scorer: SklearnScorer, encode: Any, probes: pd.DataFrame, encoded: Numbers, players: NDArray[np.intp]
) -> bool:
    """Whether each column of the user's changes no encoded columns but its own.

    Changed are all columns at once whose place has some binary digit, and then all others: of any two columns one is
    changed without the other, and few rows suffice for many columns.
    """
    other = scorer.plain(PROBES, seed=2)
    names = scorer.signature.names
    digits = (np.arange(len(names)) >> np.arange(len(names).bit_length())[:, None]) & 1
    changed = np.vstack([digits == 1, digits == 0])
    tried = {
        name: np.concatenate([(other if is_it else probes)[name].to_numpy() for is_it in column])
        for name, column in zip(names, changed.T, strict=True)
    }
    found = encode(pd.DataFrame(tried, columns=list(names))).reshape(len(changed), PROBES, len(players))
    moved = (found != encoded).any(axis=1)
    return not (moved & ~changed[:, players]).any()
