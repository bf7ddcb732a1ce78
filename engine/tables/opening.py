"""How a part is opened, wherever it lies: its footer as a file, its rows as a view in DuckDB.

DuckDB reads files of this machine itself. Of a store it has no extension, so pyarrow streams the columns that a
query asks for, as record batches; a store that fails is told in one sentence, without its address.
"""

import glob
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import duckdb
import pyarrow as pa
import pyarrow.fs

from engine.errors import InvalidInput
from engine.tables.part import AWAY, DENIED, Part, Remote, Store
from engine.tables.sandbox import text

ROWS = "rows_of_parts"
"""The view that `show` makes."""
GONE = "a part of this dataset is no longer in its store: register the dataset again"
CHANGED = "a part of this dataset was changed while it was read: register the dataset again"
OF_STORES = (GONE, CHANGED, DENIED, AWAY)
"""Sentences that speak of a store and not of what is in a part."""
CONNECT_S, ANSWER_S, TRIES = 5, 30, 3

_REFUSALS = re.compile(
    r"ACCESS_DENIED|INVALID_ACCESS_KEY|SIGNATURE|CLIENT_TOKEN|EXPIRED_TOKEN|UNRECOGNIZED_CLIENT"
)
_NOT_THERE = re.compile(r"Path does not exist|NO_SUCH_|RESOURCE_NOT_FOUND")


@contextmanager
def opened(part: Part) -> Iterator[pa.NativeFile]:
    """The bytes of a part, for its footer.

    Raises:
        InvalidInput: its store is away, refuses, or has it no more.
    """
    with in_words([part]):
        file = (
            _system(part.store).open_input_file(part.path)
            if isinstance(part, Remote)
            else pa.OSFile(str(part))
        )
        with file:
            if isinstance(part, Remote) and file.size() != part.bytes:
                raise InvalidInput(CHANGED)
            yield file


def show(connection: duckdb.DuckDBPyConnection, parts: Sequence[Part], schema: pa.Schema) -> None:
    """Make a view `ROWS` of the rows of all parts, in their order; all lie on this machine, or all in one store.

    Args:
        schema: the columns of each of them.
    """
    remote = [part for part in parts if isinstance(part, Remote)]
    if remote:
        connection.register(ROWS, _dataset(remote, schema))
        return
    files = ", ".join(text(glob.escape(str(part))) for part in parts)
    connection.execute(f"CREATE TEMP VIEW {ROWS} AS FROM read_parquet([{files}], hive_partitioning = false)")


@contextmanager
def in_words(parts: Sequence[Part]) -> Iterator[None]:
    """Failures of a store in the block as one sentence; those of this machine's files stay what they are.

    Raises:
        InvalidInput: the store is away or refuses, or a part is gone.
    """
    try:
        yield
    except (duckdb.InterruptException, duckdb.OutOfMemoryException):
        raise
    except (OSError, pa.ArrowException, duckdb.Error) as error:
        if not any(isinstance(part, Remote) for part in parts):
            raise
        words = _words(str(error))
        if words is None:
            raise
        raise InvalidInput(words) from None


def _words(said: str) -> str | None:
    if _NOT_THERE.search(said):
        return GONE
    if "AWS Error" in said:
        return DENIED if _REFUSALS.search(said) else AWAY
    return None


def _dataset(parts: Sequence[Remote], schema: pa.Schema) -> Any:
    """What DuckDB scans as often as it likes, asking for columns; sizes are known, so no request is spent on them."""
    import pyarrow.dataset as ds  # noqa: PLC0415  # brings pandas, a second that files of this machine do not need

    form, system = ds.ParquetFileFormat(), _system(parts[0].store)
    fragments = [form.make_fragment(part.path, filesystem=system, file_size=part.bytes) for part in parts]
    plain = pa.schema([pa.field(each.name, _as_duckdb_reads(each.type)) for each in schema])
    return ds.FileSystemDataset(fragments, plain, form, system)


def _as_duckdb_reads(kind: pa.DataType) -> pa.DataType:
    """The type under which DuckDB takes a column from Arrow as it would read it from the file."""
    if pa.types.is_dictionary(kind):
        return _as_duckdb_reads(kind.value_type)
    if pa.types.is_float16(kind):
        return pa.float32()
    return pa.float64() if pa.types.is_decimal256(kind) else kind


@lru_cache(maxsize=4)
def _system(store: Store) -> pyarrow.fs.S3FileSystem:
    """A client for the store; without a key it takes the role of the machine, where there is one."""
    endpoint = urlsplit(store.endpoint or "")
    return pyarrow.fs.S3FileSystem(
        access_key=store.access_key_id,
        secret_key=store.secret_access_key,
        region=store.region or "us-east-1",
        scheme=endpoint.scheme or "https",
        endpoint_override=endpoint.netloc or None,
        connect_timeout=CONNECT_S,
        request_timeout=ANSWER_S,
        retry_strategy=pyarrow.fs.AwsStandardS3RetryStrategy(max_attempts=TRIES),
    )
