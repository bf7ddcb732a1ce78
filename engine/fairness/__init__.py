"""Group fairness of a binary decision: its names, options and report.

Light on purpose: the counting (DuckDB) and the neighbours (SciPy) live in modules that only a
worker imports, `engine.fairness.analysis` being the door.
"""

from engine.fairness.metrics import METRICS, AnalysisType, Metric
from engine.fairness.options import Bands, BiasColumns, BiasOptions, Reference, Threshold
from engine.fairness.quantity import Quantity
from engine.fairness.report import (
    AlikePair,
    AttributeReport,
    BiasReport,
    Effect,
    Exclusion,
    Finding,
    GroupMetric,
    GroupReport,
    Limit,
    Method,
    Proposal,
    Recommendation,
    Risk,
    RiskAssessment,
    Urgency,
    Verdict,
)
from engine.values import Interval

__all__ = [
    "METRICS",
    "AlikePair",
    "AnalysisType",
    "AttributeReport",
    "Bands",
    "BiasColumns",
    "BiasOptions",
    "BiasReport",
    "Effect",
    "Exclusion",
    "Finding",
    "GroupMetric",
    "GroupReport",
    "Interval",
    "Limit",
    "Method",
    "Metric",
    "Proposal",
    "Quantity",
    "Recommendation",
    "Reference",
    "Risk",
    "RiskAssessment",
    "Threshold",
    "Urgency",
    "Verdict",
]
