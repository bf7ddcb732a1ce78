"""The way out: where it leads, and where it never does."""

from ipaddress import ip_address

import pytest

from engine.errors import EngineError, InvalidInput
from jobs.addresses import refused
from jobs.hosts import Outbound, Token, entry, token
from tests.endpoints import reply, serving
from tests.jobs.calling import line, near, resolving


def test_json_is_sent_to_a_listed_port_of_this_machine_with_its_token():
    with serving(lambda path, content: reply({"got": content})) as server:
        there = line(
            server.url + "/base/",
            f"127.0.0.1:{server.port}",
            tokens={f"127.0.0.1:{server.port}": Token(header="Authorization", value="Bearer sesame")},
        )
        assert there.call("/v2/models/a/infer", b"[1]") == b'{"got": [1]}'
    assert server.paths == ["/base/v2/models/a/infer"]
    assert server.headers[0]["host"] == f"127.0.0.1:{server.port}"
    assert server.headers[0]["authorization"] == "Bearer sesame"
    assert server.headers[0]["content-type"] == "application/json"


def test_a_token_goes_to_no_other_host():
    with serving(lambda path, content: reply({})) as server:
        near(server.port, tokens={"models.example": Token(header="X-Api-Key", value="sesame")}).call(
            "/", b"1"
        )
    assert "sesame" not in str(server.headers)


def test_whoever_calls_one_host_is_told_of_no_other():
    tokens = {name: Token(header="X-Api-Key", value=name) for name in ("a.example", "b.example:81")}
    outbound = Outbound(hosts={"a.example", "b.example:81", "c.example"}, tokens=tokens, ca="ca.pem")
    for url, entry_, told in (
        ("http://b.example:81/x", "b.example:81", {"b.example:81": tokens["b.example:81"]}),
        ("https://c.example", "c.example", {}),
    ):
        only = outbound.only(outbound.target(url))
        assert (set(only.hosts), only.tokens, only.ca) == ({entry_}, told, "ca.pem")


def test_proxies_of_the_environment_are_not_asked(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with serving(lambda path, content: reply({})) as server:
        assert near(server.port).call("/", b"1") == b"{}"


@pytest.mark.parametrize(
    ("url", "hosts", "said"),
    [
        ("https://models.example/a", (), "does not call 'models.example' at port 443"),
        ("https://other.example/a", ("models.example",), "OUTBOUND_HOSTS"),
        ("https://models.example.evil.example/", ("models.example",), "OUTBOUND_HOSTS"),
        ("https://evil.models.example/", ("models.example",), "OUTBOUND_HOSTS"),
        ("https://models.example:8443/", ("models.example",), "at port 8443"),
        ("https://models.example:22/", ("models.example:8443",), "at port 22"),
        ("http://models.example/", ("models.example",), "at port 80"),
        ("http://models.example:443/", ("models.example",), "over https only"),
        ("https://models.example:0/", ("models.example",), "1 to 65535"),
        ("https://models.example:70000/", ("models.example",), "1 to 65535"),
        ("https://user:secret@models.example/", ("models.example",), "without a name"),
        ("https://models.example@evil.example/", ("models.example",), "without a name"),
        ("https://evil.example#@models.example/", ("models.example",), "without a name"),
        ("https://evil.example\\@models.example/", ("models.example",), "without a name"),
        ("https://models.example/?next=http://evil.example", ("models.example",), "question mark"),
        ("https://models.example/a b", ("models.example",), "is written like"),
        ("https://models.example/\r\nX: y", ("models.example",), "is written like"),
        ("https://mödels.example/", ("models.example",), "is written like"),
        ("https://models.example./", ("models.example",), "is written like"),
        ("https://[::ffff:7f00:1]x/", ("models.example",), "is written like"),
        ("https://[::1::]/", ("models.example",), "no IPv6 address"),
        ("https://" + "a." * 130 + "example/", ("models.example",), "253"),
        ("file:///etc/passwd", ("models.example",), "is written like"),
        ("gopher://models.example/", ("models.example",), "is written like"),
        ("//models.example/", ("models.example",), "is written like"),
        ("https://models.example/" + "a" * 2000, ("models.example",), "is written like"),
        ("", ("models.example",), "is written like"),
        ("http\u017f://models.example/", ("models.example",), "is written like"),
        ("https://models.example/a\u212a", ("models.example",), "is written like"),
        ("https://models.example/a/../b", ("models.example",), "no '.' or '..' in its path"),
        ("https://models.example/a/%2E", ("models.example",), "no '.' or '..' in its path"),
    ],
)
def test_an_address_that_is_not_listed_or_may_be_read_in_two_ways_is_refused_without_any_network(
    monkeypatch, url, hosts, said
):
    seen = resolving(monkeypatch, ["8.8.8.8"])
    with pytest.raises(InvalidInput, match=said) as refusal:
        line(url, *hosts)
    assert (refusal.value.at, seen) == (("url",), [])


def test_hosts_are_compared_in_one_form():
    listed = Outbound(hosts={entry("Models.Example"), entry("[0:0:0::1]:8000"), entry("models.example:8443")})
    assert listed.target("HTTPS://MODELS.example/a").entry == "models.example"
    assert listed.target("https://models.example:443/a").entry == "models.example"
    assert listed.target("http://models.example:8443").entry == "models.example:8443"
    assert listed.target("http://[::1]:8000/a/").path == "/a"


@pytest.mark.parametrize(
    "text", ["", "https://a", "a/b", "a:b", "a:", "*", "*.example", "a:0", "a:99999", "u@a"]
)
def test_a_list_that_cannot_be_read_is_refused(text):
    with pytest.raises(InvalidInput):
        entry(text)


def test_tokens_are_read_and_never_shown():
    assert token("Models.example:8443=a.b-c==") == (
        "models.example:8443",
        Token(header="Authorization", value="Bearer a.b-c=="),
    )
    assert token("models.example=X-Api-Key: s3:cret=")[1] == Token(header="X-Api-Key", value="s3:cret=")
    assert token("m=Authorization:Basic dXNlcg==")[1].value == "Basic dXNlcg=="
    assert "abc" not in repr(Outbound(tokens=dict([token("m=abc")])))
    for bad in (
        "models.example=",
        "=x",
        "models.example",
        "m=s3 cret",
        "m=a\r\nb",
        "m=Host:s3cret",
        "m=X:a\r\nb",
    ):
        with pytest.raises(InvalidInput) as refusal:
            token(bad)
        assert "cret" not in str(refusal.value)


NEVER = [
    "169.254.169.254",
    "169.254.170.2",
    "169.254.1.1",
    "fe80::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "100.100.100.200",
    "168.63.129.16",
    "0.0.0.0",  # noqa: S104
    "0.1.2.3",
    "::",
    "224.0.0.1",
    "239.255.255.250",
    "ff02::1",
    "240.0.0.1",
    "255.255.255.255",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "::ffff:0:10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a00:1",
    "2002:7f00:1::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "fec0::1",
]
PRIVATE = [
    "127.0.0.1",
    "127.9.9.9",
    "::1",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "fd12:3456::1",
]


@pytest.mark.parametrize("address", NEVER)
def test_some_addresses_are_never_called(monkeypatch, address):
    assert refused(ip_address(address), near=True) is not None
    assert refused(ip_address(address), near=False) is not None
    resolving(monkeypatch, [address])
    for there in (line("https://a.example", "a.example"), line("http://a.example:80", "a.example:80")):
        with pytest.raises(InvalidInput, match=r"which this server does not call$"):
            there.call("/", b"1")


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_called_only_where_the_port_is_listed(monkeypatch, address):
    assert refused(ip_address(address), near=True) is None
    resolving(monkeypatch, ["8.8.8.8", address])  # one public address among them makes no difference
    with pytest.raises(InvalidInput, match=r"unless its operator lists a\.example:443"):
        line("https://a.example", "a.example").call("/", b"1")


@pytest.mark.parametrize("address", ["8.8.8.8", "2001:4860:4860::8888"])
def test_public_addresses_are_called(address):
    assert refused(ip_address(address), near=False) is None


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "127.1", "017700000001"])
def test_numbers_that_stand_for_this_machine_are_seen_through(host):
    with pytest.raises(EngineError):  # which of these is a number is the system's to say
        line(f"https://{host}", host).call("/", b"1")


def test_a_name_that_leads_elsewhere_between_two_calls_leads_where_it_was_looked_at(monkeypatch):
    with serving(lambda path, content: reply({})) as server:
        seen = resolving(monkeypatch, ["127.0.0.1"], ["169.254.169.254"])
        there = line(f"http://rebound.example:{server.port}", f"rebound.example:{server.port}")
        assert [there.call("/a", b"1"), there.call("/b", b"1")] == [b"{}", b"{}"]
    assert seen == ["rebound.example"]
    assert server.headers[0]["host"] == f"rebound.example:{server.port}"


def test_the_next_address_of_a_name_is_tried(monkeypatch):
    with serving(lambda path, content: reply({})) as server:
        resolving(monkeypatch, ["::1", "127.0.0.1"])  # nothing listens at the first
        there = line(f"http://two.example:{server.port}", f"two.example:{server.port}")
        assert there.call("/", b"1") == b"{}"
