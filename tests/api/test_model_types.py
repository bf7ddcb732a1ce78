"""Types of objects in model files that an organization opens because its administrator allowed them."""

import io

import pandas as pd
import pytest
import skops.io
from sklearn.kernel_ridge import KernelRidge

from engine.models.skops_types import VETTED
from tests import models
from tests.api.test_model_files import ARTIFACT, SEND

pytestmark = pytest.mark.usefixtures("scratch")

VETTED_TYPES = "{ vettedTypes { name why allowed } }"
ALLOW = "mutation ($name: String!) { allowModelType(name: $name) { name why allowed } }"
DISALLOW = "mutation ($name: String!) { disallowModelType(name: $name) { name allowed } }"
PREDICT = """mutation ($model: ID!) {
  predict(modelId: $model, rows: [{values: [{feature: "age", value: "41"}, {feature: "income", value: "50"}]}]) { id }
}"""
ANSWERED = "query ($id: ID!) { node(id: $id) { ... on Prediction { status error answers { value } } } }"
RIDGE = "sklearn.kernel_ridge.KernelRidge"


def ridge() -> tuple[bytes, KernelRidge]:
    people, out = models.people(), io.BytesIO()
    model = KernelRidge().fit(people[models.FEATURES], people.repaid)
    skops.io.dump(model, out)
    return out.getvalue(), model


async def opened(api, who: str) -> list[str]:
    found = (await api(who, VETTED_TYPES)).data["vettedTypes"]
    assert [each["name"] for each in found] == list(VETTED)
    return [each["name"] for each in found if each["allowed"]]


async def test_a_vetted_type_is_opened_while_an_administrator_allows_it(api, worker):
    content, trained = ridge()
    given = {"model": {"name": "ridge", "type": "REGRESSION"}}
    sent = (await api.with_file("analyst", SEND, content, input=given, key=None)).data["uploadModel"]
    model = sent["model"]["id"]
    refused = await api.until_ended("analyst", ARTIFACT, sent["id"])
    assert refused["status"] == "FAILED"
    assert f"an administrator may allow for your organization: {RIDGE}" in refused["error"]

    assert await opened(api, "viewer") == []
    allowed = (await api("admin", ALLOW, name=RIDGE)).data["allowModelType"]
    assert allowed == {"name": RIDGE, "why": VETTED[RIDGE], "allowed": True}
    assert await opened(api, "viewer") == [RIDGE]
    assert await opened(api, "stranger") == []

    again = await api.with_file("analyst", SEND, content, input={"modelId": model}, key=None)
    read = await api.until_ended("analyst", ARTIFACT, again.data["uploadModel"]["id"])
    assert (read["status"], read["error"]) == ("COMPLETED", None)
    asked = (await api("analyst", PREDICT, model=model)).data["predict"]["id"]
    answer = (await api.until_ended("analyst", ANSWERED, asked))["answers"][0]
    assert answer["value"] == pytest.approx(
        float(trained.predict(pd.DataFrame({"age": [41], "income": [50]}))[0])
    )

    assert (await api("admin", DISALLOW, name=RIDGE)).data["disallowModelType"]["allowed"] is False
    assert await opened(api, "viewer") == []
    asked = (await api("analyst", PREDICT, model=model)).data["predict"]["id"]
    failed = await api.until_ended("analyst", ANSWERED, asked)
    assert failed["status"] == "FAILED"
    assert RIDGE in failed["error"]


async def test_types_are_allowed_one_beside_the_other_and_no_others_than_vetted_ones(api):
    first, second = list(VETTED)[:2]
    for name in (second, first, second):
        assert (await api("admin", ALLOW, name=name)).errors == []
    assert await opened(api, "admin") == [first, second]
    assert (await api("admin", DISALLOW, name=second)).errors == []
    assert await opened(api, "admin") == [first]
    refused = await api("admin", ALLOW, name="posix.system")
    assert (refused.code, refused.errors[0]["extensions"]["argument"]) == ("BAD_INPUT", "name")
    assert "no vetted type 'posix.system'" in refused.errors[0]["message"]
