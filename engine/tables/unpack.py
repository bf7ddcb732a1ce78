"""Gzip to plain bytes, stopping early at anything that grows too large."""

import zlib
from pathlib import Path
from typing import BinaryIO

from engine.errors import InvalidInput
from engine.tables.formats import GZIP
from engine.tables.limits import MIB, Limits, size

_FREE_BYTES = 16 * MIB
"""Below this size any rate of expansion is harmless, and small tables of equal rows reach high ones."""


def unpack(source: Path, target: Path, limits: Limits) -> bool:
    """Write the plain bytes of a gzip file to `target`; False, and nothing written, if it is not one.

    Raises:
        InvalidInput: the file is cut off or damaged, or grows beyond the limits.
    """
    packed = source.stat().st_size
    with source.open("rb") as file:
        if file.read(2) != GZIP:
            if packed > limits.max_bytes_expanded:
                raise InvalidInput(
                    f"the file has {size(packed)}; at most {size(limits.max_bytes_expanded)} are read"
                )
            return False
        file.seek(0)
        with target.open("wb") as out:
            try:
                _inflate(file, out, packed, limits)
            except zlib.error:
                raise InvalidInput("the gzip file is damaged; pack and upload it again") from None
    return True


def _inflate(file: BinaryIO, out: BinaryIO, packed: int, limits: Limits) -> None:
    written, rest = 0, b""
    allowed = min(limits.max_bytes_expanded, max(_FREE_BYTES, packed * limits.max_expansion))
    while rest := rest or file.read(MIB):
        member = zlib.decompressobj(wbits=31)
        while not member.eof:
            part = member.decompress(rest, MIB)
            rest = member.unconsumed_tail
            written += len(part)
            if written > allowed:
                raise InvalidInput(_too_much(packed, allowed, limits))
            out.write(part)
            if not (part or rest or member.eof):
                rest = _more(file)
        rest = (member.unused_data or file.read(MIB)).lstrip(b"\0")  # some tools pad with zeros
        if rest and not rest.startswith(GZIP[: len(rest)]):
            raise InvalidInput("the gzip file is followed by something else; pack and upload it again")


def _too_much(packed: int, allowed: int, limits: Limits) -> str:
    said = f"the gzip file of {size(packed)} unpacks to more than {size(allowed)}"
    if allowed == limits.max_bytes_expanded:
        return f"{said}, the most that is read"
    times = limits.max_expansion
    return f"{said}: past {size(_FREE_BYTES)}, at most {times} times its own size is read; upload it unpacked"


def _more(file: BinaryIO) -> bytes:
    if rest := file.read(MIB):
        return rest
    raise InvalidInput("the gzip file is cut off before its end; pack and upload it again")
