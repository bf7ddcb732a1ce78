"""Kinds of job. To add one: a module with `run`, and a row of TASKS."""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

import jobs.artifact
import jobs.bias
import jobs.dataset
import jobs.explanation
import jobs.mitigation
import jobs.prediction
import jobs.scoring
from db.tables import Subject
from jobs.attempt import Attempt
from jobs.work import Workshop

Run = Callable[[Attempt, Workshop], Awaitable[None]]


async def _dataset(attempt: Attempt, workshop: Workshop) -> None:
    """A dataset is read from a file, or made by a model of another one."""
    made = jobs.dataset.run if attempt.row.scoring is None else jobs.scoring.run
    await made(attempt, workshop)


TASKS: Mapping[Subject, Run] = MappingProxyType(
    {
        Subject.DATASET: _dataset,
        Subject.ANALYSIS: jobs.bias.run,
        Subject.ARTIFACT: jobs.artifact.run,
        Subject.PREDICTION: jobs.prediction.run,
        Subject.EXPLANATION: jobs.explanation.run,
        Subject.MITIGATION: jobs.mitigation.run,
    }
)
