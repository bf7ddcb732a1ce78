"""Datasets and models by the hash of their content, in a local folder or an S3-compatible store.

A key is `<organization>/<sha256><suffix>` (see `key`), so what is stored under it never changes.
"""

import asyncio
import os
import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote, urlsplit
from uuid import UUID

from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

if TYPE_CHECKING:
    from obstore.store import RetryConfig

PART_BYTES = 8 << 20  # S3 takes at most 10,000 parts: 80 GB
PARTS_AT_ONCE = 4
LONGEST = timedelta(minutes=10)  # the library's 30 s would cut big blobs short
RETRIES: "RetryConfig" = {"max_retries": 5, "retry_timeout": timedelta(minutes=1)}
WORD = re.compile(r"[A-Za-z0-9_=.-]{1,255}")  # nothing that a file system or a store would have to escape

Keys = list[str]


class BlobMissing(Exception):
    """Nothing is stored under this key."""


def key(organization_id: UUID, sha256: str, suffix: str) -> str:
    """Where an organization's content is stored: `<organization>/<sha256><suffix>`."""
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise ValueError(f"a SHA-256 has 64 hexadecimal digits in lower case, got {sha256!r}")
    return checked(f"{organization_id}/{sha256}{suffix}")


def checked(key: str) -> str:
    """The key, if it is one: words separated by single slashes, none of them `.` or `..`."""
    words = key.split("/")
    if not all(WORD.fullmatch(word) and word.strip(".") for word in words):
        raise ValueError(
            f"a blob's key is words of letters, digits, _, =, . and - between slashes, got {key!r}"
        )
    return key


class Blobs:
    """A place where blobs are kept; what `put_file` has returned from is there to stay."""

    def __init__(self, store: LocalStore | S3Store, folder: Path | None) -> None:
        self._store = store
        self._folder = folder

    @classmethod
    def at(cls, location: str | Path, options: Mapping[str, str] = MappingProxyType({})) -> Self:
        """Open a local folder, made if missing, or `s3://bucket/prefix`.

        Args:
            location: a path, a `file://` URL or an `s3://` URL.
            options: for S3: `endpoint`, `region`, `access_key_id`, `secret_access_key`, `session_token`,
                `virtual_hosted_style_request`, and `allow_http` ("true") for an endpoint without TLS.

        Raises:
            ValueError: the location or an option is none that we know.
        """
        url = urlsplit(str(location)) if isinstance(location, str) else urlsplit("")
        if url.scheme == "s3":
            return cls(s3(str(location), options, LONGEST, RETRIES), None)
        if "://" in str(location) and url.scheme != "file":
            raise ValueError(f"blobs are kept in a folder or at s3://bucket/prefix, got {location}")
        folder = Path(unquote(url.path) if url.scheme == "file" else location).resolve()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return cls(LocalStore(folder), folder)

    async def put_file(self, key: str, path: Path) -> None:
        """Store a file in parts and atomically; a key that is there holds this content already and is left alone."""
        if await self.exists(key):
            return
        await self._store.put_async(key, path, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE)
        if stored := self.local_path(key):
            await asyncio.to_thread(_settle, stored)

    async def open_to(self, key: str, path: Path) -> None:
        """Copy a blob into a local file, which appears only when it is complete."""
        await asyncio.to_thread(self._download, checked(key), path)

    def local_path(self, key: str) -> Path | None:
        """The file of a blob when the store is a local folder, so that a child can read it without a copy."""
        checked(key)
        return self._folder / key if self._folder else None

    async def delete(self, key: str) -> None:
        """Remove a blob; a missing one is fine."""
        with suppress(FileNotFoundError):
            await self._store.delete_async(checked(key))

    async def exists(self, key: str) -> bool:
        try:
            await self._store.head_async(checked(key))
        except FileNotFoundError:
            return False
        return True

    async def list(self, prefix: str = "") -> Keys:
        """Every key below a prefix of whole words, such as an organization's id; sorted."""
        below = checked(prefix.rstrip("/")) if prefix else None
        return sorted([blob["path"] async for part in self._store.list(below) for blob in part])

    def _download(self, key: str, path: Path) -> None:
        try:
            found = self._store.get(key)
        except FileNotFoundError:
            raise BlobMissing(f"nothing is stored as {key}") from None
        handle, name = tempfile.mkstemp(prefix=".", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                for part in found.stream(min_chunk_size=PART_BYTES):
                    file.write(part)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def s3(url: str, options: Mapping[str, str], longest: timedelta, retries: "RetryConfig") -> S3Store:
    """A client for a bucket, or a prefix in one; options as for `Blobs.at`.

    Args:
        longest: what a single request may take.

    Raises:
        ValueError: an option is none that we know.
    """
    config: dict[str, Any] = dict(options)
    http = config.pop("allow_http", "false").lower() in ("1", "true", "yes")
    try:
        return S3Store.from_url(
            url,
            config=config,  # type: ignore[arg-type] # S3Store checks the names
            client_options={"allow_http": http, "timeout": longest},
            retry_config=retries,
        )
    except BaseError as error:
        raise ValueError(f"{url} cannot be opened: {str(error).splitlines()[0]}") from error


def _settle(path: Path) -> None:
    """Write a new file and its name to the disk itself, so that a row may refer to it."""
    for part in (path, path.parent):
        handle = os.open(part, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
