"""What counts as a token, and what never does."""

import base64
import hashlib
import hmac
import json
import time
from uuid import UUID

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jose import jwt

import auth.tokens
import db.tables as t
from auth.errors import Unauthenticated
from auth.permissions import GRANTS
from auth.tokens import API, ISSUER, UPLOAD, Tokens

SECRET = "a secret of these tests, longer than 32 bytes"
USER, ORGANIZATION = UUID(int=1), UUID(int=2)


@pytest.fixture
def tokens() -> Tokens:
    return Tokens(SECRET)


def claims(**changes):
    """Claims of a good token, with changes; a claim that is changed to ... is left out."""
    now = int(time.time())
    good = {
        "sub": str(USER),
        "organization_id": str(ORGANIZATION),
        "iat": now,
        "exp": now + 60,
        "aud": API,
        "iss": ISSUER,
        "jti": "one",
    }
    return {name: value for name, value in (good | changes).items() if value is not ...}


def signed(content, *, secret=SECRET, algorithm="HS256", headers=None) -> str:
    """A token put together by hand, because libraries refuse to write most of what must be refused."""

    def part(value) -> bytes:
        raw = value if isinstance(value, bytes) else json.dumps(value).encode()
        return base64.urlsafe_b64encode(raw).rstrip(b"=")

    head = {"typ": "JWT", "alg": algorithm} | (headers or {}) if not isinstance(headers, bytes) else headers
    body = part(head) + b"." + part(content)
    key = secret if isinstance(secret, bytes) else secret.encode()
    digest = {"HS384": hashlib.sha384, "HS512": hashlib.sha512}.get(algorithm, hashlib.sha256)
    signature = b"" if algorithm.lower() == "none" else hmac.new(key, body, digest).digest()
    return (body + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def refused(tokens: Tokens, token: str, said: str = "the token", audience: str = API) -> None:
    with pytest.raises(Unauthenticated, match=said) as caught:
        tokens.check(token, audience)
    assert token == "" or token not in str(caught.value)


def test_a_token_says_who_asks_and_until_when(tokens):
    user = t.User(
        id=USER, organization_id=ORGANIZATION, email="a@b.c", name="A", password_hash="", role=t.Role.AUDITOR
    )
    token, expires = tokens.for_user(user)
    found = tokens.check(token)
    assert (found.user_id, found.organization_id, found.expires_at) == (USER, ORGANIZATION, expires)
    said = {"sub", "email", "role", "organization_id", "permissions", "exp", "iat", "aud", "iss", "jti"}
    assert found.content.keys() == said
    assert found.content["role"] == "auditor"
    assert found.content["permissions"] == sorted(GRANTS[t.Role.AUDITOR])
    assert found.content["exp"] - found.content["iat"] == 24 * 3600


def test_two_tokens_of_one_moment_differ(tokens):
    first, second = (tokens.sign(API, USER, ORGANIZATION, {}, seconds=60)[0] for _ in range(2))
    assert tokens.check(first).id != tokens.check(second).id


def test_a_token_put_together_by_hand_is_accepted_when_all_is_right(tokens):
    """So the refusals below refuse for the reason they name."""
    assert tokens.check(signed(claims())).user_id == USER


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("exp", lambda now: now - 1, "expired"),
        ("exp", lambda now: now, "expired"),
        ("exp", lambda now: str(now + 60), "not valid"),
        ("exp", lambda now: now + 60.5, "not valid"),
        ("exp", True, "the token"),
        ("exp", None, "not valid"),
        ("exp", [], "not valid"),
        ("exp", 10**17, "not valid"),
        ("exp", 10**40, "not valid"),
        ("exp", float("inf"), "not valid"),
        ("iat", lambda now: str(now), "not valid"),
        ("iat", None, "not valid"),
        ("iat", {}, "not valid"),
        ("nbf", lambda now: now + 600, "not valid"),
        ("nbf", [], "not valid"),
        ("aud", "authenticated", "not valid"),
        ("aud", [API], "not valid"),
        ("aud", [API, "other"], "not valid"),
        ("aud", None, "not valid"),
        ("iss", "somebody-else", "not valid"),
        ("iss", [ISSUER], "not valid"),
        ("sub", "nobody", "not valid"),
        ("sub", 7, "not valid"),
        ("organization_id", "none", "not valid"),
        ("organization_id", None, "not valid"),
        ("jti", 7, "not valid"),
    ],
)
def test_a_signed_token_with_a_wrong_claim_is_refused(tokens, name, value, said):
    content = claims(**{name: value(int(time.time())) if callable(value) else value})
    refused(tokens, signed(content), said)


@pytest.mark.parametrize("content", [[], [1], "claims", None, 7])
def test_a_signed_token_that_holds_no_claims_is_refused(tokens, content):
    refused(tokens, signed(content), "not valid")


@pytest.mark.parametrize("name", ["sub", "organization_id", "iat", "exp", "aud", "iss", "jti"])
def test_a_token_without_a_claim_that_is_needed_is_refused(tokens, name):
    refused(tokens, signed(claims(**{name: ...})), "not valid")


def test_a_token_of_another_secret_is_refused(tokens):
    refused(tokens, signed(claims(), secret="another secret that also has 32 bytes"), "not valid")


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE"])
def test_a_token_without_a_signature_is_refused(tokens, algorithm):
    refused(tokens, signed(claims(), algorithm=algorithm), "not valid")


@pytest.mark.parametrize("algorithm", ["HS384", "HS512", "RS256", "ES256", "", "hs256"])
def test_the_algorithm_is_the_operators_choice_not_the_tokens(tokens, algorithm):
    refused(tokens, signed(claims(), algorithm=algorithm), "not valid")


def test_a_public_key_does_not_serve_as_a_secret():
    """The confusion of HS and RS: what anybody may know must not open anything, whatever a token claims."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(ValueError, match="a random text, not a key pair or a certificate"):
        Tokens(pem.decode())
    forged = signed(claims(), secret=pem)
    honest = jwt.encode(claims(), private.decode(), algorithm="RS256")
    refused(Tokens(SECRET), honest, "not valid")
    refused(Tokens(SECRET), forged, "not valid")


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "none", ""])
def test_an_algorithm_with_public_keys_cannot_be_chosen(algorithm):
    with pytest.raises(ValueError, match="must be HS256, HS384 or HS512"):
        Tokens(SECRET, algorithm=algorithm)


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_the_other_algorithms_work_when_chosen(algorithm):
    tokens = Tokens(SECRET, algorithm=algorithm)
    assert tokens.check(tokens.sign(API, USER, ORGANIZATION, {}, seconds=60)[0]).user_id == USER


@pytest.mark.parametrize(
    "headers",
    [
        {"crit": ["exp"]},
        {"jku": "https://example.org/keys"},
        {"x5u": "https://example.org/cert"},
        {"x5c": ["MII"]},
        {"jwk": {"kty": "oct", "k": "AAAA"}},
        {"crit": None},
    ],
    ids=str,
)
def test_a_header_that_would_bring_its_own_key_is_refused(tokens, headers):
    refused(tokens, signed(claims(), headers=headers), "header that is not accepted")


def test_a_token_over_8_kib_is_refused_before_it_is_looked_at(tokens):
    refused(tokens, signed(claims(filler="x" * 8192)), "longer than 8192 bytes")
    refused(tokens, "é" * 5000, "longer than 8192 bytes")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda good: "",
        lambda good: ".",
        lambda good: "..",
        lambda good: "a.b.c",
        lambda good: "é.è.ê",
        lambda good: "\udcff.a.b",
        lambda good: "\0.\0.\0",
        lambda good: "." * 8000,
        lambda good: good + ".more",
        lambda good: good[:-3],
        lambda good: good.rpartition(".")[0],
        lambda good: good.rpartition(".")[0] + ".",
        lambda good: signed(claims(), headers=b"[" * 5000),
        lambda good: signed(claims(), headers=b"null"),
        lambda good: signed(claims(), headers=b'{"alg":["HS256"]}'),
        lambda good: signed(claims(), headers=b"{}"),
        lambda good: signed(b"[" * 5000),
        lambda good: signed(b"\xff\xfe"),
    ],
    ids=range(18),
)
def test_what_is_no_token_is_refused_in_the_same_words(tokens, spoil):
    refused(tokens, spoil(signed(claims())), r"^the token is not valid, sign in again$")


def test_a_remembered_token_still_expires(tokens, monkeypatch):
    token, expires = tokens.sign(API, USER, ORGANIZATION, {}, seconds=60)
    found = tokens.check(token)

    class Later(auth.tokens.datetime):
        @classmethod
        def now(cls, tz=None):
            return expires

    monkeypatch.setattr(auth.tokens, "datetime", Later)
    refused(tokens, token, "expired")
    with pytest.raises(Unauthenticated, match="expired"):
        found.still_valid()  # as a stream asks between two events


def test_only_so_many_signatures_are_remembered(tokens, monkeypatch):
    monkeypatch.setattr(auth.tokens, "_REMEMBERED", 3)
    for _ in range(10):
        tokens.check(tokens.sign(API, USER, ORGANIZATION, {}, seconds=60)[0])
    refused(tokens, "a.b.c")
    assert len(tokens._checked) == 3


def test_a_ticket_for_an_upload_is_no_token_and_a_token_is_no_ticket(tokens):
    ticket, _ = tokens.sign(UPLOAD, USER, ORGANIZATION, {"upload": {}}, seconds=60)
    token, _ = tokens.sign(API, USER, ORGANIZATION, {}, seconds=60)
    for _ in range(2):  # also when it is remembered for its own use
        assert tokens.check(ticket, UPLOAD).user_id == USER
        assert tokens.check(token).user_id == USER
        refused(tokens, ticket)
        refused(tokens, token, audience=UPLOAD)
