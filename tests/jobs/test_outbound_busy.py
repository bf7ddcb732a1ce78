"""A server that is busy for a moment is asked again, one that stays so is told of, and no other failure is tried again."""

import pickle
from itertools import count

import pytest

from jobs.hosts import Bounds, Outbound
from jobs.outbound import Line, NoAnswer
from tests.endpoints import reply, serving


def line(port: int, **bounds: object) -> Line:
    outbound = Outbound(
        hosts=frozenset({f"127.0.0.1:{port}"}), bounds=Bounds(**{"pauses": (0.0, 0.0)} | bounds)
    )
    return Line(target=outbound.target(f"http://127.0.0.1:{port}"), outbound=outbound)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_server_that_is_busy_twice_is_asked_a_third_time(status):
    turns = count(1)
    with serving(
        lambda path, content: (status, {"Retry-After": "0"}, b"later") if next(turns) < 3 else reply(content)
    ) as server:
        assert line(server.port).call("/", b"[7]") == b"[7]"
    assert server.bodies == [[7], [7], [7]]


def test_one_that_stays_busy_is_told_of_with_its_status():
    with (
        serving(lambda path, content: (503, {}, b"root:x:0:0")) as server,
        pytest.raises(NoAnswer, match=r"is busy or broken for a while \(status 503\)") as refusal,
    ):
        line(server.port).call("/", b"1")
    assert len(server.paths) == 3
    assert "root" not in str(refusal.value)
    reaches = pickle.loads(pickle.dumps(refusal.value))  # noqa: S301  # as from a child to its worker
    assert (type(reaches), str(reaches)) == (NoAnswer, str(refusal.value))


def test_one_that_asks_for_more_time_than_there_is_is_not_waited_for():
    with (
        serving(lambda path, content: (429, {"Retry-After": "3600"}, b"")) as server,
        pytest.raises(NoAnswer, match="status 429"),
    ):
        line(server.port, seconds=30.0).call("/", b"1")
    assert len(server.paths) == 1


def test_a_pause_that_cannot_be_read_is_ours():
    for said in ("Fri, 27 Nov 2026 12:00:00 GMT", "-1", "1e9", "²"):
        turns = count(1)
        with serving(
            lambda path, content, said=said, turns=turns: (
                (503, {"Retry-After": said}, b"") if next(turns) == 1 else reply(1)
            )
        ) as server:
            assert line(server.port).call("/", b"1") == b"1"


@pytest.mark.parametrize("status", [400, 401, 500, 501])
def test_other_failures_are_not_tried_again(status):
    with (
        serving(lambda path, content: (status, {}, b"")) as server,
        pytest.raises(NoAnswer, match=f"answers with status {status}"),
    ):
        line(server.port).call("/", b"1")
    assert len(server.paths) == 1
