"""How long 100 MB of CSV take from the first byte sent to a dataset that is ready, and what that costs the server.

Run: `.venv/bin/python benchmarks/upload.py`. It starts a PostgreSQL of its own, a server and a worker, each a
process as `fairmind serve` has them, sends one seeded file by PUT and another by a multipart form, and prints the
seconds and the growth of the server's peak memory. It fails when either is over its limit.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pandas as pd

from auth.passwords import hashed
from db.embedded import EmbeddedServer
from db.migrate import migrate
from db.people import People

MEGABYTES, MOST_SECONDS, MOST_MIB = 100, 10.0, 64.0
EMAIL, PASSWORD = "bench@example.org", "a password for one hour"  # of a database that ends with us

SIGN_IN = "mutation ($e: String!, $p: String!) { signIn(email: $e, password: $p) { token } }"
TICKET = "mutation ($input: NewDatasetInput!) { requestDatasetUpload(input: $input) { path } }"
SEND = (
    "mutation ($file: Upload!, $input: NewDatasetInput!) { uploadDataset(file: $file, input: $input) { id } }"
)
LOOK = "query ($id: ID!) { dataset(id: $id) { status error rows startedAt finishedAt } }"


def write_csv(path: Path, seed: int) -> None:
    """Applications for loans: names of groups, whole numbers, money, scores, dates, free text, empty cells."""
    draw = np.random.default_rng(seed)
    wanted, rows = MEGABYTES * 1_000_000, 100_000
    with path.open("w") as file:
        while file.tell() < wanted:
            days = np.datetime64("2020-01-01") + draw.integers(0, 2000, rows).astype("timedelta64[D]")
            part = pd.DataFrame(
                {
                    "id": draw.integers(10**9, 10**10, rows),
                    "race": draw.choice(["white", "black", "asian", "other"], rows),
                    "sex": draw.choice(["female", "male"], rows),
                    "age": draw.integers(18, 90, rows),
                    "income": draw.normal(50_000, 20_000, rows).round(2),
                    "score": draw.random(rows),
                    "applied": days,
                    "purpose": draw.choice(["a car", "a house, used", 'the "other" one', ""], rows),
                    "married": draw.choice(["true", "false", ""], rows),
                    "approved": draw.integers(0, 2, rows),
                    "predicted": draw.integers(0, 2, rows),
                }
            )
            part.to_csv(file, index=False, header=file.tell() == 0)
        file.truncate(wanted)  # ends in the middle of a line, so:
    with path.open("rb+") as file:
        file.seek(-4096, os.SEEK_END)
        tail = file.read()
        file.truncate(wanted - len(tail) + tail.rindex(b"\n") + 1)


def memory(pid: int, name: str) -> float:
    """A figure of /proc/PID/status in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name + ":"))


def settled(pid: int) -> float:
    """What a process holds now; its peak is counted from here on, not from what starting it took."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return memory(pid, "VmRSS")


@contextlib.contextmanager
def running(place: Path) -> Iterator[tuple[httpx.Client, int]]:
    """A client that is signed in, and the pid of the server."""
    with EmbeddedServer(place / "pg") as server, socket.socket() as probe, contextlib.ExitStack() as stack:
        server.start()
        server.create_database("bench")
        url = server.url("bench")
        migrate(url)
        people = People(url)
        people.establish("Bench", EMAIL, "Bench", hashed(PASSWORD))
        people.close()
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        environment = os.environ | {
            "DATABASE_URL": url,
            "DATA_PATH": str(place / "data"),
            "PORT": str(port),
            "JWT_SECRET_KEY": "a secret for a benchmark, with 32 bytes",
            "LOG_LEVEL": "WARNING",
        }
        pids = []
        for command in ("http", "worker"):
            process = subprocess.Popen([sys.executable, "-m", "app", command], env=environment)  # noqa: S603
            stack.callback(process.wait, 20)
            stack.callback(process.terminate)
            pids.append(process.pid)
        client = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60))
        for _ in range(600):  # a minute
            with contextlib.suppress(httpx.TransportError):
                if client.get("/ready").status_code == 200:
                    break
            time.sleep(0.1)
        time.sleep(2)  # the worker's libraries
        token = ask(client, SIGN_IN, e=EMAIL, p=PASSWORD)["signIn"]["token"]
        client.headers["authorization"] = f"Bearer {token}"
        small = client.put(
            ask(client, TICKET, input={"name": "warm"})["requestDatasetUpload"]["path"], content=b"a\n1\n2\n"
        )
        wait(client, small.json()["id"])
        yield client, pids[0]


def ask(client: httpx.Client, document: str, **variables: object) -> dict:
    body = client.post("/graphql", json={"query": document, "variables": variables}).json()
    assert "errors" not in body, body
    return body["data"]


def wait(client: httpx.Client, id: str) -> dict:
    while (row := ask(client, LOOK, id=id)["dataset"])["status"] in ("QUEUED", "RUNNING"):
        time.sleep(0.05)
    assert row["status"] == "COMPLETED", row
    return row


def by_put(client: httpx.Client, file: Path) -> str:
    path = ask(client, TICKET, input={"name": file.name})["requestDatasetUpload"]["path"]
    with file.open("rb") as content:
        answer = client.put(path, content=content)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def by_form(client: httpx.Client, file: Path) -> str:
    operations = f'{{"query": "{SEND}", "variables": {{"file": null, "input": {{"name": "{file.name}"}}}}}}'
    with file.open("rb") as content:
        answer = client.post(
            "/graphql",
            data={"operations": operations, "map": '{"0": ["variables.file"]}'},
            files={"0": content},
            headers={"graphql-require-preflight": "1"},
        ).json()
    assert "errors" not in answer, answer
    return answer["data"]["uploadDataset"]["id"]


def main() -> int:
    place = Path(tempfile.mkdtemp(prefix="fm-", dir="/tmp"))  # short, and open to PostgreSQL's user
    place.chmod(0o711)
    good = True
    try:
        with running(place) as (client, pid):
            for seed, (name, send) in enumerate({"PUT": by_put, "form": by_form}.items()):
                file = place / f"{name}.csv"
                write_csv(file, seed)
                before = settled(pid)
                started = time.perf_counter()
                id = send(client, file)
                sent = time.perf_counter() - started
                row = wait(client, id)
                total = time.perf_counter() - started
                added = memory(pid, "VmHWM") - before
                good = good and total < MOST_SECONDS and added < MOST_MIB
                print(
                    f"{name}: {file.stat().st_size / 1e6:.0f} MB of CSV, {row['rows']:,} rows:"
                    f" ready in {total:.1f} s (sent in {sent:.1f} s);"
                    f" server {before:.0f} MiB before, {added:+.1f} MiB at its peak"
                )
    finally:
        shutil.rmtree(place, ignore_errors=True)
    print(f"limits: {MOST_SECONDS:.0f} s and {MOST_MIB:.0f} MiB: {'held' if good else 'NOT HELD'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
