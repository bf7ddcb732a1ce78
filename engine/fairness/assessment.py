"""What the findings mean together: two scores, the risk, and how urgent it is."""

from collections.abc import Sequence

from engine.fairness.judging import worst
from engine.fairness.metrics import Metric
from engine.fairness.report import Finding, Risk, RiskAssessment, Urgency, Verdict
from engine.fairness.severity import SEVERE, distance, severity, weight
from engine.fairness.words import from_to, limit_of, number, plural, subject, value_of

FACTORS = 5
AT_LIMIT = 0.5
"""Severity of a value at its limit."""
LITTLE = 0.5
"""Share of findings with evidence under which little could be judged."""

CREDIT = {Verdict.PASS: 1.0, Verdict.WARNING: 0.5, Verdict.FAIL: 0.0}
URGENCY = {
    Risk.LOW: Urgency.NONE,
    Risk.MODERATE: Urgency.NEXT_REVIEW,
    Risk.HIGH: Urgency.SOON,
    Risk.CRITICAL: Urgency.IMMEDIATE,
}


def overall_bias_score(findings: Sequence[Finding]) -> float | None:
    """The mean over metrics of the worst severity of each, in [0, 1]; None where nothing was judged."""
    highest: dict[Metric, float] = {}
    for finding in findings:
        found = severity(finding)
        if found is not None:
            highest[finding.metric] = max(found, highest.get(finding.metric, 0.0))
    return sum(highest.values()) / len(highest) if highest else None


def compliance_score(findings: Sequence[Finding]) -> float | None:
    """Share of the judged findings that pass, a warning counting half, in [0, 100]; None where nothing was judged."""
    credits = [CREDIT[finding.verdict] for finding in findings if finding.verdict in CREDIT]
    return 100 * sum(credits) / len(credits) if credits else None


def risk_assessment(findings: Sequence[Finding]) -> RiskAssessment:
    """The risk of using the model as it is, as `Risk` defines it, and what led to it."""
    of = {verdict: [f for f in findings if f.verdict is verdict] for verdict in Verdict}
    judged = len(findings) - len(of[Verdict.INSUFFICIENT_EVIDENCE])
    failed = sorted(of[Verdict.FAIL], key=weight, reverse=True)
    if failed:
        far = max(distance(each) or 0.0 for each in failed)
        risk = Risk.CRITICAL if far > SEVERE or len(failed) > judged / 2 else Risk.HIGH
    elif of[Verdict.WARNING] or judged < LITTLE * len(findings) or worst(findings) not in CREDIT:
        risk = Risk.MODERATE
    else:
        risk = Risk.LOW
    factors = [*_why_critical(risk, failed, judged), *_factors(failed, of, judged)]
    score = overall_bias_score(findings)
    if not failed and score is not None and score > AT_LIMIT:
        factors.append(
            f"The overall bias score is {number(score)} although no finding is clearly beyond its limit: it counts values"
            f" as measured, {number(AT_LIMIT)} for one at its limit, however unsure they are."
        )
    return RiskAssessment(risk=risk, urgency=URGENCY[risk], factors=tuple(factors))


def _why_critical(risk: Risk, failed: Sequence[Finding], judged: int) -> list[str]:
    if risk is not Risk.CRITICAL:
        return []
    if len(failed) > judged / 2:
        return [
            "The risk is critical because more than half of what was judged is beyond its limit:"
            f" {len(failed):,} of {judged:,} findings."
        ]
    furthest = max(failed, key=lambda each: distance(each) or 0.0)
    return [
        f"The risk is critical because the {subject(furthest)} is more than {SEVERE:g} times as far from fair as its"
        f" limit is: {value_of(furthest)}, with the limit {limit_of(furthest.threshold)}. One such finding is enough,"
        " however many others pass."
    ]


def _factors(failed: Sequence[Finding], of: dict[Verdict, list[Finding]], judged: int) -> list[str]:
    said = [
        f"The {subject(f)} is {value_of(f)}, beyond the limit of {limit_of(f.threshold)}{from_to(f)}."
        for f in failed[:FACTORS]
    ]
    if len(failed) > FACTORS:
        more = len(failed) - FACTORS
        said.append(f"{plural(more, 'more finding')} {'is' if more == 1 else 'are'} beyond the limit.")
    if of[Verdict.WARNING]:
        first = max(of[Verdict.WARNING], key=weight)
        said.append(
            f"{plural(len(of[Verdict.WARNING]), 'finding')} may be beyond the limit: the data cannot tell. Foremost is"
            f" the {subject(first)}, {value_of(first)} with the limit {limit_of(first.threshold)}{from_to(first)}."
        )
    if of[Verdict.INSUFFICIENT_EVIDENCE]:
        said.append(f"{plural(len(of[Verdict.INSUFFICIENT_EVIDENCE]), 'finding')} could not be judged.")
    if not failed and judged:
        within = len(of[Verdict.PASS])
        lie = "lies" if within == 1 else "lie"
        said.append(f"{plural(within, 'finding')} of {judged:,} judged {lie} within the limits.")
    return said
