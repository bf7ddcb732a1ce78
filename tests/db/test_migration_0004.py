"""Version 0004: findings told before it were final, and read so."""

from uuid import uuid4

import psycopg

from db.migrate import migrate

ROWS = """
INSERT INTO organization (id, name, created_at, last_event) VALUES (%(o)s, 'Ours', now(), 1);
INSERT INTO event (organization_id, number, subject, subject_id, status, stage, fraction, message, partial, created_at)
  VALUES (%(o)s, 1, 'analysis', %(a)s, 'running', 'judging', 0.5, 'Judged', '{}', now());
"""


def test_a_finding_told_before_is_final(of_version):
    url = of_version("0003")
    with psycopg.connect(url, cursor_factory=psycopg.ClientCursor) as connection:
        connection.execute(ROWS, {"o": uuid4(), "a": uuid4()})
    migrate(url)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT number, interim FROM event").fetchall() == [(1, False)]
