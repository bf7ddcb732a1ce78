"""What a model is asked to answer, and its answers; the classes of the API and of the stored JSON."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from engine.errors import InvalidInput
from engine.models.signature import Signature, Task
from engine.models.values import some, unseen
from engine.tables.names import short
from engine.values import Count

MAX_ROWS = 1_000
MAX_VALUES = 100_000
"""Values of all rows together."""
LONGEST_VALUE = 10_000
MOST_SCORES = 50
"""Classes of which each gets a column of its own."""
LONGEST_NAME = 180
"""Of a column that is added; what is put behind it fits into a column's name."""


@dataclass(frozen=True, kw_only=True)
class FeatureValue:
    """One value of a row that is given, not taken from a dataset."""

    feature: str
    value: str | None = None
    """In its text form; null is missing."""


@dataclass(frozen=True, kw_only=True)
class GivenRow:
    """A row that is given by its values; features that are not named are missing."""

    values: Sequence[FeatureValue]

    def by_feature(self) -> dict[str, str | None]:
        return {each.feature: each.value for each in self.values}


@dataclass(frozen=True, kw_only=True)
class ClassScore:
    """What a model gives one class, in [0, 1]."""

    label: str
    """The class, in its text form."""
    score: float


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """A model's answer to one row."""

    prediction: str
    """The class with the highest score, or the predicted value, in its text form."""
    value: float | None = None
    """The predicted value of a regression."""
    scores: tuple[ClassScore, ...] = ()
    """Of each class, in the model's own order; empty for a regression."""
    notes: tuple[str, ...] = ()
    """What to know of this answer, such as a value that training has not seen and the model passes over."""


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """How the columns are made that a scored dataset has more than the one it was made from."""

    prediction: str = "prediction"
    """Name of the column with the predicted class or value."""
    score: str = "score"
    """Name of the column with the score of one class; with more than two and no `ofClass` there is one for each, named
    by this, `_` and the class. A regression has none."""
    of_class: str | None = None
    """The class whose score it is, such as the favourable one; by default the second of two."""
    threshold: float = 0.5
    """Of two classes, the one whose score is written is predicted where that is this or more, in [0, 1]."""

    def __post_init__(self) -> None:
        for at in ("prediction", "score"):
            name = getattr(self, at)
            if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable() or name != name.strip():
                raise InvalidInput(
                    f"{at} must be a name of 1 to {LONGEST_NAME} printable characters, got {len(name)}",
                    at=(at,),
                )
        if self.prediction.casefold() == self.score.casefold():
            raise InvalidInput("prediction and score must be two names", at=("score",))
        if not 0 <= self.threshold <= 1:
            raise InvalidInput(f"threshold must lie in [0, 1], got {self.threshold}", at=("threshold",))


def checked(rows: Sequence[GivenRow]) -> tuple[GivenRow, ...]:
    """Rows that may be stored and scored.

    Raises:
        InvalidInput: too many, too long, or a feature is named twice.
    """
    if not 1 <= len(rows) <= MAX_ROWS:
        raise InvalidInput(
            f"rows must be 1 to {MAX_ROWS:,}, got {len(rows):,}; scoreDataset scores more", at=("rows",)
        )
    values = Count(sum(len(row.values) for row in rows))
    if values > MAX_VALUES:
        raise InvalidInput(f"rows may hold {MAX_VALUES:,} values together, got {values:,}", at=("rows",))
    for i, row in enumerate(rows):
        seen: set[str] = set()
        for j, each in enumerate(row.values):
            at = ("rows", i, "values", j)
            for text in (each.feature, each.value or ""):
                if len(text) > LONGEST_VALUE or "\0" in text:
                    raise InvalidInput(f"a value may have {LONGEST_VALUE:,} characters and no NUL", at=at)
            if each.feature in seen:
                raise InvalidInput(f"{each.feature!r} is given twice", at=at)
            seen.add(each.feature)
    return tuple(rows)


def noted(
    answers: Sequence[Predicted], rows: Sequence[GivenRow], signature: Signature
) -> tuple[Predicted, ...]:
    """With a note on each value that training has not seen, of the rows that were answered."""
    features = {feature.name: feature for feature in signature.features}
    return tuple(
        replace(
            answer,
            notes=tuple(
                f"Training has not seen {short(each.value)} in {short(each.feature)}: it counts as none of those that"
                f" the model knows, {some(features[each.feature].categories)}."
                for each in row.values
                if each.value is not None and unseen(features[each.feature], each.value)
            ),
        )
        for answer, row in zip(answers, rows, strict=True)
    )


def added(signature: Signature, scoring: Scoring) -> list[str]:
    """Names of the columns that scoring adds.

    Raises:
        InvalidInput: the model has no such class.
    """
    of = scoring.of_class
    if of is not None and of not in signature.classes:
        known = ", ".join(map(repr, signature.classes[:MOST_SCORES])) or "none, being a regression"
        raise InvalidInput(f"the model has no class {of!r}; its classes are {known}", at=("of_class",))
    match signature.task:
        case Task.REGRESSION:
            return [scoring.prediction]
        case Task.MULTICLASS if of is None:
            shown = signature.classes if len(signature.classes) <= MOST_SCORES else ()
            return [scoring.prediction, *(f"{scoring.score}_{label}" for label in shown)]
        case _:
            return [scoring.prediction, scoring.score]
