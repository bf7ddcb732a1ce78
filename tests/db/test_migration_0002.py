"""Version 0002: reports of the first shape are given up in words, and everything else stays as it was."""

from uuid import uuid4

import psycopg
import pytest

from db.migrate import migrate

ROWS = """
INSERT INTO organization (id, name, created_at, last_event) VALUES (%(o)s, 'Ours', now(), 0);
INSERT INTO users (id, organization_id, created_at, email, name, password_hash, role)
  VALUES (%(u)s, %(o)s, now(), 'a@example.org', 'A', 'x', 'admin');
INSERT INTO model (id, organization_id, created_at, name, version, type, description, owner_id, features, updated_at)
  VALUES (%(m)s, %(o)s, now(), 'm', '1', 'classification', '', %(u)s, '[]', now());
INSERT INTO dataset (id, organization_id, created_at, status, progress, attempt, deaths, created_by_id, name,
  description, sha256, bytes) VALUES (%(d)s, %(o)s, now(), 'completed', 1, 1, 0, %(u)s, 'd', '', '', 1);
"""
ANALYSIS = """
INSERT INTO analysis (id, organization_id, created_at, status, progress, attempt, deaths, created_by_id, model_id,
  dataset_id, type, columns, options, report) VALUES (%s, %s, now(), %s, 1, 1, 0, %s, %s, %s, 'comprehensive',
  '{}', '{}', %s)
"""


@pytest.fixture
def first(of_version):
    """A database of the first version."""
    return of_version("0001")


def test_a_report_of_the_first_shape_is_given_up_and_says_why(first):
    ids = {name: uuid4() for name in "oumd"}
    with psycopg.connect(first, cursor_factory=psycopg.ClientCursor) as connection:
        connection.execute(ROWS, ids)
        for status, report in (("completed", '{"verdict": "pass"}'), ("cancelled", None)):
            given = (uuid4(), ids["o"], status, ids["u"], ids["m"], ids["d"], report)
            connection.execute(ANALYSIS, given)
    migrate(first)
    with psycopg.connect(first) as connection:
        found = connection.execute("SELECT status, error, report FROM analysis ORDER BY status").fetchall()
    assert found == [
        ("cancelled", None, None),
        ("failed", "this report was made by an earlier version: run the analysis again", None),
    ]
