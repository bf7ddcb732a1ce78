"""Blobs behave alike in a folder and in an S3-compatible store."""

import asyncio
import hashlib
import os
from uuid import UUID

import boto3
import pytest
from moto.server import ThreadedMotoServer

from db.blobs import BlobMissing, Blobs, key

ORGANIZATION = UUID("018f4b6e-0000-7000-8000-000000000001")
OTHER = UUID("018f4b6e-0000-7000-8000-000000000002")
SECRETS = {"access_key_id": "test", "secret_access_key": "test", "region": "eu-central-1"}


@pytest.fixture(scope="module")
def endpoint():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint):
    names = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "eu-central-1"}
    client = boto3.client("s3", endpoint_url=endpoint, **names)
    name = f"blobs-{os.urandom(4).hex()}"
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    yield name
    client.close()


@pytest.fixture(params=["folder", "s3"])
def blobs(request, tmp_path):
    if request.param == "folder":
        return Blobs.at(tmp_path / "blobs")
    bucket, endpoint = request.getfixturevalue("bucket"), request.getfixturevalue("endpoint")
    return Blobs.at(f"s3://{bucket}/kept", {**SECRETS, "endpoint": endpoint, "allow_http": "true"})


@pytest.fixture
def file(tmp_path):
    """Write a file and return it with the key of its content."""

    def write(content: bytes, organization: UUID = ORGANIZATION):
        digest = hashlib.sha256(content).hexdigest()
        path = tmp_path / digest
        path.write_bytes(content)
        return path, key(organization, digest, ".parquet")

    return write


async def test_thirty_megabytes_come_back_as_they_went(blobs, file, tmp_path):
    content = os.urandom(30 << 20)
    path, name = file(content)
    await blobs.put_file(name, path)
    assert await blobs.exists(name)
    await blobs.open_to(name, tmp_path / "back")
    assert hashlib.sha256((tmp_path / "back").read_bytes()).digest() == hashlib.sha256(content).digest()


async def test_an_empty_file_is_a_blob_too(blobs, file, tmp_path):
    path, name = file(b"")
    await blobs.put_file(name, path)
    await blobs.open_to(name, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b""


async def test_a_key_is_written_once(blobs, file, tmp_path):
    first, name = file(b"first")
    second, _ = file(b"second")
    await blobs.put_file(name, first)
    await blobs.put_file(name, second)
    await blobs.open_to(name, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"first"


async def test_the_same_blob_may_be_put_by_many_at_once(blobs, file, tmp_path):
    content = os.urandom(9 << 20)  # more than one part
    path, name = file(content)
    await asyncio.gather(*(blobs.put_file(name, path) for _ in range(5)))
    assert await blobs.list(str(ORGANIZATION)) == [name]
    await blobs.open_to(name, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == content


async def test_a_list_holds_what_lies_below_its_prefix(blobs, file):
    mine = [file(content) for content in (b"one", b"two")]
    theirs = file(b"one", OTHER)
    for path, name in (*mine, theirs):
        await blobs.put_file(name, path)
    assert await blobs.list(f"{ORGANIZATION}/") == sorted(name for _, name in mine)
    assert await blobs.list() == sorted([theirs[1], *(name for _, name in mine)])
    assert await blobs.list(str(UUID(int=0))) == []


async def test_a_missing_blob_is_named(blobs, tmp_path):
    name = key(ORGANIZATION, "0" * 64, ".csv")
    assert not await blobs.exists(name)
    with pytest.raises(BlobMissing, match=name):
        await blobs.open_to(name, tmp_path / "back")
    assert not list(tmp_path.glob("*back*"))


async def test_deleting_twice_is_fine(blobs, file):
    path, name = file(b"gone")
    await blobs.put_file(name, path)
    await blobs.delete(name)
    await blobs.delete(name)
    assert not await blobs.exists(name)


async def test_the_loop_goes_on_while_a_blob_travels(blobs, file, tmp_path):
    path, name = file(os.urandom(30 << 20))
    longest = 0.0

    async def watch():
        nonlocal longest
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(0.001)
            longest = max(longest, loop.time() - before)

    watcher = asyncio.create_task(watch())
    started = asyncio.get_running_loop().time()
    await blobs.put_file(name, path)
    await blobs.open_to(name, tmp_path / "back")
    watcher.cancel()
    assert longest < max(0.1, (asyncio.get_running_loop().time() - started) / 2)


@pytest.mark.parametrize(
    "name", ["", "/etc/passwd", "a/../b", "a//b", "a/", "./a", "a b", "a\x00", "ä", "a" * 256]
)
async def test_a_key_that_could_lead_elsewhere_is_refused(blobs, name, tmp_path):
    for attempt in (blobs.put_file(name, tmp_path), blobs.open_to(name, tmp_path), blobs.delete(name)):
        with pytest.raises(ValueError, match="a blob's key is words"):
            await attempt
    with pytest.raises(ValueError, match="a blob's key is words"):
        blobs.local_path(name)


def test_a_key_needs_a_hash():
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        key(ORGANIZATION, "../" * 20, "")


async def test_a_child_reads_a_local_blob_in_place(file, tmp_path):
    path, name = file(b"here")
    for location in (tmp_path / "kept", str(tmp_path / "kept"), (tmp_path / "kept").as_uri()):
        blobs = Blobs.at(location)
        await blobs.put_file(name, path)
        assert blobs.local_path(name).read_bytes() == b"here"


def test_a_remote_blob_has_no_local_path(bucket, endpoint):
    blobs = Blobs.at(f"s3://{bucket}", {**SECRETS, "endpoint": endpoint, "allow_http": "true"})
    assert blobs.local_path("a") is None


@pytest.mark.parametrize(
    ("location", "options"), [("gs://bucket", {}), ("http://host/", {}), ("s3://bucket", {"endpint": "x"})]
)
def test_an_unknown_place_or_option_is_refused(location, options):
    with pytest.raises(ValueError, match=r"blobs are kept in|cannot be opened"):
        Blobs.at(location, options)
