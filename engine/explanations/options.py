"""What a caller asks of an explanation."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from engine.errors import InvalidInput, refuse_outside
from engine.explanations.performance import Performance
from engine.fairness.options import Bands
from engine.models.prediction import FeatureValue
from engine.values import Count

MAX_ROWS = 1_000
MAX_SEARCHES = 100
MAX_FEATURES = 50
MAX_BACKGROUND = 100_000
LEAST_OF_GAP = 4
"""Rows of both groups together, for each to have a spread."""


class ExplanationKind(StrEnum):
    """What is asked about a model."""

    SHAP = "shap"
    """How much each feature moved the answer for single rows (Shapley values)."""
    LIME = "lime"
    """A linear model that behaves like this one near single rows."""
    PERMUTATION = "permutation"
    """How much worse the model gets when a feature is shuffled."""
    GLOBAL = "global"
    """Which features matter over many rows: mean absolute Shapley value, dependence, interactions."""
    COUNTERFACTUAL = "counterfactual"
    """What would have to change for another answer."""
    AGREEMENT = "agreement"
    """How far Shapley values, LIME and permutation agree on single rows."""
    GAP = "gap"
    """Which features carry the gap between two groups of people: differences of mean Shapley values."""

    @property
    def of_single_rows(self) -> bool:
        """Whether it is about rows that are named, and not about many together."""
        return self not in (ExplanationKind.PERMUTATION, ExplanationKind.GLOBAL, ExplanationKind.GAP)


class Perturbation(StrEnum):
    """What stands in for a feature that is taken away (the game that Shapley values are of)."""

    INTERVENTIONAL = "interventional"
    """Its values in the background rows, whatever the other features are."""
    PATH_DEPENDENT = "path_dependent"
    """The training rows that took each branch, as the trees recorded them; needs no background."""


@dataclass(frozen=True, kw_only=True)
class FeatureGroup:
    """Features that are shuffled together, because they tell the same."""

    name: str
    features: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class AllowedChange:
    """How a feature may change in a counterfactual; features that are not named stay as they are, unless none is named."""

    feature: str
    low: float | None = None
    """Least value, of a number."""
    high: float | None = None
    categories: Sequence[str] = ()
    """Values it may take; empty: those of the background."""


@dataclass(frozen=True, kw_only=True)
class ExplanationOptions:
    """Which rows, against which background, how thoroughly."""

    rows: Sequence[Count] = ()
    """Places of rows in the dataset, from 0 (`AlikePair.rows` of a bias report counts from 1); for kinds that explain
    single rows."""
    values: Sequence[FeatureValue] = ()
    """One row that is given by its values instead."""
    max_features: int = 10
    """How many features to show, the strongest first, in [1, 50]; the rest is summed up."""
    explained_class: str | None = None
    """The class whose score is explained; by default the second of two, and of more the one predicted (global: the
    largest)."""
    perturbation: Perturbation | None = None
    """By default interventional."""
    background_rows: int = 1_000
    """Rows of the dataset that stand in for features taken away, drawn with the seed, in [1, 100000]; all of them are
    used."""
    sample_rows: int = 10_000
    """Rows that kinds over many rows look at, drawn with the seed, in [2, 1000000]; of a gap half from each group, and
    4 at least."""
    budget: int | None = None
    """Evaluations of the model that one row may cost where its structure is not known, in [100, 100000000]. By default
    about 10,000,000 are spent on all rows: coalitions of up to 11 features are enumerated where that reaches, else at
    most 100,000 a row on sampled orders, one pair for each background row at least; kinds over many rows then look at
    fewer."""
    samples: int = 5_000
    """Points drawn around a row by LIME, in [100, 100000]."""
    repeats: int = 5
    """Shuffles of each feature, or seeds that LIME's stability is measured over, in [2, 100]."""
    performance: Performance | None = None
    """What permutation measures; by default ROC AUC for two classes, accuracy for more, R2 for values."""
    label: str | None = None
    """Column with the true outcome; permutation needs it."""
    groups: Sequence[FeatureGroup] = ()
    changes: Sequence[AllowedChange] = ()
    """What a counterfactual may change."""
    counterfactuals: int = 3
    """How many different ones to look for, in [1, 10]."""
    wanted: str | None = None
    """The class to reach; by default the other of two."""
    wanted_low: float | None = None
    """Least value to reach, of a regression."""
    wanted_high: float | None = None
    attribute: str | None = None
    """Column with the groups of a gap, such as a protected attribute; the model need not look at it."""
    group: str | None = None
    """One of the two groups of a gap, as a bias report names it; by default the other one of two."""
    reference: str | None = None
    """The group it is compared with; by default the largest of the others."""
    bands: Sequence[float] = ()
    """Edges of groups where the attribute is a number, rising; by default as in a bias report."""
    confidence: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("max_features", 1, MAX_FEATURES),
            ("background_rows", 1, MAX_BACKGROUND),
            ("sample_rows", 2, 1_000_000),
            ("budget", 100, 100_000_000),
            ("samples", 100, 100_000),
            ("repeats", 2, 100),
            ("counterfactuals", 1, 10),
            ("confidence", 0.5, 0.99),
            ("seed", 0, 2**31 - 1),
        ):
            value = getattr(self, name)
            if value is not None:
                refuse_outside(name, value, low, high)
        if len(self.rows) > MAX_ROWS:
            raise InvalidInput(f"rows may name at most {MAX_ROWS}, got {len(self.rows)}", at=("rows",))
        if self.rows and self.values:
            raise InvalidInput("give rows or values, not both", at=("values",))
        negative = next((i for i, row in enumerate(self.rows) if row < 0), None)
        if negative is not None:
            raise InvalidInput(f"rows count from 0, got {self.rows[negative]}", at=("rows", negative))

    def check(self, kind: ExplanationKind) -> None:
        """Refuse what a kind of explanation cannot work with.

        Raises:
            InvalidInput: rows are missing or have no place in it, permutation has no label, or a gap no groups.
        """
        if kind.of_single_rows and not self.rows and not self.values:
            raise InvalidInput(
                f"{kind} explains single rows: name them in rows, or give one by its values", at=("rows",)
            )
        for name in ("rows", "values"):
            if not kind.of_single_rows and getattr(self, name):
                raise InvalidInput(
                    f"{kind} looks at sample_rows of the dataset together and takes no {name}",
                    at=(name,),
                    named=("sample_rows",),
                )
        if kind is ExplanationKind.GAP:
            self._check_gap()
        if kind is ExplanationKind.PERMUTATION and self.label is None:
            raise InvalidInput("permutation importance needs the column with the true outcome", at=("label",))
        if kind is ExplanationKind.COUNTERFACTUAL and len(self.rows) > MAX_SEARCHES:
            raise InvalidInput(
                f"counterfactuals are searched for {MAX_SEARCHES} rows at most, got {len(self.rows)}",
                at=("rows",),
            )

    def _check_gap(self) -> None:
        if not self.attribute:
            raise InvalidInput("a gap needs the column with the groups", at=("attribute",))
        if self.group is not None and self.group == self.reference:
            raise InvalidInput(
                f"a group is compared with another one, got {self.group!r} for both", at=("reference",)
            )
        refuse_outside("sample_rows", self.sample_rows, LEAST_OF_GAP, 1_000_000)
        if self.bands:
            try:
                Bands(attribute=self.attribute, edges=self.bands).check()
            except InvalidInput as error:
                raise InvalidInput(str(error), at=("bands",)) from None
