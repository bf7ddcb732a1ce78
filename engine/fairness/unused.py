"""Columns that a dataset seems to have and an analysis was not told of, in the notes of its report."""

from dataclasses import replace

from engine.fairness.metrics import METRICS, QUANTITIES, AnalysisType, metrics_of
from engine.fairness.options import BiasColumns, BiasOptions
from engine.fairness.quantity import Cells
from engine.fairness.report import BiasReport
from engine.tables.profile import RoleHint, TableProfile
from engine.values import ModelType

SHOWN = 3


def noted(
    report: BiasReport,
    profile: TableProfile,
    columns: BiasColumns,
    kind: AnalysisType,
    options: BiasOptions,
    model: ModelType,
) -> BiasReport:
    """The report, with a note on columns that look like a score where naming one would have measured more."""
    used = {column for _, column in columns.places()}
    scores = [c.name for c in profile.columns if RoleHint.SCORE in c.role_hints and c.name not in used]
    measured = (
        columns.label is not None and columns.weights is None and _compares_scores(kind, options, model)
    )
    if columns.score is not None or not scores or not measured:
        return report
    names = " and ".join(map(repr, scores[:SHOWN])) + (" and others" if len(scores) > SHOWN else "")
    look = f"Column {names} looks" if len(scores) == 1 else f"Columns {names} look"
    note = (
        f"{look} like the score behind the decisions and none was named as score,"
        " so metrics that need no threshold, such as the AUC, were left out."
    )
    return replace(report, method=replace(report.method, notes=(*report.method.notes, note)))


def _compares_scores(kind: AnalysisType, options: BiasOptions, model: ModelType) -> bool:
    return any(
        QUANTITIES[quantity].cells is Cells.SCORES
        for metric in metrics_of(kind, model)
        if options.asks(metric)
        for quantity in METRICS[metric].of
    )
