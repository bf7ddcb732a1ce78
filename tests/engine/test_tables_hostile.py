"""Every way we know in which an upload is wrong ends in one sentence, and in nothing left behind."""

import gzip
import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.errors import InvalidInput
from engine.tables import Limits, TableFormat
from engine.tables.ingest import ingest

SMALL = Limits(
    max_columns=20,
    max_rows=1000,
    max_cells=5000,
    max_cell_bytes=1000,
    max_row_bytes=5000,
    max_bytes_expanded=20_000_000,
    max_expansion=50,
    memory_bytes=256 << 20,
)


@pytest.fixture
def refuse(tmp_path: Path):
    """The message with which some bytes are refused; the folder is as it was before."""

    def refused(content: bytes, *, limits: Limits = SMALL, format: TableFormat | None = None) -> str:
        source = tmp_path / "upload"
        source.write_bytes(content)
        with pytest.raises(InvalidInput) as caught:
            ingest(source, tmp_path / "table.parquet", limits, format=format)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["upload"]
        message = str(caught.value)
        assert len(message) < 250 and "\n" not in message and str(tmp_path) not in message
        return message

    return refused


def parquet(table: pa.Table, **options) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, **options)
    return out.getvalue()


def test_a_gzip_bomb_is_stopped_while_it_grows(refuse):
    bomb = gzip.compress(b"a,b\n" + b"0,0\n" * 8_000_000)
    assert "unpacks to more than 16 MiB: past 16 MiB, at most 50 times its own size is read" in refuse(bomb)


def test_a_gzip_file_that_grows_too_large_or_too_fast_is_told_which(refuse):
    """20 MB packed a thousandfold and more: past the free 16 MiB, or past a total that is less than that."""
    fast = gzip.compress(b"a,b\n" + b"0,0\n" * 5_000_000)
    assert refuse(fast, limits=Limits()).endswith(
        "at most 200 times its own size is read; upload it unpacked"
    )
    assert refuse(fast, limits=Limits(max_bytes_expanded=1 << 20)).endswith(
        "more than 1 MiB, the most that is read"
    )


def test_gzip_in_gzip_is_refused(refuse):
    assert "packed with gzip twice" in refuse(gzip.compress(gzip.compress(b"a,b\n1,2\n")))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda b: b[:-12], "cut off"),
        (lambda b: b[:30] + bytes([b[30] ^ 255]) + b[31:], "damaged"),
        (lambda b: b + b"junk", "followed by something else"),
    ],
)
def test_a_broken_gzip_is_refused(refuse, damage, words):
    rows = np.random.default_rng(1).integers(0, 10**9, 500)
    assert words in refuse(damage(gzip.compress(b"a\n" + b"\n".join(b"%d" % r for r in rows))))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a,b\n1,2\n3\n", "line 3 has 1 field, fewer than the 2"),
        (b"a,b\n1,2\n3,4,5\n", "line 3 has 3 fields, more than the 2"),
        (b'a,b\n"x\ny",2\n3,4,5\n', "line 4 has 3 fields"),
        (b'a,b\n1,"2\n3"\n4\n5,6\n', "line 4 has 1 field,"),
        (b"a,b\r\n1,2\r\n\r\n3,4,\r\n", "line 4 has 3 fields"),
        (b"a;b\n1;2\n1,2\n", "line 3 has 1 field,"),
        (b'a,b\n1,2\n"open,3\n4,5\n', "the quote that opens on line 3 is never closed"),
        (b'a,b\n1,2\nx"y,3\n', "line 3 has a quote in the middle of a field"),
        (b'a,b\n1,2\n"x\ny"z,3\n', "starts on line 3 is closed on line 4 and then goes on"),
        (b'a,b\n1, "2"\n', "line 2 has a quote in the middle"),
        (b"a,b\n1\r,2\n", "line 2 holds a carriage return"),
        (b"a\nx\r\ny\r\n", "some lines end in CR LF and some in LF alone"),
        (b"a,b\r1,2\r3,4\r", "line 1 holds a carriage return"),
    ],
)
def test_a_ragged_table_is_refused_with_the_line_an_editor_shows(refuse, content, words):
    assert words in refuse(content)


def test_a_ragged_line_far_into_the_file_is_found(refuse):
    """Past the first block of 4 MiB, with quoted line breaks before it: line = 1 + 2 * 300,000 + 1."""
    content = b"a,b\n" + b'"x\ny",2222222222\n' * 300_000 + b"1\n"
    assert "line 600002 has 1 field," in refuse(content, limits=Limits())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a,b\n1,2\nx,M\xfcller\n", "line 3, character 4 (byte 11) is not UTF-8; save the file as UTF-8"),
        ("a,é\n1,é\n".encode() + b"\xff,1\n", "line 3, character 1 (byte 10)"),
        (b"\xef\xbb\xbfa,b\n1,\xff\n", "line 2, character 3 (byte 9)"),
        ("a,b\n1,2\n".encode("utf-16"), "UTF-16"),
        ("a,b\n1,2\n".encode("utf-16-le"), "line 1 holds a NUL byte"),
        (b"a,b\n1,2\n3,\x00\n", "line 3 holds a NUL byte"),
        (b"a,\xfc\n1,2\n", "line 1, character 3 (byte 2)"),
    ],
)
def test_text_in_another_encoding_is_refused_with_its_place(refuse, content, words):
    assert words in refuse(content)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b" \n\n", "the file is empty"),
        (b"\xef\xbb\xbf", "the file is empty"),
        (b"a,b\n", "a header but no rows"),
        (b"a,b", "a header but no rows"),
        (b"\na,b\n1,2\n", "line 1 is empty"),
        (b"a,,c\n1,2,3\n", "column 2 has no name"),
        (b"a,b,a\n1,2,3\n", "columns 1 and 3 are both named 'a'"),
        (b"Age,b,age\n1,2,3\n", "columns 1 and 3 differ only in case or spaces, 'Age' and 'age'"),
        (b'a,"b\n1,2\n', "the quotes in the header"),
        (b"a,b\x07\n1,2\n", "column 2, 'b ', holds a line break or control character"),
        (b"a," + b"n" * 201 + b"\n1,2\n", "column 2, '" + "n" * 39 + "…', has 201 characters"),
        (b",".join(b"c%d" % i for i in range(10_000)) + b"\n", "the table has 10000 columns; at most 20"),
    ],
)
def test_a_header_that_cannot_name_columns_is_refused(refuse, content, words):
    assert words in refuse(content)


def test_a_first_line_that_is_too_long_is_no_matter_of_quotes(refuse):
    said = refuse(b"a," + b"x" * 4_999_998 + b"\n1,2\n", limits=Limits())
    assert said.startswith(
        "line 1, which names the columns, is too long: of its 5,000,000 characters more than"
    )
    assert "a name may have 200" in said


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a,b\n1," + b"x" * 1001 + b"\n", "a field that starts on line 2 is longer than 1000 bytes"),
        (b'a,b\n1,2\n3,"' + b"x\n" * 600 + b'"\n', "a field that starts on line 3"),
        (b"a,b\n1," + b"x" * 9_000_000, "line 2 is longer than"),
        (b"a,b,c,d,e,f\n" + b",".join([b"x" * 900] * 6) + b"\n", "longer than 4.88 KiB"),
        (b"a\n" + b"1\n" * 1001, "more than 1,000 rows"),
        (b"a,b,c,d,e,f\n" + b"1,2,3,4,5,6\n" * 900, "900 rows of 6 columns; at most 5,000 cells"),
        (b"a,b\n" + b"1,2\n" * 5_100_000, "at most 19.1 MiB"),
    ],
)
def test_a_table_beyond_the_limits_is_refused(refuse, content, words):
    assert words in refuse(content)


def zipped(name: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, "x")
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (pickle.dumps({"a": 1}), "a Python pickle; it can run code"),
        (pickle.dumps({"a": 1}, protocol=2), "a Python pickle"),
        (pickle.dumps({"a": 1}, protocol=0), "a Python pickle"),
        (b"x\x9c" + bytes(50), "joblib"),
        (zipped("data.csv"), "a zip archive; unpack it"),
        (zipped("xl/workbook.xml"), "an Excel workbook; save the sheet as CSV"),
        (zipped("[Content_Types].xml"), "an Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(50), "an old Office document"),
        (b"SQLite format 3\x00" + bytes(50), "an SQLite database"),
        (b"<!DOCTYPE html><html></html>", "a web page"),
        (b"\n <html><body><table>", "a web page"),
        (b'<?xml version="1.0"?>', "an XML document"),
        (b"%PDF-1.7", "a PDF"),
        (b"\x93NUMPY\x01\x00", "a numpy array"),
        (b"ARROW1\x00\x00", "Feather"),
        (b"\x28\xb5\x2f\xfd\x00", "packed with zstd"),
        (b"{\\rtf1 hello}", "a rich text document"),
        (b'[{"a": 1}, {"a": 2}]', "a JSON array; write JSON Lines"),
    ],
)
def test_another_kind_of_file_is_called_by_its_name(refuse, content, words):
    assert words in refuse(content)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"a": 1}\n{"a": }\n', "line 2 is not valid JSON at character 7"),
        (b'{"a": 1}\n\n{"a": 1\n', "line 3 is not valid JSON"),
        (b'{"a": 1} {"a": 2}\n', "line 1 is not valid JSON at character 10"),
        (b'{\n"a": 1\n}\n', "line 1 is not valid JSON"),
        (b'{"a": 1}\n[1]\n', "line 2: not an object"),
        (b'{"a": 1}\n7\n', "line 2: not an object"),
        (b'{"a": 1}\n{"a": {"secret": 2}}\n', "line 2: the value of 'a' is nested"),
        (b'{"a": 1}\n{"b": [2]}\n', "line 2: the value of 'b' is nested"),
        (b'{"a": 1}\n{"a": 2, "b": 3, "a": 4}\n', "line 2: the key 'a' stands twice"),
        (b'{"a": 1, "A": 2}\n', "columns 1 and 2 differ only in case"),
        (b'{"a": 1, "": 2}\n', "column 2 has no name"),
        (b'{"a": "x\\u0000y"}\n', "line 1 holds the character \\u0000"),
        (b'{"a": "\xff"}\n', "line 1, character 8 (byte 7) is not UTF-8"),
        (b"{}\n{}\n", "have no keys"),
        (b'{"a": "' + b"x" * 1001 + b'"}\n', "a value of column 'a' has 1001 bytes"),
        (b'{"a": 1}\n{"a": "' + b"x" * 6000 + b'"}\n', "longer than 4.88 KiB"),
        (b'{"a": 1}\n' * 1001, "more than 1,000 rows"),
        (json.dumps({f"k{i}": i for i in range(21)}).encode(), "more than 20 different keys"),
        (b'{"a": "\\ud800"}\n', "not valid JSON Lines"),
    ],
)
def test_lines_that_are_no_flat_objects_are_refused(refuse, content, words):
    assert words in refuse(content)


def test_deeply_nested_json_is_refused(refuse):
    content = b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"
    message = refuse(content, limits=Limits())
    assert "line 1 is nested too deeply" in message


TABLE = pa.table({"a": list(range(100)), "b": ["x"] * 100})


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda b: b[:-20], "cut off"),
        (lambda b: b[:9], "cut off"),
        (lambda b: b[:-8] + b"\xff\xff\xff\x7fPAR1", "cut off"),
        (lambda b: b[:-4] + b"PARE", "encrypted"),
        (lambda b: b[:-30] + b"\xff" * 22 + b[-8:], "damaged"),
        (lambda b: b"PARE" + b[4:], "encrypted"),
    ],
)
def test_a_broken_parquet_file_is_refused(refuse, damage, words):
    assert words in refuse(damage(parquet(TABLE)))


def test_parquet_with_damaged_pages_is_refused(refuse):
    whole = parquet(pa.table({"a": np.random.default_rng(0).integers(0, 10**12, 500)}), use_dictionary=False)
    assert "damaged" in refuse(whole[:4] + b"\xff" * 2000 + whole[2004:])


def varint(number: int) -> bytes:
    """Thrift's compact form of a 64-bit number, with the type of the field before it."""
    zigzag, out = number << 1, b"\x16"
    while zigzag > 127:
        out, zigzag = out + bytes([zigzag & 127 | 128]), zigzag >> 7
    return out + bytes([zigzag])


def test_a_tiny_parquet_file_that_claims_500_million_rows_is_refused_by_its_footer(refuse):
    honest = parquet(pa.table({"a": pa.array(["x"] * 123_457)}), store_schema=False)
    length = int.from_bytes(honest[-8:-4], "little")
    footer = honest[-8 - length : -8].replace(varint(123_457), varint(500_000_000))
    forged = honest[: -8 - length] + footer + len(footer).to_bytes(4, "little") + b"PAR1"
    assert len(forged) < 1000
    assert "states 500,000,000 rows; at most 100,000,000" in refuse(forged, limits=Limits())


def test_parquet_strings_that_multiply_beyond_the_limit_are_refused(refuse):
    """30,000 rows of one shared text of 1,000 bytes: 30 MB of text in a file of a few kilobytes."""
    limits = Limits(max_bytes_expanded=20_000_000)
    assert "the text in the table has 28.6 MiB" in refuse(
        parquet(pa.table({"a": ["x" * 1000] * 30_000})), limits=limits
    )


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (pa.array([[1], [2]]), "column 1, 'a', holds nested values"),
        (pa.array([{"x": 1}]), "column 1, 'a', holds nested values"),
        (pa.array([b"raw"]), "holds values of type binary"),
        (pa.array([1], pa.duration("s")), "holds values of type duration"),
        (pa.array(["x\0y"]), "holds a NUL character"),
        (pa.array([], pa.int64()), "columns but no rows"),
        (pa.array([1] * 1001), "states 1,001 rows; at most 1,000"),
    ],
)
def test_parquet_columns_that_are_no_plain_values_are_refused(refuse, column, words):
    assert words in refuse(parquet(pa.table({"a": column})))


def test_parquet_with_names_that_sql_cannot_tell_apart_is_refused(refuse):
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "A"])
    assert "columns 1 and 2 differ only in case" in refuse(parquet(table))


def test_a_format_that_contradicts_the_content_is_refused(refuse):
    assert "but the content is Parquet" in refuse(parquet(TABLE), format=TableFormat.CSV)
    assert "but the content is text" in refuse(b"a,b\n1,2\n", format=TableFormat.PARQUET)


def test_no_cell_is_ever_quoted_in_a_message(refuse):
    for content in (b"a,b\nSECRET\n", b"a,b\nSECRET\xff,1\n", b'{"a": SECRET}\n', b'a,b\nx"SECRET,1\n'):
        assert "SECRET" not in refuse(content)


def test_what_breaks_while_writing_leaves_nothing_behind(tmp_path, monkeypatch):
    source = tmp_path / "upload"
    source.write_bytes(gzip.compress(b"a,b\n1,2\n"))

    def stopped(step):
        if step.stage == "describing columns":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest(source, tmp_path / "table.parquet", tell=stopped)
    assert [p.name for p in tmp_path.iterdir()] == ["upload"]


def test_too_little_memory_is_a_sentence_and_not_a_crash(refuse):
    rows = b"\n".join(b'%d,"%d"' % (i, i * 7919) for i in range(400_000))
    assert "memory" in refuse(b"a,b\n" + rows, limits=Limits(memory_bytes=8 << 20, threads=1))
