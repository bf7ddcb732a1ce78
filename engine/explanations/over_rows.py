"""Which features matter over many rows: mean absolute Shapley values, and how they run with the features' values."""

from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from engine.explanations.case import Case
from engine.explanations.means import student
from engine.explanations.options import ExplanationKind
from engine.explanations.pairs import interactions
from engine.explanations.pieces import in_pieces, one_answer
from engine.explanations.report import (
    Dependence,
    DependencePoint,
    Explained,
    Importance,
)
from engine.explanations.spending import affordable, taken
from engine.explanations.ways import way_for
from engine.fairness.words import three_digits
from engine.models.scorer import Numbers
from engine.values import Count, Step

MOST_DEPENDENCE = 5
"""Features whose dependence is reported."""
BINS = 10
MOST_CATEGORIES = 20
MISSING = "(missing)"


def explained(case: Case) -> Explained:
    """Mean absolute Shapley values over rows, with intervals from how the rows differ."""
    way, explainer, why = way_for(case)
    places, notes = affordable(case, explainer.cost)
    case = taken(case, places)
    pieces, evaluations, worst = [], 0, 0.0
    answers = one_answer(case)
    for done, found in in_pieces(explainer, case.rows, answers):
        pieces.append(found.values)
        evaluations += found.evaluations
        away = np.abs(found.bases + found.values.sum(axis=1) - found.outputs)
        worst = max(worst, float(away.max()))
        _tell(case, np.concatenate(pieces), done, explainer.unit)
    values = np.concatenate(pieces)
    importances = ranked(case, values)
    shown = importances[: case.options.max_features]
    perturbation, background = case.game()
    pairs = interactions(case, explainer, answers[0], [each.feature for each in shown])
    return Explained(
        kind=ExplanationKind.GLOBAL,
        method=way.method,
        exact=way.exact,
        why=why,
        summary=_summary(shown, len(values), explainer.unit),
        unit=explainer.unit,
        explained_class=answers[0].name,
        perturbation=perturbation,
        background=background,
        rows_used=Count(len(values)),
        seconds=case.seconds,
        evaluations=Count(evaluations),
        importances=shown,
        dependence=tuple(
            dependence(case, each.feature, values[:, list(case.names).index(each.feature)])
            for each in shown[:MOST_DEPENDENCE]
        ),
        interactions=None if pairs is None else pairs[0],
        interactions_why=way.pairs,
        interactions_rows=None if pairs is None else Count(pairs[1]),
        largest_additivity_error=worst,
        notes=notes,
    )


def ranked(case: Case, values: Numbers) -> tuple[Importance, ...]:
    """All features, those that matter most first."""
    size = np.abs(values)
    means, signed = size.mean(axis=0), values.mean(axis=0)
    order = np.argsort(-means, kind="stable")
    return tuple(
        Importance(
            feature=case.names[j],
            importance=float(means[j]),
            interval=student(size[:, j], case.options.confidence),
            mean=float(signed[j]),
        )
        for j in order
    )


def dependence(case: Case, feature: str, values: Numbers) -> Dependence:
    """Means of the attribution in bins of a feature: its deciles, or its categories, the most frequent first."""
    column = case.rows[feature].reset_index(drop=True)
    missing = column.isna()
    present = column[~missing]
    if is_numeric_dtype(present) and present.nunique() > MOST_CATEGORIES:
        edges = np.unique(np.quantile(present.astype(float), np.linspace(0, 1, BINS + 1)[1:-1]))
        bins = pd.Series(np.searchsorted(edges, present.astype(float), side="right"), index=present.index)
        keys = list(np.unique(bins))
    else:
        bins = present
        keys = list(present.value_counts().index[:MOST_CATEGORIES])
        if is_numeric_dtype(present):
            keys.sort()
    points = [_point(case, feature, present[bins == key], values) for key in keys]
    if missing.any():
        points.append(_point(case, feature, column[missing], values))
    return Dependence(feature=feature, points=tuple(points))


def _point(case: Case, feature: str, part: "pd.Series[Any]", values: Numbers) -> DependencePoint:
    of_part = values[part.index.to_numpy()]
    nothing = bool(part.isna().all())
    low, high = (part.min(), part.max()) if is_numeric_dtype(part) else (part.iloc[0], part.iloc[0])
    return DependencePoint(
        low=MISSING if nothing else case.text(feature, low) or MISSING,
        high=MISSING if nothing else case.text(feature, high) or MISSING,
        rows=Count(len(of_part)),
        mean=float(of_part.mean()),
        interval=student(of_part, case.options.confidence),
    )


def _tell(case: Case, values: Numbers, done: int, unit: str) -> None:
    first = ranked(case, values)[: case.options.max_features]
    for importance in first:
        case.tell(
            Step(
                stage="explaining",
                fraction=done / len(case.rows),
                message=f"After {done:,} of {len(case.rows):,} rows {importance.feature} moves the answer by"
                f" {three_digits(importance.importance or 0.0)} on average (in {unit})",
                partial=importance,
                interim=done < len(case.rows),
            )
        )


def _summary(shown: tuple[Importance, ...], rows: int, unit: str) -> str:
    first = [f"{each.feature} ({three_digits(each.importance)})" for each in shown[:3] if each.importance]
    if not first:
        return f"No feature moved the answer in any of {rows:,} rows."
    return f"Over {rows:,} rows the features that move the answer most are {', '.join(first)}, in {unit} on average."
