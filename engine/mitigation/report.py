"""What came out of a mitigation: three models measured on rows that none was trained or chosen on.

These are the classes of the API and of the stored JSON. A new field has a default.
"""

from dataclasses import dataclass

from engine.fairness.metric import Metric
from engine.mitigation.options import Constraint
from engine.values import Count, Interval


@dataclass(frozen=True, kw_only=True)
class GroupRates:
    """How one model decides about one group, on held-out rows."""

    group: str
    rows: Count
    selection_rate: float
    """Share that is decided favourably."""
    true_positive_rate: float | None
    """The same among rows with a favourable label; null where there are none."""
    false_positive_rate: float | None
    """The same among rows with an unfavourable label; null where there are none."""
    accuracy: float
    """Share that is decided as labelled."""


@dataclass(frozen=True, kw_only=True)
class ModelMeasures:
    """One model on the held-out rows."""

    gap: float | None
    """The metric of the report between the groups; null where it is undefined, `gapReason` then says why."""
    gap_interval: Interval | None
    gap_reason: str | None
    lowest: str | None
    """The group with the lowest rate of the gap."""
    highest: str | None
    accuracy: float
    """Share of rows that are decided as labelled."""
    accuracy_interval: Interval | None
    """Wilson's."""
    selection_rate: float
    """Share of rows that are decided favourably."""
    selection_rate_interval: Interval | None
    """Wilson's."""
    groups: tuple[GroupRates, ...]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One of the models that were trained, on the rows on which one is chosen: a point of the trade-off."""

    number: int
    """From 0 on; 0 is trained without the constraint."""
    gap: float | None
    accuracy: float
    chosen: bool


@dataclass(frozen=True, kw_only=True)
class MitigationRows:
    """Which rows were used for what; every row of the dataset counts once."""

    training: Count
    selection: Count
    held_out: Count
    no_label: Count
    """Left out: the label is missing."""
    no_group: Count
    """Left out: there is a label, and the protected attribute is missing."""
    small_groups: Count
    """Left out: their groups are too small to be compared."""
    not_drawn: Count
    """Of a dataset with more rows than were asked for."""


@dataclass(frozen=True, kw_only=True)
class MitigationReport:
    """A model before and after it was trained again under a constraint, measured on held-out rows."""

    summary: str
    """The outcome in one or two sentences."""
    constraint: Constraint
    metric: Metric
    """What the gaps are of."""
    attribute: str
    label: str
    favorable: str
    """The class that counts as favourable."""
    rows: MitigationRows
    before: ModelMeasures
    """The model as it was. It may have been trained on the held-out rows, which flatters it."""
    retrained: ModelMeasures
    """The same model trained on the training rows alone, without the constraint: what `mitigated` compares with."""
    mitigated: ModelMeasures
    """The candidate that was chosen, which is the new model."""
    candidates: tuple[Candidate, ...]
    """All that were trained and decide both ways, on the rows where one was chosen."""
    changed: bool
    """False where the one trained without the constraint was best, so the new model is the retrained one."""
    confidence: float
    seed: int
    notes: tuple[str, ...] = ()
    """What a person should know before using it."""
