"""What part a column seems to play, by the words in its name and by its values."""

import re

from engine.tables.profile import ColumnProfile, ColumnType, RoleHint

_PROTECTED = frozenset(
    [
        "race",
        "ethnicity",
        "ethnic",
        "sex",
        "gender",
        "age",
        "religion",
        "disability",
        "disabled",
        "nationality",
        "citizenship",
        "marital",
        "pregnant",
        "pregnancy",
        "veteran",
        "orientation",
        "caste",
        "sexe",
        "geschlecht",
        "alter",
    ]
)
_LABEL = frozenset(
    [
        "label",
        "target",
        "outcome",
        "approved",
        "hired",
        "admitted",
        "defaulted",
        "recidivism",
        "truth",
        "actual",
        "y",
    ]
)
_PREDICTION = frozenset(["prediction", "predicted", "predict", "pred", "preds", "yhat", "decision"])
_SCORE = frozenset(["score", "prob", "proba", "probability", "likelihood", "risk", "confidence"])
_WEIGHT = frozenset(["weight", "weights", "wt", "wgt"])
_IDENTIFIER = frozenset(["id", "ids", "uuid", "guid", "key", "number", "no", "ssn", "email", "account"])
_NUMBERS = (ColumnType.INTEGER, ColumnType.FLOAT)
_FEW = 100


def words(name: str) -> frozenset[str]:
    """The words of a column name, lower case: "applicantAge_2" has applicant, age and 2."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    found = re.split(r"[\W_]+", parted.lower())
    return frozenset([*found, "".join(found[:2])]) - {""}


def hints(column: ColumnProfile, rows: int) -> tuple[RoleHint, ...]:
    """Guess the roles of a column; several may fit, and none is certain."""
    named = words(column.name)
    guesses = {
        RoleHint.LABEL: _is_label(column, named),
        RoleHint.PREDICTION: bool(named & _PREDICTION)
        and not named & _SCORE
        and column.type is not ColumnType.DATE,
        RoleHint.SCORE: bool(named & _SCORE) and _within(column, 0, 1),
        RoleHint.PROTECTED: bool(named & _PROTECTED),
        RoleHint.WEIGHT: bool(named & _WEIGHT) and _within(column, 0, float("inf")),
        RoleHint.IDENTIFIER: _is_identifier(column, named, rows),
    }
    return tuple(role for role, fits in guesses.items() if fits)


def _is_label(column: ColumnProfile, named: frozenset[str]) -> bool:
    told = bool(named & _LABEL) and not named & (_PREDICTION | _SCORE)
    return told and (column.type in _NUMBERS or column.distinct <= _FEW)


def _is_identifier(column: ColumnProfile, named: frozenset[str], rows: int) -> bool:
    if column.type not in (ColumnType.INTEGER, ColumnType.STRING) or column.nulls:
        return False
    unique = column.distinct == rows if column.distinct_is_exact else column.distinct > 0.9 * rows
    return unique and rows > 1 and (rows >= _FEW or bool(named & _IDENTIFIER))


def _within(column: ColumnProfile, low: float, high: float) -> bool:
    if column.type not in _NUMBERS or column.minimum is None or column.maximum is None:
        return False
    return low <= float(column.minimum) and float(column.maximum) <= high
