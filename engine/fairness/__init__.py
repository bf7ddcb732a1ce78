"""Group fairness of a binary decision: its names, options and report.

Light on purpose: the counting (DuckDB) and the neighbours (SciPy) live in modules that only a
worker imports, `engine.fairness.analysis` being the door.
"""

from engine.fairness.metrics import METRICS, Metric
from engine.fairness.options import AnalysisType, BiasColumns, BiasOptions, Threshold
from engine.fairness.report import (
    AttributeReport,
    BiasReport,
    Estimate,
    Exclusion,
    Finding,
    GroupReport,
    Interval,
    Limit,
    Method,
    Verdict,
)

__all__ = [
    "METRICS",
    "AnalysisType",
    "AttributeReport",
    "BiasColumns",
    "BiasOptions",
    "BiasReport",
    "Estimate",
    "Exclusion",
    "Finding",
    "GroupReport",
    "Interval",
    "Limit",
    "Method",
    "Metric",
    "Threshold",
    "Verdict",
]
