"""A text file in blocks of whole lines, checked to be UTF-8 of bearable line length."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.errors import InvalidInput
from engine.tables.formats import BOM
from engine.tables.limits import MIB, Limits, size

_BLOCK_BYTES = 4 * MIB


@dataclass(frozen=True, kw_only=True)
class Block:
    """Some whole physical lines; the last one always ends in a newline, added at the end of a file."""

    data: bytes
    line: int
    """Number of the first line, counted from 1."""
    done: float
    """Share of the file that lies before the end of this block."""

    def line_at(self, position: int) -> int:
        return self.line + self.data.count(b"\n", 0, position)


def blocks(path: Path, limits: Limits) -> Iterator[Block]:
    """Read a file block by block; line breaks inside quotes are line breaks here.

    Raises:
        InvalidInput: a line is too long, is not UTF-8, or holds a NUL byte.
    """
    total, line, read, tail = path.stat().st_size, 1, 0, b""
    with path.open("rb") as file:
        while True:
            fresh = file.read(_BLOCK_BYTES)
            data = tail + (fresh.removeprefix(BOM) if not read else fresh)
            read += len(fresh)
            end = data.rfind(b"\n") + 1 if fresh else len(data)
            data, tail = data[:end], data[end:]
            if len(tail) > limits.max_row_bytes:
                number = line + data.count(b"\n")
                raise InvalidInput(
                    f"line {number} is longer than {size(limits.max_row_bytes)}; is this a table of text lines?"
                )
            if data:
                block = Block(
                    data=data if data.endswith(b"\n") else data + b"\n", line=line, done=read / total
                )
                _check(block, read - len(tail) - len(data))
                yield block
                line += data.count(b"\n")
            if not fresh:
                return


def _check(block: Block, offset: int) -> None:
    if (nul := block.data.find(b"\0")) >= 0:
        raise InvalidInput(
            f"line {block.line_at(nul)} holds a NUL byte, which text never does; "
            "save the file as UTF-8 text (UTF-16 without a mark looks like this)"
        )
    if block.data.isascii():
        return
    try:
        codecs.utf_8_decode(block.data, "strict", True)
    except UnicodeDecodeError as error:
        start = block.data.rfind(b"\n", 0, error.start) + 1
        column = len(block.data[start : error.start].decode()) + 1
        raise InvalidInput(
            f"line {block.line_at(error.start)}, character {column} (byte {offset + error.start}) is not UTF-8; "
            "save the file as UTF-8 and upload it again"
        ) from None
