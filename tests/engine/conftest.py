"""What several stories about tables begin with."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.tables import Ingested
from engine.tables.ingest import ingest


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
