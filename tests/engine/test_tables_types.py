"""The type that each column is given: taken only if every value survives it, and told where one was changed."""

import io

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.tables import ColumnType
from engine.tables.infer import _Asker

B, I, F, D, T, S = (  # noqa: E741
    ColumnType.BOOLEAN,
    ColumnType.INTEGER,
    ColumnType.FLOAT,
    ColumnType.DATE,
    ColumnType.TIMESTAMP,
    ColumnType.STRING,
)


def column(*cells: str) -> bytes:
    """One column of cells as CSV, beside another that keeps empty cells from being empty lines."""
    return "\n".join(["a,b", *(f"{cell},x" for cell in cells)]).encode()


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        (["1", "-5", "0"], I, [1, -5, 0]),
        (["007", "12"], S, ["007", "12"]),
        (["9223372036854775807"], I, [2**63 - 1]),
        (["9223372036854775808", "1"], S, ["9223372036854775808", "1"]),
        (["9007199254740993", "1.5"], S, ["9007199254740993", "1.5"]),  # a float would drop the 3
        (["+4712345678"], S, ["+4712345678"]),
        (["1e5", "2.50", ".5", "-3."], F, [1e5, 2.5, 0.5, -3.0]),
        (["1", "2.5", ""], F, [1.0, 2.5, None]),
        (["0x1F", "12"], S, ["0x1F", "12"]),
        (["1_000"], S, ["1_000"]),
        (["00.5"], S, ["00.5"]),
        ([" 12", "7 "], I, [12, 7]),
        (["true", "False", "TRUE"], B, [True, False, True]),
        (["true", "1"], S, ["true", "1"]),
        (["t", "f"], S, ["t", "f"]),
        (["1", "NA", "N/A", "null", "None", "NaN", '""', ""], I, [1] + [None] * 7),
        (["x", "NA", "null", '""', ""], S, ["x", "NA", "null", "", None]),
        (["NA", "NA"], S, ["NA", "NA"]),
        (["", ""], S, [None, None]),
        (["1.5", "inf", "-Infinity", "nan"], F, [1.5, None, None, None]),
        (["2024-02-29", "NA"], D, [pd.Timestamp("2024-02-29").date(), None]),
        (["2023-02-29", "2024-01-01"], S, ["2023-02-29", "2024-01-01"]),
        (["2024-1-1"], S, ["2024-1-1"]),
        (["20240101"], I, [20240101]),
        (["01/02/2024"], S, ["01/02/2024"]),
        (["2024-01-01 10:00:00", "2024-01-01T10:00", "2024-01-01 00:00:00.25"], T, None),
        (["2024-01-01T10:00:00.123456789"], S, ["2024-01-01T10:00:00.123456789"]),
        (["2024-01-01 24:00:00"], S, ["2024-01-01 24:00:00"]),
        (["2024-01-01 10:00:00", "2024-01-01 10:00:00Z"], S, None),
        (["infinity", "epoch"], S, ["infinity", "epoch"]),
        (["=1+1", "@SUM(A1)", "-2+3"], S, ["=1+1", "@SUM(A1)", "-2+3"]),  # data, kept as it is
    ],
)
def test_a_type_is_taken_only_if_every_value_survives_it(read, cells, kind, values):
    result, table = read(column(*cells))
    assert result.profile.columns[0].type is kind
    assert values is None or table["a"].to_pylist() == values


def test_timestamps_with_a_zone_are_the_same_moment_in_utc(read):
    _, table = read(column("2024-01-01T10:00:00+02:00", "2024-01-01 10:00:00Z"))
    assert [v.isoformat() for v in table["a"].to_pylist()] == [
        "2024-01-01T08:00:00+00:00",
        "2024-01-01T10:00:00+00:00",
    ]


def test_a_value_beyond_the_first_look_still_decides_the_type(read):
    """The first 10,000 rows are all integers; the last cell is not."""
    result, table = read(column(*["5"] * 20_000, "5.5"))
    assert result.profile.columns[0].type is F
    assert table["a"][-1].as_py() == 5.5
    assert read(column(*["5"] * 20_000, "five"))[0].profile.columns[0].type is S


def test_what_was_read_as_empty_is_told(read):
    result, _ = read(column("1.5", "NA", "inf", "n/a"))
    assert result.profile.columns[0].notes == (
        "2 cells that say NA, null or the like were read as empty",
        "1 values that are infinite or not a number were read as empty",
    )
    assert read(b"\xef\xbb\xbf" + column("1"))[0].profile.notes == (
        "a byte order mark at the start was left out",
    )


def test_json_strings_of_digits_stay_strings_and_missing_keys_are_null(read):
    lines = (
        b'{"zip": "12345", "n": 1}\n\n{"n": 2.5, "late/r~": "x"}\n{"zip": "1", "n": 123456789012345678901}\n'
    )
    result, table = read(lines)
    assert [(c.name, c.type) for c in result.profile.columns] == [("zip", S), ("n", S), ("late/r~", S)]
    assert table["zip"].to_pylist() == ["12345", None, "1"]
    assert table["n"].to_pylist() == ["1", "2.5", "123456789012345678901"]
    assert table["late/r~"].to_pylist() == [None, "x", None]


def test_numbers_that_json_does_not_have_are_read_as_empty_and_told(read):
    """Many programs write NaN and Infinity as they stand."""
    result, table = read(b'{"a": 1, "b": 1.5}\n{"a": NaN, "b": Infinity}\n{"a": 2, "b": -Infinity}\n')
    assert table.to_pydict() == {"a": [1, None, 2], "b": [1.5, None, None]}
    assert [c.notes for c in result.profile.columns] == [
        ("1 cells that say NA, null or the like were read as empty",),
        ("2 values that are infinite or not a number were read as empty",),
    ]


def test_endless_dates_of_parquet_are_read_as_empty_and_told(read):
    endless = {
        "day": pa.array([0, 2**31 - 1, 1 - 2**31], pa.date32()),
        "moment": pa.array([0, 2**63 - 1, None], pa.timestamp("us")),
        "zoned": pa.array([0, 2**63 - 1, 0], pa.timestamp("us", tz="UTC")),
    }
    out = io.BytesIO()
    pq.write_table(pa.table(endless), out)
    result, table = read(out.getvalue())
    assert [c.maximum for c in result.profile.columns] == [
        "1970-01-01", "1970-01-01 00:00:00", "1970-01-01 00:00:00+00",
    ]  # fmt: skip
    assert [(c.nulls, c.minimum == c.maximum, len(c.notes)) for c in result.profile.columns] == [
        (2, True, 1), (2, True, 1), (1, True, 1),
    ]  # fmt: skip
    assert table["day"].null_count == 2


def test_nanoseconds_that_are_rounded_are_told(read):
    out = io.BytesIO()
    moments = {"fine": [1_000_001, 2_000_000, None], "whole": [1_000_000, 2_000_000, None]}
    pq.write_table(pa.table({n: pa.array(v, pa.timestamp("ns")) for n, v in moments.items()}), out)
    result, _ = read(out.getvalue())
    assert [c.notes for c in result.profile.columns] == [("1 times were rounded to microseconds",), ()]


def test_parquet_types_become_ours(read):
    out = io.BytesIO()
    table = pa.table(
        {
            "small": pa.array([1, None], pa.int8()),
            "big": pa.array([1, 2**64 - 1], pa.uint64()),
            "unsigned": pa.array([1, 2], pa.uint64()),
            "half": pa.array([1.5, float("nan")], pa.float32()),
            "money": pa.array(["1.25", "2.50"]).cast(pa.decimal128(10, 2)),
            "kind": pa.array(["x", "y"]).dictionary_encode(),
            "codes": pa.array(["1", "2"]),
            "when": pa.array([1_700_000_000_000_000_000, None], pa.timestamp("ns")),
            "zoned": pa.array([0, 1], pa.timestamp("ms", tz="Europe/Paris")),
            "empty": pa.nulls(2),
            "clock": pa.array([3_600, 0], pa.time32("s")),
        }
    )
    pq.write_table(table, out)
    result, got = read(out.getvalue())
    assert [c.type for c in result.profile.columns] == [I, S, I, F, F, S, S, T, T, S, S]
    assert got["big"].to_pylist() == ["1", "18446744073709551615"]
    assert got["half"].to_pylist() == [1.5, None]
    assert got["money"].to_pylist() == [1.25, 2.5]
    assert got["kind"].to_pylist() == ["x", "y"]
    assert got["clock"].to_pylist() == ["01:00:00", "00:00:00"]
    assert result.preview[0][7] == "2023-11-14 22:13:20"


def test_a_wide_table_is_typed_as_a_narrow_one_in_few_passes(read, monkeypatch):
    kinds = [
        ["1", "2", "NA", ""], ["1.5", "inf", "nan", "2"], ["true", "False", "", '""'], ["2024-02-29", "NA", "", "2024-01-01"],
        ["2024-01-01 10:00:00", "", "NA", "2024-01-02T10:00"], ["2024-01-01T10:00Z", "", "", "NA"], ["1", "1.5", "x", "NA"],
        [" 7", "8 ", "007", "1"],
    ]  # fmt: skip
    filler = [kind[0].strip() for kind in kinds]
    rows = [filler] * 11_000 + [list(row) for row in zip(*kinds, strict=True)]
    rounds = []
    for times in (1, 30):  # 8 columns, and 240
        passes = []
        row = _Asker.row
        monkeypatch.setattr(_Asker, "row", lambda *asked: passes.append(1) or row(*asked))  # noqa: B023
        names = ",".join(f"c{i}" for i in range(len(kinds) * times))
        content = "\n".join([names, *(",".join(cells * times) for cells in rows)])
        result, _ = read(content.encode())
        monkeypatch.undo()
        rounds.append([(c.type, c.nulls, c.notes) for c in result.profile.columns])
        assert len(passes) <= 4
    assert rounds[1] == rounds[0] * 30
    assert [kind for kind, *_ in rounds[0]] == [I, F, B, D, T, T, S, S]
