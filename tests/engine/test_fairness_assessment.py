"""What findings mean together: scores and risk, worked by hand from the definitions in the documentation."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from engine.fairness import Finding, Interval, Metric, Risk, Urgency, Verdict
from engine.fairness.assessment import compliance_score, overall_bias_score, risk_assessment
from engine.fairness.furthest import Pair, furthest_apart
from engine.fairness.severity import severity
from engine.fairness.words import summary

GAP, RATIO = Metric.DEMOGRAPHIC_PARITY_DIFFERENCE, Metric.DEMOGRAPHIC_PARITY_RATIO


def found(value, verdict, metric=GAP, limit=0.1, fair=0.0, attribute="sex"):
    return Finding(
        metric=metric,
        attributes=(attribute,),
        attribute=attribute,
        value=value,
        interval=None if value is None else Interval(low=value, high=value),
        threshold=limit,
        fair=fair,
        verdict=verdict,
        reason="As it is.",
        description="As it is.",
        lowest=None if value is None else "f",
        highest=None if value is None else "m",
        excluded=(),
    )


FAIR = found(0.0, Verdict.PASS)
AT_LIMIT = found(0.1, Verdict.PASS)
OPEN = found(0.08, Verdict.WARNING)
BAD = found(0.15, Verdict.FAIL)
WORST = found(0.5, Verdict.FAIL)
UNKNOWN = found(None, Verdict.INSUFFICIENT_EVIDENCE)


@pytest.mark.parametrize(
    ("finding", "expected"),
    [
        (FAIR, 0.0),
        (AT_LIMIT, 0.5),
        (BAD, 0.75),  # 0.15 is 1.5 times the limit of 0.1, half of that is 0.75
        (found(0.2, Verdict.FAIL), 1.0),
        (WORST, 1.0),
        (UNKNOWN, None),
        (found(1.0, Verdict.PASS, RATIO, 0.8, 1.0), 0.0),
        (found(0.8, Verdict.PASS, RATIO, 0.8, 1.0), 0.5),
        (found(0.7, Verdict.FAIL, RATIO, 0.8, 1.0), 0.75),  # 0.3 below fair, the limit 0.2 below
        (found(1.3, Verdict.PASS, Metric.DISPARATE_IMPACT, 0.8, 1.0), 0.0),  # more than fair is not unfair
        (found(0.0, Verdict.PASS, limit=0.0), 0.0),
        (found(0.01, Verdict.FAIL, limit=0.0), 1.0),  # a limit at the fair value leaves no room
    ],
)
def test_severity_by_hand(finding, expected):
    assert severity(finding) == (None if expected is None else pytest.approx(expected))


def test_the_bias_score_is_the_mean_over_metrics_of_the_worst_severity():
    ratio = found(0.9, Verdict.WARNING, RATIO, 0.8, 1.0)  # half way to the limit: 0.25
    assert overall_bias_score([FAIR, BAD, UNKNOWN, ratio]) == pytest.approx((0.75 + 0.25) / 2)
    assert overall_bias_score([FAIR]) == 0.0
    assert overall_bias_score([WORST, WORST]) == 1.0


def test_the_compliance_score_counts_passes_and_half_the_warnings():
    assert compliance_score([FAIR, FAIR, OPEN, BAD, UNKNOWN]) == pytest.approx(100 * 2.5 / 4)
    assert compliance_score([FAIR]) == 100.0
    assert compliance_score([BAD]) == 0.0


def test_without_evidence_there_are_no_scores():
    for none in ([], [UNKNOWN]):
        assert overall_bias_score(none) is None
        assert compliance_score(none) is None


@pytest.mark.parametrize(
    ("findings", "risk", "urgency"),
    [
        ([FAIR, FAIR], Risk.LOW, Urgency.NONE),
        ([FAIR, UNKNOWN], Risk.LOW, Urgency.NONE),
        ([FAIR, OPEN], Risk.MODERATE, Urgency.NEXT_REVIEW),
        ([FAIR, UNKNOWN, UNKNOWN], Risk.MODERATE, Urgency.NEXT_REVIEW),  # little could be judged
        ([UNKNOWN], Risk.MODERATE, Urgency.NEXT_REVIEW),
        ([], Risk.MODERATE, Urgency.NEXT_REVIEW),
        ([BAD, FAIR], Risk.HIGH, Urgency.SOON),
        ([BAD, FAIR, OPEN], Risk.HIGH, Urgency.SOON),
        ([BAD, BAD, FAIR], Risk.CRITICAL, Urgency.IMMEDIATE),  # more than half of what was judged
        ([BAD, BAD, FAIR, FAIR, UNKNOWN], Risk.HIGH, Urgency.SOON),
        ([WORST, FAIR, FAIR, FAIR], Risk.CRITICAL, Urgency.IMMEDIATE),  # more than twice the limit
        ([found(0.2, Verdict.FAIL), FAIR, FAIR, FAIR], Risk.HIGH, Urgency.SOON),  # exactly twice
    ],
)
def test_the_risk_by_hand(findings, risk, urgency):
    assessed = risk_assessment(findings)
    assert (assessed.risk, assessed.urgency) == (risk, urgency)


def test_factors_say_why_the_risk_is_critical_and_then_name_findings():
    factors = risk_assessment([FAIR, BAD, OPEN, UNKNOWN, found(0.5, Verdict.FAIL, attribute="race")]).factors
    assert factors == (
        "The risk is critical because the demographic parity difference of race is more than 2 times as far from fair as"
        " its limit is: 0.5, with the limit 0.1. One such finding is enough, however many others pass.",
        "The demographic parity difference of race is 0.5, beyond the limit of 0.1, between f and m.",
        "The demographic parity difference of sex is 0.15, beyond the limit of 0.1, between f and m.",
        "1 finding may be beyond the limit: the data cannot tell. Foremost is the demographic parity difference of"
        " sex, 0.08 with the limit 0.1, between f and m.",
        "1 finding could not be judged.",
    )
    many = risk_assessment([WORST] * 8).factors
    assert len(many) == 7
    assert many[0] == (
        "The risk is critical because more than half of what was judged is beyond its limit: 8 of 8 findings."
    )
    assert many[-1] == "3 more findings are beyond the limit."
    assert risk_assessment([FAIR]).factors == ("1 finding of 1 judged lies within the limits.",)


def test_factors_lead_with_the_finding_that_the_summary_leads_with():
    # errors are 2.5 limits from fair and selection 1.5; how people are selected is said first in both
    errors = found(0.25, Verdict.FAIL, Metric.FALSE_OMISSION_RATE_DIFFERENCE, attribute="race")
    findings = [errors, BAD, FAIR, FAIR, FAIR]
    assessed = risk_assessment(findings)
    assert summary(findings, Verdict.FAIL).startswith(
        "2 of 5 comparisons lie beyond the limit: the demographic parity difference of sex is 0.15"
    )
    assert "the false omission rate difference of race is more than 2 times as far" in assessed.factors[0]
    assert [each.split(" is ")[0] for each in assessed.factors[1:]] == [
        "The demographic parity difference of sex",
        "The false omission rate difference of race",
    ]


def test_a_bias_score_above_the_limit_beside_open_findings_is_explained():
    # 0.15 is 1.5 limits from fair: a severity of 0.75
    (_, _, said) = risk_assessment([found(0.15, Verdict.WARNING), FAIR]).factors
    assert said == (
        "The overall bias score is 0.75 although no finding is clearly beyond its limit: it counts values as measured,"
        " 0.5 for one at its limit, however unsure they are."
    )
    assert not any("bias score" in said for said in risk_assessment([OPEN, FAIR]).factors)


def test_the_groups_furthest_apart_are_those_of_the_finding_that_the_summary_would_pick():
    """Errors further beyond their limit come after selection, and what fails before what may."""
    selected = replace(found(0.2, Verdict.FAIL, attribute="race"), lowest="black", highest="white")
    errors = found(0.9, Verdict.FAIL, metric=Metric.EQUALIZED_ODDS_DIFFERENCE)
    alike = replace(WORST, lowest="f", highest="f")
    report = SimpleNamespace(
        attributes=[
            SimpleNamespace(findings=[found(0.3, Verdict.WARNING), errors, alike, UNKNOWN]),
            SimpleNamespace(findings=[selected]),
        ]
    )
    assert furthest_apart(report) == Pair(attribute="race", lowest="black", highest="white")
    assert furthest_apart(report, "sex") == Pair(attribute="sex", lowest="f", highest="m")
    assert furthest_apart(report, "age") is None
    assert furthest_apart(SimpleNamespace(attributes=[SimpleNamespace(findings=[alike, UNKNOWN])])) is None
