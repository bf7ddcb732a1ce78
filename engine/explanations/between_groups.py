"""From a model and a dataset to what concerns groups: reads rows with the group of each, and asks."""

from collections.abc import Sequence

import numpy as np

from engine.errors import InvalidInput
from engine.explanations.flip_report import FlipOptions, FlipReport
from engine.explanations.flips import flips
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
