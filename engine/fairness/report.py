"""The bias report: what was measured, how sure we are, and what follows from it; `flip_report.py` has what is asked of a
model besides.

These are the classes of the API and of the stored JSON. A new field has a default.
"""

from dataclasses import dataclass
from enum import StrEnum

from engine.fairness.flip_report import FlipReport
from engine.fairness.metrics import AnalysisType, Metric
from engine.fairness.quantity import Quantity
from engine.values import Count, Interval, ModelType


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
class GroupMetric:
    """One quantity of one group, how sure we are of it, and how it compares with the reference group."""

    quantity: Quantity
    outcome: str | None
    """The class it is about, against the others; null for a binary decision and for all classes together."""
    value: float | None
    """Null where it is undefined; `reason` then says why."""
    interval: Interval | None
    """At the report's confidence: Wilson's for shares, otherwise value and standard error of bootstrap draws.
    Null where an end is undefined."""
    numerator: Count | None
    """Rows counted, for a share of unweighted rows."""
    denominator: Count | None
    """Rows it rests on; null where rows have weights."""
    reason: str | None
    difference: float | None
    """Value minus that of the reference group; null for the reference group itself, and for a value that is a
    comparison already."""
    difference_interval: Interval | None
    """Newcombe's for shares."""
    ratio: float | None
    """Value over that of the reference group; null where that is 0, and for quantities that may be negative."""
    ratio_interval: Interval | None
    """Katz's, for shares; null where a rate is 0, and where one rests on too little weight for an upper end."""


@dataclass(frozen=True, kw_only=True)
class GroupReport:
    """One group as it appears in the data, and what was measured in it."""

    name: str
    """The group's values joined with " × "; a missing value reads "(missing)", and one that holds "×" or begins with a
    quote stands in quotes."""  # noqa: RUF001
    values: tuple[str | None, ...]
    """The value of each attribute, null where it is missing."""
    size: Count
    judged: bool
    """False for groups smaller than minGroupSize: shown, but part of no comparison."""
    reason: str | None
    """Why the group is not judged; null when it is."""
    metrics: tuple[GroupMetric, ...]


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
    """The same in one text, such as "race × sex", written like the name of a group; "all rows" for a metric of the
    whole data."""  # noqa: RUF001
    value: float | None
    """Null when the metric is undefined on the judged groups; `reason` then says why."""
    interval: Interval | None
    """Null where nothing can be judged. That of the conditional demographic disparity, the largest of numbers in [-1, 1],
    may reach below 0."""
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
    """The group with the lowest rate of the gap; null where nothing was compared, on all rows, and where a group that
    has too much makes the finding alone, as in the conditional demographic disparity."""
    highest: str | None
    """The group with the highest rate of the gap; null where nothing was compared, on all rows, and where a group that
    has too little makes the finding alone, as one may in the representation in clusters."""
    excluded: tuple[Exclusion, ...]
    """Groups that are in the data but took no part."""
    outcome: str | None = None
    """The class it is about, against the others; null for a binary decision, and for the mean over classes."""
    p_value: float | None = None
    """Chance of a gap as large as this where there is none, over all pairs of groups; null for scores."""
    p_value_holm: float | None = None
    """The same, adjusted over all findings of the report so that any false alarm is as unlikely (Holm)."""
    p_value_bh: float | None = None
    """The same, adjusted so that the share of false alarms is bounded (Benjamini and Hochberg)."""
    minimum_detectable: float | None = None
    """The smallest true gap, or the largest true ratio, that is found with a chance of 80 % in data like these."""
    lowest_value: float | None = None
    """The rate of the lowest group, in its own unit; null where groups differ in more than one number."""
    highest_value: float | None = None
    """The same of the highest group."""
    rows_needed: Count | None = None
    """About how many rows it takes, of those that the rates compared rest on, such as rows with an unfavourable label for
    a false positive rate. Of an open verdict: in the smallest group, were all groups to grow alike and the value to stay;
    `reason` says where that is more than can be hoped for. Of a verdict that is a warning only because it rests on too few
    rows, in all or of those counted: until there are enough. Where nothing could be compared: in each group, to find a
    gap as large as the limit with a chance of 80 %. Null where the verdict is settled, where the value is the limit
    itself, and where it cannot be said."""


@dataclass(frozen=True, kw_only=True)
class AlikePair:
    """Two rows that are alike and have outcomes further apart than their distance allows."""

    rows: tuple[Count, Count]
    """Where they stand in the file, from 1 on (explanations count rows from 0); what they hold is not repeated here."""
    distance: float
    """Euclidean, between features in standard deviations."""
    difference: float
    """Of their scores, in [0, 1]; 1 for different decisions."""


@dataclass(frozen=True, kw_only=True)
class AttributeReport:
    """The groups of one protected attribute, or of several crossed, and what was found between them."""

    attributes: tuple[str, ...]
    attribute: str
    """The same in one text, such as "race × sex"."""  # noqa: RUF001
    reference_group: str | None
    """The group that was asked for, else the largest judged one, to which signed differences refer; null when
    none is judged."""
    groups: tuple[GroupReport, ...]
    """All groups, the judged ones and the others, by name."""
    findings: tuple[Finding, ...]
    verdict: Verdict = Verdict.INSUFFICIENT_EVIDENCE
    """The worst judged finding of these groups, as for a report."""
    summary: str | None = None
    """The outcome for these groups in one or two sentences; null in reports of before there was one."""
    flips: FlipReport | None = None
    """How often the model decides otherwise when this attribute alone changes. Null where no model scored the rows
    (`useModel`), of several attributes crossed, and in reports of before this was asked."""


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


class Risk(StrEnum):
    """How much speaks against using the model as it is."""

    LOW = "low"
    """All that was judged passes."""
    MODERATE = "moderate"
    """Nothing fails, but something may, or little could be judged."""
    HIGH = "high"
    """Something fails."""
    CRITICAL = "critical"
    """Something fails by more than twice its limit, or fails in more than half of what was judged."""


class Urgency(StrEnum):
    """When to act."""

    NONE = "none"
    """Look again when the model or its data change."""
    NEXT_REVIEW = "next_review"
    """At the next regular review."""
    SOON = "soon"
    """Before the next release of the model."""
    IMMEDIATE = "immediate"
    """Before it decides about more people."""


@dataclass(frozen=True, kw_only=True)
class RiskAssessment:
    """What the findings mean for using the model."""

    risk: Risk
    urgency: Urgency
    factors: tuple[str, ...]
    """What led to this, in sentences: why a risk is critical, then the findings in the order in which the summary picks
    its own: how people are selected before how errors fall, all classes before single ones, the furthest from fair for
    its limit first."""


@dataclass(frozen=True, kw_only=True)
class Effect:
    """A number before and after a change, each with its interval, on the analysis's own rows."""

    name: str
    """What changes: a metric, in lower case, or something else that is told beside it, such as "accuracy"."""
    before: float
    before_interval: Interval | None
    after: float
    after_interval: Interval | None
    metric: Metric | None = None
    """The same where it is a metric; null for others, such as accuracy."""


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A mutation that does what a recommendation says, ready to be sent."""

    mutation: str
    """The document."""
    variables: str
    """Its variables, as JSON: the ids of the analysis, and options that fit it."""


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """Something to do about a finding, with what it was measured to bring, or what data would show that."""

    title: str
    text: str
    attribute: str
    effects: tuple[Effect, ...]
    """Empty where nothing could be simulated; `text` then says what data would allow it."""
    settings: tuple[str, ...] = ()
    """How to apply it, such as the threshold of each group."""
    metrics: tuple[Metric, ...] = ()
    """The metrics whose findings it is about; none in reports of before this was said."""
    proposal: Proposal | None = None
    """What to send to have it done here, or asked; null where nothing here can."""


@dataclass(frozen=True, kw_only=True)
class BiasReport:
    """Everything an auditor needs to re-judge the decisions, thresholds included."""

    kind: AnalysisType
    summary: str
    """The outcome in one sentence."""
    verdict: Verdict
    """The worst judged finding: fail before warning before pass; insufficient evidence when nothing was judged, or when
    groups were to be compared and none could be, whatever was found over all rows together."""
    rows: Count
    """Rows of the dataset, the excluded ones included."""
    rows_excluded: Count
    exclusion_reason: str | None
    """Why rows were excluded; null when none was."""
    model: ModelType
    """The kind of model that was judged."""
    label: str | None
    prediction: str | None
    favorable: str | None
    """The value that counted as favourable."""
    attributes: tuple[AttributeReport, ...]
    """Each protected attribute by itself."""
    intersections: tuple[AttributeReport, ...]
    """Attributes crossed, in a comprehensive analysis; the worst first."""
    overall_findings: tuple[Finding, ...]
    """Findings on the whole data instead of on groups, such as consistency."""
    limits: tuple[Limit, ...]
    overall_bias_score: float | None
    """In [0, 1]: the mean over metrics of the worst severity, where 0 is fair, 0.5 at the limit and 1 twice as far."""
    compliance_score: float | None
    """In [0, 100]: the share of judged findings that pass, warnings counting half."""
    risk_assessment: RiskAssessment
    recommendations: tuple[Recommendation, ...]
    method: Method
    worst_pairs: tuple[AlikePair, ...] = ()
    """Near rows with the furthest outcomes among those compared, the worst first, at most 10; none where
    groups are suppressed, since a pair is two persons."""
