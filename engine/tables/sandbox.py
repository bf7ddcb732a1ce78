"""A DuckDB that can reach one file, one folder and nothing else, and whose errors are fit to be shown."""

import errno
import glob
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from engine.errors import InvalidInput
from engine.tables.limits import Limits, size


@contextmanager
def sandbox(folder: Path, files: Sequence[Path], limits: Limits) -> Iterator[duckdb.DuckDBPyConnection]:
    """An in-memory database that reaches `files` and what lies below `folder`, and is locked that way.

    Raises:
        InvalidInput: a query inside the block needs too much memory or cannot read the file. The
            engine's own message is dropped, because it repeats cells of the file.
        OSError: the disk is full.
    """
    allowed = dict.fromkeys(each for file in files for each in (str(file), glob.escape(str(file))))
    connection = duckdb.connect(
        config={
            "memory_limit": f"{limits.memory_bytes}B",
            "threads": limits.threads,
            "temp_directory": str(folder / "spill"),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
            "preserve_insertion_order": True,
        }
    )
    try:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET enable_progress_bar = false")  # it is printed to stdout
        connection.execute(f"SET allowed_directories = [{text(folder)}]")
        connection.execute(f"SET allowed_paths = [{', '.join(map(text, allowed))}]")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield connection
    except duckdb.OutOfMemoryException:
        raise InvalidInput(
            f"reading the file needs more than {size(limits.memory_bytes)} of memory; "
            "split it, or leave out columns of long text"
        ) from None
    except (duckdb.InterruptException, duckdb.PermissionException):
        raise  # asked to stop, or a mistake of ours
    except duckdb.Error as error:
        if "No space left" in str(error):
            raise OSError(errno.ENOSPC, "no space left to write the table") from None
        raise InvalidInput(
            "the file is damaged and cannot be read to its end; save and upload it again"
        ) from None
    finally:
        connection.close()


def text(value: object) -> str:
    """An SQL literal, for the few places that take no bound value."""
    return "'" + str(value).replace("'", "''") + "'"


def name(value: str) -> str:
    """An SQL identifier."""
    return '"' + value.replace('"', '""') + '"'
