"""Flips of decisions put into a report: beside the findings, in its summaries and recommendations. They move no verdict."""

import json
from collections.abc import Sequence
from dataclasses import replace

from engine.fairness.flip_report import FlipReport
from engine.fairness.report import BiasReport, Proposal, Recommendation
from engine.fairness.words import beside, between, limit_of, so_many
from engine.values import Interval

LIMIT = 0.01
"""Share of decisions that may hang on a protected attribute alone without a word in the summary. Ours: above it a model
does not only now and then stumble over the attribute, it uses it."""

ASK = "mutation ($input: NewExplanationInput!) { startExplanation(input: $input) { id status } }"


def with_flips(report: BiasReport, found: Sequence[FlipReport]) -> BiasReport:
    """The same with what a model says of each protected attribute.

    Where the whole interval of a flip rate lies above LIMIT, the summary of the attribute and of the report say so,
    and a recommendation says what it means.

    Args:
        found: at most one for each attribute.
    """
    flips = {each.attribute: each for each in found}
    rates = {each.attribute: rate for each in found if (rate := _beyond(each)) is not None}
    attributes = []
    for each in report.attributes:
        of = each.attributes[0]
        said = (
            f" Decisions change with {of} alone: {_limit()}, the flip rate is {rates[of]}."
            if of in rates
            else ""
        )
        summary = None if each.summary is None else each.summary + said
        attributes.append(replace(each, flips=flips.get(of), summary=summary))
    many = ", ".join(f"{of} {rate}" for of, rate in rates.items())
    said = (
        f" Decisions change with a protected attribute alone: {_limit()}, flip rates are {many}."
        if many
        else ""
    )
    advised = tuple(_look_into(flips[of], rate) for of, rate in rates.items())
    return replace(
        report,
        attributes=tuple(attributes),
        summary=report.summary + said,
        recommendations=(*report.recommendations, *advised),
    )


def _beyond(flips: FlipReport) -> str | None:
    """The flip rate with its interval, where all of that lies above the limit."""
    rate, interval = flips.flip_rate, flips.interval
    if rate is None or interval is None or interval.low <= LIMIT:
        return None
    return _rate(rate, interval)


def _rate(rate: float, interval: Interval) -> str:
    return f"{beside(rate, LIMIT)} {between(interval, LIMIT)}"


def _limit() -> str:
    return f"beyond {limit_of(LIMIT)}"


def _look_into(flips: FlipReport, rate: str) -> Recommendation:
    of = flips.attribute
    return Recommendation(
        title=f"Find out whether the model may decide by {of}",
        text=f"{flips.flipped or 0:,} of {so_many(flips.rows, 'rows')} would be decided otherwise with another value of {of}"
        f" and nothing else changed, a flip rate of {rate}, {_limit()}, from which on we speak of it. So the model"
        f" uses {of} itself, which may be unlawful whatever the rates of groups are: take legal advice. It does not say"
        f" which group is worse off on the whole, and columns that go with {of} may do the same without it. Ask"
        f" startExplanation for the kind GAP from this analysis: it says how much of the gap {of} and other features carry."
        f" Then train without the column or under a constraint, analyse the new model on the same rows and compare.",
        attribute=of,
        effects=(),
        proposal=Proposal(
            mutation=ASK, variables=json.dumps({"input": {"kind": "GAP", "options": {"attribute": of}}})
        ),
    )
