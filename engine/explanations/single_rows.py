"""SHAP values of single rows, and the rows of a report."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from engine.explanations.answers import Answer, predicted, row_named
from engine.explanations.case import Case
from engine.explanations.options import ExplanationKind
from engine.explanations.pieces import in_pieces
from engine.explanations.report import Attribution, Explained, RowExplanation
from engine.explanations.ways import Attributions, way_for
from engine.fairness.words import three_digits
from engine.models.scorer import Numbers
from engine.values import Count, Step

FIRST_ROWS = 10
"""Told as soon as they are known, before the next, larger piece."""
PIECE_ROWS = 100


def explained(case: Case) -> Explained:
    """What each feature did to the answer for each row."""
    way, explainer, why = way_for(case)
    rows: list[RowExplanation] = []
    evaluations = 0
    for done, found in in_pieces(explainer, case.rows, case.answers, FIRST_ROWS, PIECE_ROWS):
        start = len(rows)
        evaluations += found.evaluations
        rows += told(case, case.rows.iloc[start:done], start, case.answers[start:done], found)
        _tell(case, rows[start:], done / len(case.rows), explainer.unit, first=start == 0)
    one = case.answers[0].name
    same = all(answer.name == one for answer in case.answers)
    perturbation, background = case.game()
    return Explained(
        kind=ExplanationKind.SHAP,
        method=way.method,
        exact=way.exact,
        why=why,
        summary=sentence(rows[0], explainer.unit)
        if len(rows) == 1
        else f"{len(rows):,} rows were explained; {most_often(rows)}",
        unit=explainer.unit,
        explained_class=one if same else None,
        perturbation=perturbation,
        background=background,
        rows_used=Count(len(rows)),
        seconds=case.seconds,
        evaluations=Count(evaluations),
        rows=tuple(rows),
        largest_additivity_error=max(row.additivity_error or 0.0 for row in rows),
    )


def _tell(case: Case, rows: list[RowExplanation], fraction: float, unit: str, *, first: bool) -> None:
    """Each of the first rows as a partial result, and of the others that they are done: nobody reads a thousand live."""
    for row in rows if first else rows[-1:]:
        case.tell(
            Step(
                stage="explaining",
                fraction=fraction,
                message=sentence(row, unit),
                partial=row if first else None,
            )
        )


def told(
    case: Case, part: pd.DataFrame, start: int, answers: Sequence[Answer], found: Attributions
) -> Iterator[RowExplanation]:
    """The rows of a report, of a part of the case's rows that starts at `start`."""
    scores = case.scores[start : start + len(part)]
    names = predicted(case.scorer, scores)
    for i, answer in enumerate(answers):
        values = found.values[i]
        errors = None if found.standard_errors is None else found.standard_errors[i]
        attributions, others = strongest(case, part.iloc[i], values, errors)
        yield RowExplanation(
            row=None if (place := case.ids[start + i]) is None else Count(place),
            prediction=float(scores[i, answer.place]),
            predicted=names[i],
            output=float(found.outputs[i]),
            base=float(found.bases[i]),
            attributions=attributions,
            others=others,
            additivity_error=abs(float(found.bases[i] + values.sum() - found.outputs[i])),
            explained_class=answer.name,
        )


def strongest(
    case: Case, row: "pd.Series[Any]", values: Numbers, errors: Numbers | None
) -> tuple[tuple[Attribution, ...], float]:
    """The attributions that are shown, the strongest first, and the sum of the others."""
    order = np.argsort(-np.abs(values), kind="stable")
    shown, hidden = order[: case.options.max_features], order[case.options.max_features :]
    attributions = tuple(
        Attribution(
            feature=case.names[j],
            value=case.text(case.names[j], row[case.names[j]]),
            attribution=float(values[j]),
            standard_error=None if errors is None else float(errors[j]),
        )
        for j in shown
    )
    return attributions, float(values[hidden].sum())


def sentence(row: RowExplanation, unit: str) -> str:
    """What an explanation of a row says, in plain words."""
    where = row_named(row.row)
    said = f"{where} is answered {row.predicted!r}"
    if row.explained_class is not None:
        said += f" ({three_digits(row.prediction)} for {row.explained_class!r})"
    moved = [each for each in row.attributions[:2] if each.attribution]
    if not moved:
        return f"{said}; no feature moved it from the mean of the background."
    parts = [
        f"{each.feature} = {'missing' if each.value is None else each.value} moved it"
        f" {three_digits(each.attribution, '+')}"
        for each in moved
    ]
    return f"{said}; {' and '.join(parts)} (in {unit})."


def most_often(rows: Sequence[RowExplanation]) -> str:
    """Which feature came first in how many rows."""
    firsts = pd.Series([row.attributions[0].feature for row in rows if row.attributions]).value_counts()
    return f"{firsts.index[0]} moved {firsts.iloc[0]:,} of them most."
