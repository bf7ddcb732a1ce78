"""GraphiQL in a real browser: offline, under its policy, from the sign-in to the end of a live subscription."""

import json
import os
import re
import shutil
from pathlib import Path

from tests.builders import PASSWORD
from tests.dashboard.conftest import ROOT, missing

DIST = ROOT / "dashboard" / "dist" / "graphiql.html"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
STARTERS = ROOT / "dashboard" / "src" / "graphiql" / "starters.ts"


def starters() -> dict[str, str]:
    """The documents that a newcomer finds, by the name of their operation."""
    documents = re.findall(r"const \w+ = `(.*?)`;", STARTERS.read_text(), re.DOTALL)
    return {re.search(r"^(?:query|mutation|subscription) (\w+)", text, re.M)[1]: text for text in documents}


def size(file: Path) -> int:
    return file.stat().st_size


async def test_what_a_newcomer_finds_runs_in_order_and_ends_with_the_report(api, worker):
    documents = starters()
    assert list(documents) == ["WhoAmI", "WhatIsHere", "StartAnalysis", "FollowAnalysis", "ReadReport"]
    await api.model()
    await api.dataset()
    me = await api("analyst", documents["WhoAmI"])
    assert me.data["me"]["email"] == "analyst@example.org"
    here = (await api("analyst", documents["WhatIsHere"])).data
    asked = {
        "modelId": here["models"]["edges"][0]["node"]["id"],
        "datasetId": here["datasets"]["edges"][0]["node"]["id"],
        "type": "COMPREHENSIVE",
        "columns": {"label": "approved", "prediction": "predicted", "protected": ["race", "sex"]},
    }
    started = await api("analyst", documents["StartAnalysis"], input=asked)
    assert started.errors == []
    id = started.data["startAnalysis"]["id"]
    told = await api.all_events("analyst", documents["FollowAnalysis"], id=id)
    assert [answer.errors for answer in told] == [[]] * len(told)
    assert told[-1].data["analysisProgress"]["status"] == "COMPLETED"
    read = await api("analyst", documents["ReadReport"], id=id)
    assert read.errors == []
    assert read.data["analysis"]["report"]["verdict"] == "FAIL"


async def test_graphiql_runs_a_query_a_mutation_and_a_subscription_in_the_browser(
    node, api, worker, address, people, tmp_path
):
    if not DIST.exists():
        missing("the page", "run `make dashboard`")
    if shutil.which(CHROMIUM) is None:
        missing("a browser", "install chromium, or say where it is in CHROMIUM")
    documents = starters()
    asked = {
        "modelId": await api.model(),
        "datasetId": await api.dataset(),
        "type": "COMPREHENSIVE",
        "columns": {"label": "approved", "prediction": "predicted", "protected": ["race", "sex"]},
        "options": {"bootstrapSamples": 10_000},
    }
    (tmp_path / "documents.json").write_text(
        json.dumps(
            {
                "mutation": {"query": documents["StartAnalysis"], "variables": {"input": asked}},
                "subscription": {
                    "query": documents["FollowAnalysis"],
                    "variables": {"id": "$mutation.startAnalysis.id"},
                },
            }
        )
    )
    screenshot = Path(os.environ.get("SCREENSHOT", tmp_path / "graphiql.png"))
    email = people["analyst"].email
    said = await node(
        "graphiql.mjs",
        f"{address}/graphql",
        email,
        PASSWORD,
        str(tmp_path / "documents.json"),
        str(screenshot),
        seconds=180,
        CHROMIUM=CHROMIUM,
    )
    (report,) = said.lines
    assert report["ok"], json.dumps(report, indent=1)
    assert report["foreign"] == report["violations"] == report["console"] == []
    assert report["checks"]["subscription"]["last"]["analysisProgress"]["status"] == "COMPLETED"
    assert size(screenshot) > 10_000
