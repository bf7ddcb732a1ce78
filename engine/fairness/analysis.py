"""The door of the worker: summarise the rows of a file, then judge the summary.

    report = run(path, columns, AnalysisType.COMPREHENSIVE, options, tell)

or, where the rows come in parts, as in `parts.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations, pairwise
from types import MappingProxyType

from engine.errors import InvalidInput
from engine.fairness import assessment, consistency, groups, method
from engine.fairness.attributes import attribute_report, on
from engine.fairness.classification import CLASSIFICATION
from engine.fairness.clustering import CLUSTERING
from engine.fairness.counting import count
from engine.fairness.cube import Cube
from engine.fairness.evidence import Evidence, Family, Summary
from engine.fairness.judging import judge, worst
from engine.fairness.likeness import NO_FEATURES, Likeness, likeness
from engine.fairness.metrics import METRICS, QUANTITIES, AnalysisType, Form, Metric, metrics_of
from engine.fairness.multiplicity import benjamini_hochberg, holm
from engine.fairness.options import BiasColumns, BiasOptions
from engine.fairness.outcomes import predicted_classes
from engine.fairness.recommendation import RECOMMENDATION
from engine.fairness.regression import REGRESSION
from engine.fairness.report import AttributeReport, BiasReport, Finding, Limit, Method, Verdict
from engine.fairness.severity import distance
from engine.fairness.untried import untried
from engine.fairness.words import joined, summary, told
from engine.tables.part import Part
from engine.values import Count, ModelType, Step, Tell, portion, silent

__all__ = ["FAMILIES", "analyse", "count", "run"]

MEASURED = 0.4
"""Share of the work that is done when the rows have been read."""
NOT_ALIKE = "Individual fairness compares decisions of similar rows, which only a classification makes."
MAX_CROSSED_GROUPS = 1000
"""Of one crossing; finer ones are left out and noted."""
MAX_GROUPS = 5000
"""Of all crossings together."""

FAMILIES: Mapping[ModelType, Family] = MappingProxyType(
    {
        ModelType.CLASSIFICATION: CLASSIFICATION,
        ModelType.REGRESSION: REGRESSION,
        ModelType.CLUSTERING: CLUSTERING,
        ModelType.RECOMMENDATION: RECOMMENDATION,
    }
)
"""How the data of each kind of model become evidence."""


def run(
    path: Part,
    columns: BiasColumns,
    kind: AnalysisType,
    options: BiasOptions,
    tell: Tell = silent,
    model: ModelType = ModelType.CLASSIFICATION,
) -> BiasReport:
    """Everything from a Parquet file to a report.

    Args:
        path: the file.
        columns: which columns mean what.
        kind: which question is asked.
        options: confidence, draws, seed, smallest group, limits and the rest.
        tell: told each stage, the draws of long runs, and each finding as soon as it is known.
        model: the kind of model whose predictions are judged.

    Returns:
        A report of plain values, without NaN: what is undefined is None with a reason. The same file,
        options and version of NumPy give the same report.

    Raises:
        InvalidInput: a column is missing or holds something else; see `BiasColumns.check` and `count`.
    """
    counted, similar = measured(path, columns, kind, options, portion(tell, 0.0, MEASURED), model)
    return judged(counted, columns, kind, options, portion(tell, MEASURED, 1.0), model, similar)


def measured(
    path: Part,
    columns: BiasColumns,
    kind: AnalysisType,
    options: BiasOptions,
    tell: Tell = silent,
    model: ModelType = ModelType.CLASSIFICATION,
) -> tuple[Summary, Likeness | None]:
    """The pass over the rows alone: all that `judged` needs; arguments and errors as for `run`."""
    similar = compares_rows(columns, kind, model, options)
    counted = FAMILIES[model].summarise(path, columns, options, portion(tell, 0.0, 0.4 if similar else 1.0))
    if not similar:
        return counted, None
    return counted, likeness(path, columns, predicted_classes(counted[0]), options, portion(tell, 0.4, 1.0))


def compares_rows(columns: BiasColumns, kind: AnalysisType, model: ModelType, options: BiasOptions) -> bool:
    """Whether similar rows are compared with each other, which needs more than a summary.

    Raises:
        InvalidInput: the question does not fit the columns or the kind of model.
    """
    if kind is AnalysisType.INDIVIDUAL_FAIRNESS and model is not ModelType.CLASSIFICATION:
        raise InvalidInput(NOT_ALIKE, at=("type",))
    columns.check(model)
    options.check(kind, model)
    alike = any(not METRICS[metric].of and options.asks(metric) for metric in metrics_of(kind, model))
    wanted = kind is AnalysisType.INDIVIDUAL_FAIRNESS or (alike and options.metrics)
    if wanted and not columns.features:
        raise InvalidInput(NO_FEATURES, at=("features",))
    return alike and bool(columns.features)


def analyse(
    cube: Cube,
    kind: AnalysisType,
    options: BiasOptions,
    tell: Tell = silent,
    likeness: Likeness | None = None,
) -> BiasReport:
    """Judge how alike the groups of a count cube are decided; as `judged`, for decisions alone."""
    roles = {str(axis.role): axis.name for axis in cube.axes if axis not in cube.protected}
    columns = BiasColumns(protected=[axis.name for axis in cube.protected], favorable=cube.favorable, **roles)
    return judged((cube,), columns, kind, options, tell, ModelType.CLASSIFICATION, likeness)


def judged(
    counted: Summary,
    columns: BiasColumns,
    kind: AnalysisType,
    options: BiasOptions,
    tell: Tell = silent,
    model: ModelType = ModelType.CLASSIFICATION,
    likeness: Likeness | None = None,
) -> BiasReport:
    """Judge a summary.

    Every protected attribute is judged by itself; a comprehensive analysis also judges the groups that arise
    where up to `options.max_depth` of them cross. Groups below `options.min_group_size` are shown and never
    judged.

    Args:
        counted: what `Family.summarise` made of the rows.
        likeness: how alike similar rows are decided, from `likeness.likeness`; individual fairness
            needs it, and a comprehensive analysis judges it where it is given.

    Raises:
        InvalidInput: it is not clear which values are favourable, no row can be used, or the question
            needs a column that is not named.
    """
    if kind is AnalysisType.INDIVIDUAL_FAIRNESS and likeness is None:
        raise InvalidInput(NO_FEATURES, at=("features",))
    data = FAMILIES[model].evidence(counted, columns, options)
    metrics = metrics_asked(kind, model, data, options)
    single, crossed, left_out = _sets(data, kind, options)
    _refuse_unreadable(data, single, options)
    overall = [*data.overall, *_overall(data, metrics, options)]
    if likeness is not None:
        overall += [each for each in consistency.findings(likeness, options) if options.asks(each.metric)]
        left_out = (*left_out, *consistency.notes(likeness, options))
    for finding in overall:
        tell(Step(stage="judging", fraction=0.0, message=told(finding, 0), partial=finding))
    sets = [*single, *crossed]
    left_out = (*left_out, *_on_groups(data, sets, options))
    ends = [i / len(sets) for i in range(len(sets) + 1)]
    reports = [
        attribute_report(data.tables(each), metrics, options, portion(tell, *span))
        for each, span in zip(sets, pairwise(ends), strict=True)
    ]
    report = _report(
        data,
        columns,
        kind,
        model,
        reports[: len(single)],
        sorted(reports[len(single) :], key=_badness, reverse=True),
        overall,
        options,
        left_out,
    )
    return report if likeness is None else replace(report, worst_pairs=consistency.pairs(likeness, options))


def _on_groups(data: Evidence, sets: Sequence[tuple[int, ...]], options: BiasOptions) -> tuple[str, ...]:
    """What must be said of groups that were asked for and are not compared with, or that are not shown."""
    firsts = [data.tables(each)[0] for each in sets] if options.references else []
    notes = [note for first in firsts if (note := groups.on_reference(first, options)) is not None]
    if options.suppress_below > 1:
        notes.append(f"Groups with fewer than {options.suppress_below:,} rows are neither shown nor judged.")
    return tuple(notes)


def metrics_asked(kind: AnalysisType, model: ModelType, data: Evidence, options: BiasOptions) -> list[Metric]:
    """The metrics that answer the question and can be read from the data."""
    asked = [metric for metric in metrics_of(kind, model) if METRICS[metric].of and options.asks(metric)]
    found = [
        metric
        for metric in asked
        if data.labelled or not any(QUANTITIES[quantity].labelled for quantity in METRICS[metric].of)
    ]
    if asked and not found and kind is not AnalysisType.INDIVIDUAL_FAIRNESS:
        truth = "relevance" if model is ModelType.RECOMMENDATION else "label"
        raise InvalidInput(
            f"{kind} compares predictions with the truth: name the {truth} column", at=(truth,)
        )
    if not asked and not options.metrics and kind is not AnalysisType.INDIVIDUAL_FAIRNESS:
        raise InvalidInput(f"{kind} is no question for {model}; ask for comprehensive", at=("type",))
    return found


def _refuse_unreadable(data: Evidence, single: Sequence[tuple[int, ...]], options: BiasOptions) -> None:
    """A metric that was asked for by name, and needs columns that are not there, is not left out in silence."""
    kinds = {table.kind for each in single for table in data.tables(each)} if options.metrics else set()
    for i, metric in enumerate(options.metrics):
        for spec in (QUANTITIES[quantity] for quantity in METRICS[metric].of):
            if spec.cells not in kinds or (spec.labelled and not data.labelled):
                raise InvalidInput(
                    f"{metric} cannot be measured: the {spec.title} needs a column that is not named",
                    at=("metrics", i),
                )


def _sets(
    data: Evidence, kind: AnalysisType, options: BiasOptions
) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]], tuple[str, ...]]:
    """Which attributes to judge alone and crossed, and notes on what was left out."""
    every = range(len(data.protected))
    single: list[tuple[int, ...]] = [(i,) for i in every]
    if kind is not AnalysisType.COMPREHENSIVE:
        return single, [], ()
    crossed: list[tuple[int, ...]] = []
    left_out: list[str] = []
    groups_so_far = 0
    for depth in range(2, min(options.max_depth, len(every)) + 1):
        for each in combinations(every, depth):
            tables = data.tables(each)
            if not tables:
                continue  # some attributes cross with none
            size = len(tables[0].names)
            if size > MAX_CROSSED_GROUPS or groups_so_far + size > MAX_GROUPS:
                left_out.append(f"{joined([data.protected[i].name for i in each])} ({size:,} groups)")
            else:
                crossed.append(each)
                groups_so_far += size
    if not left_out:
        return single, crossed, ()
    return (
        single,
        crossed,
        (
            f"Not crossed, as at most {MAX_CROSSED_GROUPS:,} groups are compared at once and {MAX_GROUPS:,} in all:"
            f" {', '.join(left_out[:10])}{f' and {len(left_out) - 10} more' if len(left_out) > 10 else ''}.",
        ),
    )


def _badness(report: AttributeReport) -> tuple[int, float]:
    """How bad the worst finding is: fail before warning, and the further beyond the limit the worse."""
    order = [Verdict.INSUFFICIENT_EVIDENCE, Verdict.PASS, Verdict.WARNING, Verdict.FAIL]
    return max(
        ((order.index(f.verdict), distance(f) or 0.0) for f in report.findings),
        default=(0, 0.0),
    )


def _overall(data: Evidence, metrics: Sequence[Metric], options: BiasOptions) -> list[Finding]:
    """Findings on all rows as one group."""
    scores = [metric for metric in metrics if METRICS[metric].form is Form.SCORE]
    found = []
    for table in data.tables(()) if scores else ():
        found += [finding for finding, _ in judge(table, on(table, scores), options, lambda _: None)]
    return found


def _report(
    data: Evidence,
    columns: BiasColumns,
    kind: AnalysisType,
    model: ModelType,
    single: Sequence[AttributeReport],
    crossed: Sequence[AttributeReport],
    overall: Sequence[Finding],
    options: BiasOptions,
    notes: tuple[str, ...],
) -> BiasReport:
    several = [f for report in (*single, *crossed) for f in report.findings]
    adjusted = _adjusted([*several, *overall])
    of = iter(adjusted)
    single, crossed = (
        [replace(report, findings=tuple(next(of) for _ in report.findings)) for report in reports]
        for reports in (list(single), list(crossed))
    )
    verdict = worst(adjusted)
    whole = tuple(of)
    reports = [*single, *crossed]
    advised = data.recommend(reports, whole, options)
    return BiasReport(
        kind=kind,
        model=model,
        summary=summary(adjusted, verdict),
        verdict=verdict,
        rows=Count(data.rows),
        rows_excluded=Count(data.excluded),
        exclusion_reason=data.exclusion_reason,
        label=columns.label,
        prediction=columns.prediction or columns.score,
        favorable=data.favorable,
        attributes=tuple(single),
        intersections=tuple(crossed),
        overall_findings=whole,
        limits=tuple(
            Limit(metric=metric, limit=options.limit(metric), fair=METRICS[metric].fair)
            for metric in dict.fromkeys(finding.metric for finding in adjusted)
        ),
        overall_bias_score=assessment.overall_bias_score(adjusted),
        compliance_score=assessment.compliance_score(adjusted),
        risk_assessment=assessment.risk_assessment(adjusted),
        recommendations=(*advised, *untried(reports, whole, advised, data.classes)),
        method=Method(
            confidence=options.confidence,
            bootstrap_samples=options.bootstrap_samples,
            seed=options.seed,
            min_group_size=options.min_group_size,
            notes=(*method.notes(adjusted, reports), *data.notes, *notes),
        ),
    )


def _adjusted(findings: Sequence[Finding]) -> list[Finding]:
    """The findings with p-values adjusted over all of them."""
    tested = [i for i, finding in enumerate(findings) if finding.p_value is not None]
    values = [float(findings[i].p_value or 0.0) for i in tested]
    found = list(findings)
    for i, one, other in zip(tested, holm(values), benjamini_hochberg(values), strict=True):
        found[i] = replace(findings[i], p_value_holm=float(one), p_value_bh=float(other))
    return found
