"""How far several explanations of the same rows say the same, so that a person knows when not to believe them.

Shapley values and LIME are compared row by row and averaged; permutation importance, where there are labels, is compared
with the mean absolute Shapley values. Source of the measures: Krishna et al., TMLR 2024 (the disagreement problem).
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from engine.explanations import permutation
from engine.explanations.case import Case
from engine.explanations.lime import Lime
from engine.explanations.options import ExplanationKind
from engine.explanations.report import Agreement, Explained, ExplanationMethod
from engine.explanations.ways import way_for
from engine.models.scorer import Numbers
from engine.values import Count, Step

WHY = (
    "Explanations answer different questions, so they need not agree; where they do not, look at each before acting."
    " Rank correlations are Spearman's over the sizes of all features."
)
NO_LABELS = "Permutation importance was left out: it needs the column with the true outcome."


@dataclass(frozen=True, kw_only=True)
class _Compared:
    """One pair of explanations of the same thing."""

    correlation: float | None
    same_sign: float | None
    shared_top: float


def explained(case: Case) -> Explained:
    """Compare what kinds of explanation say of the rows."""
    way, explainer, why = way_for(case)
    found = explainer.attributions(case.rows, case.answers)
    case.tell(Step(stage="comparing", fraction=0.4, message="Shapley values are known"))
    lime = Lime(case)
    weights = np.zeros_like(found.values)
    for i in range(len(case.rows)):
        local = lime.fits(i, len(case.names))[0]
        weights[i, local.features] = local.weights
    case.tell(Step(stage="comparing", fraction=0.7, message="The weights of LIME are known"))
    most = min(case.options.max_features, len(case.names))
    pairs = [_compared(found.values[i], weights[i], most, signed=True) for i in range(len(case.rows))]
    agreements = [_mean(ExplanationKind.SHAP, ExplanationKind.LIME, pairs)]
    notes = (
        []
        if way.exact
        else ["The Shapley values are approximate; part of a disagreement may be their noise."]
    )
    evaluations = found.evaluations + lime.evaluations + len(case.rows)
    if case.labels is None:
        notes.append(NO_LABELS)
    else:
        shuffled = permutation.importances(replace(case, options=replace(case.options, groups=())))
        evaluations += shuffled.evaluations
        importances = np.array([each.importance or 0.0 for each in shuffled.importances])
        for kind, sizes in (
            (ExplanationKind.SHAP, np.abs(found.values).mean(axis=0)),
            (ExplanationKind.LIME, np.abs(weights).mean(axis=0)),
        ):
            one = _compared(sizes, np.maximum(importances, 0.0), most, signed=False)
            agreements.append(_mean(kind, ExplanationKind.PERMUTATION, [one]))
        notes += shuffled.notes
    return Explained(
        kind=ExplanationKind.AGREEMENT,
        method=ExplanationMethod.AGREEMENT,
        exact=False,
        why=f"{WHY} {why}",
        summary=_summary(agreements),
        unit="share, and rank correlation in [-1, 1]",
        explained_class=None,
        perturbation=None,
        background=case.stated(),
        rows_used=Count(len(case.rows)),
        seconds=case.seconds,
        evaluations=Count(evaluations),
        agreement=tuple(agreements),
        notes=tuple(notes),
    )


def _compared(first: Numbers, second: Numbers, most: int, *, signed: bool) -> _Compared:
    """Compare two attributions of (features,)."""
    tops = [np.argsort(-np.abs(values), kind="stable")[:most] for values in (first, second)]
    shared = set(tops[0].tolist()) & set(tops[1].tolist())
    moved = [j for j in tops[0] if first[j] and second[j]]
    return _Compared(
        correlation=_spearman(np.abs(first), np.abs(second)),
        same_sign=float(np.mean(np.sign(first[moved]) == np.sign(second[moved])))
        if signed and moved
        else None,
        shared_top=len(shared) / most,
    )


def _spearman(first: Numbers, second: Numbers) -> float | None:
    ranks = [pd.Series(values).rank().to_numpy(np.float64) for values in (first, second)]
    if any(each.std() == 0 for each in ranks):
        return None
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _mean(first: ExplanationKind, second: ExplanationKind, pairs: list[_Compared]) -> Agreement:
    correlations = [each.correlation for each in pairs if each.correlation is not None]
    signs = [each.same_sign for each in pairs if each.same_sign is not None]
    return Agreement(
        first=first,
        second=second,
        rank_correlation=float(np.mean(correlations)) if correlations else None,
        same_sign=float(np.mean(signs)) if signs else None,
        shared_top=float(np.mean([each.shared_top for each in pairs])),
        reason=None if correlations else "one of both gives all features the same size",
    )


def _summary(agreements: list[Agreement]) -> str:
    first = agreements[0]
    if first.rank_correlation is None:
        return f"Shapley values and LIME cannot be compared: {first.reason}."
    word = (
        "agree"
        if first.rank_correlation >= 0.7
        else "agree in part"
        if first.rank_correlation >= 0.4
        else "disagree"
    )
    signs = (
        ""
        if first.same_sign is None
        else f", and {first.same_sign:.0%} of the strongest features point the same way"
    )
    return f"Shapley values and LIME {word}: rank correlation {first.rank_correlation:.2f}{signs}."
