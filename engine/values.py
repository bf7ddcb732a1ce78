"""Small values that every part of the engine shares."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NewType

Count = NewType("Count", int)
"""A number of rows or bytes; 64 bits, so the API does not show it as GraphQL's 32-bit Int."""

LARGEST = 1e60
"""Numbers further from 0 are not computed with: sums of their fourth powers are infinite."""


class ModelType(StrEnum):
    """What a model predicts."""

    CLASSIFICATION = "classification"
    REGRESSION = "regression"
    CLUSTERING = "clustering"
    RECOMMENDATION = "recommendation"


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A range that holds the true value with the confidence of the report."""

    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Step:
    """Something worth telling a person who waits: where the work stands, and what is known so far."""

    stage: str
    """A few words on what is being done, such as "counting rows"."""
    fraction: float
    """Share of the whole work done, in [0, 1]; never falls."""
    message: str
    """One sentence that means something to a person."""
    partial: object = None
    """A part of the result, such as one finding; or None. It is final unless `interim`."""
    interim: bool = False
    """Whether `partial` speaks of the rows read so far only, and gives way to a final one."""


Tell = Callable[[Step], None]
"""Where a computation tells its steps; called in the computing process, cheap, never raises."""


def silent(step: Step) -> None:
    """Tell nobody."""


def portion(tell: Tell, start: float, end: float) -> Tell:
    """A teller for one part of the work, whose fractions run from `start` to `end` of the whole."""
    return lambda step: tell(replace(step, fraction=start + (end - start) * step.fraction))
