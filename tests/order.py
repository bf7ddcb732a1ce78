"""Who runs what, when several processes share the tests: what is dear to set up stays together and is begun first.

xdist's own mark for it, `xdist_group`, does nothing under pytest 9.2: its name is written where pytest no longer looks.
"""

from xdist.scheduler import LoadScopeScheduling

TOGETHER = {
    "tests/jobs/test_parts.py": "cluster",
    "tests/jobs/test_parts_s3.py": "cluster",
    "tests/api/test_cluster.py": "cluster",
    "tests/jobs/test_resilience_database.py": "storms",
    "tests/jobs/test_resilience_workers.py": "storms",
}
"""A cluster for each process would be one too many; storms take a minute each, and one at a time is enough."""


class Together(LoadScopeScheduling):
    """Hands out test by test, and what belongs together as one, which goes first because it is more."""

    def _split_scope(self, nodeid: str) -> str:
        return TOGETHER.get(nodeid.partition("::")[0], nodeid)
