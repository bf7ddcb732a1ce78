"""How far a finding is from fair, measured by its limit."""

from engine.fairness.metrics import METRICS, AnalysisType
from engine.fairness.report import Finding, Verdict

SEVERE = 2.0
"""Times the distance from fair to the limit."""


def distance(finding: Finding) -> float | None:
    """How far a value is from fair, in distances of the limit from fair: 0 is fair, 1 the limit; None if unknown."""
    if finding.value is None:
        return None
    room = abs(finding.threshold - finding.fair)
    off = abs(finding.value - finding.fair)
    if finding.fair > 0:
        off = max(0.0, finding.fair - finding.value)  # more than fair is not unfair
    return off / room if room > 0 else (0.0 if off == 0 else SEVERE)


def severity(finding: Finding) -> float | None:
    """In [0, 1]: 0 is fair, 0.5 the limit, 1 twice as far or further; None without evidence."""
    off = distance(finding)
    return None if off is None or finding.verdict is Verdict.INSUFFICIENT_EVIDENCE else min(1.0, off / SEVERE)


def weight(finding: Finding) -> tuple[bool, bool, float]:
    """The order in which people hear of findings of one verdict, the last first.

    How people are selected goes before how errors fall, all classes together before single ones, then what is
    furthest from fair as its limit measures it.
    """
    asked_first = AnalysisType.DEMOGRAPHIC_PARITY in METRICS[finding.metric].answers
    return asked_first, finding.outcome is None, distance(finding) or 0.0
