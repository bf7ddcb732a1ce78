"""What commands that compute here have in common: a bar, answers that survive `| head`, and errors of one line."""

import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn

from engine.errors import EngineError, InvalidInput
from engine.tables import TableProfile
from engine.values import Step, Tell

USAGE = 2
FAULT = 70
"""Of ours; as sysexits.h has it."""
INTERRUPTED = 130
WIDTH = 150
"""Characters a line where the output is no terminal."""


def plain(text: str) -> str:
    """Text of a file as it may be printed: signs that steer a terminal are spelt out, brackets are no markup."""
    return escape("".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text))


def console(*, stderr: bool = False) -> Console:
    """A terminal as wide as it is, or a file with lines wide enough for the tables."""
    made = Console(stderr=stderr, highlight=False)
    return (
        made
        if made.is_terminal or "COLUMNS" in os.environ
        else Console(stderr=stderr, highlight=False, width=WIDTH)
    )


@contextmanager
def answering(options: Mapping[str, str]) -> Iterator[None]:
    """Around a command: what a person can act on is one line and exit code 2, faults of ours end with 70.

    Args:
        options: those that are not called like the field they fill.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that only knows ASCII shows question marks
    try:
        yield
    except (EngineError, OSError) as error:
        console(stderr=True).print(f"[red]fairmind:[/] {plain(_said(error, options))}", soft_wrap=True)
        raise typer.Exit(USAGE) from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except typer.Exit:
        raise
    except Exception:  # noqa: BLE001  # Python would end with 1, which may say that something was found
        traceback.print_exc()
        raise typer.Exit(FAULT) from None


def as_json(value: object) -> bytes:
    """A report as `--json` prints it."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def printed(print_it: Callable[[], object]) -> None:
    """Print to standard output, of which a reader such as `| head` may have seen enough."""
    try:
        print_it()
        sys.stdout.flush()
    except BrokenPipeError:  # Python would complain once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def as_table(file: Path, tell: Tell) -> Iterator[tuple[Path, TableProfile]]:
    """A file of any kind that can be uploaded, read into a Parquet file that is gone with the block.

    Raises:
        InvalidInput: it is no table.
        OSError: it cannot be opened, or there is no room for its copy.
    """
    # they bring DuckDB, which other commands do without
    from engine.tables.ingest import ingest  # noqa: PLC0415
    from engine.tables.limits import Limits  # noqa: PLC0415

    if file.is_dir():
        raise IsADirectoryError(None, "this is a folder; one file is needed", str(file))
    with tempfile.TemporaryDirectory(prefix="fairmind-") as folder:
        table = Path(folder) / "table.parquet"
        yield table, ingest(file, table, Limits(), tell).profile


@contextmanager
def progress() -> Iterator[Tell]:
    """A bar on standard error while it is a terminal; otherwise nothing."""
    shown = console(stderr=True)
    text = TextColumn("{task.description}", markup=False)
    with Progress(BarColumn(20), text, console=shown, transient=True, disable=not shown.is_terminal) as bar:
        task = bar.add_task("", total=1.0)

        def tell(step: Step) -> None:
            bar.update(task, completed=step.fraction, description=step.message)

        yield tell


def _said(error: EngineError | OSError, options: Mapping[str, str]) -> str:
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror or error}"
    if isinstance(error, InvalidInput) and error.at:
        option = _option(str(error.at[0]), options)
        said = error.worded(lambda name: _option(name, options))
        return said if said.startswith(option) else f"{option}: {said}"
    return str(error)


def _option(field: str, options: Mapping[str, str]) -> str:
    return options.get(field, f"--{field.replace('_', '-')}")
