"""Which answer a counterfactual is to lead to."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.explanations.case import Case
from engine.models.scorer import Numbers
from engine.models.signature import Task
from engine.models.values import place_of


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A class to be given, or a range of values to be reached."""

    place: int
    """Of the class; 0 for a value."""
    low: float | None = None
    high: float | None = None
    value: bool = False
    """Whether it is about a value."""

    def granted(self, scores: Numbers) -> NDArray[np.bool_]:
        """(rows,): whether each answer is the wanted one."""
        return np.asarray(self.away(scores) <= 0)

    def away(self, scores: Numbers) -> Numbers:
        """(rows,): how far each answer is from the wanted one, in the units of the scores; at most 0 where it is."""
        if self.value:
            short = np.full(len(scores), -np.inf) if self.low is None else self.low - scores[:, 0]
            over = np.full(len(scores), -np.inf) if self.high is None else scores[:, 0] - self.high
            return np.asarray(np.maximum(short, over))
        others = np.delete(scores, self.place, axis=1).max(axis=1)
        first = np.asarray(scores.argmax(axis=1) == self.place)  # of equal scores the first class is given
        away = others - scores[:, self.place]
        return np.asarray(np.where(first, np.minimum(away, 0.0), away + 1e-12))


def wish_of(case: Case, scores: Numbers) -> Wish:
    """What is wanted for a row with these scores (classes,), by options that `questions.check` has let pass."""
    options, signature = case.options, case.scorer.signature
    if signature.task is Task.REGRESSION:
        return Wish(place=0, low=options.wanted_low, high=options.wanted_high, value=True)
    if options.wanted is not None:
        return Wish(place=place_of(signature, options.wanted, ("wanted",)))
    return Wish(place=int(np.argsort(scores)[-2]))  # the next most likely one
