"""What the processes write down: enough to find an error again, and nothing that people stored or typed."""

import asyncio
import json
from pathlib import Path

import httpx

from tests.app.conftest import answering
from tests.builders import LOANS, PASSWORD
from tests.client import ANALYSIS, DATASET, Api
from tests.waiting import eventually

SERVER = """
import sys
import resolvers.identity
from app.cli import main

async def explode(*_):
    raise RuntimeError("canaryinner of the database")

resolvers.identity.organization_of = explode
sys.argv = ["fairmind", "http"]
main()
"""
WORKER = ["-m", "app", "worker"]
SIGN_IN = "mutation ($e: String!, $p: String!) { signIn(email: $e, password: $p) { token viewer { email } } }"
CANARIES = ("canary", "viewer@", "analyst@", "nobody@", PASSWORD, "eyJ")
"""No cell, name, password, e-mail address or token (all begin with `eyJ`), whatever was asked."""


async def walk(api: Api) -> None:
    """The main job, and everything that can go wrong on its way, with canaries in all that is sent."""
    for password in (PASSWORD, "canarypassword"):
        for email in ("analyst@example.org", "nobody@canary.example"):
            await api(None, SIGN_IN, e=email, p=password)
    model = await api.model(name="canaryname", description="canarytext")
    cells = LOANS.replace("white", "canarycell")
    dataset = (await api.upload(content=cells, name="canaryfile")).json()["id"]
    assert (await api.until_ended("analyst", DATASET, dataset))["status"] == "COMPLETED"
    started = (await api.start(model, dataset)).data["startAnalysis"]["id"]
    assert (await api.until_ended("analyst", ANALYSIS, started))["status"] == "COMPLETED"
    for bad in ("canarya,b\n1\n", "canarya,canarya\n1,2\n", "\x00canary"):
        id = (await api.upload(content=bad)).json()["id"]
        assert (await api.until_ended("analyst", DATASET, id))["status"] == "FAILED"
    columns = {"label": "canarylabel", "prediction": "predicted", "protected": ["race"]}
    assert (await api.start(model, dataset, columns=columns)).code == "BAD_INPUT"
    columns = {
        "label": "approved",
        "prediction": "predicted",
        "protected": ["race"],
        "favorable": "canaryvalue",
    }
    wrong = (await api.start(model, dataset, columns=columns)).data["startAnalysis"]["id"]
    assert (await api.until_ended("analyst", ANALYSIS, wrong))["status"] == "FAILED"
    await api("analyst", "{ canaryfield }")
    await api("analyst", ANALYSIS, id="canaryid")
    await api("analyst", ANALYSIS, id=["canaryid"])
    await api.http.put("/uploads/canaryticket", content="canary")
    await api.http.get("/canarypath?canary=1", headers={"authorization": "Bearer canarytoken"})
    failed = await api("viewer", "{ organization { name } }")
    assert failed.code == "INTERNAL" and "canaryinner" not in str(failed)


async def test_a_whole_main_job_leaves_nothing_of_its_content_in_the_logs(started, people, tmp_path, port):
    logs = {"server": tmp_path / "server.log", "worker": tmp_path / "worker.log"}
    ports = {"PORT": str(port), "LOG_LEVEL": "INFO"}
    started(["-c", SERVER], logs["server"], **ports)
    started(WORKER, logs["worker"], **ports)
    base = f"http://127.0.0.1:{port}"
    await asyncio.to_thread(answering, f"{base}/ready")
    async with httpx.AsyncClient(base_url=base, timeout=60) as http:
        await walk(Api(http, people))

    # a request's own line is written when its answer is gone
    await eventually(lambda: '"event": "request"' in logs["server"].read_text().splitlines()[-1])
    written = {name: log.read_text() for name, log in logs.items()}
    for canary in CANARIES:
        assert canary not in written["server"], lines_with(written["server"], canary)
        assert canary not in written["worker"], lines_with(written["worker"], canary)
    entries = [json.loads(line) for line in written["server"].splitlines()]
    assert all({"event", "level", "timestamp"} <= entry.keys() for entry in entries)
    requests = [entry for entry in entries if entry["event"] == "request"]
    assert {entry["path"] for entry in requests} == {"/graphql", "/uploads", "/ready", "other"}
    assert all(len(entry["request_id"]) == 32 for entry in requests)
    (error,) = [entry for entry in entries if entry["level"] == "error"]
    assert error["exception"] == "RuntimeError" and error["path"] == "organization"
    assert error["request_id"] in {entry["request_id"] for entry in requests}
    assert any("explode" in frame for frame in error["frames"])


def lines_with(text: str, canary: str) -> list[str]:
    return [line for line in text.splitlines() if canary in line]


async def test_metrics_are_served_where_they_are_asked_for(started, tmp_path: Path, port, url):
    metrics = port - 1 if port > 40_000 else port + 1
    started(
        ["-m", "app", "http"],
        tmp_path / "log",
        PORT=str(port),
        ENABLE_METRICS="true",
        METRICS_PORT=str(metrics),
    )
    answering(f"http://127.0.0.1:{port}/ready")

    def shown() -> str:
        return answering(f"http://127.0.0.1:{metrics}/metrics").decode()

    ready = 'fairmind_requests_total{method="GET",path="/ready",status="200"} '
    await eventually(lambda: ready in shown())  # a request is counted when its answer is gone
    assert "fairmind_request_seconds_bucket" in shown() and "fairmind_followers 0.0" in shown()
