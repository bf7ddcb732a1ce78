"""What the findings mean together: two scores, the risk, and how urgent it is."""

from collections.abc import Sequence

from engine.fairness.metrics import METRICS, Metric
from engine.fairness.report import Finding, Risk, RiskAssessment, Urgency, Verdict
from engine.fairness.words import number, plural

FACTORS = 5
SEVERE = 2.0
"""Times the distance from fair to the limit."""
LITTLE = 0.5
"""Share of findings with evidence under which little could be judged."""

CREDIT = {Verdict.PASS: 1.0, Verdict.WARNING: 0.5, Verdict.FAIL: 0.0}
URGENCY = {
    Risk.LOW: Urgency.NONE,
    Risk.MODERATE: Urgency.NEXT_REVIEW,
    Risk.HIGH: Urgency.SOON,
    Risk.CRITICAL: Urgency.IMMEDIATE,
}


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


def overall_bias_score(findings: Sequence[Finding]) -> float | None:
    """The mean over metrics of the worst severity of each, in [0, 1]; None where nothing was judged."""
    worst: dict[Metric, float] = {}
    for finding in findings:
        found = severity(finding)
        if found is not None:
            worst[finding.metric] = max(found, worst.get(finding.metric, 0.0))
    return sum(worst.values()) / len(worst) if worst else None


def compliance_score(findings: Sequence[Finding]) -> float | None:
    """Share of the judged findings that pass, a warning counting half, in [0, 100]; None where nothing was judged."""
    credits = [CREDIT[finding.verdict] for finding in findings if finding.verdict in CREDIT]
    return 100 * sum(credits) / len(credits) if credits else None


def risk_assessment(findings: Sequence[Finding]) -> RiskAssessment:
    """The risk of using the model as it is, as `Risk` defines it, and what led to it."""
    of = {verdict: [f for f in findings if f.verdict is verdict] for verdict in Verdict}
    judged = len(findings) - len(of[Verdict.INSUFFICIENT_EVIDENCE])
    failed = sorted(of[Verdict.FAIL], key=lambda each: distance(each) or 0.0, reverse=True)
    if failed:
        far = (distance(failed[0]) or 0.0) > SEVERE
        risk = Risk.CRITICAL if far or len(failed) > judged / 2 else Risk.HIGH
    elif of[Verdict.WARNING] or judged < LITTLE * len(findings) or not judged:
        risk = Risk.MODERATE
    else:
        risk = Risk.LOW
    return RiskAssessment(risk=risk, urgency=URGENCY[risk], factors=tuple(_factors(failed, of, judged)))


def _factors(failed: Sequence[Finding], of: dict[Verdict, list[Finding]], judged: int) -> list[str]:
    said = [
        f"The {METRICS[f.metric].title} of {f.attribute} is {number(f.value or 0.0)}, beyond the limit of"
        f" {number(f.threshold)}{_between(f)}."
        for f in failed[:FACTORS]
    ]
    if len(failed) > FACTORS:
        said.append(f"{len(failed) - FACTORS:,} more findings are beyond their limits.")
    if of[Verdict.WARNING]:
        said.append(
            f"{plural(len(of[Verdict.WARNING]), 'finding')} may be beyond the limit: the data cannot tell."
        )
    if of[Verdict.INSUFFICIENT_EVIDENCE]:
        said.append(f"{plural(len(of[Verdict.INSUFFICIENT_EVIDENCE]), 'finding')} could not be judged.")
    if not failed and judged:
        said.append(f"{plural(len(of[Verdict.PASS]), 'finding')} of {judged:,} judged lie within the limits.")
    return said


def _between(finding: Finding) -> str:
    return f", between {finding.lowest} and {finding.highest}" if finding.lowest and finding.highest else ""
