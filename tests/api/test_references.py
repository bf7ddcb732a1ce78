"""Datasets by reference: parts that stay where they are, in folders that the operator allows and nowhere else."""

import os

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import pytest_asyncio

from tests.builders import LOANS
from tests.client import ANALYSIS, COLUMNS, DATASET

REGISTER = """mutation ($input: NewReferenceInput!, $key: String) {
  registerDataset(input: $input, idempotencyKey: $key) { id uri status bytes sha256 }
}"""
READ = """query ($id: ID!) { dataset(id: $id) {
  status error uri rows format bytes preview notes columns { name type nulls distinct minimum maximum }
} }"""
RESULT = """query ($id: ID!) { analysis(id: $id) { status error report {
  summary verdict rows attributes { attribute groups { name size } findings { metric value interval { low high } } }
} } }"""
DELETE = "mutation ($id: ID!) { deleteDataset(id: $id) { deleted } }"
TABLE = pyarrow.csv.read_csv(pa.BufferReader(LOANS.encode()))


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "lake"
    folder.mkdir()
    return folder


@pytest.fixture
def settings(settings, root):
    return settings.model_copy(update={"dataset_roots": (str(root),)})


@pytest.fixture
def folder(root):
    """The loans in three parts, and files that are none."""
    return written(root / "loans", TABLE.slice(0, 100), TABLE.slice(100, 150), TABLE.slice(250))


@pytest_asyncio.fixture
async def register(api):
    async def ask(uri, who="analyst", key=None):
        return await api(who, REGISTER, input={"uri": str(uri), "name": "loans in place"}, key=key)

    return ask


def written(folder, *tables):
    folder.mkdir(parents=True)
    for i, table in enumerate(tables):
        pq.write_table(table, folder / f"part-{i}.parquet")
    (folder / "_SUCCESS").touch()
    (folder / ".part-0.parquet.crc").touch()
    return folder


async def test_a_folder_is_described_and_judged_like_the_file_it_could_be(api, worker, register, folder):
    answer = (await register(f"file://{folder}")).data["registerDataset"]
    await api.until_ended("analyst", DATASET, answer["id"])
    read = (await api("analyst", READ, id=answer["id"])).data["dataset"]
    assert (read["status"], read["error"], read["rows"], read["format"]) == (
        "COMPLETED",
        None,
        360,
        "PARQUET",
    )
    assert read["uri"] == str(folder)
    assert read["bytes"] == sum(path.stat().st_size for path in folder.glob("part-*"))
    assert read["notes"] == ["read in place, in 3 parts"]
    assert read["preview"][0] == ["white", "f", "1", "1"]

    uploaded = await api.dataset()
    same = (await api("analyst", READ, id=uploaded)).data["dataset"]
    assert read["columns"] == same["columns"]

    model = await api.model()
    reports = []
    for dataset in (answer["id"], uploaded):
        started = (await api.start(model, dataset)).data["startAnalysis"]["id"]
        await api.until_ended("analyst", ANALYSIS, started)
        reports.append((await api("analyst", RESULT, id=started)).data["analysis"])
    assert reports[0]["status"] == "COMPLETED", reports[0]
    assert reports[0] == reports[1]


async def test_deleting_it_deletes_only_the_row(api, worker, register, folder):
    id = (await register(folder)).data["registerDataset"]["id"]
    await api.until_ended("analyst", DATASET, id)
    assert (await api("analyst", DELETE, id=id)).data["deleteDataset"]["deleted"]
    assert len(list(folder.glob("*.parquet"))) == 3


async def test_the_same_key_registers_once(register, folder):
    first, second = [(await register(folder, key="nightly")).data["registerDataset"]["id"] for _ in range(2)]
    assert first == second


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("{root}/../elsewhere", "absolute path of a folder"),
        ("lake/loans", "absolute path of a folder"),
        ("s3://bucket/prefix", "names nothing in the folders"),
        ("file://elsewhere/etc", "absolute path of a folder"),
        ("file://{root}/%2e%2e/elsewhere", "absolute path of a folder"),
        ("{elsewhere}", "names nothing in the folders"),
        ("/etc", "names nothing in the folders"),
        ("/no/such/place", "names nothing in the folders"),
        ("{root}/nothing", "names nothing in the folders"),
        ("{root}/out", "names nothing in the folders"),
        ("{root}/linked", "is a link to outside"),
        ("{root}/empty", "this folder has 0"),
        ("{root}-beside", "names nothing in the folders"),
    ],
)
async def test_what_lies_outside_is_refused(register, root, tmp_path, uri, said):
    elsewhere = written(tmp_path / "elsewhere", TABLE)
    written(tmp_path / "lake-beside", TABLE)
    (root / "empty").mkdir()
    (root / "linked").mkdir()
    os.symlink(elsewhere, root / "out")
    os.symlink(elsewhere / "part-0.parquet", root / "linked" / "part-0.parquet")
    answer = await register(uri.format(root=root, elsewhere=elsewhere))
    (error,) = answer.errors
    assert answer.code == "BAD_INPUT" and said in error["message"], error
    assert "elsewhere" not in error["message"].replace(uri, "")


async def test_parts_that_differ_are_refused(api, worker, register, root):
    cases = {
        "types": (
            TABLE.set_column(2, "approved", TABLE["approved"].cast("double")),
            "'approved' holds double values",
        ),
        "names": (TABLE.rename_columns(["race", "gender", "approved", "predicted"]), "at 'gender'"),
        "fewer": (TABLE.select(["race", "sex", "approved"]), "at 'predicted'"),
    }
    for name, (other, said) in cases.items():
        id = (await register(written(root / name, TABLE, other))).data["registerDataset"]["id"]
        ended = await api.until_ended("analyst", DATASET, id)
        assert ended["status"] == "FAILED" and said in ended["error"], ended
    damaged = written(root / "damaged", TABLE)
    (damaged / "part-1.parquet").write_bytes(b"PAR1 and no more")
    id = (await register(damaged)).data["registerDataset"]["id"]
    error = (await api.until_ended("analyst", DATASET, id))["error"]
    assert error == "part 'part-1.parquet': the Parquet file is cut off before its end; write it again"


async def test_a_part_that_changed_since_is_noticed(api, worker, register, folder):
    id = (await register(folder)).data["registerDataset"]["id"]
    await api.until_ended("analyst", DATASET, id)
    pq.write_table(TABLE, folder / "part-3.parquet")
    started = (await api.start(await api.model(), id)).data["startAnalysis"]["id"]
    ended = await api.until_ended("analyst", ANALYSIS, started)
    assert ended["status"] == "FAILED" and "have changed since" in ended["error"]


async def test_what_cannot_be_added_up_is_refused_in_words(api, worker, register, folder):
    id = (await register(folder)).data["registerDataset"]["id"]
    await api.until_ended("analyst", DATASET, id)
    model = await api.model()
    columns = COLUMNS | {"protected": ["race"], "features": ["approved"], "label": None}
    started = (await api.start(model, id, columns=columns)).data["startAnalysis"]["id"]
    ended = await api.until_ended("analyst", ANALYSIS, started)
    assert ended["status"] == "FAILED" and "comes in several parts" in ended["error"]


async def test_another_organization_sees_nothing_of_it(api, worker, register, folder):
    id = (await register(folder)).data["registerDataset"]["id"]
    assert (await api("stranger", READ, id=id)).code == "NOT_FOUND"


class TestFoldersOfTheirOwn:
    @pytest.fixture
    def settings(self, settings, root):
        return settings.model_copy(update={"dataset_roots": (f"{root}/{{organization}}",)})

    async def test_a_root_may_be_of_each_organization(self, register, root, people):
        ours, theirs = (str(people[who].organization_id) for who in ("analyst", "stranger"))
        written(root / ours / "loans", TABLE)
        written(root / theirs / "loans", TABLE)
        assert (await register(root / ours / "loans")).errors == []
        assert (await register(root / theirs / "loans")).code == "BAD_INPUT"
        assert (await register(root / theirs / "loans", who="stranger")).errors == []


class TestOff:
    @pytest.fixture
    def settings(self, settings):
        return settings.model_copy(update={"dataset_roots": ()})

    async def test_without_roots_it_is_off_and_says_so(self, register, folder):
        (error,) = (await register(folder)).errors
        assert "DATASET_ROOTS" in error["message"] and error["extensions"]["code"] == "BAD_INPUT"


async def test_a_nul_in_a_cell_is_refused_in_words_and_stops_nobody_else(api, worker, register, root):
    names = pa.array([f"person {i}" for i in range(200)] + ["a\0b"])
    odd = pa.table({"name": names, "sex": ["f", "m", "f"] * 67})
    bad = (await register(written(root / "bad", odd))).data["registerDataset"]["id"]
    await api.until_ended("analyst", DATASET, bad)
    read = (await api("analyst", READ, id=bad)).data["dataset"]
    assert (read["status"], read["error"]) == (
        "FAILED",
        "column 'name' holds a NUL character, which no text may hold",
    )
    good = (await register(written(root / "good", TABLE))).data["registerDataset"]["id"]
    await api.until_ended("analyst", DATASET, good)
    assert (await api("analyst", READ, id=good)).data["dataset"]["status"] == "COMPLETED"


async def test_links_that_lead_round_in_a_circle_are_refused_in_words(api, worker, register, root, folder):
    (root / "loop").symlink_to(root / "loop")
    (root / "this").symlink_to(root / "that")
    (root / "that").symlink_to(root / "this")
    for name in ("loop", "this", "loop/deeper"):
        answer = await register(root / name)
        assert (answer.code, answer.errors[0]["extensions"]["argument"]) == ("BAD_INPUT", "input.uri")
        assert "names nothing in the folders" in answer.errors[0]["message"]

    (folder / "part-3.parquet").symlink_to("part-3.parquet")
    answer = await register(folder)
    assert (answer.code, answer.errors[0]["extensions"]["argument"]) == ("BAD_INPUT", "input.uri")
    assert "a part of it is a link to itself" in answer.errors[0]["message"]


async def test_a_registered_folder_that_becomes_a_circle_fails_its_analysis_in_words(
    api, worker, register, root, folder
):
    dataset = (await register(folder)).data["registerDataset"]["id"]
    await api.until_ended("analyst", DATASET, dataset)
    folder.rename(root / "moved")
    folder.symlink_to(folder)
    started = (await api.start(await api.model(), dataset)).data["startAnalysis"]["id"]
    await api.until_ended("analyst", ANALYSIS, started)
    ended = (await api("analyst", RESULT, id=started)).data["analysis"]
    assert ended["status"] == "FAILED"
    assert "names nothing in the folders" in ended["error"]
