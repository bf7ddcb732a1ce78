"""A model trained again under a constraint through the API: from a failing finding to a new version that can be used."""

import io
import json

import numpy as np
import pandas as pd
import skops.io
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from tests import models
from tests.api.test_model_files import read

START = """mutation ($input: NewMitigationInput!, $key: String) {
  startMitigation(input: $input, idempotencyKey: $key) { id status versionName }
}"""
MITIGATION = """query ($id: ID!) { mitigation(id: $id) {
  status error message versionName
  options { label attribute constraint candidates seed }
  model { id } dataset { id } analysis { id }
  version { id name version description owner { email } features artifact { id status format sha256 bytes signature { kind } } }
  report {
    summary constraint metric attribute label favorable changed notes
    rows { training selection heldOut noLabel noGroup smallGroups notDrawn }
    before { ...Measures } retrained { ...Measures } mitigated { ...Measures }
    candidates { number gap accuracy chosen }
  }
} }
fragment Measures on MitigationMeasures {
  gap gapInterval { low high } accuracy accuracyInterval { low high } selectionRate groups { group rows selectionRate }
}"""
ANALYSIS = """query ($id: ID!) { analysis(id: $id) { status error report { recommendations { title text settings proposal { mutation variables } } } } }"""
PROGRESS = "subscription ($id: ID!) { progress(id: $id) { subject subjectId status stage message fraction } }"
FOLLOW = """subscription ($id: ID!) { mitigationProgress(id: $id) {
  subject subjectId status message candidate { number gap accuracy chosen }
} }"""
LISTED = """query ($model: ID!, $analysis: ID!) {
  mitigations(first: 1, filter: { modelId: $model, status: COMPLETED }, order: OLDEST_FIRST) { ...Those }
  none: mitigations(filter: { modelId: $model, status: FAILED }) { ...Those }
  model(id: $model) { mitigations(order: OLDEST_FIRST) { ...Those } }
  analysis(id: $analysis) { mitigations { ...Those } }
}
fragment Those on MitigationConnection { totalCount edges { node { id version { id } } } }"""
DELETE = "mutation ($id: ID!) { deleteMitigation(id: $id) { deleted message } }"
DELETE_MODEL = "mutation ($id: ID!) { deleteModel(id: $id) { deleted archived } }"
PREDICT = """mutation ($model: ID!) { predict(modelId: $model, rows: [{values: [{feature: "pay", value: "2"},
  {feature: "skill", value: "1"}, {feature: "town", value: "Oslo"}]}]) { status error answers { prediction } } }"""


def people() -> pd.DataFrame:
    """Who is hired follows from skill and from pay, which is a proxy of sex."""
    draw = np.random.default_rng(3)
    rows = pd.DataFrame({"sex": draw.choice(["f", "m"], 600), "town": draw.choice(["Oslo", "Rome"], 600)})
    rows["skill"] = draw.normal(size=600).round(3)
    rows["pay"] = (draw.normal(size=600) + 2 * (rows.sex == "m")).round(3)
    rows["hired"] = (rows.skill + rows.pay - 1 + draw.normal(size=600) * 0.5 > 0).astype(int)
    return rows


def file(rows: pd.DataFrame) -> bytes:
    encode = make_column_transformer((StandardScaler(), ["pay", "skill"]), (OneHotEncoder(), ["town"]))
    with threadpool_limits(1):
        model = make_pipeline(encode, LogisticRegression()).fit(rows[["pay", "skill", "town"]], rows.hired)
    out = io.BytesIO()
    skops.io.dump(model, out)
    return out.getvalue()


async def test_a_failing_finding_leads_to_a_new_version_that_can_be_used(api, worker):
    rows = people()
    model, dataset = await api.model(), await api.dataset(content=rows.to_csv(index=False))
    assert (await read(api, file(rows), modelId=model))["status"] == "COMPLETED"
    columns = {"label": "hired", "protected": ["sex"]}
    analysis = (await api.start(model, dataset, columns=columns, useModel=True)).data["startAnalysis"]["id"]
    found = await api.until_ended("analyst", ANALYSIS, analysis)
    advised = {each["title"]: each for each in found["report"]["recommendations"]}
    offer = advised["Train the model again for sex"]
    assert "startMitigation" in offer["text"]
    assert {"attribute: sex", "label: hired", "favorable: 1"} < set(offer["settings"])
    asked = await proposed(api, offer["proposal"], model, dataset, analysis)
    options = asked["options"] | {
        "constraint": "DEMOGRAPHIC_PARITY",
        "candidates": 9,
        "bootstrapSamples": 100,
    }
    asked |= {"options": options}
    started = (await api("analyst", START, input=asked, key="once")).data["startMitigation"]
    assert (started["status"], started["versionName"]) == ("QUEUED", "1 mitigated")
    assert (await api("analyst", START, input=asked, key="once")).data["startMitigation"]["id"] == started[
        "id"
    ]
    other = asked | {"options": options | {"seed": 1}}
    assert (await api("analyst", START, input=other, key="once")).code == "CONFLICT"
    events = await api.all_events("viewer", FOLLOW, id=started["id"])
    made = await api.until_ended("viewer", MITIGATION, started["id"])
    assert (made["status"], made["error"]) == ("COMPLETED", None)
    told([each.data["mitigationProgress"] for each in events], started["id"], made["report"])
    assert made["options"] == {
        "label": "hired",
        "attribute": "sex",
        "constraint": "DEMOGRAPHIC_PARITY",
        "candidates": 9,
        "seed": 0,
    }
    assert (made["model"]["id"], made["dataset"]["id"], made["analysis"]["id"]) == (model, dataset, analysis)
    report = made["report"]
    assert (report["metric"], report["favorable"]) == ("DEMOGRAPHIC_PARITY_DIFFERENCE", "1")
    assert report["mitigated"]["gap"] < min(report["before"]["gap"], report["retrained"]["gap"]) - 0.05
    assert report["mitigated"]["gapInterval"]["low"] <= report["mitigated"]["gap"]
    held = report["rows"]["heldOut"]
    assert sum(each["rows"] for each in report["mitigated"]["groups"]) == held
    assert report["rows"]["training"] + report["rows"]["selection"] + held == 600
    assert sum(each["chosen"] for each in report["candidates"]) == 1

    version = made["version"]
    await used(api, version)
    taken = await api("analyst", offer["proposal"]["mutation"], input=asked)
    assert (taken.code, "name another version" in taken.errors[0]["message"]) == ("CONFLICT", True)
    listed = (await api("viewer", LISTED, model=model, analysis=analysis)).data
    one = {"totalCount": 1, "edges": [{"node": {"id": started["id"], "version": {"id": version["id"]}}}]}
    lists = listed["mitigations"], listed["model"]["mitigations"], listed["analysis"]["mitigations"]
    assert (lists, listed["none"]) == ((one, one, one), {"totalCount": 0, "edges": []})
    assert (await api("admin", DELETE_MODEL, id=model)).data["deleteModel"] == {
        "deleted": False,
        "archived": True,
    }
    # a job that finds too little says so in words, and makes nothing
    few = asked | {"version": "3", "options": options | {"minGroupSize": 500}}
    failed = (await api("analyst", START, input=few)).data["startMitigation"]["id"]
    ended = await api.until_ended("analyst", MITIGATION, failed)
    assert (ended["status"], ended["version"]) == ("FAILED", None)
    assert "two groups of sex must have 500 held-out rows" in ended["error"]
    for id in (started["id"], failed):
        assert (await api("analyst", DELETE, id=id)).data["deleteMitigation"]["deleted"]
    assert (await api("admin", DELETE_MODEL, id=version["id"])).data["deleteModel"]["deleted"]

    await refused_at_once(api, asked, analysis)


async def proposed(api, proposal, *ids) -> dict:
    """What there is to send can be sent, by those who may."""
    variables = json.loads(proposal["variables"])
    assert (await api("viewer", proposal["mutation"], **variables)).code == "FORBIDDEN"
    asked = variables["input"]
    assert (asked["modelId"], asked["datasetId"], asked["analysisId"]) == ids
    return asked


def told(events, id, report) -> None:
    """Each candidate comes as it is trained, and the chosen one once more."""
    assert {(event["subject"], event["subjectId"]) for event in events} == {("MITIGATION", id)}
    *curve, chosen = [event["candidate"] for event in events if event["candidate"] is not None]
    assert curve == [each | {"chosen": False} for each in report["candidates"]]
    assert [chosen] == [each for each in report["candidates"] if each["chosen"]]
    assert (events[-1]["status"], events[-1]["message"]) == ("COMPLETED", report["summary"])


async def refused_at_once(api, asked, analysis) -> None:
    """What cannot work is refused in words, before any job."""
    options = asked["options"]
    trees = await api.model(name="trees")
    assert (await read(api, models.classifier(), modelId=trees))["status"] == "COMPLETED"
    for given, said in (
        ({"modelId": trees}, "only scikit-learn models can be trained again"),
        ({"options": options | {"label": "hird"}}, "did you mean 'hired'"),
        ({"options": options | {"attribute": "gender"}}, "no column 'gender'"),
        ({"options": options | {"favorable": "good"}}, "no class 'good'"),
        ({"options": options | {"label": "pay"}}, "the model looks at 'pay'"),
        ({"options": options | {"candidates": 1}}, "candidates must lie in [3, 201]"),
        ({"modelId": trees, "analysisId": analysis}, "the analysis is of another model"),
    ):
        refused = await api("analyst", START, input=asked | {"analysisId": None, "version": "4"} | given)
        assert (refused.code, said in refused.errors[0]["message"]) == ("BAD_INPUT", True), refused
    assert (await api("viewer", START, input=asked)).code == "FORBIDDEN"


async def used(api, version) -> None:
    """The new version is as any other model with a file."""
    assert (version["name"], version["version"]) == ("approver", "1 mitigated")
    assert version["owner"]["email"] == api.people["analyst"].email
    assert version["features"] == ["pay", "skill", "town"]
    assert (version["artifact"]["status"], version["artifact"]["format"]) == ("COMPLETED", "SKOPS")
    assert version["artifact"]["signature"]["kind"].endswith("LogisticRegression")
    answer = (await api("analyst", PREDICT, model=version["id"])).data["predict"]
    assert (answer["status"], answer["answers"]) == ("COMPLETED", [{"prediction": "1"}]), answer
    follows = [
        each.data["progress"]["status"]
        for each in await api.all_events("viewer", PROGRESS, id=version["artifact"]["id"])
    ]
    assert follows == ["COMPLETED"]
