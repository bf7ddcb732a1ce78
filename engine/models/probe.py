"""A model looked at for the first time, be it a file or an endpoint: what it is, what it takes, and whether it answers."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from engine.errors import EngineError, InvalidInput
from engine.models.formats import opened, recognise
from engine.models.rows import given
from engine.models.scorer import Scorer, bounded
from engine.models.signature import TASKS, Feature, FeatureType, ModelFormat, Signature
from engine.values import ModelType, Step, Tell, silent

_TOLERANCE = 1e-3
"""Of probabilities that should sum to 1: some libraries compute with 32 bits."""


@dataclass(frozen=True, kw_only=True)
class Probed:
    """What was found of a model."""

    signature: Signature
    tried: str
    """What it answered to a row that was made up, in words."""


def probe(
    path: Path, kind: ModelType, names: Sequence[str], tell: Tell = silent, allowed: Collection[str] = ()
) -> Probed:
    """Recognise, open and try a model's file; belongs in a child that is kept in.

    Args:
        kind: what the model is registered as.
        names: of its features, as registered; may be empty. Taken where the file itself has no names.
        allowed: types that the organization opens beyond the usual.

    Raises:
        InvalidInput: it is no model that we read, is damaged, is of another kind, or does not answer; says why.
    """
    tell(Step(stage="checking the file", fraction=0.05, message="Looking at what kind of file this is"))
    format = recognise(path)
    tell(Step(stage="opening the model", fraction=0.2, message=f"Opening a model in the form {format}"))
    scorer = opened(path, format, names, allowed)
    _refuse_other_kind(scorer.signature, kind)
    tell(Step(stage="trying the model", fraction=0.7, message="Scoring a row that is made up"))
    return Probed(signature=_noted(scorer.signature, names, "in the file"), tried=_try(scorer))


def probe_endpoint(scorer: Scorer, names: Sequence[str], tell: Tell = silent) -> Probed:
    """Ask an endpoint for the first time; belongs in a child that is kept in.

    Two rows are asked about, since one would not show whether each is answered. What it takes is declared, so an answer
    that cannot be used is never excused.

    Args:
        names: of the features of the model, as registered; may be empty.

    Raises:
        EngineError: it does not answer, or not as declared; says why.
    """
    tell(Step(stage="trying the model", fraction=0.3, message="Asking about rows that are made up"))
    return Probed(signature=_noted(scorer.signature, names, "declared"), tried=_ask(scorer))


def _refuse_other_kind(signature: Signature, kind: ModelType) -> None:
    if signature.task not in TASKS[kind]:
        raise InvalidInput(
            f"the model is registered as {kind} and its file holds a {signature.task} model:"
            " register it with the type that it has"
        )


def _noted(signature: Signature, registered: Sequence[str], where: str) -> Signature:
    """With a note where its features are not those that were registered."""
    note = _differs(signature.names, registered, where)
    return signature if note is None else replace(signature, notes=(*signature.notes, note))


def _differs(found: Sequence[str], registered: Sequence[str], where: str) -> str | None:
    if not registered or list(found) == list(registered):
        return None
    more, less = [n for n in found if n not in registered], [n for n in registered if n not in found]
    said = [
        f"it takes {_some(more)} besides" if more else "",
        f"it does not take {_some(less)}" if less else "",
    ]
    differ = " and ".join(filter(None, said)) or "their order differs"
    return f"the features {where} are not those registered: {differ}"


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3:,} more"


def _try(scorer: Scorer) -> str:
    """The answer to a made-up row; where the file does not say what a column holds, both numbers and texts are tried."""
    said = ""
    texts = _texts(scorer.signature)
    for text in texts:
        try:
            scores = scorer.scores(_rows(scorer.signature, text, 1))
        except InvalidInput as error:
            said = str(error)
        else:
            return _in_words(scorer.signature, _checked(scorer.signature, scores))
    if len(texts) > 1:
        return f"not tried, since the file does not say what it takes: {said}"
    raise InvalidInput(f"the model can be read, but does not answer: {said}")


def _ask(scorer: Scorer) -> str:
    """The answer of an endpoint; where it is not declared what a column holds, one of both must be answered."""
    *first, last = _texts(scorer.signature)
    for text in first:
        with suppress(EngineError):
            return _asked(scorer, text)
    return _asked(scorer, last)


def _asked(scorer: Scorer, text: str) -> str:
    return _in_words(scorer.signature, bounded(scorer.scores(_rows(scorer.signature, text, 2)))[0])


def _texts(signature: Signature) -> Sequence[str]:
    """What to put where it is not known what a column holds."""
    return ("0", "a") if any(_unsure(signature, feature) for feature in signature.features) else ("0",)


def _unsure(signature: Signature, feature: Feature) -> bool:
    """Whether a column may hold numbers or texts; of an endpoint, categories are declared to be texts."""
    bare = feature.type is FeatureType.CATEGORY and not feature.categories
    return feature.type is FeatureType.ANY or (bare and signature.format is not ModelFormat.ENDPOINT)


def _rows(signature: Signature, text: str, count: int) -> pd.DataFrame:
    row = {feature.name: _made_up(signature, feature, text) for feature in signature.features}
    return given([row] * count, signature)


def _made_up(signature: Signature, feature: Feature, text: str) -> str:
    if feature.categories:
        return feature.categories[0]
    if _unsure(signature, feature):
        return text
    return "a" if feature.type is FeatureType.CATEGORY else "0"


def _checked(signature: Signature, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    wide = max(1, len(signature.classes))
    if scores.shape != (1, wide):
        raise InvalidInput(f"the model gives {scores.shape[-1]} scores a row, and its file names {wide}")
    row: NDArray[np.float64] = scores[0]
    if not np.isfinite(row).all():
        raise InvalidInput("the model can be read, but answers with what is no number to a row of zeros")
    bounded(row)
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
