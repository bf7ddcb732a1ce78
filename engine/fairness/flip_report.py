"""Decisions that change with the protected attribute alone: what is asked, and what was found.

These are the classes of the API and of the stored JSON. A new field has a default.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.errors import InvalidInput, refuse_outside
from engine.fairness.options import Bands
from engine.values import LARGEST, Count, Interval


@dataclass(frozen=True, kw_only=True)
class FlipOptions:
    """Whose decisions are looked at, when only the protected attribute changes."""

    attribute: str
    """The protected column. A model that does not look at it cannot change its decision with it."""
    bands: Sequence[float] = ()
    """Edges of groups of a number, rising; by default as in a bias report: the quartiles of one with more than 20
    different values, else each value by itself."""
    explained_class: str | None = None
    """The class whose score is followed, such as the favourable one; by default the second of two, and of more the one
    that each row is given."""
    threshold: float | None = None
    """From which score on the decision is favourable: of two classes in [0, 1], by default 0.5. The values of a
    regression are decisions only with it. More than two classes have none: the highest score decides."""
    sample_rows: int = 10_000
    """Rows that are looked at, drawn with the seed, in [2, 1000000]."""
    examples: int = 10
    """Rows to show whose decision changes, those whose score moves furthest, in [0, 100]."""
    suppress_below: int = 0
    """Groups with fewer rows of the dataset take no part and are not named, in [0, 1000]."""
    confidence: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        refuse_outside("sample_rows", self.sample_rows, 2, 1_000_000)
        refuse_outside("examples", self.examples, 0, 100)
        refuse_outside("suppress_below", self.suppress_below, 0, 1000)
        refuse_outside("confidence", self.confidence, 0.5, 0.99)
        refuse_outside("seed", self.seed, 0, 2**31 - 1)
        if self.threshold is not None:
            refuse_outside("threshold", self.threshold, -LARGEST, LARGEST)
        if not self.attribute:
            raise InvalidInput("attribute must name a column, got an empty name", at=("attribute",))
        if self.bands:
            try:
                Bands(attribute=self.attribute, edges=self.bands).check()
            except InvalidInput as error:
                raise InvalidInput(str(error), at=("bands",)) from None


@dataclass(frozen=True, kw_only=True)
class FlipValue:
    """A group of the protected attribute, and the value that others are given to be in it."""

    group: str
    """As a bias report names it."""
    value: str
    """In its text form; of a band, the median of its rows."""
    rows: Count


@dataclass(frozen=True, kw_only=True)
class FlipPair:
    """Rows of one group, asked about once more as if they were of another."""

    from_group: str
    to_group: str
    rows: Count
    """Of `fromGroup`; each was changed."""
    flipped: Count | None
    """Rows whose decision is another one after the change; null where the model makes no decisions."""
    gained: Count | None
    """Of these, those that have the class that is followed only after the change; null where there is no such class."""
    lost: Count | None
    """Of these, those that had it only before."""
    flip_rate: float | None
    interval: Interval | None
    """Wilson's."""
    mean_change: float
    """Of the score: after minus before, in the report's unit."""
    mean_change_interval: Interval | None
    """Student's, over rows; null of one row."""


@dataclass(frozen=True, kw_only=True)
class FlipExample:
    """One row whose decision hangs on the protected attribute; what it holds is not repeated here."""

    row: Count | None
    """Place in the dataset, from 0, by which an explanation of single rows takes it."""
    decision_before: str
    decision_after: str
    """With the value that moved its score furthest of those that change its decision."""
    score_before: float
    score_after: float


@dataclass(frozen=True, kw_only=True)
class FlipReport:
    """How often a model decides otherwise when nothing but the protected attribute changes."""

    attribute: str
    looked_at: bool | None
    """Whether the attribute is a feature of the model; where it is none, no decision can flip, and columns that go with
    it may still carry it. Null where the model could not be asked."""
    summary: str
    """One sentence for a person."""
    unit: str | None
    """Of scores: "probability" or "value of the model"; null where the model could not be asked."""
    explained_class: str | None
    """The class whose score is followed; null for a regression, and where each row follows the class it is given."""
    threshold: float | None
    """From which score on the decision was favourable; null where the highest score decides, or nothing does."""
    rows: Count
    """Rows with a value of the attribute that the model was asked about; 0 where it was not asked, as of an attribute
    that it does not look at."""
    rows_missing: Count
    """Rows without a value of the attribute among those that were to be asked about; they stay without one and are not
    counted."""
    flipped: Count | None
    """Rows whose decision changes for at least one other value; null where `flipRate` is."""
    flip_rate: float | None
    """Share of rows whose decision changes with the attribute alone; null where there is none, and `reason` says why."""
    interval: Interval | None
    """Wilson's."""
    reason: str | None
    """Why there is no rate, such as that the attribute is none of the model's features; null where there is one."""
    mean_absolute_change: float | None
    """Of the score, averaged over the other values of each row and over rows; null where there is no other value."""
    mean_absolute_change_interval: Interval | None
    """Student's, over rows."""
    values: tuple[FlipValue, ...] = ()
    pairs: tuple[FlipPair, ...] = ()
    """Each group as each other one; the highest rate first."""
    examples: tuple[FlipExample, ...] = ()
    """The largest change of the score first."""
    evaluations: Count
    """Rows that the model was asked to score."""
    seconds: float
    notes: tuple[str, ...] = ()
    """What a person should know before believing it."""


def not_asked(attribute: str, reason: str, looked_at: bool | None = None) -> FlipReport:
    """What is said where the model could not be asked."""
    return FlipReport(
        attribute=attribute,
        looked_at=looked_at,
        summary=f"Whether decisions change with {attribute} alone could not be asked: {reason}.",
        unit=None,
        explained_class=None,
        threshold=None,
        rows=Count(0),
        rows_missing=Count(0),
        flipped=None,
        flip_rate=None,
        interval=None,
        reason=reason,
        mean_absolute_change=None,
        mean_absolute_change_interval=None,
        evaluations=Count(0),
        seconds=0.0,
    )
