"""Coming in with a password, and what a token is worth when things change behind it."""

import asyncio
import time

import psycopg
import pytest

from auth.passwords import check_strength, hashed, matches
from engine.errors import InvalidInput
from tests.builders import PASSWORD
from tests.client import REGISTER

SIGN_IN = """mutation ($email: String!, $password: String!) {
  signIn(email: $email, password: $password) { token expiresAt viewer { id email role permissions } }
}"""
ME = "{ me { email role permissions } }"
MODEL = {"name": "approver", "type": "CLASSIFICATION"}


@pytest.fixture
def owner(url):
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


async def test_a_person_signs_in_and_the_token_opens_their_doors(api):
    answer = await api(None, SIGN_IN, email="  Auditor@Example.ORG ", password=PASSWORD)
    assert answer.errors == []
    found = answer.data["signIn"]
    assert found["viewer"]["email"] == "auditor@example.org"
    assert found["viewer"]["role"] == "AUDITOR"
    shown = await api.http.post(
        "/graphql", json={"query": ME}, headers={"authorization": f"Bearer {found['token']}"}
    )
    assert shown.json()["data"]["me"] == {
        "email": "auditor@example.org",
        "role": "AUDITOR",
        "permissions": [
            "analysis:read",
            "dataset:preview",
            "dataset:read",
            "explanation:read",
            "model:read",
            "user:read",
        ],
    }


async def test_whatever_is_wrong_the_answer_is_the_same(api):
    for email, password in [
        ("analyst@example.org", "wrong horse battery"),
        ("nobody@example.org", PASSWORD),
        ("", ""),
        ("analyst@example.org", ""),
        ("analyst@example.org", PASSWORD.upper()),
        ("no\0body@example.org", PASSWORD),
        ("analyst@example.org", PASSWORD + "\0"),
        ("%@example.org", PASSWORD),
        ("analyst@example.org' OR 'a' = 'a", PASSWORD),
        ("x" * 100_000, "y" * 100_000),
    ]:
        answer = await api(None, SIGN_IN, email=email, password=password)
        assert answer.data == {"signIn": None}
        (error,) = answer.errors
        assert error["message"] == "this e-mail address and password do not belong together"
        assert error["extensions"] == {"code": "UNAUTHENTICATED"}


async def test_an_unknown_person_takes_as_long_as_a_wrong_password():
    """Both hash once; a shortcut would take a hundredth of the time."""
    known = hashed(PASSWORD)

    async def seconds(hash: str | None) -> float:
        started = time.process_time()
        assert not await matches("wrong horse battery", hash)
        return time.process_time() - started

    assert await seconds(None) > await seconds(known) / 5


async def test_hashing_does_not_hold_up_others():
    """Four sign-ins take some tenths of a second; the loop must turn all the while."""
    hash = hashed(PASSWORD)
    pauses, last = [], time.perf_counter()
    work = asyncio.gather(*(matches(PASSWORD, hash) for _ in range(4)))
    while not work.done():
        await asyncio.sleep(0.001)
        pauses.append(time.perf_counter() - last)
        last = time.perf_counter()
    assert await work == [True] * 4
    assert len(pauses) > 5


def test_passwords_are_hashed_with_argon2id_and_salted():
    first, second = hashed(PASSWORD), hashed(PASSWORD)
    assert first.startswith("$argon2id$")
    assert first != second


async def test_a_hash_that_cannot_be_read_lets_nobody_in():
    assert not await matches(PASSWORD, "not a hash")


@pytest.mark.parametrize("password", ["short", "x" * 11, "x" * 1025])
def test_a_password_that_is_too_short_or_too_long_is_refused_in_words(password):
    with pytest.raises(InvalidInput, match=f"12 to 1024 characters, this one has {len(password)}"):
        check_strength(password)


async def test_a_change_of_role_holds_from_the_next_operation_on_with_the_old_token(api, owner):
    assert (await api("viewer", REGISTER, input=MODEL)).code == "FORBIDDEN"
    owner.execute("UPDATE users SET role = 'analyst' WHERE email = 'viewer@example.org'")
    assert (await api("viewer", REGISTER, input=MODEL)).errors == []
    owner.execute("UPDATE users SET role = 'viewer' WHERE email = 'viewer@example.org'")
    assert (await api("viewer", REGISTER, input=MODEL | {"name": "second"})).code == "FORBIDDEN"


async def test_a_person_who_was_removed_is_refused_with_their_old_token(api, owner):
    assert (await api("viewer", ME)).errors == []
    owner.execute("DELETE FROM users WHERE email = 'viewer@example.org'")
    refused = await api("viewer", ME)
    assert (refused.data, refused.code) == ({"me": None}, "UNAUTHENTICATED")
    assert "no longer here" in refused.errors[0]["message"]


async def test_a_person_who_moved_to_another_organization_must_sign_in_again(api, owner, people):
    """The token names the organization they left; it opens neither the old nor the new one."""
    owner.execute(
        "UPDATE users SET organization_id = %s WHERE email = 'viewer@example.org'",
        (people["stranger"].organization_id,),
    )
    assert (await api("viewer", ME)).code == "UNAUTHENTICATED"


async def test_a_refused_token_says_why_and_still_lets_one_sign_in(api):
    for header, said in [
        (None, "nobody is signed in"),
        ("Bearer", "must come as `Bearer <token>`"),
        ("Bearer ", "must come as `Bearer <token>`"),
        ("Basic YTpi", "must come as `Bearer <token>`"),
        ("Bearer a.b.c", "not valid"),
        ("Bearer " + "x" * 9000, "longer than 8192 bytes"),
        ("Bearer é".encode(), "not valid"),
    ]:
        headers = {"authorization": header} if header else {}
        refused = (await api.http.post("/graphql", json={"query": ME}, headers=headers)).json()
        assert refused["data"] == {"me": None}
        assert said in refused["errors"][0]["message"]
        assert refused["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}
        entered = await api.http.post(
            "/graphql",
            json={"query": SIGN_IN, "variables": {"email": "viewer@example.org", "password": PASSWORD}},
            headers=headers,
        )
        assert "errors" not in entered.json()
