"""From a model and a dataset to an explanation: reads the rows that a question needs, and asks it."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from engine.errors import InvalidInput
from engine.explanations.between_groups import two_groups
from engine.explanations.case import Case
from engine.explanations.explain import explain
from engine.explanations.options import ExplanationKind, ExplanationOptions
from engine.explanations.report import Explained
from engine.models.rows import Sample, count, frame, given, look, truths
from engine.models.scorer import Scorer
from engine.tables.part import Part
from engine.values import Step, Tell, portion

READ = 0.1
"""Share of the work that is done once the rows are read."""


def ask(
    tell: Tell, scorer: Scorer, parts: Sequence[Part], kind: ExplanationKind, options: ExplanationOptions
) -> Explained:
    """Answer a question about a model on rows of a dataset.

    Raises:
        InvalidInput: the question does not fit the model or the dataset; `at` names the option.
    """
    options.check(kind)
    tell(Step(stage="reading rows", fraction=0.0, message="Reading the rows"))
    names, total = list(scorer.signature.names), count(parts)
    background = frame(parts, names, Sample(rows=options.background_rows, seed=options.seed))
    groups, places = two_groups(parts, options) if kind is ExplanationKind.GAP else (None, None)
    rows, labels = _rows(scorer, parts, kind, options, places)
    case = Case(
        scorer=scorer,
        options=options,
        background=background.reset_index(drop=True),
        of_rows=total,
        rows=rows.reset_index(drop=True),
        ids=[None] * len(rows) if options.values else [int(place) for place in rows.index],
        labels=None if labels is None else labels.reset_index(drop=True),
        truths=truths(parts, names),
        groups=groups,
        tell=portion(tell, READ, 1.0),
    )
    return explain(kind, case)


def _rows(
    scorer: Scorer,
    parts: Sequence[Part],
    kind: ExplanationKind,
    options: ExplanationOptions,
    places: Sequence[int] | None,
) -> tuple[pd.DataFrame, "pd.Series[Any] | None"]:
    """The rows that are looked at, those at `places` if given, and their true outcomes where the column is named."""
    names = list(scorer.signature.names)
    if options.values:
        try:
            return given([{each.feature: each.value for each in options.values}], scorer.signature), None
        except InvalidInput as error:
            raise InvalidInput(str(error), at=("values",)) from None
    wanted = list(options.rows) if kind.of_single_rows else places
    sample = Sample(rows=options.sample_rows, seed=options.seed)
    label = options.label
    if label is not None:
        look(parts, label, ("label",))
    columns = names if label is None or label in names else [*names, label]
    try:
        found = frame(parts, columns, sample if wanted is None else wanted)
    except InvalidInput as error:
        raise InvalidInput(str(error), at=error.at if error.at[:1] == ("rows",) else ()) from None
    return found[names], None if label is None else found[label]
