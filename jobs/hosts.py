"""Which hosts FairMind may call, as its operator lists them, and which of them an address of the web leads to."""

import http.client
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv6Address
from urllib.parse import unquote

from engine.errors import InvalidInput
from engine.models.endpoint import DOTS
from engine.tables.limits import KIB, MIB
from engine.tables.names import short

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = rf"(?P<host>\[[0-9A-Fa-f:.]{{2,45}}\]|{_LABEL}(?:\.{_LABEL})*)(?::(?P<port>[0-9]{{1,5}}))?"
_ENTRY = re.compile(_HOST)
_URL = re.compile(
    rf"(?P<scheme>https?)://{_HOST}(?P<path>(?:/[A-Za-z0-9._~!$&'()*+,;=:%-]*)*)",
    re.IGNORECASE | re.ASCII,
)
LONGEST_URL = 2_000
LONGEST_HOST = 253
LONGEST_TOKEN = 8 * KIB
USUAL_PORTS = {True: 443, False: http.client.HTTP_PORT}
"""With TLS and without."""
_BEARER = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_NAMED = re.compile(r"(?P<header>[A-Za-z][A-Za-z0-9-]{0,99}):\s*(?P<value>[!-~]+(?: [!-~]+)?)")
_OURS = ("host", "content-type", "content-length", "transfer-encoding", "connection", "accept-encoding")
"""Headers that say how a call is read, and so are nobody's token."""


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What one call may take."""

    connect_s: float = 10.0
    """For each address that is tried, encryption included."""
    silence_s: float = 60.0
    """Without a byte either way."""
    seconds: float = 300.0
    """From the first attempt to the last byte."""
    pauses: tuple[float, ...] = (1.0, 4.0, 15.0)
    """Seconds before each new try at a server that says that it is busy, which may ask for longer ones."""
    head_bytes: int = 64 * KIB
    body_bytes: int = 64 * MIB


@dataclass(frozen=True, kw_only=True)
class Token:
    """What a host is told so that it lets us in."""

    header: str
    value: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Target:
    """An address of the web that may be called."""

    secure: bool
    host: str
    port: int
    path: str
    entry: str
    """As the operator's list has it: `host`, or `host:port`."""

    @property
    def name(self) -> str:
        """What is looked up, and what its certificate must be for."""
        return self.host.strip("[]")

    @property
    def authority(self) -> str:
        """As the header Host has it."""
        return self.host if self.port == USUAL_PORTS[self.secure] else f"{self.host}:{self.port}"

    @property
    def near(self) -> bool:
        """Whether it may be private or not encrypted: its port is listed, so somebody who knows the network said so."""
        return self.entry != self.host


@dataclass(frozen=True, kw_only=True)
class Outbound:
    """Where this server may call, and what it says there. Nowhere, unless an operator lists hosts."""

    hosts: Collection[str] = ()
    """`host` is called over https at port 443 and public addresses only; `host:port` also over http, and may be private."""
    tokens: Mapping[str, Token] = field(default_factory=dict)
    """By entry of `hosts`."""
    ca: str | None = None
    """File of certificates that are trusted besides the system's."""
    bounds: Bounds = field(default_factory=Bounds)

    def only(self, target: Target) -> "Outbound":
        """As little of it as calls to one address need: a child is not told what opens other hosts."""
        token = self.tokens.get(target.entry)
        return replace(self, hosts=(target.entry,), tokens={target.entry: token} if token else {})

    def target(self, url: str) -> Target:
        """Hold an address against the list, without any network.

        Raises:
            InvalidInput: it is none that is called; says why.
        """
        found = _URL.fullmatch(url) if len(url) <= LONGEST_URL else None
        if found is None:
            raise InvalidInput(
                "an address is written like https://models.example/base, without a name, password, question mark"
                f" or number sign in it, got {short(url)}",
                at=("url",),
            )
        if any(unquote(word) in DOTS for word in found["path"].split("/")):
            raise InvalidInput(
                "an address has no '.' or '..' in its path: write where they lead", at=("url",)
            )
        secure = found["scheme"].lower() == "https"
        host, port = _host(found["host"], found["port"])
        port = USUAL_PORTS[secure] if port is None else port
        listed = [f"{host}:{port}", *([host] if port == USUAL_PORTS[True] else [])]
        entry = next((each for each in listed if each in self.hosts), None)
        if entry is None:
            raise InvalidInput(
                f"this server does not call {short(host)} at port {port};"
                f" its operator can add {listed[-1]} to OUTBOUND_HOSTS",
                at=("url",),
            )
        target = Target(secure=secure, host=host, port=port, path=found["path"].rstrip("/"), entry=entry)
        if not secure and not target.near:
            raise InvalidInput(f"{short(host)} is called over https only", at=("url",))
        return target


def entry(text: str) -> str:
    """A host of the operator's list, as `Outbound.hosts` has it.

    Raises:
        InvalidInput: it is neither `host` nor `host:port`.
    """
    found = _ENTRY.fullmatch(text)
    if found is None:
        raise InvalidInput(f"a host is written like models.example or models.example:8443, got {short(text)}")
    host, port = _host(found["host"], found["port"])
    return host if port is None else f"{host}:{port}"


def token(text: str) -> tuple[str, Token]:
    """What a host is told, of `host=token` or `host=Header: token`; without a header it is a bearer token.

    Raises:
        InvalidInput: it is neither; the message never holds the token.
    """
    host, _, said = text.partition("=")
    bearer, named = _BEARER.fullmatch(said), _NAMED.fullmatch(said)
    if named and named["header"].lower() not in _OURS and len(said) <= LONGEST_TOKEN:
        return entry(host), Token(header=named["header"], value=named["value"])
    if not bearer or len(said) > LONGEST_TOKEN:
        raise InvalidInput(
            "a token is written like models.example=TOKEN or models.example=X-Api-Key:TOKEN;"
            f" that of {short(host)} is not"
        )
    return entry(host), Token(header="Authorization", value=f"Bearer {said}")


def _host(host: str, port: str | None) -> tuple[str, int | None]:
    """Both in the one form in which they are compared."""
    name = host.lower()
    if name.startswith("["):
        try:
            name = f"[{IPv6Address(name.strip('[]'))}]"
        except ValueError:
            raise InvalidInput(f"{short(host)} is no IPv6 address", at=("url",)) from None
    if len(name) > LONGEST_HOST or (port is not None and not 1 <= int(port) <= 65_535):
        raise InvalidInput("a host has at most 253 characters, and a port lies in 1 to 65535", at=("url",))
    return name, None if port is None else int(port)
