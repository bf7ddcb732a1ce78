"""What a model itself says of groups: decisions that change with an attribute alone, and what carries a gap."""

import json
from dataclasses import replace
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

import db.tables as t
from engine.fairness.furthest import furthest_apart
from engine.models.signature import Feature, FeatureType
from resolvers.ids import global_id
from tests import models
from tests.api.test_model_files import read
from tests.builders import a_dataset, a_model, a_signature, an_analysis, an_artifact, keep

FOLLOW = """subscription ($id: ID!) { analysisProgress(id: $id) {
  fraction finding { metric } flips { attribute flipRate } } }"""
FLIPS = """query ($id: ID!) { analysis(id: $id) { status error report {
  intersections { flips { flipRate } }
  summary recommendations { title text attribute proposal { mutation variables } }
  attributes { attribute summary flips { attribute lookedAt summary unit explainedClass threshold rows rowsMissing flipped
    flipRate interval { low high } reason meanAbsoluteChange evaluations notes
    values { group value rows }
    pairs { fromGroup toGroup rows flipped gained lost flipRate interval { low high } meanChange }
    examples { row decisionBefore decisionAfter scoreBefore scoreAfter } } } } } }"""
REJUDGE = (
    "mutation ($id: ID!, $options: BiasOptionsInput!) { rejudgeAnalysis(id: $id, options: $options) { id } }"
)
START = """mutation ($input: NewExplanationInput!) { startExplanation(input: $input) { id } }"""
GAP = """query ($id: ID!) { explanation(id: $id) { status error kind rows { row } analysis { id } model { id } dataset { id }
  options { attribute group reference bands explainedClass sampleRows }
  report { kind method exact why summary unit explainedClass rowsUsed largestAdditivityError notes
    gap { attribute group reference rows referenceRows score referenceScore difference interval { low high } others
      features { feature difference interval { low high } mean referenceMean protected } } } } }"""
TOLD = """subscription ($id: ID!) { explanationProgress(id: $id) {
  interim message importance { feature } row { row } featureGap { feature difference protected } } }"""
LISTED = """query ($id: ID!) { analysis(id: $id) { explanations(first: 5) { totalCount edges { node { id kind } } } } }"""
COLUMNS = {"label": "repaid", "favorable": "1", "protected": ["group", "age", "district"]}


def loans() -> pd.DataFrame:
    """With a district, which goes with the income and which no model looks at."""
    rows = models.people().copy()
    near = rows.income + np.random.default_rng(1).normal(0, 20, len(rows)) < 50
    return rows.assign(district=np.where(near, "east", "west"))


async def test_the_model_is_asked_what_hangs_on_a_group_and_what_carries_a_gap(api, worker):
    """One model, one dataset, one analysis by the model; everything is held against scikit-learn."""
    content, itself = models.linear()
    model = await api.model()
    assert (await read(api, content, modelId=model))["status"] == "COMPLETED"
    rows = loans()
    dataset = await api.dataset(content=rows.to_csv(index=False))
    options = {"bands": [{"attribute": "age", "edges": [40]}], "bootstrapSamples": 100, "seed": 3}
    started = await api.start(model, dataset, columns=COLUMNS, options=options, useModel=True)
    analysis = started.data["startAnalysis"]["id"]

    events = [each.data["analysisProgress"] for each in await api.all_events("viewer", FOLLOW, id=analysis)]
    told = [each["flips"]["attribute"] for each in events if each["flips"]]
    assert told == COLUMNS["protected"]
    assert not any(each["finding"] for each in events if each["flips"])
    fractions = [each["fraction"] for each in events]
    assert fractions == sorted(fractions)
    assert max(each["fraction"] for each in events if each["finding"]) == pytest.approx(0.8)

    found = await api.until_ended("viewer", FLIPS, analysis)
    assert found["status"] == "COMPLETED", found["error"]
    group, age, district = (each["flips"] for each in found["report"]["attributes"])
    assert [each["flips"] for each in found["report"]["intersections"]] == [None] * 4
    held_against_scikit_learn(itself, rows, group, age)
    said = f"flip rates are group {group['flipRate']:.3g} "
    assert said in found["report"]["summary"]
    assert "Decisions change with group alone" in found["report"]["attributes"][0]["summary"]
    advised = {each["title"]: each["proposal"] for each in found["report"]["recommendations"]}
    ask, titles = advised["Find out whether the model may decide by group"], list(advised)
    variables = json.loads(ask["variables"])
    named = {"modelId": model, "datasetId": dataset, "analysisId": analysis}
    assert variables == {"input": named | {"kind": "GAP", "options": {"attribute": "group"}}}
    assert (await api("viewer", ask["mutation"], **variables)).code == "FORBIDDEN"
    assert not any("decide by district" in title for title in titles)
    assert (district["flipRate"], district["flipped"], district["lookedAt"]) == (None, None, False)
    assert (
        district["reason"]
        == "district is none of the model's features, so no decision can change with it alone"
    )
    assert "proxies" in district["notes"][0]

    asked = {"id": analysis, "options": options | {"suppressBelow": 2}}
    again = (await api("analyst", REJUDGE, **asked)).data["rejudgeAnalysis"]["id"]
    rejudged = (await api.until_ended("viewer", FLIPS, again))["report"]["attributes"][0]["flips"]
    assert rejudged["flipRate"] == group["flipRate"]
    assert rejudged["examples"] == []  # each would be one person

    await gaps_are_carried(api, itself, rows, {"analysis": analysis, "model": model, "dataset": dataset})
    assert (await api("viewer", LISTED, id=again)).data["analysis"]["explanations"]["totalCount"] == 0


def held_against_scikit_learn(itself, rows: pd.DataFrame, group: dict, age: dict) -> None:
    chances = itself.predict_proba(rows)[:, 1]
    other = itself.predict_proba(rows.assign(group=rows.group.map({"a": "b", "b": "a"})))[:, 1]
    moved = (chances >= 0.5) != (other >= 0.5)
    assert (group["rows"], group["flipped"], group["evaluations"]) == (400, moved.sum(), 800)
    assert 40 < group["flipped"] < 120
    assert (group["lookedAt"], group["reason"], group["explainedClass"]) == (True, None, "1")
    assert group["meanAbsoluteChange"] == pytest.approx(np.abs(other - chances).mean())
    as_b = next(pair for pair in group["pairs"] if pair["fromGroup"] == "a")
    assert (as_b["gained"], as_b["lost"]) == (0, (moved & (rows.group == "a")).sum())
    low, high = proportion_confint(moved.sum(), 400, method="wilson")
    assert group["interval"] == {"low": pytest.approx(low), "high": pytest.approx(high)}
    assert len(group["examples"]) == 10
    first = group["examples"][0]
    place = int(np.abs(np.where(moved, other - chances, 0)).argmax())
    assert (first["row"], first["scoreBefore"], first["scoreAfter"]) == (
        place,
        pytest.approx(chances[place]),
        pytest.approx(other[place]),
    )

    young = rows.age < 40  # the lower one of two middle ages stands for a band
    stands = {
        part: int(rows.age[of].quantile(0.5, "lower")) for part, of in (("young", young), ("old", ~young))
    }
    assert {each["group"]: each["value"] for each in age["values"]} == {
        "below 40": str(stands["young"]),
        "40 and above": str(stands["old"]),
    }
    turned = rows.assign(age=np.where(young, stands["old"], stands["young"]))
    assert age["flipped"] == ((chances >= 0.5) != (itself.predict_proba(turned)[:, 1] >= 0.5)).sum()


async def gaps_are_carried(api, itself, rows: pd.DataFrame, ids: dict[str, str]) -> None:
    analysis = ids["analysis"]
    # The report puts first the gap furthest beyond its limit: of the districts. No model looks at them; income carries it.
    begun = (await api("analyst", START, input={"kind": "GAP", "analysisId": analysis})).data[
        "startExplanation"
    ]
    told = [each.data["explanationProgress"] for each in await api.all_events("viewer", TOLD, id=begun["id"])]
    parts = [(each["interim"], each["featureGap"]["feature"]) for each in told if each["featureGap"]]
    assert [feature for interim, feature in parts if not interim][:1] == ["income"]
    assert len([interim for interim, _ in parts if not interim]) == 3
    assert not any(each["row"] or each["importance"] for each in told)
    gap = await api.until_ended("viewer", GAP, begun["id"])
    assert gap["status"] == "COMPLETED", gap["error"]
    assert {name: gap[name]["id"] for name in ids} == ids
    assert gap["options"] == {
        "attribute": "district",
        "group": "east",
        "reference": "west",
        "bands": [],
        "explainedClass": "1",
        "sampleRows": 10_000,
    }
    assert gap["rows"] == []
    of_district = gap["report"]["gap"]
    assert (of_district["features"][0]["feature"], of_district["features"][0]["protected"]) == (
        "income",
        False,
    )
    assert of_district["features"][0]["difference"] < -1

    # Another attribute may be named, and its pair is still that of the report; in closed form, as each row's part is its
    # weight times its distance from the background's mean.
    asked = {"kind": "GAP", "analysisId": analysis, "datasetId": ids["dataset"], "modelId": ids["model"]}
    asked["options"] = {"attribute": "group", "maxFeatures": 2}
    other = (await api("analyst", START, input=asked)).data["startExplanation"]["id"]
    report = (await api.until_ended("viewer", GAP, other))["report"]
    found = report["gap"]
    assert (found["group"], found["reference"]) == ("b", "a")
    assert (report["method"], report["exact"], report["unit"], report["rowsUsed"]) == (
        "LINEAR",
        True,
        "log-odds",
        400,
    )
    weights = dict(zip(("a", "b", "age", "income"), itself[-1].coef_[0], strict=True))
    first, second = rows[rows.group == "b"], rows[rows.group == "a"]
    expected = {
        "group": weights["b"] - weights["a"],
        "income": weights["income"] * (first.income.mean() - second.income.mean()),
    }
    age = weights["age"] * (first.age.mean() - second.age.mean())
    assert {each["feature"]: each["difference"] for each in found["features"]} == pytest.approx(expected)
    assert [each["feature"] for each in found["features"] if each["protected"]] == ["group"]
    assert found["others"] == pytest.approx(age)
    assert found["difference"] == pytest.approx(sum(expected.values()) + age)
    assert report["largestAdditivityError"] < 1e-9
    chances = itself.predict_proba(rows)[:, 1]
    assert found["score"] == pytest.approx(chances[rows.group == "b"].mean())
    assert found["referenceScore"] == pytest.approx(chances[rows.group == "a"].mean())

    listed = (await api("viewer", LISTED, id=analysis)).data["analysis"]["explanations"]
    assert listed["totalCount"] == 2
    assert [each["node"]["id"] for each in listed["edges"]] == [other, begun["id"]]
    delete = "mutation ($id: ID!) { deleteAnalysis(id: $id) { deleted } }"
    await api("analyst", delete, id=analysis)
    assert (await api("viewer", GAP, id=other)).data["explanation"]["analysis"] is None


@pytest.fixture
def stored(url, people):
    """An analysis by its report of before, whose model takes age and city; no worker."""
    person = people["admin"]
    model, dataset = a_model(person), a_dataset(person, ("age", "city", "race", "sex"))
    analysis = an_analysis(person, model, dataset)
    waiting = an_analysis(person, model, dataset, status=t.Status.QUEUED, report=None, progress=0.0)
    nothing = an_analysis(person, model, dataset)
    nothing.report = replace(nothing.report, attributes=())
    takes = tuple(Feature(name=name, type=FeatureType.ANY) for name in ("age", "city"))
    artifact = an_artifact(person, model, signature=a_signature(features=takes))
    keep(url, model, dataset, artifact, analysis, waiting, nothing)
    return {"good": analysis, "waiting": waiting, "nothing": nothing}


async def test_a_report_of_before_has_no_flips_and_lends_its_groups(api, stored):
    id = global_id("Analysis", stored["good"].id)
    shown = (await api("viewer", FLIPS, id=id)).data["analysis"]["report"]["attributes"]
    assert {each["flips"] for each in shown} == {None}
    begun = (await api("analyst", START, input={"kind": "GAP", "analysisId": id})).data["startExplanation"][
        "id"
    ]
    options = (await api("viewer", GAP, id=begun)).data["explanation"]["options"]
    pair = furthest_apart(stored["good"].report)
    assert (options["attribute"], options["group"], options["reference"]) == (
        pair.attribute,
        pair.lowest,
        pair.highest,
    )


@pytest.mark.parametrize(
    ("of", "given", "code", "at", "said"),
    [
        (
            "waiting",
            {},
            "CONFLICT",
            None,
            "the analysis is queued; a gap takes its groups from one that is completed",
        ),
        (
            "nothing",
            {},
            "BAD_INPUT",
            "input.options.attribute",
            "no two groups to compare; name the attribute",
        ),
        (
            "good",
            {"options": {"attribute": "rac"}},
            "BAD_INPUT",
            "input.options.attribute",
            "did you mean 'race'?",
        ),
        (
            "good",
            {"options": {"sampleRows": 3}},
            "BAD_INPUT",
            "input.options.sampleRows",
            "[4, 1000000], got 3",
        ),
        ("good", {"kind": "SHAP"}, "BAD_INPUT", "input.options.rows", "explains single rows"),
        (
            "good",
            {"modelId": global_id("Model", UUID(int=1))},
            "BAD_INPUT",
            "input.modelId",
            "of another model",
        ),
        (None, {}, "BAD_INPUT", "input.modelId", "name the model, or an analysis to take it from"),
    ],
)
async def test_what_cannot_be_taken_from_an_analysis_is_refused_at_once(
    api, stored, of, given, code, at, said
):
    asked = {"kind": "GAP"} | given
    if of is not None:
        asked["analysisId"] = global_id("Analysis", stored[of].id)
    answer = await api("analyst", START, input=asked)
    assert answer.code == code, answer
    assert said in answer.errors[0]["message"]
    assert answer.errors[0]["extensions"].get("argument") == at
