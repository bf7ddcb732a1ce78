"""From the model at hand to the fastest method that is exact for it. To add a method, add a row to WAYS."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import comb
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from engine.errors import InvalidInput
from engine.explanations import enumeration, linear, sampling, spending
from engine.explanations.answers import Answer
from engine.explanations.case import Case
from engine.explanations.mixing import Mixer
from engine.explanations.report import ExplanationMethod
from engine.models.ensemble import Ensemble, Link
from engine.models.scorer import Inside, Linear, Numbers, bounded

SCORES = "probability"
VALUES = "value of the model"
Players = NDArray[np.intp]
NO_PATHS = "Path-dependent values exist for trees that can be read, and this model has none."


@dataclass(frozen=True, kw_only=True)
class Attributions:
    """Shapley values of several rows; base + sum of values = output, for each row."""

    values: Numbers
    """(rows, features)"""
    bases: Numbers
    """(rows,)"""
    outputs: Numbers
    """(rows,)"""
    standard_errors: Numbers | None = None
    """(rows, features), where the method draws."""
    evaluations: int = 0


class Explainer(Protocol):
    """A method, made ready for one model and one background."""

    unit: str
    cost: int
    """Evaluations of the model for each row; 0 where its structure is known."""

    def attributions(self, rows: pd.DataFrame, answers: Sequence[Answer]) -> Attributions:
        """Shapley values of the rows, each for its answer."""
        ...

    def pairs(self, rows: pd.DataFrame, answer: Answer, chosen: Sequence[int]) -> Numbers | None:
        """(rows, pairs): Shapley interaction indices of the chosen features, in the order of `itertools.combinations`;
        None where the method gives none."""
        ...


@dataclass(frozen=True, kw_only=True)
class Way:
    """A method, and how it is made ready."""

    method: ExplanationMethod
    exact: bool
    ready: Callable[[Case], Explainer | str]
    """The explainer, or why the method does not serve this case, in words; "" where nobody would expect that it did."""
    why: str
    """Why its numbers can be believed, in words."""
    pairs: str
    """The same of its interactions of two features, or why it gives none."""


def way_for(case: Case) -> tuple[Way, Explainer, str]:
    """The first way that serves, made ready, and why it does and those before it do not.

    Raises:
        InvalidInput: path-dependent values are asked of a model that has no trees, or none that we can read.
    """
    reasons: list[str] = []
    for way in WAYS:
        ready = way.ready(case)
        if not isinstance(ready, str):
            return way, ready, " ".join([way.why, *reasons])
        if ready:
            reasons.append(ready)
    raise InvalidInput(" ".join(dict.fromkeys(reasons)), at=("perturbation",))


class Structured:
    """Attributions in the units of a core whose structure is known."""

    cost = 0

    def __init__(
        self,
        case: Case,
        inside: Inside,
        values: "Callable[[Numbers], Numbers]",
        base: Numbers,
        pairs: "Callable[[Numbers, Sequence[int]], Numbers | None]",
    ) -> None:
        self._inside = inside
        self._values = values
        self._base = base
        self._pairs = pairs
        link = inside.core.link
        scores = (
            link is Link.IDENTITY and case.scorer.signature.classes
        )  # as a forest of several classes has them
        self.unit = SCORES if scores else link.unit

    def attributions(self, rows: pd.DataFrame, answers: Sequence[Answer]) -> Attributions:
        encoded = self._inside.encode(rows)
        margins = bounded(self._inside.core.margins(encoded))
        values = bounded(self._values(encoded))
        if answers.count(answers[0]) == len(answers):  # as almost always, and at once for any number of rows
            return self._one(answers[0], values, margins)
        places = np.fromiter((answer.place for answer in answers), np.intp, len(answers))
        distinct, first = np.unique(places, return_index=True)
        found = [self._one(answers[i], values, margins) for i in first]
        which = np.searchsorted(distinct, places), np.arange(len(places))
        return Attributions(
            values=np.stack([one.values for one in found])[which],
            bases=np.stack([one.bases for one in found])[which],
            outputs=np.stack([one.outputs for one in found])[which],
        )

    def _one(self, answer: Answer, values: Numbers, margins: Numbers) -> Attributions:
        """Of all rows, each for the same answer."""
        constant = float(self._inside.core.link is Link.COMPLEMENT and answer.place == 0)
        return Attributions(
            values=answer.of_margins(values),
            bases=np.full(len(values), answer.of_margins(self._base) + constant),
            outputs=answer.of_margins(margins) + constant,
        )

    def pairs(self, rows: pd.DataFrame, answer: Answer, chosen: Sequence[int]) -> Numbers | None:
        found = self._pairs(self._inside.encode(rows), chosen)
        return None if found is None else answer.of_margins(found)


class Asked:
    """Attributions in the units of the scores, of a model that can only be asked."""

    def __init__(
        self,
        case: Case,
        cost: int,
        row_values: "Callable[[Mixer, pd.DataFrame, float], tuple[Numbers, Numbers | None]]",
    ) -> None:
        """`row_values` of a row and its output: its values and their standard errors."""
        self.cost = cost
        self._case = case
        self._row_values = row_values
        self._mixers: dict[Answer, Mixer] = {}
        self.unit = SCORES if case.scorer.signature.classes else VALUES

    def attributions(self, rows: pd.DataFrame, answers: Sequence[Answer]) -> Attributions:
        for answer in set(answers) - self._mixers.keys():
            self._mixers[answer] = Mixer(self._case.scorer, answer, self._case.background)
        mixers = [self._mixers[answer] for answer in answers]
        before = self._evaluations()
        bases = [float(mixer.alone.mean()) for mixer in mixers]
        said = self._case.scorer.scores(rows)
        outputs = said[np.arange(len(rows)), [answer.place for answer in answers]]
        values, errors = [], []
        for i, mixer in enumerate(mixers):
            found, error = self._row_values(mixer, rows.iloc[[i]], float(outputs[i]))
            values.append(found)
            errors.append(error)
        drawn = [error for error in errors if error is not None]
        return Attributions(
            values=np.stack(values),
            bases=np.array(bases),
            outputs=outputs,
            standard_errors=np.stack(drawn) if len(drawn) == len(errors) else None,
            evaluations=self._evaluations() - before + len(rows),
        )

    def pairs(self, rows: pd.DataFrame, answer: Answer, chosen: Sequence[int]) -> Numbers | None:
        return None

    def _evaluations(self) -> int:
        return sum(mixer.evaluations for mixer in self._mixers.values())


def _linear(case: Case) -> Explainer | str:
    inside = case.inside
    if inside is None or not isinstance(core := inside.core, Linear):
        return ""
    if case.by_paths:
        return NO_PATHS
    background = case.encoded_background

    def values(encoded: Numbers) -> Numbers:
        return linear.values(inside.players, core, encoded, background, len(case.names))

    def pairs(encoded: Numbers, chosen: Sequence[int]) -> Numbers:
        return np.zeros((len(encoded), comb(len(chosen), 2), len(core.intercept)))

    return Structured(case, inside, values, bounded(core.margins(background)).mean(axis=0), pairs)


def _leaf_tables(case: Case) -> Explainer | str:
    def made(core: Ensemble, players: Players, background: Numbers | None) -> OfTrees | str:
        from engine.explanations.leaf_tables import (  # noqa: PLC0415  # its loops take seconds to load
            DoesNotFit,
            LeafTables,
        )

        try:
            return LeafTables.built(core, players, background)
        except DoesNotFit as reason:
            return str(reason)

    return _trees(case, made)


def _tree_shap(case: Case) -> Explainer | str:
    def made(core: Ensemble, players: Players, background: Numbers | None) -> OfTrees | str:
        from engine.explanations import tree_shap  # noqa: PLC0415  # shap takes seconds to load, and is rarely needed

        reason = tree_shap.why_not(core, path_dependent=background is None)
        return tree_shap.TreeShap(core, players, background) if reason is None else reason

    return _trees(case, made)


def _trees(
    case: Case, made: "Callable[[Ensemble, Players, Numbers | None], OfTrees | str]"
) -> Explainer | str:
    inside = case.inside
    if inside is None or not isinstance(core := inside.core, Ensemble):
        return ""
    of = made(core, inside.players, None if case.by_paths else case.encoded_background)
    if isinstance(of, str):
        return f"{of[0].upper()}{of[1:]}."

    def values(encoded: Numbers) -> Numbers:
        found = of.values(encoded)
        unused = len(case.names) - found.shape[1]  # features behind the last one that the trees look at
        return np.pad(found, ((0, 0), (0, unused), (0, 0)))

    return Structured(case, inside, values, of.base, of.interactions)


class OfTrees(Protocol):
    """Shapley values of an ensemble."""

    @property
    def base(self) -> Numbers:
        """(margins,)"""
        ...

    def values(self, encoded: Numbers) -> Numbers:
        """(rows, columns) to (rows, players, margins)."""
        ...

    def interactions(self, encoded: Numbers, chosen: Sequence[int]) -> Numbers | None:
        """(rows, pairs of chosen players, margins); None where it knows none."""
        ...


def _no_paths(case: Case) -> str:
    """Why a method that only asks has no path-dependent values; of trees their own methods have said why they have none."""
    return "" if case.inside is not None and isinstance(case.inside.core, Ensemble) else NO_PATHS


def _enumeration(case: Case) -> Explainer | str:
    if case.by_paths:
        return _no_paths(case)
    features = len(case.names)
    if features > enumeration.MOST_FEATURES:
        return f"With {features} features there are too many coalitions to try them all."
    needed = 2**features * len(case.background)
    if case.options.budget is not None and needed > case.options.budget:
        return f"Trying all coalitions needs {needed:,} evaluations for each row, more than the budget."
    rows = len(case.rows)
    if case.options.budget is None and needed * rows > spending.MOST:
        return (
            f"Trying all coalitions needs {needed:,} evaluations for each of {rows:,} rows, and is done where a budget for"
            " each row allows it."
        )
    return Asked(case, needed, lambda mixer, row, _: (enumeration.values(mixer, row), None))


def _sampled(case: Case) -> Explainer | str:
    if case.by_paths:
        return _no_paths(case)
    features, background = len(case.names), len(case.background)
    pairs = sampling.pairs_for(case.options.budget, features, background, len(case.rows))
    generator = np.random.default_rng(case.options.seed)

    def values(mixer: Mixer, row: pd.DataFrame, output: float) -> tuple[Numbers, Numbers | None]:
        found = sampling.values(mixer, row, output, pairs, generator)
        return found.values, found.standard_errors

    return Asked(case, sampling.cost(pairs, features, background), values)


WAYS: tuple[Way, ...] = (
    Way(
        method=ExplanationMethod.LINEAR,
        exact=True,
        ready=_linear,
        why="The model is a weighted sum, so Shapley values have a closed form.",
        pairs="In a weighted sum features add up, so each interaction is 0 by construction.",
    ),
    Way(
        method=ExplanationMethod.TREE_LEAF_TABLES,
        exact=True,
        ready=_leaf_tables,
        why="The model is a sum of trees, whose Shapley values follow exactly from a table for each group of leaves.",
        pairs="Interactions follow exactly from the same leaves, over the rows that they are means of.",
    ),
    Way(
        method=ExplanationMethod.TREE_SHAP,
        exact=True,
        ready=_tree_shap,
        why="The model is a sum of trees, whose Shapley values the shap package computes exactly.",
        pairs="Interactions are computed from leaf tables alone, and those of these trees would be too large.",
    ),
    Way(
        method=ExplanationMethod.ENUMERATION,
        exact=True,
        ready=_enumeration,
        why="All coalitions of the features were tried, each with every background row.",
        pairs="Interactions are computed for trees and weighted sums alone; this model can only be asked.",
    ),
    Way(
        method=ExplanationMethod.SAMPLED_PERMUTATIONS,
        exact=False,
        ready=_sampled,
        why="Orders of the features were drawn in antithetic pairs, equally many for each background row;"
        " standard errors say how far the values may be off.",
        pairs="Interactions are computed for trees and weighted sums alone; this model can only be asked.",
    ),
)
