"""Whether a model can take the rows of a dataset: its features against the profile of the columns, by name."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from engine.models.signature import Feature, FeatureType, Signature, is_number
from engine.models.values import spellings, truth, unseen
from engine.tables import ColumnProfile, ColumnType, TableProfile
from engine.tables.names import alike, short

SHOWN_VALUES = 5
NUMBERS = (ColumnType.INTEGER, ColumnType.FLOAT, ColumnType.BOOLEAN)


class MismatchKind(StrEnum):
    """What is wrong between a feature of a model and a dataset."""

    MISSING = "missing"
    """The dataset has no column of this name."""
    WRONG_TYPE = "wrong_type"
    """The column holds what the model cannot take."""
    UNSEEN_VALUES = "unseen_values"
    """The column holds values that the model has not seen in training; `hinders` says whether it refuses them."""


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """One feature that does not find in a dataset what it needs."""

    feature: str
    kind: MismatchKind
    message: str
    """One sentence for a person."""
    similar: tuple[str, ...] = ()
    """Columns that may be meant, where one is missing."""
    hinders: bool = True
    """Whether the rows cannot be scored for it; most models take values that they have not seen."""


@dataclass(frozen=True, kw_only=True)
class ModelFit:
    """Whether a model can score the rows of a dataset."""

    fits: bool
    """Nothing is missing, every type is right, and no frequent value is one that the model refuses."""
    mismatches: tuple[Mismatch, ...]


def fit(signature: Signature, profile: TableProfile) -> ModelFit:
    """Compare every feature with the column of its name."""
    columns = {column.name: column for column in profile.columns}
    found = tuple(
        mismatch
        for feature in signature.features
        for mismatch in _of(feature, columns, int(profile.rows), signature.refuses_unseen(feature))
    )
    return ModelFit(fits=not any(each.hinders for each in found), mismatches=found)


def _of(feature: Feature, columns: dict[str, ColumnProfile], rows: int, refuses: bool) -> Iterator[Mismatch]:
    column = columns.get(feature.name)
    if column is None:
        similar = tuple(alike(feature.name, list(columns)))
        meant = f"; did you mean {' or '.join(map(short, similar))}?" if similar else ""
        message = f"the dataset has no column {short(feature.name)}, which the model takes{meant}"
        yield Mismatch(feature=feature.name, kind=MismatchKind.MISSING, message=message, similar=similar)
        return
    needed = _needed(feature)
    if needed is not None and (column.type in NUMBERS) is not (needed == "numbers"):
        holds = "no values" if column.nulls == rows else f"{column.type} values"
        message = f"column {short(feature.name)} holds {holds}, and the model takes {needed}"
        yield Mismatch(feature=feature.name, kind=MismatchKind.WRONG_TYPE, message=message)
        return
    odd = [each.value for each in column.top_values if unseen(feature, _held(column, each.value))]
    if odd:
        message = (
            f"column {short(feature.name)} holds values that the model has not seen in training, such as"
            f" {', '.join(map(short, odd[:SHOWN_VALUES]))}"
        )
        if refuses:
            message += "; it refuses rows with these: leave them out, or train the model with them"
        yield Mismatch(
            feature=feature.name, kind=MismatchKind.UNSEEN_VALUES, message=message, hinders=refuses
        )


def _needed(feature: Feature) -> str | None:
    """What the model takes; None where either will do."""
    if feature.type is FeatureType.NUMBER:
        return "numbers"
    if feature.type is FeatureType.CATEGORY and feature.categories and not spellings(feature.categories):
        return None if any(is_number(value) for value in feature.categories) else "texts"
    return None


def _held(column: ColumnProfile, text: str) -> str:
    """A value as rows hold it: truth values are numbers there."""
    held = truth(text) if column.type is ColumnType.BOOLEAN else None
    return text if held is None else str(int(held))
