"""From a model and a dataset to what concerns groups: reads rows with the group of each, and asks."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.errors import InvalidInput
from engine.explanations.case import Case
from engine.explanations.flip_report import FlipOptions, FlipReport
from engine.explanations.flips import flips
from engine.explanations.gap import chosen_groups, gap
from engine.explanations.gap_report import GapExplanation, GapOptions
from engine.fairness.membership import membership
from engine.models.rows import Sample, count, frame
from engine.models.scorer import Scorer
from engine.tables.part import Part
from engine.values import Step, Tell, portion

READ = 0.1
"""Share of the work that is done once the rows are read."""


def ask_flips(tell: Tell, scorer: Scorer, parts: Sequence[Part], options: FlipOptions) -> FlipReport:
    """How often decisions on rows of a dataset change with a protected attribute alone.

    Raises:
        InvalidInput: the question does not fit the model or the dataset; `at` names the option.
    """
    tell(Step(stage="reading rows", fraction=0.0, message="Reading the rows and their groups"))
    groups = membership(parts, options.attribute, options.bands)
    total = count(parts)
    places = Sample(rows=options.sample_rows, seed=options.seed).places(total)
    wanted = np.arange(total) if places is None else places
    rows = frame(parts, list(scorer.signature.names), [int(place) for place in wanted])
    if not len(rows):
        raise InvalidInput("the dataset has no rows")
    ids = [int(place) for place in wanted]
    return flips(scorer, rows, ids, groups.taken(wanted), options, portion(tell, READ, 1.0))


def ask_gap(tell: Tell, scorer: Scorer, parts: Sequence[Part], options: GapOptions) -> GapExplanation:
    """Which features carry the gap between two groups of a dataset; half of the rows are drawn from each.

    Raises:
        InvalidInput: the question does not fit the model or the dataset; `at` names the option.
    """
    tell(Step(stage="reading rows", fraction=0.0, message="Reading the rows and their groups"))
    groups, names = membership(parts, options.attribute, options.bands), list(scorer.signature.names)
    pair = chosen_groups(groups, options.group, options.reference)
    half = options.sample_rows // 2
    drawn = [_drawn(np.flatnonzero(groups.of == place), half, options.seed) for place in pair]
    wanted = np.sort(np.concatenate(drawn)).astype(np.int64)
    rows = frame(parts, names, [int(place) for place in wanted])
    background = frame(parts, names, Sample(rows=options.background_rows, seed=options.seed))
    case = Case(
        scorer=scorer,
        options=options.explanation(),
        background=background.reset_index(drop=True),
        of_rows=len(groups.of),
        rows=rows.reset_index(drop=True),
        ids=[int(place) for place in wanted],
        tell=portion(tell, READ, 1.0),
    )
    return gap(case, groups.taken(wanted), groups.names[pair[0]], groups.names[pair[1]])


def _drawn(places: NDArray[np.intp], rows: int, seed: int) -> NDArray[np.intp]:
    chosen = Sample(rows=rows, seed=seed).places(len(places))
    return places if chosen is None else places[chosen]
