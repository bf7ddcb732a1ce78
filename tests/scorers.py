"""Models made of a function, for tests of what explains any model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from engine.errors import InvalidInput
from engine.explanations.case import Case
from engine.explanations.options import ExplanationOptions
from engine.models.scorer import Inside
from engine.models.signature import Feature, FeatureType, ModelFormat, Signature, Task


@dataclass(frozen=True, kw_only=True)
class Made:
    """A scorer; `function` gives the value of a regression, or the probability of the second class, or all of them."""

    function: Callable[[pd.DataFrame], NDArray[np.float64]]
    names: Sequence[str]
    classes: Sequence[str] = ()
    structure: Inside | None = None

    @property
    def signature(self) -> Signature:
        task = {0: Task.REGRESSION, 2: Task.BINARY}.get(len(self.classes), Task.MULTICLASS)
        return Signature(
            format=ModelFormat.SKOPS,
            framework="a test",
            framework_version=None,
            kind="function",
            task=task,
            features=tuple(Feature(name=name, type=FeatureType.ANY) for name in self.names),
            classes=tuple(self.classes),
        )

    def scores(self, rows: pd.DataFrame) -> NDArray[np.float64]:
        missing = [name for name in self.names if name not in rows]
        if missing:
            raise InvalidInput(f"no column {missing[0]!r}")
        found = np.asarray(self.function(rows), dtype=float)
        if found.ndim == 2:
            return found
        return np.column_stack([1 - found, found]) if self.classes else found[:, None]

    def inside(self) -> Inside | None:
        return self.structure


def case(
    scorer: Made, rows: pd.DataFrame, background: pd.DataFrame, options: ExplanationOptions | None = None
) -> Case:
    """The question about these rows against this background."""
    return Case(
        scorer=scorer,
        options=options or ExplanationOptions(),
        background=background,
        of_rows=len(background),
        rows=rows.reset_index(drop=True),
        ids=list(range(len(rows))),
    )
