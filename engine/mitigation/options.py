"""What a caller asks of a mitigation: which constraint between which groups, how thoroughly it is looked for.

To add a constraint: a name, a row of METRIC_OF and of RESTS_ON here, and of MOMENTS in `candidates.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from engine.errors import InvalidInput, refuse_outside
from engine.fairness.metric import Metric
from engine.fairness.options import Bands, BiasOptions
from engine.models.signature import ModelFormat, Signature, Task
from engine.models.values import place_of

LEAST_TRAINING = 0.2
"""Share of the rows that is left to train on, at least."""


class Constraint(StrEnum):
    """What is to be alike in all groups."""

    DEMOGRAPHIC_PARITY = "demographic_parity"
    """The share that is decided favourably, whatever the labels."""
    EQUALIZED_ODDS = "equalized_odds"
    """That share among rows with a favourable label, and among the others: both."""
    TRUE_POSITIVE_RATE_PARITY = "true_positive_rate_parity"
    """That share among rows with a favourable label: equal opportunity."""
    FALSE_POSITIVE_RATE_PARITY = "false_positive_rate_parity"
    """That share among rows with an unfavourable label."""
    ERROR_RATE_PARITY = "error_rate_parity"
    """The share that is decided wrongly."""


METRIC_OF: Mapping[Constraint, Metric] = MappingProxyType(
    {
        Constraint.DEMOGRAPHIC_PARITY: Metric.DEMOGRAPHIC_PARITY_DIFFERENCE,
        Constraint.EQUALIZED_ODDS: Metric.EQUALIZED_ODDS_DIFFERENCE,
        Constraint.TRUE_POSITIVE_RATE_PARITY: Metric.EQUAL_OPPORTUNITY_DIFFERENCE,
        Constraint.FALSE_POSITIVE_RATE_PARITY: Metric.FALSE_POSITIVE_RATE_DIFFERENCE,
        Constraint.ERROR_RATE_PARITY: Metric.ACCURACY_DIFFERENCE,
    }
)
"""The gap that says how far a model is from each; errors are a gap in accuracy."""
RESTS_ON: Mapping[Constraint, tuple[tuple[int, ...], ...]] = MappingProxyType(
    {
        Constraint.DEMOGRAPHIC_PARITY: ((0, 1),),
        Constraint.EQUALIZED_ODDS: ((0,), (1,)),
        Constraint.TRUE_POSITIVE_RATE_PARITY: ((1,),),
        Constraint.FALSE_POSITIVE_RATE_PARITY: ((0,),),
        Constraint.ERROR_RATE_PARITY: ((0, 1),),
    }
)
"""Labels, 1 being the favourable one, whose rows each of its rates rests on."""


@dataclass(frozen=True, kw_only=True)
class MitigationOptions:
    """Which constraint, between which groups, on which rows, and how it is weighed against mistakes."""

    label: str
    """The column with the true outcome."""
    attribute: str
    """The protected column whose groups are to be treated alike; the model need not look at it."""
    bands: Sequence[float] = ()
    """Edges of groups of a number, rising; by default as in a bias report."""
    constraint: Constraint = Constraint.DEMOGRAPHIC_PARITY
    favorable: str | None = None
    """The class of the model that is good for the person; by default the second of its two."""
    candidates: int = 31
    """Models that are trained, in [3, 201]; the first is trained without the constraint."""
    constraint_weight: float = 0.5
    """How much the gap counts against mistakes when one of them is chosen, in [0, 1]: the smallest sum of this times the
    gap, and of the rest times the share of wrong decisions."""
    selection: float = 0.2
    """Share of the rows on which one is chosen, in [0.05, 0.5]."""
    held_out: float = 0.3
    """Share of the rows on which the models are measured, in [0.05, 0.5]; no model is trained or chosen on them."""
    sample_rows: int = 50_000
    """Rows that are used at most, drawn with the seed, in [100, 1000000]."""
    min_group_size: int = 30
    """Groups take part that have so many held-out rows, of each label whose rows are compared; in [1, 1000000]."""
    confidence: float = 0.95
    """Share of intervals that hold the true value in repeated samples, in [0.5, 0.99]."""
    bootstrap_samples: int = 1000
    """Draws behind each interval of a gap, in [100, 10000]."""
    seed: int = 0
    """Start of everything that is drawn: the same seed gives the same model."""

    def __post_init__(self) -> None:
        for name in ("candidates", "sample_rows", "seed"):
            if type(getattr(self, name)) is not int:
                raise InvalidInput(f"{name} must be a whole number, got {getattr(self, name)!r}", at=(name,))
        refuse_outside("candidates", self.candidates, 3, 201)
        refuse_outside("constraint_weight", self.constraint_weight, 0, 1)
        refuse_outside("selection", self.selection, 0.05, 0.5)
        refuse_outside("held_out", self.held_out, 0.05, 0.5)
        refuse_outside("sample_rows", self.sample_rows, 100, 1_000_000)
        self.measuring()
        if self.selection + self.held_out > 1 - LEAST_TRAINING + 1e-9:
            raise InvalidInput(
                f"selection and held_out may be {1 - LEAST_TRAINING:g} together, so that rows are left to train on;"
                f" got {self.selection + self.held_out:g}",
                at=("held_out",),
            )
        for name, what in (("label", "a column"), ("attribute", "a column"), ("favorable", "a class")):
            if getattr(self, name) == "":
                raise InvalidInput(f"{name} must name {what}, got an empty name", at=(name,))
        if self.label == self.attribute:
            raise InvalidInput(
                f"the label must be another column than the attribute, got {self.label!r} for both",
                at=("label",),
            )
        if self.bands:
            try:
                Bands(attribute=self.attribute, edges=self.bands).check()
            except InvalidInput as error:
                raise InvalidInput(str(error), at=("bands",)) from None

    @property
    def metric(self) -> Metric:
        """The gap that is to become smaller."""
        return METRIC_OF[self.constraint]

    def check(self, signature: Signature) -> None:
        """Refuse what does not fit a model.

        Raises:
            InvalidInput: it looks at the label, or has no such class; `at` names the option.
        """
        if self.label in signature.names:
            raise InvalidInput(f"the model looks at {self.label!r}, so it cannot be the label", at=("label",))
        if self.favorable is not None:
            place_of(signature, self.favorable, ("favorable",))

    def measuring(self) -> BiasOptions:
        """How gaps are measured, for the bias engine."""
        return BiasOptions(
            confidence=self.confidence,
            bootstrap_samples=self.bootstrap_samples,
            seed=self.seed,
            min_group_size=self.min_group_size,
        )


def refuse_untrainable(signature: Signature) -> None:
    """Refuse a model that cannot be trained again, as far as what was found in its file says so.

    Raises:
        InvalidInput: it is no scikit-learn model of two classes; `at` is ("model_id",).
    """
    if signature.format is not ModelFormat.SKOPS:
        raise InvalidInput(
            "only scikit-learn models can be trained again, which come as skops files; this one is of"
            f" {signature.framework}",
            at=("model_id",),
        )
    if signature.task is not Task.BINARY:
        said = f"has {len(signature.classes)} classes" if signature.classes else "predicts a value"
        raise InvalidInput(
            f"mitigation is for binary classification, and this model {said}", at=("model_id",)
        )
