"""The command `fairmind convert`: a pickled scikit-learn model becomes a skops file, on the machine of whoever owns it.

Opening a pickle runs whatever it says. This module alone does so, for a person who asks for it by hand; neither server
nor worker may import it, and `tests/house/test_no_unpickling.py` sees to that.
"""

import os
import re
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import skops.io
from sklearn.base import BaseEstimator

from app.convertible import check
from engine.errors import InvalidInput
from engine.models import skops_types
from engine.models.sklearn_scorer import SklearnScorer
from engine.models.skops_file import opened

ROWS = 500
SAME = 1e-9
WARNING = (
    "opening {file} runs whatever code it carries, with your rights on this machine; "
    "go on only if you made it, or trust whoever did"
)
OWN_FORMATS = {
    "xgboost": 'save it in XGBoost with save_model("model.json")',
    "lightgbm": 'save it in LightGBM with booster_.save_model("model.txt")',
    "catboost": 'save it in CatBoost with save_model("model.json", format="json")',
}


def convert(file: Path, out: Path, say: Callable[[str], None]) -> None:
    """Load a model that was pickled (pickle, joblib or cloudpickle), write it as skops, and try what was written.

    Raises:
        InvalidInput: it cannot be loaded, is no scikit-learn model, or is one that FairMind does not open; says why.
    """
    check(file, out)
    model = _unwrapped(_loaded(file), say)
    handle, name = tempfile.mkstemp(dir=out.parent, prefix=out.name, suffix=".part")
    os.close(handle)
    part = Path(name)
    try:
        _written(model, part)
        scorer = _opened(part, say)
        differ = _difference(model, scorer)
        if differ > SAME:
            raise InvalidInput(
                f"the file that was written predicts differently, by up to {differ:g}; it is not kept"
            )
        part.rename(out)
    finally:
        part.unlink(missing_ok=True)
    signature = scorer.signature
    say(f"{signature.kind} ({signature.task}), {len(signature.features)} columns: {_listed(signature.names)}")
    for note in signature.notes:
        say(note)
    say(f"{out} predicts as {file} does, on {ROWS} rows made up for it")


def _loaded(file: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of versions: the model says it again when it is opened
            return joblib.load(file)
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library in OWN_FORMATS:
            raise InvalidInput(f"{file} holds a model of {library}: {OWN_FORMATS[library]}") from None
        raise InvalidInput(
            f"{file} needs the package {error.name}, which is not installed here; run this where it was trained"
        ) from None
    except AttributeError as error:
        raise InvalidInput(f"{file} cannot be loaded: {_lacks(str(error))}") from None
    except Exception as error:  # noqa: BLE001  # code of the file may raise anything
        said = str(error).strip().splitlines()
        raise InvalidInput(f"{file} cannot be loaded: {said[0] if said else type(error).__name__}") from None


def _lacks(said: str) -> str:
    """What a pickle needs that is not there: functions and classes of one's own lie in no pickle."""
    named = re.match(r"(?:Can't get attribute|module .* has no attribute) '([^']+)'", said)
    if named is None:
        return said.splitlines()[0] if said else "AttributeError"
    return (
        f"it needs {named[1]!r}, and a pickle carries no functions and classes of your own, only their names. FairMind"
        " opens none such either: build the model of scikit-learn's own parts (a FunctionTransformer may have a function"
        " of numpy) and train it anew, or export it to ONNX"
    )


def _unwrapped(model: Any, say: Callable[[str], None]) -> Any:
    library = type(model).__module__.partition(".")[0]
    if library in OWN_FORMATS:
        raise InvalidInput(f"this is a model of {library} alone: {OWN_FORMATS[library]}")
    if not isinstance(model, BaseEstimator):
        held = f", which holds {_listed(list(map(str, model)))}" if isinstance(model, dict) else ""
        raise InvalidInput(f"this is no scikit-learn model but a {type(model).__name__}{held}")
    best = getattr(model, "best_estimator_", None)
    if best is None:
        return model
    say(f"of the {type(model).__name__} its best estimator is kept")
    return best


def _written(model: Any, part: Path) -> None:
    try:
        skops.io.dump(model, part)
    except Exception as error:  # noqa: BLE001  # skops raises many kinds over what it cannot write
        raise InvalidInput(f"skops cannot write this model: {str(error).strip().splitlines()[:1]}") from None


def _opened(part: Path, say: Callable[[str], None]) -> SklearnScorer:
    try:
        return opened(part)
    except InvalidInput as refused:
        scorer = opened(part, allowed=skops_types.VETTED)
        say(f"before you upload it: {refused}")
        return scorer


def _difference(model: Any, scorer: SklearnScorer) -> float:
    """How far what was written predicts from the model itself, relative to how large predictions are."""
    rows = scorer.frame(scorer.plain(ROWS, seed=0))
    own, again = replace(scorer, estimator=model).answers(rows), scorer.answers(rows)
    return float((np.abs(own - again) / (1 + np.abs(own))).max())


def _listed(names: Any) -> str:
    names = list(names)
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
