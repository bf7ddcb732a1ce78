"""The way out: what it takes of an answer, and how long it waits for one."""

import gzip
import socket
import struct
from dataclasses import replace
from time import sleep

import pytest

from jobs.outbound import NoAnswer
from tests.endpoints import certified, reply, serving, speaking
from tests.jobs.calling import QUICK, line, near, resolving


def test_a_redirect_is_not_followed():
    target = "http://169.254.169.254/latest/meta-data/"
    for status in (301, 302, 303, 307, 308):
        with (
            serving(lambda path, content, status=status: (status, {"Location": target}, b"gone")) as server,
            pytest.raises(NoAnswer, match="not followed") as refusal,
        ):
            near(server.port).call("/", b"1")
        assert len(server.paths) == 1
        assert "169.254" not in str(refusal.value)


@pytest.mark.parametrize("status", [400, 401, 404, 500, 503])
def test_what_an_error_says_is_not_passed_on(status):
    with (
        serving(lambda path, content: (status, {}, b"root:x:0:0")) as server,
        pytest.raises(NoAnswer, match=f"status {status}") as refusal,
    ):
        near(server.port).call("/", b"1")
    assert "root" not in str(refusal.value)


def test_packed_answers_are_not_unpacked():
    bomb = gzip.compress(b"0" * 10_000_000)
    with (
        serving(lambda path, content: (200, {"Content-Encoding": "gzip"}, bomb)) as server,
        pytest.raises(NoAnswer, match="packed"),
    ):
        near(server.port).call("/", b"1")
    assert server.headers[0]["accept-encoding"] == "identity"


def heard(connection):
    """Read a whole question."""
    content = b""
    while b"\r\n\r\n1" not in content:
        came = connection.recv(65_536)
        if not came:
            return
        content += came


def saying(*pieces, pause=0.0):
    def talk(connection):
        heard(connection)
        for piece in pieces:
            connection.sendall(piece)
            sleep(pause)

    return talk


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        ([OK, b"Content-Length: 200000\r\n\r\n"], "more than 97.7 KiB"),
        ([OK, b"\r\n", b"a" * 300_000], "too great a length"),
        (
            [
                OK,
                b"Transfer-Encoding: chunked\r\n\r\n",
                b"ffff\r\n" + b"a" * 0xFFFF + b"\r\n",
                b"fffff\r\n" + b"a" * 0xFFFFF,
            ],
            "more than 97.7 KiB",
        ),
        ([OK, b"Transfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\nabc"], "more than 97.7 KiB"),
        ([OK, b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 40 + b"\r\nabc"], "more than 97.7 KiB"),
        ([OK, b"Transfer-Encoding: chunked\r\n\r\n-1\r\nabc"], "no HTTP|not whole"),
        ([OK, b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n" * 100_000], "too great a length"),
        ([OK, b"X: " + b"a" * 10_000], "too great a length"),
        ([OK, b"X: y\r\n" * 10_000], "too great a length|no HTTP"),
        ([b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000], "too great a length"),
        ([OK, b"Content-Length: 10\r\n\r\nabc"], "not whole"),
        ([OK, b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"], "not whole"),
        ([b"SSH-2.0-OpenSSH\r\n"], "no HTTP"),
        ([b"\x16\x03\x01\x00" * 100], "no HTTP"),
        ([b""], "cut the connection twice"),
    ],
)
def test_answers_beyond_the_bounds_or_no_answers_at_all_are_refused_in_words(pieces, said):
    with speaking(saying(*pieces)) as port, pytest.raises(NoAnswer, match=said):
        near(port).call("/", b"1")


def test_an_answer_in_chunks_is_read_to_its_end():
    chunks = b"fffe\r\n" + b"a" * 0xFFFE + b"\r\n5\r\nbcdef\r\n0\r\n\r\n"
    with speaking(saying(OK, b"Transfer-Encoding: chunked\r\n\r\n", chunks)) as port:
        assert near(port).call("/", b"1") == b"a" * 0xFFFE + b"bcdef"


@pytest.mark.parametrize(
    "talk",
    [
        saying(OK + b"Content-Length: 9\r\n\r\n", *[b"a"] * 100, pause=0.1),  # a byte now and then
        saying(OK, *[b"X: y\r\n"] * 100, pause=0.1),
        lambda connection: (heard(connection), connection.recv(1)),  # silence
    ],
)
def test_slow_answers_are_not_waited_for(talk):
    bounds = replace(QUICK, silence_s=0.3, seconds=0.6)
    with speaking(talk) as port, pytest.raises(NoAnswer, match="not answer in time"):
        near(port, bounds=bounds).call("/", b"1")


def test_a_server_that_does_not_read_is_not_waited_for():
    bounds = replace(QUICK, silence_s=0.3, seconds=0.6)

    def deaf(connection):
        sleep(1)

    with speaking(deaf) as port, pytest.raises(NoAnswer, match="not answer in time"):
        near(port, bounds=bounds).call("/", b"1" * 50_000_000)


def test_a_connection_that_is_cut_is_tried_once_more():
    turns = []

    def talk(connection):
        turns.append(1)
        heard(connection)
        if len(turns) == 1:
            linger = struct.pack("ii", 1, 0)  # closes with a reset
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            return
        connection.sendall(OK + b"Content-Length: 2\r\n\r\nok")

    with speaking(talk) as port:
        assert near(port).call("/", b"1") == b"ok"
    assert len(turns) == 2


def test_nobody_there_is_told_in_words():
    with speaking(lambda connection: None) as port:
        pass
    with pytest.raises(NoAnswer, match="cannot be reached"):
        near(port).call("/", b"1")
    with pytest.raises(NoAnswer, match="leads nowhere"):
        line("https://nobody.invalid", "nobody.invalid").call("/", b"1")


def test_a_certificate_must_be_trusted_and_of_that_name(monkeypatch, tmp_path):
    ca, context = certified(tmp_path, "models.example")
    with serving(lambda path, content: reply({}), context) as server:
        resolving(monkeypatch, ["127.0.0.1"])
        url = f"https://models.example:{server.port}"
        assert line(url, url[8:], ca=str(ca)).call("/", b"1") == b"{}"
        with pytest.raises(NoAnswer, match="no certificate that is trusted"):
            line(url, url[8:]).call("/", b"1")
        other = f"https://other.example:{server.port}"
        with pytest.raises(NoAnswer, match="no certificate that is trusted"):
            line(other, other[8:], ca=str(ca)).call("/", b"1")
    assert len(server.paths) == 1


def test_a_server_without_tls_where_tls_is_asked_is_refused():
    with serving(lambda path, content: reply({})) as server:
        there = line(f"https://127.0.0.1:{server.port}", f"127.0.0.1:{server.port}")
        with pytest.raises(NoAnswer, match=r"TLS|cut the connection"):
            there.call("/", b"1")
    assert server.paths == []
