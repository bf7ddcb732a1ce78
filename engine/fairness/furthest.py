"""Which two groups a report says are furthest apart, for who asks further about them."""

from dataclasses import dataclass

from engine.fairness.report import BiasReport, Finding, Verdict
from engine.fairness.severity import weight

WORST_LAST = (Verdict.PASS, Verdict.WARNING, Verdict.FAIL)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two groups of one protected attribute."""

    attribute: str
    lowest: str
    highest: str


def furthest_apart(report: BiasReport, attribute: str | None = None) -> Pair | None:
    """The groups of the finding on a single attribute that the summary would pick; None where none were compared.

    Args:
        attribute: only of this one.
    """
    found = [
        finding
        for each in report.attributes
        for finding in each.findings
        if attribute in (None, *finding.attributes)
        and finding.verdict in WORST_LAST
        and finding.lowest not in (None, finding.highest)
        and finding.highest is not None
    ]
    if not found:
        return None
    worst = max(found, key=_weight)
    return Pair(attribute=worst.attributes[0], lowest=str(worst.lowest), highest=str(worst.highest))


def _weight(finding: Finding) -> tuple[int, bool, bool, float]:
    return WORST_LAST.index(finding.verdict), *weight(finding)
