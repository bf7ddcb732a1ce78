"""The group of each row is the one that a bias report counts it in."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.errors import InvalidInput
from engine.fairness import BiasColumns
from engine.fairness.membership import membership
from tests.fairness import EVERYONE, analysed

RANDOM = np.random.default_rng(0)
ROWS = 500
TABLE = {
    "text": [None if i % 50 == 0 else " " if i % 50 == 1 else "abc"[i % 3] for i in range(ROWS)],
    "code": [None if i % 9 == 0 else float(i % 4) for i in range(ROWS)],
    "flag": [bool(i % 3) for i in range(ROWS)],
    "age": [float("nan") if i % 70 == 0 else float("inf") if i % 70 == 1 else i * 0.5 for i in range(ROWS)],
    "y": [int(value) for value in RANDOM.integers(0, 2, ROWS)],
}


@pytest.mark.parametrize("attribute", ["text", "code", "flag", "age"])
def test_groups_have_the_names_and_rows_of_a_bias_report(tmp_path, attribute):
    report = analysed(tmp_path, TABLE, BiasColumns(protected=[attribute], prediction="y"), EVERYONE)
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table(TABLE), path)
    found = membership([path], attribute)
    shown = {group.name: group.size for group in report.attributes[0].groups}
    assert dict(zip(found.names, found.sizes.tolist(), strict=True)) == shown


def test_rows_come_in_their_order_over_all_parts_and_the_bands_that_are_given_hold(tmp_path):
    parts = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    pq.write_table(pa.table({"age": [10, 50, None]}), parts[0])
    pq.write_table(pa.table({"age": [30, 29]}), parts[1])
    found = membership(parts, "age", [30])
    assert [found.names[place] for place in found.of] == [
        "below 30",
        "30 and above",
        "(missing)",
        "30 and above",
        "below 30",
    ]
    assert found.missing == found.names.index("(missing)")
    assert found.notes == ("age is banded at 30, as asked.",)
    assert [found.names[place] for place in found.taken(np.array([3, 0])).of] == ["30 and above", "below 30"]


def test_what_holds_no_groups_is_refused_in_words(tmp_path):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"id": [f"p{i}" for i in range(101)], "sex": ["f"] * 101}), path)
    for name, edges, at, said in (
        ("id", (), "attribute", "101 distinct values"),
        ("gender", (), "attribute", "no column 'gender'; its columns are 'id', 'sex'"),
        ("sex", (3.0,), "bands", "only numbers have bands"),
    ):
        with pytest.raises(InvalidInput, match=said) as error:
            membership([path], name, edges)
        assert error.value.at == (at,)
