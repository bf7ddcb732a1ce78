"""Kinds of job. To add one: a module with `run`, and a row of TASKS."""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

import jobs.bias
import jobs.dataset
from db.tables import Subject
from jobs.attempt import Attempt
from jobs.work import Workshop

Run = Callable[[Attempt, Workshop], Awaitable[None]]

TASKS: Mapping[Subject, Run] = MappingProxyType(
    {
        Subject.DATASET: jobs.dataset.run,
        Subject.ANALYSIS: jobs.bias.run,
    }
)
