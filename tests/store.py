"""An S3-compatible store of the tests' own, on loopback."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any
from urllib.request import Request, urlopen

import boto3
import pyarrow.parquet as pq
from moto.server import ThreadedMotoServer

from engine.tables.part import Store

SECRET = "the-secret-of-the-store"


class Bucket:
    """A bucket, and its server."""

    def __init__(self, bucket: Any, server: ThreadedMotoServer) -> None:
        self._bucket, self._server, self._runs = bucket, server, True
        self.name = bucket.name
        self.endpoint = bucket.meta.client.meta.endpoint_url
        self.store = Store(
            endpoint=self.endpoint,
            region="us-east-1",
            access_key_id="test",
            secret_access_key=SECRET,
            allow_http="true",
        )

    def write(self, prefix: str, *tables: Any, named: str = "part-{}.parquet") -> str:
        """Tables as parts below a prefix, and objects beside them that are none; the address of the prefix."""
        for i, table in enumerate(tables):
            content = BytesIO()
            pq.write_table(table, content)
            self._bucket.put_object(Key=f"{prefix}/{named.format(i)}", Body=content.getvalue())
        for none in ("", "_SUCCESS", ".part-0.parquet.crc", "_metadata.parquet", "deeper/part-0.parquet"):
            self._bucket.put_object(Key=f"{prefix}/{none}", Body=b"")
        return f"s3://{self.name}/{prefix}"

    def keys(self) -> list[str]:
        return [each.key for each in self._bucket.objects.all()]

    def delete(self) -> None:
        self._bucket.objects.all().delete()
        self._bucket.delete()

    def lock(self) -> None:
        """From now on the store knows none of our keys."""
        self._let_in(b"0")

    def stop(self) -> None:
        """The store is away; stopping it twice is fine."""
        if self._runs:
            self._runs = False
            self._let_in(b"inf")  # moto keeps it for the whole process
            self._bucket.meta.client.close()
            self._server.stop()

    def _let_in(self, requests: bytes) -> None:
        plain = {"content-type": "text/plain"}
        asked = Request(f"{self.endpoint}/moto-api/reset-auth", data=requests, headers=plain)  # noqa: S310 - loopback
        urlopen(asked).close()  # noqa: S310 - loopback


@contextmanager
def made() -> Iterator[Bucket]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    names = {"aws_access_key_id": "test", "aws_secret_access_key": SECRET, "region_name": "us-east-1"}
    session = boto3.resource("s3", endpoint_url=f"http://{host}:{port}", **names)
    bucket = Bucket(session.create_bucket(Bucket=f"lake-{os.urandom(4).hex()}"), server)
    try:
        yield bucket
    finally:
        bucket.stop()
