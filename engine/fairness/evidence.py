"""What the judging needs of the data of any kind of model: tables of groups, and how they came about."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from engine.fairness.advice import advice
from engine.fairness.cube import Axis
from engine.fairness.options import BiasColumns, BiasOptions
from engine.fairness.report import AttributeReport, Finding, Recommendation
from engine.fairness.tables import Table
from engine.tables.part import Part
from engine.values import Tell

Summary = tuple[Any, ...]
"""What was counted of some rows; summaries of parts add up, member by member."""


Recommend = Callable[[Sequence[AttributeReport], Sequence[Finding], BiasOptions], tuple[Recommendation, ...]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """The data as tables of groups."""

    protected: tuple[Axis, ...]
    rows: int
    excluded: int
    exclusion_reason: str | None
    tables: Callable[[tuple[int, ...]], Sequence[Table]]
    """From positions of protected attributes to a table for each kind of cells; without any, one group of all rows."""
    labelled: bool = True
    classes: int = 2
    """Of a classification; more than two are judged one by one."""
    favorable: str | None = None
    notes: tuple[str, ...] = ()
    overall: tuple[Finding, ...] = ()
    """Findings that are made already."""
    recommend: Recommend = advice
    """What to do about the findings between groups and those over all rows, each with what it was measured to bring."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """How the data of one kind of model become evidence."""

    summarise: Callable[[Part, BiasColumns, BiasOptions, Tell], Summary]
    """Count a file, or a part of the rows."""
    evidence: Callable[[Summary, BiasColumns, BiasOptions], Evidence]
    apart: str | None = None
    """Why parts of the rows cannot be summarised one by one, if they cannot: what belongs together may be apart."""


def merged(one: Summary, other: Summary) -> Summary:
    """The summary of both sets of rows together."""
    return tuple(a + b for a, b in zip(one, other, strict=True))
