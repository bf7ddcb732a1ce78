"""A table that stays where it is: which files of a folder are its parts, and whether they may be read. None is opened here."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit
from uuid import UUID

from engine.errors import InvalidInput
from engine.tables import names
from engine.tables.part import Part, Store

MAX_PARTS = 10_000
SUFFIX = ".parquet"
ORGANIZATION = "{organization}"
"""Stands in a root for the id of the organization that asks, so that each has folders of its own."""
OFF = "datasets by reference are off here: the operator allows folders with the setting DATASET_ROOTS"
OUTSIDE = "uri names nothing in the folders that the operator allows for datasets by reference"
UNREADABLE = "the folder cannot be read: it is closed to this server, or a part of it is a link to itself"
ONLY_FOLDERS = "uri must be the absolute path of a folder, file:// and such a path, or s3://bucket/prefix"
S3 = "s3://"


@dataclass(frozen=True, kw_only=True)
class Lake:
    """What the operator allows for datasets by reference."""

    roots: tuple[str, ...] = ()
    """Folders, and prefixes of buckets; see `ORGANIZATION`."""
    store: Store = field(default_factory=Store)
    """Where the buckets are."""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The parts of a table as they lie there now."""

    uri: str
    """The folder or prefix, written in the one way that is kept."""
    parts: tuple[Part, ...]
    """In the order of their names, without links."""
    bytes: int
    """Of all parts together."""
    fingerprint: str
    """Hash of names, sizes and times of change: another one means that the rows may be others."""


def listed(uri: str, roots: Sequence[str], organization: UUID) -> Listing:
    """The Parquet files in a folder that the operator allows.

    Args:
        uri: the folder's absolute path, or the same as a file URL.
        roots: folders below which it must lie, or be; see `ORGANIZATION`. Those in buckets are left aside.

    Raises:
        InvalidInput: there are no roots, the folder lies outside them all or does not exist (which read
            alike), or it cannot be read, or has no or too many parts. What begins with a dot or an underscore is no part.
    """
    if not roots:
        raise InvalidInput(OFF, at=("uri",))
    folder = _folder(uri)
    folders = [root for root in roots if not root.startswith(S3)]
    try:
        allowed = [Path(root.replace(ORGANIZATION, str(organization))).resolve() for root in folders]
        found = folder.resolve()
        within = any(found.is_relative_to(root) for root in allowed) and found.is_dir()
    except (OSError, RuntimeError):  # before Python 3.13 a link to itself is a RuntimeError
        within = False
    if not within:
        raise InvalidInput(OUTSIDE, at=("uri",))
    try:
        return _listing(found, allowed)
    except (OSError, RuntimeError):
        raise InvalidInput(UNREADABLE, at=("uri",)) from None


def _listing(found: Path, allowed: Sequence[Path]) -> Listing:
    paths = sorted(_parts(found))
    refuse_count("folder", len(paths))
    for path in paths:
        if path.is_symlink() and not any(path.resolve().is_relative_to(root) for root in allowed):
            raise InvalidInput(
                f"part {names.short(path.name)} is a link to outside the folders that the operator allows",
                at=("uri",),
            )
    facts = [(path.name, path.resolve(), path.stat()) for path in paths]
    return Listing(
        uri=str(found),
        parts=tuple(path for _, path, _ in facts),
        bytes=sum(stat.st_size for _, _, stat in facts),
        fingerprint=fingerprint((name, stat.st_size, str(stat.st_mtime_ns)) for name, _, stat in facts),
    )


def is_part(name: str) -> bool:
    """What begins with a dot or an underscore belongs to whoever wrote the parts."""
    return name.endswith(SUFFIX) and not name.startswith((".", "_"))


def refuse_count(place: str, parts: int, more: str = "") -> None:
    """Refuse a place without parts, or with more than are read."""
    if not 1 <= parts <= MAX_PARTS:
        raise InvalidInput(
            f"a dataset by reference has 1 to {MAX_PARTS:,} parts, files ending in {SUFFIX};"
            f" this {place} has {more}{parts:,}",
            at=("uri",),
        )


def fingerprint(facts: Iterable[tuple[str, int, str]]) -> str:
    """The hash of names, sizes and what changes with the content, in order."""
    hashed = hashlib.sha256()
    for name, size, version in facts:
        hashed.update(f"{name}\0{size}\0{version}\0".encode(errors="surrogateescape"))
    return hashed.hexdigest()


def _folder(uri: str) -> Path:
    plain = uri
    if "://" in uri:
        parts = urlsplit(uri)
        if parts.scheme != "file" or parts.netloc not in ("", "localhost") or parts.query or parts.fragment:
            raise InvalidInput(ONLY_FOLDERS, at=("uri",))
        plain = unquote(parts.path)
    path = Path(plain)
    if "\0" in plain or not path.is_absolute() or ".." in path.parts:
        raise InvalidInput(ONLY_FOLDERS, at=("uri",))
    return path


def _parts(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        return [Path(entry.path) for entry in entries if is_part(entry.name) and entry.is_file()]
