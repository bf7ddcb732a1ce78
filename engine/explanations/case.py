"""What every kind of explanation works with, in the child that computes it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from time import perf_counter

import numpy as np
import pandas as pd

from engine.explanations.answers import Answer, chosen, every, text, text_of_truth
from engine.explanations.options import ExplanationOptions, Perturbation
from engine.explanations.report import Background
from engine.fairness.membership import Membership
from engine.models.scorer import Bounded, Inside, Numbers, Scorer
from engine.values import Count, Tell, silent


@dataclass(frozen=True, kw_only=True)
class Case:
    """A model, rows, and what is asked; frames have at least the columns of the model's features."""

    scorer: Scorer
    options: ExplanationOptions
    background: pd.DataFrame
    """Rows that stand in for features taken away, all of them used."""
    of_rows: int
    """Rows of the dataset that the background was drawn from."""
    rows: pd.DataFrame
    """Those explained one by one, or looked at together."""
    ids: Sequence[int | None]
    """Their places in the dataset; None for one given by values."""
    labels: pd.Series | None = None
    """True outcomes of `rows`, as the dataset has them."""
    truths: frozenset[str] = frozenset()
    """Columns that hold truth values, which rows have as 0 and 1 and tables show as false and true."""
    groups: Membership | None = None
    """The group of each of `rows`, where two are compared."""
    tell: Tell = silent
    started: float = field(default_factory=perf_counter)

    def __post_init__(self) -> None:
        if not isinstance(self.scorer, Bounded):
            object.__setattr__(self, "scorer", Bounded(self.scorer))

    @cached_property
    def inside(self) -> Inside | None:
        """The model's structure, where it is known."""
        return self.scorer.inside()

    @cached_property
    def encoded_background(self) -> Numbers:
        """The background as the core sees it; asked for only where the structure is known."""
        assert self.inside is not None  # noqa: S101
        return self.inside.encode(self.background)

    @cached_property
    def scores(self) -> Numbers:
        """(rows, classes) or (rows, 1): what the model says of the rows."""
        return self.scorer.scores(self.rows)

    @cached_property
    def answers(self) -> list[Answer]:
        """What is explained of each row: the class asked for, or the one it is given."""
        one = chosen(self.scorer, self.options.explained_class)
        if one is not None:
            return [one] * len(self.rows)
        classes = every(self.scorer)
        return [classes[place] for place in np.argmax(self.scores, axis=1)]

    @property
    def names(self) -> Sequence[str]:
        """The features, in the order of all arrays."""
        return self.scorer.signature.names

    def text(self, name: str, value: object) -> str | None:
        """A value of a feature as its table shows it; None is missing."""
        return text_of_truth(value) if name in self.truths else text(value)

    @property
    def seconds(self) -> float:
        """Spent so far."""
        return perf_counter() - self.started

    @property
    def by_paths(self) -> bool:
        """Whether path-dependent values are asked for, which need no background."""
        return self.options.perturbation is Perturbation.PATH_DEPENDENT

    def game(self) -> tuple[Perturbation, Background | None]:
        """What a report of Shapley values says of the game they are of."""
        if self.by_paths:
            return Perturbation.PATH_DEPENDENT, None
        return Perturbation.INTERVENTIONAL, self.stated()

    def stated(self) -> Background:
        """What the report says of the background."""
        return Background(
            rows=Count(len(self.background)),
            of_rows=Count(self.of_rows),
            seed=self.options.seed,
            sha256=fingerprint(self.background[list(self.names)]),
        )


def fingerprint(rows: pd.DataFrame) -> str:
    """The SHA-256 of names and values, in their order."""
    hash = hashlib.sha256()
    for name, column in rows.items():
        hash.update(f"{name}\0".encode())
        hash.update(pd.util.hash_pandas_object(column, index=False).to_numpy().tobytes())
    return hash.hexdigest()
