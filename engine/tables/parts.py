"""A table that stays where it is: which files are its parts, and whether they may be read. No file is opened here."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit
from uuid import UUID

from engine.errors import InvalidInput
from engine.tables import names

MAX_PARTS = 10_000
SUFFIX = ".parquet"
ORGANIZATION = "{organization}"
"""Stands in a root for the id of the organization that asks, so that each has folders of its own."""
OFF = "datasets by reference are off here: the operator allows folders with the setting DATASET_ROOTS"
OUTSIDE = "uri names nothing in the folders that the operator allows for datasets by reference"
ONLY_FOLDERS = "uri must be the absolute path of a folder, or file:// and such a path"
CHANGED = "the parts of this dataset have changed since it was registered: register the folder again"


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The parts of a table as they lie there now."""

    folder: Path
    paths: tuple[Path, ...]
    """In the order of their names, without links."""
    bytes: int
    """Of all parts together."""
    fingerprint: str
    """Hash of names, sizes and times of change: another one means that the rows may be others."""


def listed(uri: str, roots: Sequence[str], organization: UUID) -> Listing:
    """The Parquet files in a folder that the operator allows.

    Args:
        uri: the folder's absolute path, or the same as a file URL.
        roots: folders below which it must lie, or be; see `ORGANIZATION`.

    Raises:
        InvalidInput: there are no roots, the folder lies outside them all or does not exist (which read
            alike), or it has no or too many parts. What begins with a dot or an underscore is no part.
    """
    if not roots:
        raise InvalidInput(OFF, at=("uri",))
    folder = _folder(uri)
    allowed = [Path(root.replace(ORGANIZATION, str(organization))).resolve() for root in roots]
    found = folder.resolve()
    if not any(found.is_relative_to(root) for root in allowed) or not found.is_dir():
        raise InvalidInput(OUTSIDE, at=("uri",))
    paths = sorted(_parts(found))
    if not 1 <= len(paths) <= MAX_PARTS:
        raise InvalidInput(
            f"a dataset by reference has 1 to {MAX_PARTS:,} parts, files ending in {SUFFIX}; this folder has {len(paths):,}",
            at=("uri",),
        )
    for path in paths:
        if path.is_symlink() and not any(path.resolve().is_relative_to(root) for root in allowed):
            raise InvalidInput(
                f"part {names.short(path.name)} is a link to outside the folders that the operator allows",
                at=("uri",),
            )
    facts = [(path.name, path.resolve(), path.stat()) for path in paths]
    hashed = hashlib.sha256()
    for name, _, stat in facts:
        hashed.update(f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode(errors="surrogateescape"))
    return Listing(
        folder=found,
        paths=tuple(path for _, path, _ in facts),
        bytes=sum(stat.st_size for _, _, stat in facts),
        fingerprint=hashed.hexdigest(),
    )


def again(uri: str, roots: Sequence[str], organization: UUID, fingerprint: str) -> Listing:
    """The parts, if they are still those of before; errors as for `listed`.

    Raises:
        InvalidInput: a part was added, removed or changed.
    """
    found = listed(uri, roots, organization)
    if found.fingerprint != fingerprint:
        raise InvalidInput(CHANGED)
    return found


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
        return [
            Path(entry.path)
            for entry in entries
            if entry.name.endswith(SUFFIX) and not entry.name.startswith((".", "_")) and entry.is_file()
        ]
