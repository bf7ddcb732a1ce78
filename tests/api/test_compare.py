"""Analyses seen together: judged again, compared, and followed over time."""

from datetime import timedelta

import psycopg
import pytest

import db.tables as t
from engine.fairness import BiasReport
from engine.fairness.trend import headlines
from resolvers.ids import global_id
from tests.builders import a_dataset, a_model, an_analysis, keep, stored
from tests.client import ANALYSIS

REJUDGE = """mutation ($id: ID!, $options: BiasOptionsInput!, $key: String) {
  rejudgeAnalysis(id: $id, options: $options, idempotencyKey: $key) { id basedOnId type columns { protected } }
}"""
COMPARE = """query ($a: ID!, $b: ID!) { compareAnalyses(a: $a, b: $b) {
  summary confidence notes notCompared { metric attribute reason }
  changes { metric attribute before after change interval { low high } pValue pValueHolm direction description }
} }"""
TREND = """query ($metric: Metric!, $attribute: String, $last: Int! = 50) { models { edges { node {
  name fairnessTrend(metric: $metric, attribute: $attribute, last: $last) {
    analysisId at attribute outcome value interval { low high } threshold verdict
  }
} } } }"""
FINDINGS = """query ($id: ID!) { analysis(id: $id) { status error basedOnId report { rows attributes {
  findings { metric value interval { low high } threshold }
} } } }"""
GAP = "DEMOGRAPHIC_PARITY_DIFFERENCE"
LENIENT = {"thresholds": [{"metric": GAP, "limit": 0.9}]}


@pytest.fixture
def kept(url, people):
    """A model with three analyses a day apart, the second one without a report."""
    person = people["analyst"]
    model, dataset = a_model(person, name="approver"), a_dataset(person)
    start = t.now() - timedelta(days=10)
    report = stored("bias_report", BiasReport)
    done = {"report": report, "headlines": headlines(report)}
    analyses = [
        an_analysis(person, model, dataset, created_at=start, **done),
        an_analysis(person, model, dataset, created_at=start + timedelta(days=1), **unfinished()),
        an_analysis(person, model, dataset, created_at=start + timedelta(days=2), **done),
    ]
    keep(url, model, a_model(person, name="idle"), dataset, *analyses)
    return {"model": model, "dataset": dataset, "analyses": [global_id("Analysis", a.id) for a in analyses]}


def unfinished() -> dict[str, object]:
    return {"status": t.Status.FAILED, "report": None, "headlines": None}


async def points(api, **asked):
    answer = await api("viewer", TREND, **asked)
    assert answer.errors == []
    return {edge["node"]["name"]: edge["node"]["fairnessTrend"] for edge in answer.data["models"]["edges"]}


async def test_a_trend_is_a_metric_over_the_completed_analyses_oldest_first(api, kept):
    found = await points(api, metric=GAP, attribute="race")
    assert found.keys() == {"approver", "idle"}
    assert found["idle"] == []
    first, _, last = kept["analyses"]
    assert [point["analysisId"] for point in found["approver"]] == [first, last]
    point = found["approver"][0]
    assert point["value"] == pytest.approx(160 / 200 - 60 / 160)
    assert point["interval"]["low"] < point["value"] < point["interval"]["high"]
    assert (point["attribute"], point["outcome"], point["verdict"]) == ("race", None, "FAIL")
    assert [
        p["analysisId"] for p in (await points(api, metric=GAP, attribute="race", last=1))["approver"]
    ] == [last]


async def test_a_trend_without_an_attribute_shows_each_of_them_and_no_crossing(api, kept):
    found = (await points(api, metric=GAP))["approver"]
    assert [point["attribute"] for point in found] == ["race", "sex"] * 2
    crossed = (await points(api, metric=GAP, attribute="race × sex"))["approver"]  # noqa: RUF001
    assert len(crossed) == 2


async def test_a_trend_asks_for_a_sensible_length_and_name(api, kept):
    for asked, argument in (
        ({"last": 0}, "last"),
        ({"last": 101}, "last"),
        ({"attribute": "a\0"}, "attribute"),
    ):
        answer = await api("viewer", TREND, metric=GAP, **asked)
        assert {error["extensions"]["argument"] for error in answer.errors} == {argument}
    other = await api("viewer", TREND, metric="R2_DIFFERENCE")
    assert {error["extensions"]["argument"] for error in other.errors} == {"metric"}
    assert "r2_difference is for regression, and this model is a classification" in other.errors[0]["message"]


async def test_a_trend_on_an_attribute_that_no_analysis_knows_is_refused_with_those_that_are(api, kept):
    for name, said in (
        ("rase", "did you mean 'race'"),
        ("race x sex", "did you mean 'race × sex'"),  # noqa: RUF001
        ("'; $[*]", "its attributes are 'all rows', 'race', 'sex', 'race × sex'"),  # noqa: RUF001
    ):
        answer = await api("viewer", TREND, metric=GAP, attribute=name)
        (error,) = answer.errors
        assert (error["extensions"]["code"], error["extensions"]["argument"]) == ("BAD_INPUT", "attribute")
        assert said in error["message"]
        trends = {
            edge["node"]["name"]: edge["node"]["fairnessTrend"] for edge in answer.data["models"]["edges"]
        }
        assert trends == {"approver": None, "idle": []}  # a model without a completed analysis knows no names
    # an attribute that is known, and a metric that was not measured on it
    assert (await points(api, metric="CONSISTENCY", attribute="race"))["approver"] == []


async def test_two_analyses_are_compared(api, kept):
    first, failed, last = kept["analyses"]
    found = (await api("viewer", COMPARE, a=first, b=last)).data["compareAnalyses"]
    assert found["confidence"] == 0.95
    assert found["summary"].startswith("Nothing changed: ")  # both keep the same report
    change = next(each for each in found["changes"] if (each["metric"], each["attribute"]) == (GAP, "race"))
    assert (change["change"], change["pValue"], change["direction"]) == (0.0, 1.0, "UNCHANGED")
    assert change["interval"]["low"] < 0 < change["interval"]["high"]
    same = await api("viewer", COMPARE, a=first, b=first)
    assert (same.code, same.errors[0]["extensions"]["argument"]) == ("BAD_INPUT", "b")
    answer = await api("viewer", COMPARE, a=first, b=failed)
    assert answer.code == "CONFLICT"
    assert "the analysis b is failed" in answer.errors[0]["message"]
    assert (await api("stranger", COMPARE, a=first, b=last)).code == "NOT_FOUND"


async def test_only_a_completed_analysis_can_be_judged_again(api, kept):
    answer = await api("analyst", REJUDGE, id=kept["analyses"][1], options={})
    assert answer.code == "CONFLICT"
    answer = await api("analyst", REJUDGE, id=kept["analyses"][0], options={"confidence": 0.1})
    assert (answer.code, answer.errors[0]["extensions"]["argument"]) == ("BAD_INPUT", "options.confidence")


async def test_the_same_key_judges_again_once(api, kept):
    first, _, last = kept["analyses"]
    ids = set()
    for _ in range(2):
        answer = await api("analyst", REJUDGE, id=first, options=LENIENT, key="once")
        ids.add(answer.data["rejudgeAnalysis"]["id"])
        assert answer.data["rejudgeAnalysis"]["basedOnId"] == first
    assert len(ids) == 1
    assert (await api("analyst", REJUDGE, id=last, options=LENIENT, key="once")).code == "CONFLICT"


async def test_judging_again_needs_no_second_pass_and_gives_the_same_numbers(api, url, worker):
    model, dataset = await api.model(), await api.dataset()
    first = (await api.start(model, dataset, options={"bootstrapSamples": 100})).data["startAnalysis"]["id"]
    assert (await api.until_ended("analyst", ANALYSIS, first))["status"] == "COMPLETED"
    before = (await api("analyst", FINDINGS, id=first)).data["analysis"]
    with psycopg.connect(url) as connection:  # so that a second pass over the rows would fail
        connection.execute("UPDATE dataset SET blob = NULL")
        content, reason = connection.execute("SELECT content, reason FROM summary").fetchone()
    assert reason is None
    assert len(content) < 10_000
    options = {"bootstrapSamples": 100, **LENIENT}
    again = (await api("analyst", REJUDGE, id=first, options=options)).data["rejudgeAnalysis"]["id"]
    after = await api.until_ended("analyst", FINDINGS, again)
    assert (after["status"], after["basedOnId"]) == ("COMPLETED", first)
    for old, new in zip(before["report"]["attributes"], after["report"]["attributes"], strict=True):
        for one, other in zip(old["findings"], new["findings"], strict=True):
            limit = 0.9 if other["metric"] == GAP else one["threshold"]
            assert other == one | {"threshold": limit}
    bands = {"bands": [{"attribute": "race", "edges": [1.0]}]}
    other = (await api("analyst", REJUDGE, id=first, options=bands)).data["rejudgeAnalysis"]["id"]
    ended = await api.until_ended("analyst", FINDINGS, other)
    assert ended["error"] == "the dataset of this analysis is no longer there"  # these would be counted anew
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM summary").fetchone() == (2,)
    for id in (first, again):
        await api("analyst", "mutation ($id: ID!) { deleteAnalysis(id: $id) { deleted } }", id=id)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM summary").fetchone() == (0,)
