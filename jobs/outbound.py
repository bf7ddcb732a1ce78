"""The only way out of FairMind: to hosts that its operator lists, at addresses that were looked at, within limits.

Nothing here follows a redirect, asks a proxy or unpacks what is packed. It waits, so it belongs in a child or a thread.
"""

import http.client
import io
import socket
import ssl
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from time import monotonic, sleep
from typing import Any

from engine.errors import EngineError, InvalidInput
from engine.tables.limits import KIB, size
from engine.tables.names import short
from jobs.addresses import refused
from jobs.hosts import Bounds, Outbound, Target

PIECE = 64 * KIB
BUSY = frozenset({429, 502, 503, 504})
"""Statuses that tell of a moment, not of the question."""

Reached = tuple[socket.AddressFamily, tuple[Any, ...]]
"""A family of addresses, and one of them as its sockets take it."""


class NoAnswer(EngineError):
    """Another server was called and gave no answer that could be used; the message quotes nothing that it sent."""


class _Busy(Exception):  # no failure yet: `Line` makes one of it, or asks again
    """The server may answer in a while."""

    def __init__(self, status: int, seconds: float) -> None:
        self.status = status
        self.seconds = seconds
        """How long it asks to be left alone."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """Calls to one address: its name is looked up once, and what was found is used for all of them."""

    target: Target
    outbound: Outbound

    def call(self, path: str, body: bytes) -> bytes:
        """Send JSON, and give back what is answered; once more where the connection was cut, and some times where it is busy.

        Args:
            path: behind that of the address; each word of it quoted.

        Raises:
            NoAnswer: there is none, or not within the bounds; says why.
            InvalidInput: the name leads where this server does not call.
        """
        until = monotonic() + self.outbound.bounds.seconds
        try:
            try:
                return self._patiently(path, body, until)
            except (ConnectionResetError, BrokenPipeError):
                return self._patiently(path, body, until)
        except _Busy as busy:
            raise self._no(f"is busy or broken for a while (status {busy.status})") from None
        except TimeoutError:
            raise self._no("does not answer in time") from None
        except ssl.SSLCertVerificationError as error:
            raise self._no(f"has no certificate that is trusted ({error.verify_message})") from None
        except ssl.SSLError:
            raise self._no("does not speak TLS as it should") from None
        except (ConnectionResetError, BrokenPipeError):
            raise self._no("cut the connection twice") from None
        except OSError:
            raise self._no("cannot be reached") from None
        except (http.client.HTTPException, ValueError):
            raise self._no("answers with what is no HTTP, or not whole") from None

    @cached_property
    def addresses(self) -> list[Reached]:
        """Where the name leads; all of it must be where this server may call."""
        host, port = self.target.host, self.target.port
        try:
            found = socket.getaddrinfo(self.target.name, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise self._no("is a name that leads nowhere") from None
        for _, _, _, _, address in found:
            where = ip_address(str(address[0]))
            reason = refused(where, near=self.target.near)
            if reason is not None:
                could = refused(where, near=True) is None
                raise InvalidInput(
                    f"{short(host)} leads to {reason}, which this server does not call"
                    + (f" unless its operator lists {host}:{port}" if could else ""),
                    at=("url",),
                )
        return [(family, address) for family, _, _, _, address in found]

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self.outbound.ca is not None:
            context.load_verify_locations(self.outbound.ca)
        return context

    def _patiently(self, path: str, body: bytes, until: float) -> bytes:
        """Ask again where the server is busy, after a while, as long as there is time."""
        for pause in self.outbound.bounds.pauses:
            try:
                return self._asked(path, body, until)
            except _Busy as busy:
                wait = max(pause, busy.seconds)
                if monotonic() + wait >= until:
                    raise
                sleep(wait)
        return self._asked(path, body, until)

    def _asked(self, path: str, body: bytes, until: float) -> bytes:
        bounds = self.outbound.bounds
        with closing(self._connected(until)) as connected:
            wire = _Wire(connected, bounds, until)
            client = http.client.HTTPConnection(self.target.name, self.target.port)
            client.sock = wire  # has what it uses of a socket, and so it makes none itself
            client.request("POST", self.target.path + path, body, self._headers())
            response = client.getresponse()
            self._refuse(response)
            wire.room = bounds.body_bytes
            return self._whole(response) if response.chunked else response.read()

    def _headers(self) -> dict[str, str]:
        target = self.target
        token = self.outbound.tokens.get(target.entry)
        return {
            "Host": target.authority,
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "FairMind",
            "Connection": "close",
            **({token.header: token.value} if token else {}),
        }

    def _refuse(self, response: http.client.HTTPResponse) -> None:
        status = response.status
        if 300 <= status < 400:
            raise self._no(f"sends on to another address (status {status}), which is not followed")
        if status in BUSY:
            asked = response.getheader("Retry-After", "")
            plain = asked.isascii() and asked.isdecimal() and len(asked) < 6
            raise _Busy(status, float(asked) if plain else 0.0)
        if not 200 <= status < 300:
            raise self._no(f"answers with status {status}")
        if response.getheader("Content-Encoding", "identity").lower() != "identity":
            raise self._no("answers packed, though it was asked not to")
        if response.length is not None and response.length > self.outbound.bounds.body_bytes:
            raise self._too_long()

    def _whole(self, response: http.client.HTTPResponse) -> bytes:
        """What comes in chunks, in pieces of ours: how large a chunk says that it is, is not believed."""
        most, came = self.outbound.bounds.body_bytes, bytearray()
        while True:
            response.read(0)  # up to the size of the next chunk, where one is due
            if len(came) + (response.chunk_left or 0) > most:
                raise self._too_long()
            piece = response.read(PIECE)
            if not piece:
                return bytes(came)
            came += piece

    def _too_long(self) -> NoAnswer:
        return self._no(f"answers with more than {size(self.outbound.bounds.body_bytes)}")

    def _connected(self, until: float) -> socket.socket:
        """A connection to the first address that takes one."""
        problem: OSError = OSError()
        for family, address in self.addresses:
            turn = min(self.outbound.bounds.connect_s, until - monotonic())
            if turn <= 0:
                raise TimeoutError
            plain = socket.socket(family, socket.SOCK_STREAM)
            try:
                plain.settimeout(turn)
                plain.connect(address)
                if not self.target.secure:
                    return plain
                return self._trust.wrap_socket(plain, server_hostname=self.target.name)
            except OSError as error:
                plain.close()
                problem = error
        raise problem

    def _no(self, what: str) -> NoAnswer:
        return NoAnswer(f"{short(self.target.authority)} {what}")


class _Wire:
    """A connection as http.client uses one: each turn is timed, and what comes is counted."""

    def __init__(self, connected: socket.socket, bounds: Bounds, until: float) -> None:
        self._connected, self._bounds, self._until = connected, bounds, until
        self.room = bounds.head_bytes
        """Bytes that may still come."""

    def sendall(self, content: bytes) -> None:
        rest = memoryview(content)
        while rest:
            self._turn()
            rest = rest[self._connected.send(rest[:PIECE]) :]

    def read_into(self, buffer: memoryview) -> int:
        if self.room <= 0:
            raise NoAnswer(
                f"another server answered at too great a length: {size(self._bounds.head_bytes)} of headers"
                f" and {size(self._bounds.body_bytes)} of content are read"
            )
        self._turn()
        came = self._connected.recv_into(buffer[: self.room])
        self.room -= came
        return came

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Coming(self), PIECE)

    def close(self) -> None:
        """The client closes before it has read all; whoever made the connection ends it."""

    def _turn(self) -> None:
        left = self._until - monotonic()
        if left <= 0:
            raise TimeoutError
        self._connected.settimeout(min(self._bounds.silence_s, left))


class _Coming(io.RawIOBase):
    def __init__(self, wire: _Wire) -> None:
        self._wire = wire

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._wire.read_into(memoryview(buffer))
