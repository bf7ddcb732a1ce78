"""Who may do what. This table is the policy as people read it; the code's must be the same."""

import pytest

import db.tables as t
from auth.errors import Forbidden
from auth.permissions import GRANTS, Permission, Viewer

TABLE = """
                  admin  analyst  auditor  viewer
model:read          x       x        x       x
model:write         x       x
dataset:read        x       x        x       x
dataset:write       x       x
dataset:preview     x       x        x
analysis:create     x       x
analysis:read       x       x        x       x
analysis:delete     x       x
explanation:create  x       x
explanation:read    x       x        x       x
explanation:delete  x       x
organization:write  x
user:read           x       x        x       x
"""


def written() -> dict[str, set[str]]:
    head, *lines = TABLE.strip("\n").splitlines()
    columns = {role: head.index(role) for role in head.split()}
    granted: dict[str, set[str]] = {role: set() for role in columns}
    for line in lines:
        for role, at in columns.items():
            if "x" in line[at : at + len(role)]:
                granted[role].add(line.split()[0])
    return granted


def test_each_role_may_do_what_the_table_says():
    assert {role.value: {one.value for one in GRANTS[role]} for role in t.Role} == written()


def test_an_administrator_may_do_everything():
    assert GRANTS[t.Role.ADMIN] == set(Permission)


def test_every_role_has_its_grants_and_nobody_can_change_them():
    assert GRANTS.keys() == set(t.Role)
    with pytest.raises(TypeError):
        GRANTS[t.Role.VIEWER] = frozenset(Permission)


def test_a_refusal_names_the_permission_and_the_role():
    from_nowhere = Viewer(user_id=None, organization_id=None, email="", role=t.Role.VIEWER)
    with pytest.raises(
        Forbidden, match="needs the permission model:write, which the role viewer does not have"
    ):
        from_nowhere.require(Permission.MODEL_WRITE)
