"""What the first bytes of a file say it is. To add a stranger, add a row to STRANGERS."""

import re

from engine.errors import InvalidInput
from engine.tables.profile import TableFormat

HEAD_BYTES = 64 << 10
GZIP = b"\x1f\x8b"
BOM = b"\xef\xbb\xbf"
DELIMITERS = ",\t;|"

_TO_CSV = "save the table as CSV or Parquet"
_UNPACK = "unpack it and upload the table inside, plain or packed with gzip"
_PICKLE = "it can run code when opened, so it is never read; " + _TO_CSV

STRANGERS: tuple[tuple[bytes, str, str], ...] = (
    (rb"PARE", "an encrypted Parquet file", "save it without encryption"),
    (
        rb"PK\x03\x04.{0,4000}?(?:\[Content_Types\]\.xml|xl/)",
        "an Excel workbook",
        "save the sheet as CSV UTF-8",
    ),
    (rb"PK(?:\x03\x04|\x05\x06|\x07\x08)", "a zip archive", _UNPACK),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document", "save the sheet as CSV UTF-8"),
    (rb"SQLite format 3\x00", "an SQLite database", "export the table as CSV"),
    (rb"\x80[\x01-\x05]", "a Python pickle", _PICKLE),
    (
        rb"\(?[dl]p\d+\n|c(?:numpy|pandas|sklearn|copy_reg|__builtin__|builtins|joblib)[\w.]*\n",
        "a Python pickle",
        _PICKLE,
    ),
    (rb"\x78[\x01\x5e\x9c\xda]", "packed with zlib, as joblib files are", _PICKLE),
    (rb"BZh[1-9]1AY", "packed with bzip2", _UNPACK),
    (rb"\xfd7zXZ\x00", "packed with xz", _UNPACK),
    (rb"\x28\xb5\x2f\xfd", "packed with zstd", _UNPACK),
    (rb"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (rb"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (rb"\x93NUMPY", "a numpy array", _TO_CSV),
    (rb"\x89HDF\r\n\x1a\n", "an HDF5 file", _TO_CSV),
    (rb"ARROW1|FEA1", "an Arrow or Feather file", "save the table as Parquet"),
    (rb"ORC", "an ORC file", "save the table as Parquet"),
    (rb"Obj\x01", "an Avro file", "save the table as Parquet"),
    (rb"%PDF-", "a PDF document", _TO_CSV),
    (rb"\x89PNG|\xff\xd8\xff|GIF8[79]a", "a picture", _TO_CSV),
    (rb"\x7fELF|MZ[\x00-\x1f\x80-\xff]", "a program", _TO_CSV),
    (rb"\{\\rtf", "a rich text document", _TO_CSV),
    (
        rb"(?i)\s*<(?:!doctype|html|head|body|table)\b",
        "a web page",
        "download the table itself, not the page around it",
    ),
    (rb"\s*<\?xml", "an XML document", _TO_CSV),
    (rb"\xff\xfe|\xfe\xff|\x00\x00\xfe\xff", "text in UTF-16 or UTF-32", "save it as UTF-8"),
)
"""Bytes at the start of the file, what they mean, and what to do about it; the first match counts."""


def recognise(head: bytes, wanted: TableFormat | None = None) -> TableFormat:
    """Decide the format of an unpacked file by its first bytes.

    Args:
        head: the first 64 KiB, or the whole file if it is shorter.
        wanted: what the person who uploaded it says it is; it decides between text formats only.

    Raises:
        InvalidInput: the file is empty, of a kind we do not read, or not what `wanted` says.
    """
    text = head.removeprefix(BOM).lstrip()
    if not text:
        raise InvalidInput("the file is empty; a table needs a header and at least one row")
    if head.startswith(GZIP):
        raise InvalidInput("the file is packed with gzip twice; pack it once or not at all")
    for pattern, name, remedy in STRANGERS:
        if re.match(pattern, head, re.DOTALL):
            raise InvalidInput(f"this is not a table but {name}; {remedy}")
    found = TableFormat.PARQUET if head.startswith(b"PAR1") else wanted or _text_format(text)
    if wanted not in (None, found) or (found is TableFormat.PARQUET and not head.startswith(b"PAR1")):
        actual = "Parquet" if head.startswith(b"PAR1") else "text"
        raise InvalidInput(
            f"the format was given as {wanted}, but the content is {actual}; leave the format out"
        )
    return found


def delimiter(header: str, wanted: TableFormat | None) -> str:
    """The character between the fields of a header line: the most frequent one outside quotes."""
    if wanted is TableFormat.TSV:
        return "\t"
    bare = re.sub(r'"[^"]*"', "", header)
    choices = DELIMITERS.replace("\t", "") if wanted is TableFormat.CSV else DELIMITERS
    return max(choices, key=bare.count)


def _text_format(text: bytes) -> TableFormat:
    if re.match(rb"\[\s*[\[{]", text):
        raise InvalidInput(
            "this is a JSON array; write JSON Lines instead: one object on each line, no brackets around"
        )
    return TableFormat.JSONL if text.startswith(b"{") else TableFormat.CSV
