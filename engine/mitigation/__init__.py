"""A model trained again under a constraint of fairness: what is asked, and what came out.

Light on purpose: what trains (scikit-learn, fairlearn) lives in modules that only a child imports, `mitigate` being the door.
"""

from engine.mitigation.options import METRIC_OF, Constraint, MitigationOptions
from engine.mitigation.report import (
    Candidate,
    GroupRates,
    MitigationReport,
    MitigationRows,
    ModelMeasures,
)

__all__ = [
    "METRIC_OF",
    "Candidate",
    "Constraint",
    "GroupRates",
    "MitigationOptions",
    "MitigationReport",
    "MitigationRows",
    "ModelMeasures",
]
