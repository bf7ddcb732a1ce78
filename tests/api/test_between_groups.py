"""What a model itself says of groups: decisions that change with an attribute alone, and what carries a gap."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from tests import models
from tests.api.test_model_files import read

FOLLOW = """subscription ($id: ID!) { analysisProgress(id: $id) {
  fraction finding { metric } flips { attribute flipRate } } }"""
FLIPS = """query ($id: ID!) { analysis(id: $id) { status error report {
  intersections { flips { flipRate } }
  attributes { attribute flips { attribute lookedAt summary unit explainedClass threshold rows rowsMissing flipped
    flipRate interval { low high } reason meanAbsoluteChange evaluations notes
    values { group value rows }
    pairs { fromGroup toGroup rows flipped gained lost flipRate interval { low high } meanChange }
    examples { row before after decisionBefore decisionAfter scoreBefore scoreAfter } } } } } }"""
REJUDGE = (
    "mutation ($id: ID!, $options: BiasOptionsInput!) { rejudgeAnalysis(id: $id, options: $options) { id } }"
)
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
    options = {"bands": [{"attribute": "age", "edges": [40]}], "seed": 3}
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
    assert (first["row"], first["before"], first["scoreBefore"], first["scoreAfter"]) == (
        place,
        rows.group[place],
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
