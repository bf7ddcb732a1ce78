"""What several stories begin with."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.fairness import AnalysisType
from engine.tables import Ingested
from engine.tables.ingest import ingest
from engine.values import silent
from tests.fairness import COLUMNS, LABEL, PREDICTION, QUICK, SEX, analysed


@pytest.fixture
def read(tmp_path: Path):
    """What some bytes become: the profile with preview, and the written table."""

    def taken(content: bytes, **options) -> tuple[Ingested, pa.Table]:
        source, target = tmp_path / "upload", tmp_path / "table.parquet"
        source.write_bytes(content)
        result = ingest(source, target, **options)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["table.parquet", "upload"]
        return result, pq.read_table(target)

    return taken


@pytest.fixture
def report(tmp_path):
    """The report of a table of decisions on two groups, with columns of it replaced or added."""

    def made(columns=COLUMNS, kind=AnalysisType.COMPREHENSIVE, options=QUICK, tell=silent, **data):
        data = {"sex": SEX, "y": LABEL, "p": PREDICTION} | data
        return analysed(tmp_path, data, columns, options, kind, tell)

    return made
