"""Children that touch what a stranger made: what they cannot do, and that nothing else suffers from their trying."""

import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from subprocess import PIPE

import pytest
import pytest_asyncio

from jobs import confinement as module
from jobs.children import ChildFailed, Children, Crashed
from jobs.confinement import Confinement, NotConfined
from jobs.endpoint import ModelElsewhere
from tests.jobs import works

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only the limits hold")

WITHIN = Confinement()
OTHER_SOCKETS = [
    (socket.AF_UNIX, socket.SOCK_STREAM),
    (socket.AF_NETLINK, socket.SOCK_DGRAM),
    (socket.AF_INET, socket.SOCK_RAW),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def children():
    running = Children(1)
    async with running.open():
        yield running


@pytest.fixture
def port():
    """One that somebody listens on, so that nothing but the filter refuses."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.fixture
def hidden():
    """A program that hides like our servers and workers."""
    code = "from jobs.confinement import hide; hide(); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=PIPE, stdout=PIPE) as program:
        program.stdout.readline()
        yield program.pid
        program.communicate(b"\n")


async def outcome(children, within, work, *args):
    async with children.confined(within, work, *args) as child:
        return await child.outcome()


async def refused(children, work, *args, within=WITHIN) -> None:
    with pytest.raises(Crashed) as crashed:
        await outcome(children, within, work, *args)
    assert crashed.value.kind == "PermissionError"
    assert await outcome(children, WITHIN, works.answer, 1) == 1  # the next one works


@pytest.mark.asyncio(loop_scope="module")
class TestKeptIn:
    async def test_it_computes_as_ever_and_tells_its_steps(self, children):
        assert await outcome(children, WITHIN, works.computes)
        async with children.confined(WITHIN, works.steps, 5, 0.0) as child:
            await child.outcome()
            assert len(await child.last_words()) == 5

    async def test_it_reaches_no_network(self, children, port):
        async with children.run(works.calls, port) as free:
            await free.outcome()
        await refused(children, works.calls, port)

    async def test_none_of_its_threads_does(self, children, port):
        assert await outcome(children, WITHIN, works.calls_from_a_thread, port) == "PermissionError"

    async def test_one_that_asks_a_model_elsewhere_may_call_and_nothing_else(self, children, port, tmp_path):
        calling = ModelElsewhere.within
        await outcome(children, calling, works.calls_by_name, port)
        await refused(children, works.waits_to_be_called, within=calling)
        await refused(children, works.starts_a_program, tmp_path / "mark", within=calling)
        await refused(children, works.kills_another, os.getpid(), within=calling)
        for family, kind in OTHER_SOCKETS:
            await refused(children, works.opens_a_socket, family, kind, within=calling)
        assert not (tmp_path / "mark").exists()

    async def test_it_starts_no_program(self, children, tmp_path):
        await refused(children, works.starts_a_program, tmp_path / "mark")
        assert not (tmp_path / "mark").exists()

    async def test_it_makes_no_process(self, children):
        await refused(children, works.forks)

    async def test_it_harms_no_other_process(self, children):
        await refused(children, works.kills_another, os.getpid())
        await refused(children, works.signals_another_by_a_pipe, os.getpid())
        await refused(children, works.signals_otherwise)
        await refused(children, works.slows_another, os.getpid())
        assert await outcome(children, WITHIN, works.keeps_descriptors_as_ever)

    async def test_it_cannot_look_into_one_that_is_hidden(self, children, hidden):
        async with children.run(works.reads_another, os.getpid()) as free:
            await free.outcome()
        await refused(children, works.reads_another, hidden)
        assert await outcome(children, WITHIN, works.is_hidden)

    async def test_it_cannot_raise_its_limits(self, children):
        with pytest.raises(Crashed):
            await outcome(children, WITHIN, works.frees_itself)

    async def test_16_gigabytes_are_refused_in_words(self, children):
        with pytest.raises(ChildFailed, match="needed more than 4 GiB of memory"):
            await outcome(children, WITHIN, works.takes_a_lot)
        assert await outcome(children, WITHIN, works.answer, 1) == 1

    async def test_computing_for_ever_is_ended_in_words(self, children):
        with pytest.raises(ChildFailed, match="needed more than 0 minutes of computing"):
            await outcome(children, replace(WITHIN, cpu_s=1), works.spins)
        assert await outcome(children, WITHIN, works.answer, 1) == 1

    async def test_waiting_for_ever_is_ended_in_words(self, children, tmp_path):
        with pytest.raises(ChildFailed, match="took longer than 0 minutes"):
            await outcome(children, replace(WITHIN, seconds=0.5), works.waits, 60, tmp_path / "pid")
        assert await outcome(children, WITHIN, works.answer, 1) == 1

    async def test_a_crash_ends_it_alone(self, children):
        with pytest.raises(ChildFailed, match="ended unexpectedly"):
            await outcome(children, WITHIN, works.is_killed, signal.SIGSEGV)
        assert await outcome(children, WITHIN, works.answer, 1) == 1


def test_a_machine_without_a_filter_opens_no_model(monkeypatch):
    monkeypatch.setattr(module.platform, "machine", lambda: "sparc64")
    with pytest.raises(NotConfined, match="sparc64"):
        module._filter()


def test_both_kinds_of_processor_refuse_the_same():
    only_old = {"fork", "vfork"}  # arm64 has clone alone
    assert {name for name, (_, arm) in module._REFUSED.items() if arm is None} == only_old
    for column in (0, 1):
        numbers = [row[column] for row in module._REFUSED.values() if row[column] is not None]
        assert len(set(numbers)) == len(numbers)
