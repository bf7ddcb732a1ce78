"""What a simulated remedy brings, in words: to its own gap, held to the limit, and to what else fails."""

from collections.abc import Mapping, Sequence

from engine.fairness.judging import verdict
from engine.fairness.metrics import METRICS, QUANTITIES, Metric
from engine.fairness.quantity import Cells
from engine.fairness.report import Finding, Verdict
from engine.fairness.severity import distance
from engine.fairness.simulating import Measured, beyond
from engine.fairness.words import beside, between, limit_of, subject

NAMED = 3
"""Findings on which nothing was measured of which the name is said."""


def brings(finding: Finding, after: Measured) -> str:
    """The value with a remedy, and whether that meets the limit."""
    value, interval = after
    title, limit = METRICS[finding.metric].title, limit_of(finding.threshold)
    within = beyond(finding, value) <= 0
    said = {
        Verdict.PASS: f"within its limit of {limit}",
        Verdict.FAIL: f"still beyond its limit of {limit}: this helps and does not suffice",
        Verdict.WARNING: f"within its limit of {limit} as measured, though these rows cannot be sure of it"
        if within
        else f"still beyond its limit of {limit} as measured, though these rows cannot be sure of it",
        Verdict.INSUFFICIENT_EVIDENCE: f"{'within' if within else 'still beyond'} its limit of {limit}",
    }[verdict(interval, finding.fair, finding.threshold)]
    shown = "" if interval is None else f" {between(interval, finding.threshold)}"
    return f"With it the {title} would be {beside(value, finding.threshold)}{shown}, {said}."


def split(finding: Finding, others: Sequence[Finding]) -> tuple[list[Finding], list[Finding]]:
    """Of other findings those that decisions about the groups of this one can tell, and the rest, the worst first."""

    def told(other: Finding) -> bool:
        of = METRICS[other.metric].of
        same = other.attributes == finding.attributes and other.outcome is None
        return same and all(QUANTITIES[quantity].cells is Cells.OUTCOMES for quantity in of)

    ordered = sorted(others, key=lambda other: distance(other) or 0.0, reverse=True)
    return [each for each in ordered if told(each)], [each for each in ordered if not told(each)]


def on_others(here: Sequence[Finding], moved: Mapping[Metric, tuple[Measured, Measured]]) -> str:
    """What a remedy does to other metrics of the same groups that fail, with a space after it; or nothing."""
    said = [
        f"the {METRICS[each.metric].title} from {beside(moved[each.metric][0][0], each.threshold)}"
        f" to {beside(moved[each.metric][1][0], each.threshold)} (limit {limit_of(each.threshold)})"
        for each in here
        if each.metric in moved
    ]
    return f"Of what else fails for {here[0].attribute} it moves {', '.join(said)}. " if said else ""


def not_measured(
    here: Sequence[Finding], moved: Mapping[Metric, tuple[Measured, Measured]], elsewhere: Sequence[Finding]
) -> str:
    """On which findings that fail nothing was measured, with a space after it; or nothing."""
    left = [*(each for each in here if each.metric not in moved), *elsewhere]
    if not left:
        return ""
    more = f" and {len(left) - NAMED:,} more" if len(left) > NAMED else ""
    names = ", ".join(subject(each) for each in left[:NAMED])
    return f"What it does to others that fail was not measured: {names}{more}. "
