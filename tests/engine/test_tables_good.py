"""Good files of every format: what comes back is what was written, to the same bytes, with a true profile."""

import csv
import gzip
import hashlib
import io
import json
from dataclasses import fields, is_dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from engine.tables import ColumnType, Limits, RoleHint, TableFormat, TableProfile
from engine.tables.ingest import ingest
from engine.values import Step

B, I, F, D, S = (  # noqa: E741
    ColumnType.BOOLEAN,
    ColumnType.INTEGER,
    ColumnType.FLOAT,
    ColumnType.DATE,
    ColumnType.STRING,
)

LOANS = [
    {"id": 1, "code": "007", "amount": 10.5, "ok": True, "day": "2024-02-29", "name": "Zoë"},
    {"id": 2, "code": "010", "amount": None, "ok": False, "day": "2024-03-01", "name": 'a "b", c'},
    {"id": 3, "code": "100", "amount": -2e5, "ok": None, "day": None, "name": None},
]
LOANS_CSV = (
    "id,code,amount,ok,day,name\n"
    "1,007,10.5,true,2024-02-29,Zoë\n"
    '2,010,,false,2024-03-01,"a ""b"", c"\n'
    "3,100,-2e5,,,\n"
)


def loans_parquet() -> bytes:
    out = io.BytesIO()
    frame = pd.DataFrame(LOANS).astype({"code": "category", "ok": "boolean"})
    frame["day"] = pd.to_datetime(frame["day"]).dt.date
    frame.to_parquet(out)
    return out.getvalue()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("content", "format", "delimiter"),
    [
        (LOANS_CSV.encode(), TableFormat.CSV, ","),
        (LOANS_CSV.replace("\n", "\r\n").encode(), TableFormat.CSV, ","),
        (LOANS_CSV.replace("\n", "\r\n", 2).encode(), TableFormat.CSV, ","),
        (b"\xef\xbb\xbf" + LOANS_CSV.encode(), TableFormat.CSV, ","),
        (LOANS_CSV.replace(",", ";").encode(), TableFormat.CSV, ";"),
        (LOANS_CSV.replace(",", "|").encode(), TableFormat.CSV, "|"),
        (LOANS_CSV.replace(",", "\t").encode(), TableFormat.TSV, "\t"),
        ("\n".join(map(json.dumps, LOANS)).encode(), TableFormat.JSONL, None),
        (loans_parquet(), TableFormat.PARQUET, None),
    ],
    ids=["csv", "crlf", "mixed", "bom", "semicolon", "pipe", "tsv", "jsonl", "parquet"],
)
def test_the_same_table_comes_out_of_every_format(read, content, format, delimiter, packed):
    upload = gzip.compress(content) if packed else content
    result, table = read(upload)
    profile = result.profile
    assert (profile.format, profile.delimiter, profile.compressed) == (format, delimiter, packed)
    assert (profile.rows, profile.bytes) == (3, len(upload))
    assert [(c.name, c.type, c.nulls) for c in profile.columns] == [
        ("id", I, 0), ("code", S, 0), ("amount", F, 1), ("ok", B, 1), ("day", D, 1), ("name", S, 1),
    ]  # fmt: skip
    rows = table.to_pylist()
    assert [str(r["day"]) for r in rows] == ["2024-02-29", "2024-03-01", "None"]
    assert [{**r, "day": None} for r in rows] == [
        {**r, "day": None, "name": r["name"] and r["name"].replace(",", delimiter or ",")} for r in LOANS
    ]
    assert result.preview[0] == ("1", "007", "10.5", "true", "2024-02-29", "Zoë")
    assert result.preview[2] == ("3", "100", "-200000.0", None, None, None)


def random_rows(count: int) -> pd.DataFrame:
    draw = np.random.default_rng(7)
    return pd.DataFrame(
        {
            "applicant_id": np.arange(count),
            "zip": [f"{z:05d}" for z in draw.integers(0, 99_999, count)],
            "applicantAge": draw.integers(18, 90, count),
            "income": np.where(draw.random(count) < 0.1, np.nan, draw.lognormal(10, 1, count).round(2)),
            "sex": draw.choice(["female", "male"], count),
            "risk_score": draw.random(count),
            "y_true": draw.integers(0, 2, count),
            "y_pred": draw.integers(0, 2, count),
            "sample_weight": draw.random(count),
            "note": draw.choice(["ok", 'said "no",\ntwice'], count),
        }
    )


def test_the_profile_counts_as_pandas_counts(read):
    frame = random_rows(30_000)
    result, _ = read(frame.to_csv(index=False).encode())
    for got in result.profile.columns:
        values = frame[got.name]
        assert (got.nulls, got.distinct, got.distinct_is_exact) == (
            values.isna().sum(),
            values.nunique(),
            True,
        )
        if got.type in (I, F):
            assert (float(got.minimum), float(got.maximum)) == (values.min(), values.max())
        if values.nunique() <= 100:
            expected = values.value_counts()
            assert [v.count for v in got.top_values] == expected.head(10).tolist()
            assert all(expected[type(expected.index[0])(v.value)] == v.count for v in got.top_values)
        else:
            assert got.top_values == ()
    assert len(result.preview) == 50
    assert result.preview[49][0] == "49"


def test_roles_are_guessed_from_name_and_content(read):
    result, _ = read(random_rows(500).assign(usage=1, credit_score=700).to_csv(index=False).encode())
    assert {c.name: c.role_hints for c in result.profile.columns if c.role_hints} == {
        "applicant_id": (RoleHint.IDENTIFIER,),
        "applicantAge": (RoleHint.PROTECTED,),
        "sex": (RoleHint.PROTECTED,),
        "risk_score": (RoleHint.SCORE,),
        "y_true": (RoleHint.LABEL,),
        "y_pred": (RoleHint.PREDICTION,),
        "sample_weight": (RoleHint.WEIGHT,),
    }  # "usage" holds the letters of age, and a credit score of 700 is not in [0, 1]


def test_values_that_single_people_out_are_not_in_the_profile(read):
    result, _ = read(b"name,team\nAda,x\nBob,x\nCyd,y\n")
    assert result.profile.columns[0].top_values == ()
    assert [(v.value, v.count) for v in result.profile.columns[1].top_values] == [("x", 2), ("y", 1)]
    assert result.profile.columns[0].minimum is None


def test_the_same_content_gives_the_same_bytes(tmp_path):
    """Whatever the number of threads, the wrapping and the moment; several row groups are written."""
    content = random_rows(270_000)[["applicant_id", "zip", "income", "note"]].to_csv(index=False).encode()
    (tmp_path / "plain").write_bytes(content)
    (tmp_path / "packed").write_bytes(gzip.compress(content, 1))
    digests = set()
    for name, threads in (("plain", 2), ("plain", 2), ("packed", 2), ("plain", 1)):
        ingest(tmp_path / name, tmp_path / "out", Limits(threads=threads))
        digests.add(hashlib.sha256((tmp_path / "out").read_bytes()).hexdigest())
    assert len(digests) == 1
    with pq.ParquetFile(tmp_path / "out") as file:
        sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
        assert file.metadata.row_group(0).column(0).compression == "ZSTD"
    assert len(sizes) == 3 and max(sizes) < 140_000


def test_progress_never_falls_and_ends_whole(read):
    steps: list[Step] = []
    read(random_rows(1000).to_csv(index=False).encode(), tell=steps.append)
    shares = [step.fraction for step in steps]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1
    assert list(dict.fromkeys(step.stage for step in steps)) == [
        "checking the file",
        "reading rows",
        "describing columns",
    ]
    assert any("1,000 rows" in step.message for step in steps)


def test_a_very_wide_table_is_read(read):
    names = [f"c{i}" for i in range(500)]
    rows = "\n".join(",".join(str(i * j) for i in range(500)) for j in range(40))
    result, table = read(f"{','.join(names)}\n{rows}\n".encode())
    assert table.shape == (40, 500)
    assert len(result.preview) == 20  # 10,000 cells


def test_long_wide_json_lines_take_little_memory(read):
    line = json.dumps({f"c{i}": i for i in range(150)}).encode() + b"\n"
    result, table = read(line * 10_001, limits=Limits(memory_bytes=200 << 20))
    assert table.shape == (10_001, 150) and {c.type for c in result.profile.columns} == {I}


def test_names_and_paths_with_odd_characters_are_only_text(tmp_path):
    folder = tmp_path / "it's [1] *"
    folder.mkdir()
    source, target = folder / "up?load", folder / "ta'ble"
    source.write_bytes(b'"x""; DROP TABLE t; --",{0},$path,b\'s\n1,2,3,4\n5,6,7,8\n')
    result = ingest(source, target)
    assert [c.name for c in result.profile.columns] == ['x"; DROP TABLE t; --', "{0}", "$path", "b's"]
    assert pq.read_table(target).to_pylist()[1] == {'x"; DROP TABLE t; --': 5, "{0}": 6, "$path": 7, "b's": 8}
    source.write_bytes(b'{"x\\"y": 1, "{0}": 2, "it\'s": 3, "0": 4, "$.a": 5, "*": 6}\n')
    ingest(source, target)
    assert list(pq.read_table(target).to_pylist()[0].values()) == [1, 2, 3, 4, 5, 6]


def test_the_profile_goes_to_json_and_back(read):
    result, _ = read(LOANS_CSV.encode())
    codec = TypeAdapter(TableProfile)
    assert codec.validate_json(codec.dump_json(result.profile)) == result.profile
    assert is_dataclass(TableProfile) and all(not f.name.startswith("_") for f in fields(TableProfile))


def test_a_wanted_format_decides_between_delimiters(read):
    content = b"a,b,c\td\n1,2,3\t4\n"
    assert [c.name for c in read(b"a,b,c;d\n1,2,3\n")[0].profile.columns] == ["a", "b", "c;d"]
    result, _ = read(content, format=TableFormat.TSV)
    assert [c.name for c in result.profile.columns] == ["a,b,c", "d"]


cells = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12
) | st.sampled_from(
    ['"', '""', "a,b", "x\ny", "x\r\ny", "\n", "'", "\\", "日本", "007", "NA", " ", "#", "\u2028", "\t"]
)
tables = st.integers(1, 5).flatmap(
    lambda width: st.lists(st.lists(cells, min_size=width, max_size=width), min_size=1, max_size=8)
)


@settings(max_examples=60)
@given(rows=tables, end=st.sampled_from(["\n", "\r\n"]), delimiter=st.sampled_from(",;|\t"))
def test_any_text_that_csv_can_hold_comes_back(rows, end, delimiter):
    """Python's csv module writes, quoting all, so that no field is null; a first row of text keeps all strings."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator=end, delimiter=delimiter)
    names = [f"c{i}" for i in range(len(rows[0]))]
    written = [["text"] * len(names), *rows]
    writer.writerows([names, *written])
    with TemporaryDirectory() as folder:
        source, target = Path(folder, "upload"), Path(folder, "table")
        source.write_bytes(out.getvalue().encode())
        result = ingest(source, target)
        assert duckdb.sql(f"SELECT * FROM read_parquet('{target}')").fetchall() == [
            tuple(row) for row in written
        ]
    assert result.profile.rows == len(written)
