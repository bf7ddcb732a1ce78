"""How often a model that can only be asked is asked in all, where nobody says it: minutes, not hours.

`budget` of the options says what one row may cost, and nothing here holds then.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engine.explanations.case import Case

MOST = 10_000_000
"""Evaluations for all rows together: some minutes of a slow pipeline, or of an endpoint near by."""
MOST_FOR_A_ROW = 100_000
LEAST_ROWS = 20
"""For a mean and its interval to say something."""


def for_each_row(rows: int) -> int:
    """Evaluations that each of so many rows may cost."""
    return min(MOST_FOR_A_ROW, MOST // max(1, rows))


def affordable(
    case: Case, cost: int, first: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    """Which rows of a case to look at where each costs so many evaluations, and a note where these are not all.

    Args:
        first: which rows are of the first of two groups; half are then taken from each, as far as it has so many.
    """
    total = len(case.rows)
    most = total if not cost or case.options.budget is not None else max(LEAST_ROWS, MOST // cost)
    if total <= most:
        return np.arange(total), ()
    generator = np.random.default_rng(case.options.seed)
    groups = [np.arange(total)] if first is None else [np.flatnonzero(first), np.flatnonzero(~first)]
    drawn = [
        generator.choice(of, min(len(of), most // len(groups)), replace=False, shuffle=False) for of in groups
    ]
    chosen = np.sort(np.concatenate(drawn))
    return chosen, (
        f"{len(chosen):,} of {total:,} rows were looked at, drawn with the seed: each costs {cost:,} evaluations of a model that"
        f" can only be asked, and about {MOST:,} are spent in all unless a budget for each row is given.",
    )


def taken(case: Case, places: NDArray[np.intp]) -> Case:
    """The case with these of its rows alone; groups are those of all rows."""
    if len(places) == len(case.rows):
        return case
    return replace(
        case,
        rows=case.rows.iloc[places].reset_index(drop=True),
        ids=[case.ids[i] for i in places.tolist()],
        labels=None if case.labels is None else case.labels.iloc[places].reset_index(drop=True),
    )
