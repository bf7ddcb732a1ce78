"""Individual fairness judged: a finding on how alike similar rows are decided."""

from engine.fairness.intervals import wilson
from engine.fairness.judging import verdict
from engine.fairness.metrics import METRICS, Metric
from engine.fairness.neighbours import NEIGHBOURS, Likeness
from engine.fairness.options import BiasOptions
from engine.fairness.report import Finding, Interval
from engine.fairness.words import capital, joined, number, verdict_reason


def finding(measured: Likeness, options: BiasOptions) -> Finding:
    """Judge a consistency by its Wilson interval, which is wide enough as each row adds a share of 0 to 1."""
    spec, limit = METRICS[Metric.CONSISTENCY], options.limit(Metric.CONSISTENCY)
    interval = None
    reason = (
        f"There are {measured.rows:,} rows with all features and a prediction; at least"
        f" {max(options.min_group_size, NEIGHBOURS + 1):,} are needed."
    )
    if measured.value is not None and measured.rows >= options.min_group_size:
        low, high = wilson(measured.value * measured.anchors, measured.anchors, options.confidence)
        interval = Interval(low=low, high=high)
        judged = verdict(interval, spec.fair, limit)
        reason = verdict_reason(judged, interval, Metric.CONSISTENCY, limit, ())
    value = None if interval is None else measured.value
    came_out = "it could not be measured" if value is None else f"it is {number(value)}"
    return Finding(
        metric=Metric.CONSISTENCY,
        attributes=(),
        attribute=joined(()),
        value=value,
        interval=interval,
        threshold=limit,
        fair=spec.fair,
        verdict=verdict(interval, spec.fair, limit),
        reason=reason,
        description=f"{capital(spec.title)} is {spec.meaning}. Here {came_out}.",
        lowest=None,
        highest=None,
        excluded=(),
    )


def note(measured: Likeness) -> str:
    """How the consistency was measured, in a sentence for the report."""
    compared = "all" if measured.anchors == measured.rows else f"a sample of {measured.anchors:,}"
    return (
        f"Consistency compares {compared} of {measured.rows:,} rows with their {NEIGHBOURS} nearest by"
        f" {', '.join(measured.features)}, each divided by its standard deviation; {measured.rows_excluded:,}"
        " rows without a prediction or a feature are left out. Its Wilson interval takes the rows compared as"
        " independent, and is otherwise wider than needed."
    )
