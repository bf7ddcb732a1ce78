"""The command `fairmind`. Errors are one line and an exit code.

Each command imports what it runs when it runs: `fairmind audit` waits for no web server and no database.
"""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

import app.audit
import app.explain
from jobs.confinement import hide

cli = typer.Typer(
    name="fairmind",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
console = Console(stderr=True)

FRAME_BYTES = 64 * 1024
Supervised = Annotated[bool, typer.Option("--supervised", hidden=True)]


@cli.callback()
def hidden() -> None:
    """An open server for AI governance: is a model fair, why does it decide so, does it still behave?"""
    hide()  # of servers and workers: their environment holds what opens the database


@cli.command()
def serve() -> None:
    """Run the server and one worker; without DATABASE_URL also a PostgreSQL of our own."""
    import app.home
    from app.settings import settings

    raise typer.Exit(app.home.run(settings(), demo=False))


@cli.command()
def demo() -> None:
    """Run the server with a demonstration: a real lending data set and a model's decisions."""
    import app.home
    from app.settings import settings

    raise typer.Exit(app.home.run(settings(), demo=True))


@cli.command(hidden=True)
def http(supervised: Supervised = False) -> None:
    """Run only the HTTP server, on the database that DATABASE_URL names."""
    import app.server
    import app.serving
    from app.settings import settings
    from app.supervisor import end_with_supervisor

    if supervised:
        end_with_supervisor()
    chosen = settings()
    code = app.serving.run(
        app.server.create(chosen),
        host=chosen.host,
        port=chosen.port,
        log_config=None,
        access_log=False,
        server_header=False,
        ws_max_size=FRAME_BYTES,
        ws_per_message_deflate=False,
        ws="websockets-sansio",
        limit_concurrency=chosen.worker_connections,
    )
    raise typer.Exit(code)


@cli.command()
def worker(supervised: Supervised = False) -> None:
    """Run one worker: it takes jobs from the queue and runs each in a limited child process."""
    import app.home
    import app.logs
    import app.working
    from app.settings import settings
    from app.supervisor import end_with_supervisor

    if supervised:
        end_with_supervisor()
    chosen = settings()
    app.logs.set_up(chosen.log_level, debug=chosen.debug)
    with app.home.database(chosen) as url:
        asyncio.run(app.working.work(chosen, url))


@cli.command()
def init(
    organization: Annotated[str, typer.Option(prompt="Name of your organization")],
    email: Annotated[str, typer.Option(prompt="Your e-mail address")],
    name: Annotated[str, typer.Option(prompt="Your name")],
    password: Annotated[
        str, typer.Option(prompt=True, confirmation_prompt=True, hide_input=True, envvar="FAIRMIND_PASSWORD")
    ],
) -> None:
    """Make an organization and its first administrator."""
    import app.home
    from app.settings import settings
    from auth.passwords import check_strength, hashed
    from db.errors import Conflict
    from db.people import People

    check_strength(password)
    if "@" not in email.strip("@ "):
        raise Conflict(f"{email!r} is no e-mail address")
    with app.home.database(settings()) as url:
        people = People(url)
        people.establish(organization, email, name, hashed(password))
        people.close()
    console.print(f"[green]✓[/] {organization} is there, and {email} may sign in as its administrator")


@cli.command()
def migrate() -> None:
    """Bring the database to the shape that this version expects."""
    import app.home
    from app.settings import settings
    from db.migrate import migrate as migrate_database

    with app.home.database(settings()) as url:
        console.print(f"[green]✓[/] the database is at version {migrate_database(url)}")


@cli.command()
def token(
    email: Annotated[str, typer.Argument(help="Whose token")],
    hours: Annotated[float, typer.Option(min=0.01, max=24 * 365, help="How long it is valid")] = 1,
) -> None:
    """Print a token for a person, for scripts on this machine."""
    import app.home
    from app.secret import secret
    from app.settings import settings
    from auth.tokens import Tokens
    from db.people import People

    chosen = settings()
    with app.home.database(chosen) as url:
        people = People(url)
        user = people.found(email)
        people.close()
    made, _ = Tokens(secret(chosen), algorithm=chosen.jwt_algorithm, hours=hours).for_user(user)
    sys.stdout.write(made + "\n")


cli.command()(app.audit.audit)
cli.command()(app.explain.explain)


@cli.command()
def convert(
    file: Annotated[Path, typer.Argument(help="What pickle, joblib or cloudpickle wrote; of your own.")],
    out: Annotated[Path, typer.Argument(help="The skops file to write.")],
    yes: Annotated[
        bool, typer.Option("--yes", help="Run the code that FILE carries without asking.")
    ] = False,
) -> None:
    """Turn a pickled scikit-learn model of your own into a skops file, which carries no code. It opens FILE,
    and that runs whatever code FILE carries: only for files that you trust, and never on a server."""
    import app.convertible

    app.convertible.check(file, out)
    import app.convert  # the one module that unpickles: nothing else may bring it along

    if not yes:
        console.print(f"[yellow]![/] {escape(app.convert.WARNING.format(file=file))}", soft_wrap=True)
        typer.confirm("Open it?", abort=True, err=True)
    app.convert.convert(file, out, lambda said: console.print(f"[green]✓[/] {escape(said)}", soft_wrap=True))


@cli.command("export-schema")
def export_schema(
    file: Annotated[Path | None, typer.Argument(help="Where to write it; standard output otherwise")] = None,
) -> None:
    """Print the GraphQL schema."""
    from schema import schema

    text = schema.as_str() + "\n"
    if file is None:
        sys.stdout.write(text)
    else:
        file.write_text(text)


@cli.command()
def doctor(
    demo: Annotated[bool, typer.Option("--demo", help="Look at what `make demo` has set up.")] = False,
) -> None:
    """Look at everything this installation rests on: one row a check, with the remedy."""
    import app.checks
    import app.home
    from app.settings import settings

    chosen = settings()
    raise typer.Exit(app.checks.report(app.home.for_demo(chosen) if demo else chosen, Console()))


def main() -> None:
    """Run a command; what a person can act on is one line, never a traceback."""
    try:
        cli()
    except Exception as error:
        from app.complaints import complaints

        code, said = complaints(error)
        if not said:
            raise
        for line in said:
            console.print(f"[red]fairmind:[/] {escape(line)}", highlight=False, soft_wrap=True)
        raise SystemExit(code) from None
