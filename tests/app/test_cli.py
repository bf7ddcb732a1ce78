"""The command: what it says and with which code it ends, when all is well and when it is not."""

import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.home import alone, for_demo
from app.settings import Settings
from auth.tokens import Tokens
from db.embedded import default_folder
from tests.app.conftest import CHECKOUT
from tests.conftest import SECRET

ADMIN = ("--organization", "First Bank", "--email", "Ada@bank.example", "--name", "Ada")
STRONG = "a password of some length"


def one_line(text: str) -> str:
    """What is said, if it is one line."""
    (line,) = text.strip().splitlines()
    return line


@pytest.mark.parametrize("secret", [None, "short", "ü" * 15])
@pytest.mark.parametrize("command", ["serve", "http", "worker"])
def test_production_does_not_start_without_a_sound_secret(fairmind, command, secret):
    done = fairmind(command, ENVIRONMENT="production", JWT_SECRET_KEY=secret)
    assert done.returncode == 2
    said = one_line(done.stderr)
    assert "JWT_SECRET_KEY must have 32 bytes" in said and "secrets.token_urlsafe" in said
    assert done.stdout == "" and (secret or "\0") not in said


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PORT", "80000", "PORT: "),
        ("MAX_FILE_SIZE", "100 MB", "MAX_FILE_SIZE: "),
        ("LOG_LEVEL", "LOUD", "LOG_LEVEL: "),
        ("ALLOWED_ORIGINS", "app.example", "ALLOWED_ORIGINS: an origin is written like https://app.example"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(fairmind, name, value, words):
    done = fairmind("serve", **{name: value})
    assert done.returncode == 2 and words in one_line(done.stderr)


def test_the_first_administrator_is_made_once(fairmind):
    done = fairmind("init", *ADMIN, FAIRMIND_PASSWORD=STRONG)
    assert done.returncode == 0 and "ada@bank.example" in done.stderr.lower() and STRONG not in done.stderr
    again = fairmind("init", *ADMIN, FAIRMIND_PASSWORD=STRONG)
    assert again.returncode == 1 and "registered already" in one_line(again.stderr)

    printed = fairmind("token", "ada@BANK.example", "--hours", "2")
    claims = Tokens(SECRET).check(printed.stdout.strip())
    assert printed.returncode == 0 and claims.content["role"] == "admin"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"FAIRMIND_PASSWORD": "short"}, "password"),
        ({"FAIRMIND_PASSWORD": "a" * 2000}, "password"),
    ],
)
def test_a_weak_password_is_refused_in_one_line(fairmind, changes, words):
    done = fairmind("init", *ADMIN, **changes)
    assert done.returncode == 1 and words in one_line(done.stderr)


def test_an_address_that_is_none_is_refused_in_one_line(fairmind):
    for email in ("ada", "@", "ada@", "@bank.example"):
        done = fairmind("init", *ADMIN[:2], "--email", email, *ADMIN[4:], FAIRMIND_PASSWORD=STRONG)
        assert done.returncode == 1 and "no e-mail address" in one_line(done.stderr), email


def test_nobody_s_token_is_one_line(fairmind):
    done = fairmind("token", "nobody@bank.example")
    assert done.returncode == 1 and "nobody with the address" in one_line(done.stderr)
    assert done.stdout == ""


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://nobody@127.0.0.1:1/none",
        "postgresql://",
        "mysql://a/b",
        "not an address",
        "postgresql://a:b@c:port/d",
    ],
)
def test_a_database_that_is_not_there_is_one_line(fairmind, url):
    for command in (("migrate",), ("token", "ada@bank.example")):
        done = fairmind(*command, DATABASE_URL=url)
        assert done.returncode in (1, 2), command
        assert len(one_line(done.stderr)) < 400


def test_the_program_itself_says_so_too(environment, tmp_path):
    """Not forked as in the other tests of this file."""
    done = subprocess.run(
        [sys.executable, "-m", "app", "serve"],
        env=environment | {"ENVIRONMENT": "production", "JWT_SECRET_KEY": "short"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and "JWT_SECRET_KEY must have 32 bytes" in one_line(done.stderr)


def test_migrating_twice_changes_nothing(fairmind):
    for _ in range(2):
        done = fairmind("migrate")
        assert done.returncode == 0 and "the database is at version" in one_line(done.stderr)


def test_the_schema_is_printed_and_written(fairmind, tmp_path):
    printed = fairmind("export-schema")
    assert printed.returncode == 0 and printed.stdout == (CHECKOUT / "schema.graphql").read_text()
    assert fairmind("export-schema", str(tmp_path / "s.graphql")).returncode == 0
    assert (tmp_path / "s.graphql").read_text() == printed.stdout
    failed = fairmind("export-schema", str(tmp_path / "missing" / "s.graphql"))
    assert failed.returncode == 1 and "No such file" in one_line(failed.stderr)


def rows(text: str) -> dict[str, str]:
    """The doctor's table: name of a check to its row."""
    found, name = {}, ""
    for line in text.splitlines():
        cells = [cell.strip() for cell in re.split("[│┃]", line)[1:-1]]
        if len(cells) == 4:
            name = cells[0] or name
            found[name] = found.get(name, "") + " " + " ".join(cells[1:])
    return found


def test_the_doctor_finds_a_healthy_installation_healthy(fairmind, port, people):
    done = fairmind("doctor", PORT=str(port), COLUMNS="200", ENVIRONMENT="production")
    found = rows(done.stdout)
    assert list(found)[1:] == [
        "Python",
        "signing key",
        "datasets",
        "port",
        "GraphiQL",
        "database",
        "migrations",
        "row-level security",
    ], done.stdout
    assert done.returncode == 0 and "✗" not in done.stdout, done.stdout


def test_the_doctor_names_what_is_amiss_and_its_remedy(fairmind, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = fairmind(
            "doctor",
            PORT=str(taken.getsockname()[1]),
            COLUMNS="200",
            DATABASE_URL="postgresql://nobody:canary@127.0.0.1:1/none",
        )
    found = rows(done.stdout)
    assert done.returncode == 1
    assert "is taken" in found["port"] and "set PORT" in found["port"]
    assert "✗" in found["database"] and "DATABASE_URL is right" in found["database"]
    assert "canary" not in done.stdout + done.stderr


def test_the_doctor_survives_a_database_that_is_no_address(fairmind, port):
    done = fairmind("doctor", PORT=str(port), COLUMNS="200", DATABASE_URL="not an address")
    assert done.returncode == 1 and "✗" in rows(done.stdout)["database"]


def test_the_doctor_makes_nothing_where_nothing_is_set_up(fairmind, port, tmp_path):
    done = fairmind(
        "doctor",
        PORT=str(port),
        COLUMNS="200",
        DATABASE_URL=None,
        JWT_SECRET_KEY=None,
        DATA_PATH=str(tmp_path / "none"),
    )
    found = rows(done.stdout)
    assert done.returncode == 1 and str(tmp_path / "none") in done.stdout
    assert "not set up yet" in found["database"] and "`make serve` does that" in found["database"]
    assert "will be made" in found["signing key"]
    assert not (tmp_path / "none").exists()


def test_the_doctor_looks_at_an_installation_that_is_not_running(fairmind, port, place):
    given = {"DATABASE_URL": None, "DATA_PATH": str(place / "rested"), "ENVIRONMENT": None}
    assert fairmind("migrate", **given).returncode == 0
    done = fairmind("doctor", "--demo", **given, PORT=str(port), COLUMNS="200")
    found = rows(done.stdout)
    assert "✓" in found["database"] and "✓" in found["row-level security"], done.stdout


def test_the_doctor_knows_where_the_demonstration_lives(monkeypatch):
    monkeypatch.delenv("DATA_PATH", raising=False)
    assert for_demo(Settings(_env_file=None)).data == default_folder("demo")


def test_a_port_that_is_taken_is_one_line_at_once(fairmind, port):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = str(taken.getsockname()[1])
        began = time.monotonic()
        done = fairmind("serve", PORT=number)
        metrics = fairmind("serve", PORT=str(port), ENABLE_METRICS="true", METRICS_PORT=number)
    assert time.monotonic() - began < 20
    assert done.returncode == 1 and f"127.0.0.1:{number}" in one_line(done.stderr)
    assert "set PORT" in done.stderr and "set METRICS_PORT" in one_line(metrics.stderr)


def test_a_second_server_on_the_same_data_is_refused_and_other_commands_are_not(fairmind, place, port):
    given = {"DATABASE_URL": None, "DATA_PATH": str(place / "served"), "PORT": str(port)}
    (place / "served").mkdir()
    (place / "served").chmod(0o711)
    with alone(Settings(_env_file=None, data_path=place / "served")):  # as a server that runs does
        for command in ("serve", "demo"):
            done = fairmind(command, **given)
            said = one_line(done.stderr)
            assert done.returncode == 1 and "stop that one, or choose another folder with DATA_PATH" in said
        assert fairmind("migrate", **given).returncode == 0


def test_an_address_of_another_machine_is_one_line(fairmind):
    done = fairmind("serve", HOST="192.0.2.1")
    assert done.returncode == 1 and "192.0.2.1" in one_line(done.stderr)


def test_without_a_command_there_is_help(fairmind):
    done = fairmind()
    for command in ("serve", "worker", "demo", "init", "migrate", "token", "export-schema", "doctor"):
        assert command in done.stdout + done.stderr
    wrong = fairmind("srve")
    assert wrong.returncode == 2 and "srve" in wrong.stderr


def test_the_signing_key_of_a_machine_is_made_once_and_for_its_owner_only(fairmind, environment):
    assert fairmind("init", *ADMIN, FAIRMIND_PASSWORD=STRONG).returncode == 0
    tokens = [fairmind("token", "ada@bank.example", JWT_SECRET_KEY=None).stdout.strip() for _ in range(2)]
    file = Path(environment["DATA_PATH"]) / "secret"
    assert file.stat().st_mode & 0o777 == 0o600
    for token in tokens:
        assert Tokens(file.read_text()).check(token).content["email"] == "ada@bank.example"
