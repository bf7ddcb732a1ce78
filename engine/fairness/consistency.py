"""Individual fairness judged: findings on how alike similar rows are decided."""

from engine.fairness.judging import verdict
from engine.fairness.likeness import EXACT_ROWS, NARROW, Likeness
from engine.fairness.lipschitz import Mean
from engine.fairness.metrics import METRICS, Metric
from engine.fairness.neighbours import NEIGHBOURS
from engine.fairness.options import BiasOptions
from engine.fairness.report import AlikePair, Finding
from engine.fairness.words import capital, joined, number, verdict_reason


def findings(measured: Likeness, options: BiasOptions) -> tuple[Finding, ...]:
    """Judge consistency and Lipschitz violations by their intervals."""
    bad = number(100 * measured.touched)
    said = f"{bad} % of the rows compared have such a neighbour." if measured.violations is not None else ""
    return (
        _finding(Metric.CONSISTENCY, measured.consistency, "", measured, options),
        _finding(Metric.LIPSCHITZ_VIOLATIONS, measured.violations, said, measured, options),
    )


def _finding(
    metric: Metric, mean: Mean | None, said: str, measured: Likeness, options: BiasOptions
) -> Finding:
    spec, limit = METRICS[metric], options.limit(metric)
    value = interval = None
    reason = (
        f"There are {measured.rows:,} rows with all features and a prediction; at least"
        f" {max(options.min_group_size, NEIGHBOURS + 1):,} are needed."
    )
    came_out = "Here it could not be measured."
    if mean is not None and measured.rows >= options.min_group_size:
        value, interval = mean.value, mean.interval(options.confidence)
        reason = verdict_reason(verdict(interval, spec.fair, limit), interval, metric, limit, ())
        came_out = f"Here it is {number(value)}. {said}".strip()
    return Finding(
        metric=metric,
        attributes=(),
        attribute=joined(()),
        value=value,
        interval=interval,
        threshold=limit,
        fair=spec.fair,
        verdict=verdict(interval, spec.fair, limit),
        reason=reason,
        description=f"{capital(spec.title)} is {spec.meaning}. {came_out}",
        lowest=None,
        highest=None,
        excluded=(),
    )


def pairs(measured: Likeness, options: BiasOptions) -> tuple[AlikePair, ...]:
    """The worst pairs, unless small groups are kept out of the report: a pair is two persons."""
    return () if options.suppress_below > 1 else measured.worst


def notes(measured: Likeness, options: BiasOptions) -> tuple[str, ...]:
    """How both were measured, in sentences for the report."""
    compared = "all" if measured.anchors == measured.rows else f"a sample of {measured.anchors:,}"
    needed = "a prediction or a feature" if measured.score is None else "a prediction, a score or a feature"
    outcome = "decisions, any two different ones being 1 apart" if measured.score is None else measured.score
    if measured.score_range is not None:
        low, high = measured.score_range
        outcome += f", mapped from [{low:g}, {high:g}] to [0, 1]"
    weights = " Weights of rows have no part in it." if measured.weighted else ""
    grown = f" Above {EXACT_ROWS:,} rows the sample grows until both intervals are within {NARROW:g} or it is full."
    return (
        f"A row and one of its {NEIGHBOURS} nearest are a Lipschitz violation where their outcomes"
        f" ({outcome}) differ by more than {options.lipschitz:g} times their distance in standard deviations of"
        " features; that factor and the limit are a convention of ours.",
        f"Consistency compares {compared} of {measured.rows:,} rows with their {NEIGHBOURS} nearest by"
        f" {', '.join(measured.features)}, each divided by its standard deviation; {measured.rows_excluded:,}"
        f" rows without {needed} are left out.{weights}{grown} Intervals are Wilson's over an effective number of"
        " rows, which accounts for the sample and, by the jackknife, for rows that share neighbours.",
    )
