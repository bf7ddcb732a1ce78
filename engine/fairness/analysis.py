"""The door of the worker: count the rows of a file, then judge the counts.

    report = run(path, columns, AnalysisType.COMPREHENSIVE, options, tell)

or, where the rows come in parts, `analyse(count(one, columns) + count(two, columns), ...)`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from math import prod
from pathlib import Path
from types import MappingProxyType

from engine.errors import InvalidInput
from engine.fairness import consistency, groups
from engine.fairness.counting import count
from engine.fairness.cube import Cube
from engine.fairness.judging import judge, worst
from engine.fairness.metrics import METRICS, Form, Metric
from engine.fairness.neighbours import NO_FEATURES, Likeness, likeness
from engine.fairness.options import AnalysisType, BiasColumns, BiasOptions
from engine.fairness.outcomes import Decisions, Table, decisions, favorable_predictions, table
from engine.fairness.report import AttributeReport, BiasReport, Finding, Limit, Method
from engine.fairness.words import joined, plural, summary, told
from engine.values import Count, Step, Tell, silent

__all__ = ["METRICS_OF", "analyse", "count", "run"]

MAX_CROSSED_GROUPS = 1000


def analyse(
    cube: Cube,
    kind: AnalysisType,
    options: BiasOptions,
    tell: Tell = silent,
    likeness: Likeness | None = None,
) -> BiasReport:
    """Judge how alike the groups of a count cube are decided.

    Every protected attribute is judged by itself; a comprehensive analysis also judges the groups
    that arise where all of them cross, if there are at most 1000. Groups below
    `options.min_group_size` are shown and never judged.

    Args:
        cube: counts of protected attributes by label by prediction.
        kind: which question is asked.
        options: confidence, draws, seed, smallest group, limits.
        tell: told each stage, the draws of long runs, and each finding as soon as it is known.
        likeness: how alike similar rows are decided, from `neighbours.likeness`; individual fairness
            needs it, and a comprehensive analysis judges it where it is given.

    Returns:
        A report of plain values, without NaN: what is undefined is None with a reason. The same cube,
        options and version of NumPy give the same report.

    Raises:
        InvalidInput: it is not clear which values are favourable, no row can be used, or individual
            fairness is asked for without `likeness`.
    """
    if kind is AnalysisType.INDIVIDUAL_FAIRNESS and likeness is None:
        raise InvalidInput(NO_FEATURES, at=("features",))
    data = decisions(cube)
    metrics = [metric for metric in METRICS_OF[kind] if METRICS[metric].form is not Form.SCORE]
    tables, left_out = _tables(data, kind)
    ends = [i / len(tables) for i in range(len(tables) + 1)]
    attributes = tuple(
        _attribute(each, metrics, options, portion(tell, *span))
        for each, span in zip(tables, pairwise(ends), strict=True)
    )
    overall: tuple[Finding, ...] = ()
    if likeness is not None and Metric.CONSISTENCY in METRICS_OF[kind]:
        overall = (consistency.finding(likeness, options),)
        left_out = (*left_out, consistency.note(likeness))
        tell(Step(stage="judging", fraction=1.0, message=told(overall[0], 0), partial=overall[0]))
    return _report(data, cube, kind, attributes, overall, options, left_out)


def run(
    path: Path, columns: BiasColumns, kind: AnalysisType, options: BiasOptions, tell: Tell = silent
) -> BiasReport:
    """Everything from a Parquet file to a report: `count`, then `analyse`; arguments as there."""
    if kind is AnalysisType.INDIVIDUAL_FAIRNESS and not columns.features:
        raise InvalidInput(NO_FEATURES, at=("features",))
    cube = count(path, columns, portion(tell, 0.0, 0.2))
    if not columns.features or Metric.CONSISTENCY not in METRICS_OF[kind]:
        return analyse(cube, kind, options, portion(tell, 0.2, 1.0))
    similar = likeness(path, columns, favorable_predictions(cube), options, portion(tell, 0.2, 0.6))
    return analyse(cube, kind, options, portion(tell, 0.6, 1.0), similar)


def portion(tell: Tell, start: float, end: float) -> Tell:
    """A teller for one part of the work, whose fractions run from `start` to `end` of the whole."""
    return lambda step: tell(replace(step, fraction=start + (end - start) * step.fraction))


def _tables(data: Decisions, kind: AnalysisType) -> tuple[list[Table], tuple[str, ...]]:
    """The tables to judge, and notes on what was left out."""
    every = tuple(range(len(data.protected)))
    tables = [table(data, (i,)) for i in every]
    if kind is not AnalysisType.COMPREHENSIVE or len(every) == 1:
        return tables, ()
    crossed = table(data, every)
    if len(crossed.names) <= MAX_CROSSED_GROUPS:
        return [*tables, crossed], ()
    possible = prod(len(each.names) for each in tables)
    return tables, (
        f"The attributes were not crossed: {joined(crossed.attributes)} has {len(crossed.names):,} groups of"
        f" {possible:,} possible ones, and at most {MAX_CROSSED_GROUPS:,} are compared.",
    )


def _attribute(each: Table, metrics: Sequence[Metric], options: BiasOptions, tell: Tell) -> AttributeReport:
    name = joined(each.attributes)
    drawing = f"for {plural(len(each.names), 'group')} of {name}"
    if metrics:
        message = f"Drawing bootstrap samples {drawing}"
        tell(Step(stage="drawing bootstrap samples", fraction=0.0, message=message))
    shown = 0.0

    def drawn(samples: int) -> None:
        nonlocal shown
        fraction = samples / options.bootstrap_samples
        if fraction - shown >= 0.1 and fraction < 1:
            shown = fraction
            message = f"Drew {samples:,} of {options.bootstrap_samples:,} bootstrap samples {drawing}"
            tell(Step(stage="drawing bootstrap samples", fraction=0.9 * fraction, message=message))

    findings: list[Finding] = []
    for finding, compared in judge(each, metrics, options, drawn):
        findings.append(finding)
        fraction = 0.9 + 0.1 * len(findings) / len(metrics)
        tell(Step(stage="judging", fraction=fraction, message=told(finding, compared), partial=finding))
    chosen = groups.reference(each, options)
    return AttributeReport(
        attributes=each.attributes,
        attribute=name,
        reference_group=None if chosen is None else each.names[chosen],
        groups=groups.reports(each, options),
        findings=tuple(findings),
    )


def _report(
    data: Decisions,
    cube: Cube,
    kind: AnalysisType,
    attributes: tuple[AttributeReport, ...],
    overall: tuple[Finding, ...],
    options: BiasOptions,
    notes: tuple[str, ...],
) -> BiasReport:
    findings = [*(finding for each in attributes for finding in each.findings), *overall]
    verdict = worst(findings)
    return BiasReport(
        kind=kind,
        summary=summary(findings, verdict),
        verdict=verdict,
        rows=Count(data.rows),
        rows_excluded=Count(data.excluded),
        exclusion_reason=data.exclusion_reason,
        label=cube.label.name,
        prediction=cube.prediction.name,
        favorable=data.favorable,
        attributes=attributes,
        overall_findings=overall,
        limits=tuple(
            Limit(metric=metric, limit=options.limit(metric), fair=METRICS[metric].fair)
            for metric in dict.fromkeys(finding.metric for finding in findings)
        ),
        method=Method(
            confidence=options.confidence,
            bootstrap_samples=options.bootstrap_samples,
            seed=options.seed,
            min_group_size=options.min_group_size,
            notes=(*NOTES, *notes),
        ),
    )


NOTES = (
    "Rates within a group have Wilson intervals; that of F1 is the Wilson interval of TP / (TP + FP + FN)"
    " carried over by F1 = 2 J / (1 + J).",
    "Gaps between groups have simultaneous max-t intervals over all pairs of groups: bootstrap samples are"
    " multinomial draws from the counts, and variances are smoothed by (k + 2) / (n + 4), so that rates of"
    " 0 and 1 have an error too. Ratios are treated likewise on the logarithmic scale, half a row added to"
    " k and n; where a rate is 0 the interval is extended to the observed ratio of 0.",
    "The intervals of one finding hold together; there is no correction over several findings.",
    "Pass: the whole interval is acceptable. Fail: none of it is. Warning: it straddles the limit."
    " Insufficient evidence: fewer than two groups have min_group_size rows, and as many in the"
    " denominator of the rate that is compared.",
)

METRICS_OF: Mapping[AnalysisType, tuple[Metric, ...]] = MappingProxyType(
    {
        AnalysisType.DEMOGRAPHIC_PARITY: (
            Metric.DEMOGRAPHIC_PARITY_DIFFERENCE,
            Metric.DEMOGRAPHIC_PARITY_RATIO,
        ),
        AnalysisType.EQUALIZED_ODDS: (
            Metric.EQUALIZED_ODDS_DIFFERENCE,
            Metric.EQUAL_OPPORTUNITY_DIFFERENCE,
            Metric.FALSE_POSITIVE_RATE_DIFFERENCE,
        ),
        AnalysisType.INDIVIDUAL_FAIRNESS: (Metric.CONSISTENCY,),
        AnalysisType.COMPREHENSIVE: tuple(Metric),
    }
)
"""Which metrics answer which question."""
