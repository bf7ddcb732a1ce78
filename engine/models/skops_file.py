"""A skops file, opened without running anything it carries: archive, description, types, arrays, then what was made.

Four things must hold before the estimator computes: the archive is small and whole (`skops_archive.py`), its
description names nothing but listed types (`skops_schema.py`, `skops_types.py`), skops agrees, and what was made fits
together (`sklearn_sound.py`). It is still opened in a limited child only.
"""

import json
import warnings
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import skops.io
from sklearn.exceptions import InconsistentVersionWarning

from engine.errors import InvalidInput
from engine.models import skops_archive, skops_schema, skops_types
from engine.models.sklearn_inside import inside
from engine.models.sklearn_scorer import SklearnScorer, scorer
from engine.models.sklearn_sound import sound
from engine.models.skops_schema import Malformed


def opened(path: Path, names: Sequence[str] | None = None, allowed: Collection[str] = ()) -> SklearnScorer:
    """A scikit-learn estimator as a scorer.

    Args:
        names: of its columns, for one that was trained on an array.
        allowed: types of `skops_types.VETTED` that the organization opens beyond the usual; others have no effect.

    Raises:
        InvalidInput: the file is damaged, holds types that are not opened, or what it holds is no model; says which.
    """
    try:
        with skops_archive.archive(path) as archive:
            description, found = skops_schema.described(skops_archive.schema(archive), frozenset(allowed))
            if found.strangers:
                raise skops_schema.refusal(found.strangers)
            content = json.dumps(description).encode()
            with skops_archive.rewritten(archive, content, found.files, found.lists) as file:
                estimator, notes = _made(file, found.allowed)
        sound(estimator)
        return scorer(estimator, names, found.version, notes, inside)
    except Malformed as error:
        raise InvalidInput(f"the skops file cannot be opened: {error}") from None
    except (InvalidInput, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001  # estimators of a damaged file fail in any way
        raise InvalidInput(
            f"the skops file cannot be opened: what it holds does not fit together ({type(error).__name__})"
        ) from None


def _made(file: IO[bytes], allowed: frozenset[str]) -> tuple[Any, list[str]]:
    """What skops makes of a file that we wrote ourselves, and notes on the version it was trained with."""
    trusted = skops_types.TRUSTED | allowed
    asked = skops.io.get_untrusted_types(file=file)
    if strange := set(asked) - trusted:
        raise skops_schema.refusal(strange)
    with warnings.catch_warnings(record=True) as heard, np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", InconsistentVersionWarning)
        estimator = skops.io.load(file, trusted=asked)
    said = [warned.message for warned in heard if isinstance(warned.message, InconsistentVersionWarning)]
    versions = sorted({str(warning.original_sklearn_version) for warning in said})
    now = next((warning.current_sklearn_version for warning in said), "")
    notes = [
        f"Trained with scikit-learn {version[:40]} and opened with {now}: it usually predicts the same, but that is not "
        "certain."
        for version in versions[:3]
    ]
    return estimator, notes
