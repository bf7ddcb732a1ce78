"""Flips in a report: what its summaries and recommendations say of them, and where they are silent."""

from dataclasses import replace

import pytest
from statsmodels.stats.proportion import proportion_confint

from engine.fairness import BiasReport
from engine.fairness.flip_report import FlipReport, not_asked
from engine.fairness.flipping import LIMIT, with_flips
from engine.values import Count, Interval
from tests.builders import stored


def flips(attribute: str, flipped: int, rows: int) -> FlipReport:
    low, high = proportion_confint(flipped, rows, method="wilson")
    return replace(
        not_asked(attribute, ""),
        rows=Count(rows),
        flipped=Count(flipped),
        flip_rate=flipped / rows,
        interval=Interval(low=low, high=high),
        reason=None,
    )


@pytest.fixture
def report() -> BiasReport:
    found = stored("bias_report", BiasReport)
    told = (replace(each, summary=f"Of {each.attribute}.") for each in found.attributes)
    return replace(found, attributes=tuple(told))


def test_a_rate_that_is_surely_above_the_limit_is_said_and_advised_on(report):
    of = [each.attribute for each in report.attributes]
    found = [flips(of[0], 120, 1_000), not_asked(of[1], "the model could not be asked")]
    told = with_flips(report, found)
    assert told.summary == (
        f"{report.summary} Decisions change with a protected attribute alone: beyond 0.01, flip rates are {of[0]} 0.12"
        " [0.101, 0.142]."
    )
    assert [each.flips for each in told.attributes] == found
    assert told.attributes[0].summary == (
        f"{report.attributes[0].summary} Decisions change with {of[0]} alone: beyond 0.01, the flip rate is 0.12"
        " [0.101, 0.142]."
    )
    assert told.attributes[1].summary == report.attributes[1].summary
    *before, advice = told.recommendations
    assert tuple(before) == report.recommendations
    assert (advice.attribute, advice.effects) == (of[0], ())
    assert advice.text.startswith(
        f"120 of 1,000 rows would be decided otherwise with another value of {of[0]}"
    )
    assert "startExplanation for the kind GAP" in advice.text
    assert (told.verdict, told.risk_assessment) == (report.verdict, report.risk_assessment)


def test_a_rate_that_may_lie_within_the_limit_is_only_shown(report):
    of = report.attributes[0].attribute
    # 15 of 1,000 is above 0.01, and its interval [0.0091, 0.0246] is not; nor is any of no rows
    found = flips(of, 15, 1_000)
    assert found.interval.low < LIMIT < found.flip_rate
    told = with_flips(report, [found])
    assert (told.summary, told.recommendations) == (report.summary, report.recommendations)
    assert told.attributes[0] == replace(report.attributes[0], flips=found)


def test_a_report_of_before_keeps_having_no_summary_of_an_attribute(report):
    old = replace(report, attributes=tuple(replace(each, summary=None) for each in report.attributes))
    told = with_flips(old, [flips(report.attributes[0].attribute, 9, 10)])
    assert told.attributes[0].summary is None
