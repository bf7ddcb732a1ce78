"""A file that must not come in, or cannot: wrong, too large, cut off, to a wrong address, or onto a full disk."""

import asyncio
import errno
import gzip
import io
import pickle
import tempfile
import zipfile
from collections.abc import Iterator
from uuid import uuid4

import pytest
from obstore.exceptions import GenericError
from structlog.testing import CapturingLogger

import db.tables as t
from app.settings import Settings
from auth.tokens import UPLOAD, Tokens
from db.blobs import Blobs
from tests.builders import LOANS
from tests.client import DATASET, TICKET
from tests.conftest import SECRET
from tests.uploads import PREFLIGHT, SEND, TABLE, form, parquet, path_for, random_rows
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("scratch")


async def test_a_form_without_the_preflight_header_does_nothing(api, settles):
    response = await api.http.post("/graphql", **form(LOANS.encode()), headers=api.headers("analyst"))
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
    assert taken <= 1  # the first piece comes along with the request itself


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
            headers=api.headers("analyst") | PREFLIGHT,
        )
        assert response.status_code == 400, (operations[:80], files_map, response.text)
        assert response.json()["errors"][0]["extensions"]["code"] == "BAD_INPUT"


async def test_one_form_brings_one_file(api):
    """A thousand small parts would each be held in memory."""
    parts = {str(n): (f"{n}.csv", b"a\n1\n") for n in range(3)}
    given = form(b"")
    response = await api.http.post(
        "/graphql", data=given["data"], files=parts, headers=api.headers("analyst") | PREFLIGHT
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
    headers = api.headers("analyst") | PREFLIGHT
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
    await eventually(lambda: any(name.startswith("incoming/") for name in kept()))
    writer.close()
    await settles()
    assert (await api("analyst", "{ datasets { totalCount } }")).data["datasets"]["totalCount"] == 0


NO_SUCH_ADDRESS = "this upload address is unknown, was used or has expired; ask for another one with requestDatasetUpload or requestModelUpload"


async def test_an_address_that_is_garbage_or_too_late_is_refused_in_the_same_words(api, people, settles):
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
        (error,) = response.json()["errors"]
        assert error == {"message": NO_SUCH_ADDRESS, "extensions": {"code": "UNAUTHENTICATED"}}
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


def no_room(*_: object) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


class FullDisk(io.FileIO):
    """A file on it: what is buffered is refused once more while closing."""

    write = no_room


@pytest.fixture
def full_incoming(monkeypatch: pytest.MonkeyPatch) -> None:
    made = tempfile.NamedTemporaryFile

    def opened(**given):
        file = made(**given)
        file.file.close()
        file.file = file._closer.file = io.BufferedWriter(FullDisk(file.name, "w"))
        return file

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", opened)


@pytest.fixture
def full_store(monkeypatch: pytest.MonkeyPatch) -> None:
    async def put_file(*_: object) -> None:
        raise GenericError("Unable to copy data to file: No space left on device (os error 28)")

    monkeypatch.setattr(Blobs, "put_file", put_file)


@pytest.fixture
def full_spool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "write", no_room)


FULL = {
    "message": "the server has no room left on its disk, so the file was not kept;"
    " tell its operator, then send it again",
    "extensions": {"code": "LIMIT_EXCEEDED"},
}


@pytest.mark.parametrize("full", ["full_incoming", "full_store"])
@pytest.mark.parametrize("content", [LOANS.encode(), b"a,b\n" * 1_000_000], ids=["small", "large"])
async def test_a_full_disk_is_told_in_words_and_leaves_nothing(
    api, full, content, request, monkeypatch, settles
):
    request.getfixturevalue(full)
    log = CapturingLogger()
    monkeypatch.setattr("resolvers.incoming.log", log)
    streamed = await api.http.put(await path_for(api), content=content)
    sent = await api.with_file("analyst", SEND, content, input={"name": "loans"})
    assert (streamed.status_code, streamed.json()) == (507, {"errors": [FULL]})
    assert (sent.errors[0]["message"], sent.code) == (FULL["message"], "LIMIT_EXCEEDED")
    assert [(call.method_name, *call.args) for call in log.calls] == [("error", "the disk is full")] * 2
    await settles()
    assert (await api("analyst", "{ datasets { totalCount } }")).data["datasets"]["totalCount"] == 0


async def test_a_disk_too_full_for_a_form_is_told_in_the_same_words(api, full_spool, settles):
    headers = api.headers("analyst") | PREFLIGHT
    response = await api.http.post("/graphql", **form(LOANS.encode()), headers=headers)
    assert (response.status_code, response.json()) == (507, {"errors": [FULL]})
    await settles()
