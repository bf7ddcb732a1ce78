"""The bias report: what was measured, how sure we are, and what follows from it.

These are the classes of the API and of the stored JSON. A new field has a default.
"""

from dataclasses import dataclass
from enum import StrEnum

from engine.fairness.metrics import Metric
from engine.fairness.options import AnalysisType
from engine.values import Count


class Verdict(StrEnum):
    """What the evidence says about a threshold."""

    PASS = "pass"  # noqa: S105 - no password
    """The whole interval is acceptable."""
    WARNING = "warning"
    """The interval straddles the limit: the data cannot tell."""
    FAIL = "fail"
    """The whole interval is unacceptable."""
    INSUFFICIENT_EVIDENCE = "insufficient_evidence"
    """There is too little data for the question; nothing is concluded."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A range that holds the true value with the confidence of the report."""

    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A rate within one group, and how sure we are of it."""

    value: float | None
    """numerator / denominator, in [0, 1]; null when the denominator is 0."""
    interval: Interval | None
    """Wilson interval at the report's confidence; for F1, that of TP / (TP + FP + FN) carried over."""
    numerator: Count
    denominator: Count
    reason: str | None = None
    """Why there is no value, in plain words; null when there is one."""


@dataclass(frozen=True, kw_only=True)
class GroupReport:
    """One group as it appears in the data: its counts and its rates."""

    name: str
    """The group's values joined with " × "; a missing value reads "(missing)"."""  # noqa: RUF001
    values: tuple[str | None, ...]
    """The value of each attribute, null where it is missing."""
    size: Count
    judged: bool
    """False for groups smaller than min_group_size: shown, but part of no comparison."""
    reason: str | None
    """Why the group is not judged; null when it is."""
    true_positives: Count
    """Favourable label, favourable prediction."""
    false_positives: Count
    """Unfavourable label, favourable prediction."""
    true_negatives: Count
    """Unfavourable label, unfavourable prediction."""
    false_negatives: Count
    """Favourable label, unfavourable prediction."""
    selection_rate: Estimate
    """Share of the group that is predicted favourably."""
    true_positive_rate: Estimate
    """Share of favourable labels that are predicted favourably."""
    false_positive_rate: Estimate
    """Share of unfavourable labels that are predicted favourably."""
    precision: Estimate
    """Share of favourable predictions whose label is favourable."""
    recall: Estimate
    """The same number as true_positive_rate, under the name it has beside precision."""
    f1: Estimate
    """Harmonic mean of precision and recall, 2 TP / (2 TP + FP + FN)."""
    accuracy: Estimate
    """Share of the group whose prediction equals the label."""
    selection_rate_difference: float | None
    """Selection rate minus that of the reference group, in [-1, 1]; below 0 the group is selected less."""
    selection_rate_ratio: float | None
    """Selection rate over that of the reference group; null when that is 0 or there is no reference."""


@dataclass(frozen=True, kw_only=True)
class Exclusion:
    """A group that took no part in a comparison, and why."""

    group: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One metric on one attribute, the limit it was held to, and what follows."""

    metric: Metric
    attributes: tuple[str, ...]
    """The protected columns compared; empty for a metric of the whole data."""
    attribute: str
    """The same in one text, such as "race × sex"; "all rows" for a metric of the whole data."""  # noqa: RUF001
    value: float | None
    """Null when the metric is undefined on the judged groups; `reason` then says why."""
    interval: Interval | None
    threshold: float
    """The limit: largest acceptable difference, smallest acceptable ratio or score."""
    fair: float
    """The value under exact fairness: 0 or 1."""
    verdict: Verdict
    reason: str
    """Why this verdict, in plain words."""
    description: str
    """What was compared and what came out, in plain words."""
    lowest: str | None
    """The group with the lowest rate of the gap; null when nothing was compared."""
    highest: str | None
    """The group with the highest rate of the gap; null when nothing was compared."""
    excluded: tuple[Exclusion, ...]
    """Groups that are in the data but took no part."""


@dataclass(frozen=True, kw_only=True)
class AttributeReport:
    """The groups of one protected attribute, or of several crossed, and what was found between them."""

    attributes: tuple[str, ...]
    attribute: str
    """The same in one text, such as "race × sex"."""  # noqa: RUF001
    reference_group: str | None
    """The largest judged group, to which signed differences refer; null when none is judged."""
    groups: tuple[GroupReport, ...]
    """All groups, the judged ones and the others, by name."""
    findings: tuple[Finding, ...]


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A threshold this report was judged by."""

    metric: Metric
    limit: float
    fair: float
    """The value under exact fairness; values between it and the limit are acceptable."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """How the intervals and verdicts were made, so that they can be made again."""

    confidence: float
    bootstrap_samples: int
    seed: int
    min_group_size: int
    notes: tuple[str, ...]
    """The method in sentences, with anything that was left out of this report."""


@dataclass(frozen=True, kw_only=True)
class BiasReport:
    """Everything an auditor needs to re-judge the decisions, thresholds included."""

    kind: AnalysisType
    summary: str
    """The outcome in one sentence."""
    verdict: Verdict
    """The worst judged finding: fail before warning before pass. Findings with insufficient evidence
    count only when there is nothing else."""
    rows: Count
    """Rows of the dataset, the excluded ones included."""
    rows_excluded: Count
    exclusion_reason: str | None
    """Why rows were excluded; null when none was."""
    label: str
    prediction: str
    favorable: str
    """The value that counted as favourable."""
    attributes: tuple[AttributeReport, ...]
    """Each protected attribute, then, in a comprehensive analysis, all of them crossed."""
    overall_findings: tuple[Finding, ...]
    """Findings on the whole data instead of on groups, such as consistency."""
    limits: tuple[Limit, ...]
    method: Method
