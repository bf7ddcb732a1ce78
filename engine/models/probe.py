"""A model's file looked at for the first time: what it is, what it takes, and whether it answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from engine.errors import InvalidInput
from engine.models.formats import opened, recognise
from engine.models.rows import given
from engine.models.scorer import Scorer
from engine.models.signature import Feature, FeatureType, Signature, Task
from engine.values import ModelType, Step, Tell, silent

TASKS: Mapping[ModelType, tuple[Task, ...]] = MappingProxyType(
    {
        ModelType.CLASSIFICATION: (Task.BINARY, Task.MULTICLASS),
        ModelType.REGRESSION: (Task.REGRESSION,),
    }
)
"""What the file of a kind of model must give."""
_TOLERANCE = 1e-3
"""Of probabilities that should sum to 1: some libraries compute with 32 bits."""


@dataclass(frozen=True, kw_only=True)
class Probed:
    """What was found in a model's file."""

    signature: Signature
    tried: str
    """What it answered to a row that was made up, in words."""


def probe(path: Path, kind: ModelType, names: Sequence[str], tell: Tell = silent) -> Probed:
    """Recognise, open and try a model's file; belongs in a child that is kept in.

    Args:
        kind: what the model is registered as.
        names: of its features, as registered; may be empty. Taken where the file itself has no names.

    Raises:
        InvalidInput: it is no model that we read, is damaged, is of another kind, or does not answer; says why.
    """
    tell(Step(stage="checking the file", fraction=0.05, message="Looking at what kind of file this is"))
    format = recognise(path)
    tell(Step(stage="opening the model", fraction=0.2, message=f"Opening a model in the form {format}"))
    scorer = opened(path, format, names)
    _refuse_other_kind(scorer.signature, kind)
    tell(Step(stage="trying the model", fraction=0.7, message="Scoring a row that is made up"))
    signature = scorer.signature
    note = _differs(signature.names, names)
    if note is not None:
        signature = replace(signature, notes=(*signature.notes, note))
    return Probed(signature=signature, tried=_try(scorer))


def _refuse_other_kind(signature: Signature, kind: ModelType) -> None:
    if signature.task not in TASKS[kind]:
        raise InvalidInput(
            f"the model is registered as {kind} and its file holds a {signature.task} model:"
            " register it with the type that it has"
        )


def _differs(found: Sequence[str], registered: Sequence[str]) -> str | None:
    """What to say where the features that were registered are not those of the file."""
    if not registered or list(found) == list(registered):
        return None
    more, less = [n for n in found if n not in registered], [n for n in registered if n not in found]
    said = [
        f"it takes {_some(more)} besides" if more else "",
        f"it does not take {_some(less)}" if less else "",
    ]
    return f"the features in the file are not those registered: {' and '.join(filter(None, said)) or 'their order differs'}"


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3:,} more"


def _try(scorer: Scorer) -> str:
    """The answer to a made-up row; where the file does not say what a column holds, both numbers and texts are tried."""
    unsure = any(feature.type is FeatureType.ANY for feature in scorer.signature.features)
    said = ""
    for text in ("0", "a") if unsure else ("0",):
        row = {feature.name: _made_up(feature, text) for feature in scorer.signature.features}
        try:
            scores = scorer.scores(given([row], scorer.signature))
        except InvalidInput as error:
            said = str(error)
        else:
            return _in_words(scorer.signature, _checked(scorer.signature, scores))
    if unsure:
        return f"not tried, since the file does not say what it takes: {said}"
    raise InvalidInput(f"the model can be read, but does not answer: {said}")


def _made_up(feature: Feature, text: str) -> str:
    if feature.categories:
        return feature.categories[0]
    return (
        "a" if feature.type is FeatureType.CATEGORY else "0" if feature.type is FeatureType.NUMBER else text
    )


def _checked(signature: Signature, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    wide = max(1, len(signature.classes))
    if scores.shape != (1, wide):
        raise InvalidInput(f"the model gives {scores.shape[-1]} scores a row, and its file names {wide}")
    row: NDArray[np.float64] = scores[0]
    if not np.isfinite(row).all():
        raise InvalidInput("the model can be read, but answers with what is no number to a row of zeros")
    if signature.classes and (row.min() < -_TOLERANCE or abs(row.sum() - 1) > _TOLERANCE):
        raise InvalidInput(
            f"the scores of a row must be probabilities that sum to 1, the model's sum to {row.sum():.6g}"
        )
    return row


def _in_words(signature: Signature, row: NDArray[np.float64]) -> str:
    if not signature.classes:
        return f"a made-up row has the value {row[0]:.6g}"
    best = int(row.argmax())
    return f"a made-up row is of class {signature.classes[best]!r} with a score of {row[best]:.3g}"
