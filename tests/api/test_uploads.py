"""A file on its way in: every format and both ways, and what happens to a file that is wrong."""

import asyncio
import gzip
import hashlib
import io
import json
import multiprocessing.util
import pickle
import tempfile
import time
import zipfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import db.tables as t
from app.settings import Settings
from auth.tokens import UPLOAD, Tokens
from tests.builders import LOANS
from tests.client import DATASET, TICKET
from tests.conftest import SECRET

SEND = """mutation ($file: Upload!, $input: NewDatasetInput!, $key: String) {
  uploadDataset(file: $file, input: $input, idempotencyKey: $key) { id status bytes sha256 }
}"""
READ = """query ($id: ID!) { dataset(id: $id) {
  status error rows format columns { name type nulls distinct } notes preview bytes sha256
} }"""
TICKET_WITH_KEY = """mutation ($input: NewDatasetInput!, $key: String) {
  requestDatasetUpload(input: $input, idempotencyKey: $key) { path maxBytes expiresAt }
}"""
CANCEL = "mutation ($id: ID!) { cancelDataset(id: $id) { id status } }"
DELETE = "mutation ($id: ID!) { deleteDataset(id: $id) { deleted } }"
TABLE = pyarrow.csv.read_csv(io.BytesIO(LOANS.encode()))
PREFLIGHT = {"graphql-require-preflight": "1"}


@pytest.fixture(autouse=True)
def scratch(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test's processes put temporary files, in a path short enough for a socket.

    `tmp_path` is asked for first: pytest would else keep its own files in here.
    """
    folder = place / uuid4().hex[:8]
    folder.mkdir()
    multiprocessing.util.get_temp_dir()  # is made once a process and gone with it: not in here
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def kept(settings: Settings, scratch: Path) -> Callable[[], list[str]]:
    """Every file below the data path as `<folder>/<suffix>`, and every temporary one."""

    def listed() -> list[str]:
        data = Path(str(settings.data_path))
        found = [path.relative_to(data) for path in data.rglob("*") if path.is_file()]
        passing = [f"scratch/{path.name}" for path in scratch.rglob("*") if path.is_file()]
        return sorted([f"{path.parts[0]}/{_ending(path)}" for path in found] + passing)

    return listed


def _ending(path: Path) -> str:
    return path.name if path.parts[0] == "scratch" else path.suffix


@pytest.fixture
def settles(kept: Callable[[], list[str]]) -> Callable[..., Awaitable[None]]:
    """Wait until exactly this is left: what is no longer needed goes a moment after the row says so."""

    async def wait(*names: str) -> None:
        try:
            await until(lambda: kept() == sorted(names))
        except TimeoutError:
            raise AssertionError(f"left: {kept()}, expected {sorted(names)}") from None

    return wait


async def until(true: Callable[[], object], seconds: float = 10) -> None:
    """Look again and again until it is so."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110  # files have no event
            await asyncio.sleep(0.05)


def parquet(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def jsonl(table: pa.Table) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in table.to_pylist())


def form(content: bytes, *, name: str = "loans.csv", key: str | None = None, **given: object) -> dict:
    """A request of the GraphQL multipart request specification, as httpx takes it."""
    variables = {"file": None, "input": {"name": "loans"} | given, "key": key}
    return {
        "data": {
            "operations": json.dumps({"query": SEND, "variables": variables}),
            "map": json.dumps({"0": ["variables.file"]}),
        },
        "files": {"0": (name, content)},
    }


def as_person(api, who: str) -> dict[str, str]:
    return {"authorization": f"Bearer {api.people[who].token}"}


async def path_for(api, who: str = "analyst", **given: object) -> str:
    answer = await api(who, TICKET, input={"name": "loans"} | given)
    return answer.data["requestDatasetUpload"]["path"]


async def test_every_format_is_read_into_the_same_table(api, worker, kept):
    """CSV, TSV, JSON Lines and Parquet, plain and packed, by PUT."""
    files = {
        "CSV": LOANS.encode(),
        "TSV": LOANS.replace(",", "\t").encode(),
        "JSONL": jsonl(TABLE),
        "PARQUET": parquet(TABLE),
    }
    contents = {
        (kind, packed): gzip.compress(c) if packed else c for kind, c in files.items() for packed in (0, 1)
    }
    ids = {key: (await api.upload(content=content)).json()["id"] for key, content in contents.items()}
    for (kind, packed), id in ids.items():
        await api.until_ended("analyst", DATASET, id)
        read = (await api("analyst", READ, id=id)).data["dataset"]
        assert (read["status"], read["error"], read["rows"], read["format"]) == ("COMPLETED", None, 360, kind)
        assert [(c["name"], c["type"], c["distinct"]) for c in read["columns"]] == [
            ("race", "STRING", 2),
            ("sex", "STRING", 2),
            ("approved", "INTEGER", 2),
            ("predicted", "INTEGER", 2),
        ], (kind, packed)
        assert read["preview"][0] == ["white", "f", "1", "1"]
        assert read["sha256"] == hashlib.sha256(contents[kind, packed]).hexdigest()
        assert read["bytes"] == len(contents[kind, packed])
    await until(lambda: set(kept()) == {"datasets/.parquet"} and len(kept()) <= len(files))


async def test_a_file_sent_along_with_the_mutation_is_read(api, worker, settles):
    response = await api.http.post(
        "/graphql", **form(LOANS.encode()), headers=as_person(api, "analyst") | PREFLIGHT
    )
    assert response.status_code == 200, response.text
    sent = response.json()["data"]["uploadDataset"]
    assert (sent["status"], sent["bytes"]) == ("QUEUED", len(LOANS))
    assert sent["sha256"] == hashlib.sha256(LOANS.encode()).hexdigest()
    assert (await api.until_ended("analyst", DATASET, sent["id"]))["rows"] == 360
    await settles("datasets/.parquet")


async def test_a_form_without_the_preflight_header_does_nothing(api, settles):
    response = await api.http.post("/graphql", **form(LOANS.encode()), headers=as_person(api, "analyst"))
    assert response.status_code == 400
    assert "graphql-require-preflight" in response.json()["errors"][0]["message"]
    listed = await api("analyst", "{ datasets { totalCount } }")
    assert listed.data["datasets"]["totalCount"] == 0
    await settles()


async def test_a_form_of_a_stranger_is_refused_before_it_is_taken_in(api):
    taken = 0

    async def body():
        nonlocal taken
        for _ in range(50):
            taken += 1
            yield b"--x\r\n" * 1000

    headers = PREFLIGHT | {"content-type": "multipart/form-data; boundary=x"}
    response = await api.http.post("/graphql", content=body(), headers=headers)
    assert response.status_code == 401
    assert response.json()["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}


MISFITS = [
    ("not json", '{"0": ["variables.file"]}'),
    ('{"query": "{ me { id } }"}', '{"0": ["variables.file"]}'),
    ('{"query": "{ me { id } }", "variables": {"file": []}}', '{"0": ["variables.file.x"]}'),
    ('{"query": "{ me { id } }", "variables": {"file": []}}', '{"0": ["variables.file.7"]}'),
    ('{"query": "{ me { id } }", "variables": {"file": null}}', '{"0": 7}'),
    ('{"query": "{ me { id } }", "variables": {"file": null}}', '{"0": [7]}'),
    ('{"query": "{ me { id } }"}', '["variables.file"]'),
    ('{"query": "{ me { id } }"}', '{"missing": ["variables.file"]}'),
    ('"text"', '{"0": ["variables.file"]}'),
    ("[[[]]]", "{}"),
    ('{"query": "{ me { id } }", "variables": ' + '{"a":' * 900 + "1" + "}" * 900 + "}", "{}"),
]


async def test_a_form_whose_parts_do_not_fit_is_a_bad_request(api):
    for operations, files_map in MISFITS:
        response = await api.http.post(
            "/graphql",
            data={"operations": operations, "map": files_map},
            files={"0": ("a.csv", b"a\n1\n")},
            headers=as_person(api, "analyst") | PREFLIGHT,
        )
        assert response.status_code == 400, (operations[:80], files_map, response.text)
        assert response.json()["errors"][0]["extensions"]["code"] == "BAD_INPUT"


async def test_one_form_brings_one_file(api):
    """A thousand small parts would each be held in memory."""
    parts = {str(n): (f"{n}.csv", b"a\n1\n") for n in range(3)}
    given = form(b"")
    response = await api.http.post(
        "/graphql", data=given["data"], files=parts, headers=as_person(api, "analyst") | PREFLIGHT
    )
    assert response.status_code == 400 and "Too many files" in response.text


async def test_a_text_where_a_file_belongs_is_refused_in_words(api):
    answer = await api("analyst", SEND, file="race,sex", input={"name": "loans"})
    assert answer.code == "BAD_INPUT" and answer.errors[0]["extensions"]["argument"] == "file"


WIDE = ",".join(f"c{n}" for n in range(10_000)) + "\n" + ",".join("1" * 10_000) + "\n"


def zipped(name: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, "x" * 100)
    return out.getvalue()


def random_rows(count: int) -> bytes:
    return b"a,b\n" + b"".join(hashlib.sha256(b"%d" % n).hexdigest().encode() + b",1\n" for n in range(count))


HOSTILE = {
    "gzip bomb": (lambda: gzip.compress(b"a,b\n" + b"0,0\n" * 16_000_000, 1), "unpacks to more than"),
    "ragged": (lambda: b"a,b\n1,2\n3\n", "line 3 has 1 field"),
    "Latin-1": (lambda: "name,b\nJosé,2\n".encode("latin-1"), "UTF-8"),
    "duplicate headers": (lambda: b"race,race\n1,2\n", "race"),
    "NUL": (lambda: b"a,b\n1,\x002\n", "NUL"),
    "10,000 columns": (lambda: WIDE.encode(), "at most 2000"),
    "cut off gzip": (lambda: gzip.compress(random_rows(500))[:-200], "cut off"),
    "cut off Parquet": (lambda: parquet(TABLE)[:-40], ""),
    "pickle": (lambda: pickle.dumps({"a": [1, 2]}), "pickle"),
    "old pickle": (lambda: pickle.dumps(["x"], protocol=0), ""),
    "zip": (lambda: zipped("table.csv"), "zip archive"),
    "Excel": (lambda: zipped("xl/workbook.xml"), "Excel workbook"),
    "only a header": (lambda: b"a,b\n", ""),
    "blank": (lambda: b"\n\n", "empty"),
}


async def test_a_bad_file_fails_with_one_message_and_leaves_nothing(api, worker, caplog, settles):
    ids = {what: (await api.upload(content=make())).json()["id"] for what, (make, _) in HOSTILE.items()}
    for what, (_, words) in HOSTILE.items():
        ended = await api.until_ended("analyst", DATASET, ids[what])
        assert ended["status"] == "FAILED", what
        assert words in ended["error"] and "\n" not in ended["error"] and len(ended["error"]) < 250, what
        assert "/" not in ended["error"].replace("n/a", ""), (what, ended["error"])
    await settles()
    assert (await api.http.get("/health")).status_code == 200
    assert (await api("analyst", "{ me { id } }")).errors == []
    assert [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []


@pytest.fixture
def small(settings: Settings) -> Iterator[None]:
    """Files may have 1 MiB only; to be asked for before the server."""
    object.__setattr__(settings, "max_file_size", 1 << 20)
    return


async def pieces(count: int):
    for _ in range(count):
        yield b"a" * 1024


async def test_a_file_over_the_limit_is_refused_by_its_announced_length(small, api, settles):
    response = await api.http.put(await path_for(api), content=b"a" * ((1 << 20) + 1))
    assert response.status_code == 413
    assert response.json()["errors"][0]["extensions"] == {"code": "LIMIT_EXCEEDED"}
    await settles()


async def test_a_file_over_the_limit_is_refused_while_it_streams(small, api, settles):
    response = await api.http.put(await path_for(api), content=pieces(1100))
    assert response.status_code == 413
    assert response.json()["errors"][0]["extensions"] == {"code": "LIMIT_EXCEEDED"}
    await settles()


async def test_a_file_over_the_limit_is_refused_in_a_form(small, api, settles):
    headers = as_person(api, "analyst") | PREFLIGHT
    slightly = await api.http.post("/graphql", **form(b"a" * ((1 << 20) + 1)), headers=headers)
    assert slightly.json()["errors"][0]["extensions"]["code"] == "LIMIT_EXCEEDED"
    by_far = await api.http.post("/graphql", **form(b"a" * (3 << 20)), headers=headers)
    assert by_far.status_code == 413
    assert by_far.json()["errors"][0]["extensions"]["code"] == "LIMIT_EXCEEDED"
    await settles()


async def test_a_file_of_exactly_the_limit_is_taken(small, api):
    response = await api.http.put(await path_for(api), content=b"a" * (1 << 20))
    assert response.status_code == 201


async def test_a_client_that_leaves_in_the_middle_leaves_nothing(api, address, kept, settles):
    host, port = address.removeprefix("http://").split(":")
    path = await path_for(api)
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"PUT {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3000000\r\n\r\n".encode())
    writer.write(b"a,b\n" * 500_000)
    await writer.drain()
    await until(lambda: any(name.startswith("incoming/") for name in kept()))
    writer.close()
    await settles()
    assert (await api("analyst", "{ datasets { totalCount } }")).data["datasets"]["totalCount"] == 0


async def test_an_address_serves_once(api, settles):
    path = await path_for(api)
    assert (await api.http.put(path, content=LOANS)).status_code == 201
    again = await api.http.put(path, content=LOANS)
    assert again.status_code == 409
    assert again.json()["errors"][0]["extensions"] == {"code": "CONFLICT"}
    await settles("datasets/.upload")


async def test_two_files_sent_to_one_address_at_once_make_one_whole_dataset(api, settles):
    path = await path_for(api)
    answers = await asyncio.gather(*(api.http.put(path, content=LOANS) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    await settles("datasets/.upload")


async def test_an_address_that_is_garbage_or_too_late_is_refused(api, people, settles):
    analyst = people["analyst"]
    content = {
        "upload": {
            "id": str(uuid4()),
            "name": "x",
            "description": "",
            "format": None,
            "idempotency_key": None,
        }
    }
    late, _ = Tokens(SECRET).sign(UPLOAD, analyst.user_id, analyst.organization_id, content, seconds=-5)
    forged, _ = Tokens("another secret which has more than 32 bytes").sign(
        UPLOAD, analyst.user_id, analyst.organization_id, content, seconds=60
    )
    for ticket in (late, forged, "garbage", "a.b.c", analyst.token, "x" * 20_000):
        response = await api.http.put(f"/uploads/{ticket}", content=LOANS)
        assert response.status_code == 401
        assert response.json()["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}
    await settles()


async def test_an_upload_address_opens_nothing_else(api, people):
    ticket = (await path_for(api)).removeprefix("/uploads/")
    response = await api.http.post(
        "/graphql", json={"query": "{ me { id } }"}, headers={"authorization": f"Bearer {ticket}"}
    )
    assert response.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_an_address_of_a_person_who_may_no_longer_write_is_refused(api, people, database, settles):
    path = await path_for(api)
    async with database.write(people["analyst"].scope) as session:
        user = await session.get_one(t.User, people["analyst"].user_id)
        user.role = t.Role.VIEWER
    response = await api.http.put(path, content=LOANS)
    assert response.status_code == 403
    assert response.json()["errors"][0]["extensions"] == {"code": "FORBIDDEN"}
    await settles()


async def test_an_empty_file_is_refused_and_its_address_still_serves(api, settles):
    path = await path_for(api)
    empty = await api.http.put(path, content=b"")
    assert empty.status_code == 400 and "empty" in empty.json()["errors"][0]["message"]
    await settles()
    assert (await api.http.put(path, content=LOANS)).status_code == 201


async def test_a_description_too_long_for_an_address_is_refused_in_words(api):
    answer = await api("analyst", TICKET, input={"name": "loans", "description": "ü" * 9_000})
    assert answer.code == "BAD_INPUT"
    assert answer.errors[0]["extensions"]["argument"] == "input.description"
    longest = await path_for(api, name="n" * 200, description="d" * 4_000)
    assert (await api.http.put(longest, content=LOANS)).status_code == 201


async def test_an_idempotency_key_makes_one_dataset_of_two_uploads(api, settles):
    paths = []
    for _ in range(2):
        answer = await api("analyst", TICKET_WITH_KEY, input={"name": "loans"}, key="nightly")
        paths.append(answer.data["requestDatasetUpload"]["path"])
    first, second = [await api.http.put(path, content=LOANS) for path in paths]
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] == second.json()["id"]
    await settles("datasets/.upload")

    headers = as_person(api, "analyst") | PREFLIGHT
    third = await api.http.post("/graphql", **form(LOANS.encode(), key="nightly"), headers=headers)
    assert third.json()["data"]["uploadDataset"]["id"] == first.json()["id"]
    other = await api.http.post("/graphql", **form(b"a,b\n1,2\n", key="nightly"), headers=headers)
    assert other.json()["errors"][0]["extensions"]["code"] == "CONFLICT"
    await settles("datasets/.upload")


async def test_equal_content_is_stored_once_and_goes_with_its_last_dataset(api, worker, settles):
    first, second = await api.dataset(), await api.dataset(name="the same again")
    await settles("datasets/.parquet")
    assert (await api("analyst", DELETE, id=first)).data["deleteDataset"]["deleted"]
    await settles("datasets/.parquet")
    read = (await api("analyst", READ, id=second)).data["dataset"]
    assert read["rows"] == 360
    model = await api.model()
    assert (await api.start(model, second)).errors == []
    third = await api.dataset(name="and again")
    assert (await api("analyst", DELETE, id=third)).data["deleteDataset"]["deleted"]
    await settles("datasets/.parquet")


async def test_the_last_dataset_of_a_content_takes_it_along(api, worker, settles):
    only = await api.dataset()
    assert (await api("analyst", DELETE, id=only)).data["deleteDataset"]["deleted"]
    await settles()


async def test_a_dataset_cancelled_while_it_waits_leaves_nothing(api, settles):
    id = (await api.upload()).json()["id"]
    await settles("datasets/.upload")
    assert (await api("analyst", CANCEL, id=id)).data["cancelDataset"]["status"] == "CANCELLED"
    await settles()


async def test_a_dataset_cancelled_while_it_is_read_leaves_nothing(api, worker, kept, caplog, settles):
    """Some 40 MB of rows take a second or more to read, so that the cancel comes into the middle."""
    id = (await api.upload(content=random_rows(600_000))).json()["id"]
    await until(lambda: "scratch/table.parquet" in kept(), 30)
    asked = time.monotonic()
    assert (await api("analyst", CANCEL, id=id)).data["cancelDataset"]["status"] == "CANCELLED"
    await settles()
    assert time.monotonic() - asked < 5
    assert [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []


async def test_a_dataset_deleted_while_it_is_read_leaves_nothing(api, worker, kept, settles):
    id = (await api.upload(content=random_rows(600_000))).json()["id"]
    await until(lambda: "scratch/table.parquet" in kept(), 30)
    assert (await api("analyst", DELETE, id=id)).data["deleteDataset"]["deleted"]
    await settles()
