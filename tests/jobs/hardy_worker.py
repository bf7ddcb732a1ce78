"""A worker as `python -m app worker` runs it, for tests that kill it more often than a job may be killed.

Three dead workers fail a job, as they should; where the test itself is the killer, that would be its own doing.
"""

import sys

import jobs.attempt
import jobs.children
import jobs.worker
from app.cli import main

if __name__ == "__main__":
    jobs.attempt.DEATHS = 1000
    jobs.worker.HEARTBEAT_S, jobs.worker.STALLED_S = 0.5, 3.0  # so that its next one finds out soon
    for models in ("jobs.warm", "engine.explanations.leaf_tables", "engine.models.walking"):
        jobs.children._PRELOAD.remove(models)  # it opens no model, and is begun again and again
    sys.argv = ["fairmind", "worker"]
    main()
