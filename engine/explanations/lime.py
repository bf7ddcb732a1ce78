"""LIME for single rows: the points are drawn and scored once, each row costs one small regression."""

import numpy as np

from engine.explanations.answers import predicted, row_named
from engine.explanations.case import Case
from engine.explanations.lime_fit import Fit, fit
from engine.explanations.lime_samples import Neighbourhood, drawn, often, readings
from engine.explanations.options import ExplanationKind
from engine.explanations.report import Attribution, Explained, ExplanationMethod, RowExplanation
from engine.explanations.ways import SCORES, VALUES
from engine.fairness.words import three_digits
from engine.models.scorer import Numbers
from engine.values import Count, Step

WHY = (
    "A linear model was fitted to the answers around each row; it is faithful where its fidelity is near 1, and"
    " stable where other random points show the same features."
)


class Lime:
    """The definition of LIME, made ready for one model and one background; also for what compares it with others."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._read = readings(case.scorer.signature, case.background, case.truths)
        self._often = often(self._read, case.background)
        self._own = np.column_stack([each.bins(case.rows[each.name]) for each in self._read])
        self._drawn = [self._points(seed) for seed in range(case.options.repeats)]
        self.evaluations = sum(len(scores) for _, scores in self._drawn)

    def fits(self, i: int, most: int) -> list[Fit]:
        """Of one of the rows, one for each seed; the first is the one that is shown."""
        place, found = self._case.answers[i].place, []
        for points, others in self._drawn:
            same = points.bins == self._own[i]
            same[0] = True
            answers = others[:, place].copy()
            answers[0] = self._case.scores[i, place]
            found.append(fit(same, answers, most))
        return found

    def condition(self, feature: int, i: int) -> str:
        """What the weight of a feature is the weight of, in words."""
        return self._read[feature].condition(int(self._own[i, feature]))

    def _points(self, seed: int) -> tuple[Neighbourhood, Numbers]:
        case = self._case
        generator = np.random.default_rng([case.options.seed, seed])
        points = drawn(self._read, self._often, case.options.samples, generator)
        return points, case.scorer.scores(points.points)


def explained(case: Case) -> Explained:
    """A local linear model of each row, how faithful it is, and how stable."""
    lime = Lime(case)
    rows: list[RowExplanation] = []
    for i in range(len(case.rows)):
        rows.append(_row(case, lime, i))
        case.tell(
            Step(
                stage="explaining",
                fraction=len(rows) / len(case.rows),
                message=_sentence(rows[-1]),
                partial=rows[-1],
            )
        )
    names = {row.explained_class for row in rows}
    return Explained(
        kind=ExplanationKind.LIME,
        method=ExplanationMethod.LIME,
        exact=False,
        why=WHY,
        summary=_sentence(rows[0]) if len(rows) == 1 else _summary(rows),
        unit=SCORES if case.scorer.signature.classes else VALUES,
        explained_class=names.pop() if len(names) == 1 else None,
        perturbation=None,
        background=case.stated(),
        rows_used=Count(len(rows)),
        seconds=case.seconds,
        evaluations=Count(lime.evaluations + len(rows)),
        rows=tuple(rows),
    )


def _row(case: Case, lime: Lime, i: int) -> RowExplanation:
    row, answer = case.rows.iloc[i], case.answers[i]
    fits = lime.fits(i, min(case.options.max_features, len(case.names)))
    first = fits[0]
    return RowExplanation(
        row=None if (place := case.ids[i]) is None else Count(place),
        prediction=float(case.scores[i, answer.place]),
        predicted=predicted(case.scorer, case.scores[[i]])[0],
        output=first.intercept + float(first.weights.sum()),
        base=first.intercept,
        attributions=tuple(
            Attribution(
                feature=case.names[feature],
                value=case.text(case.names[feature], row[case.names[feature]]),
                attribution=float(weight),
                condition=lime.condition(int(feature), i),
            )
            for feature, weight in zip(first.features, first.weights, strict=True)
        ),
        others=0.0,
        fidelity=first.fidelity,
        stability=_stability(fits),
        explained_class=answer.name,
    )


def _stability(fits: list[Fit]) -> float:
    """Mean share of the first seed's features that another seed shows too."""
    shown = set(fits[0].features)
    return float(np.mean([len(shown & set(other.features)) / len(shown) for other in fits[1:]]))


def _sentence(row: RowExplanation) -> str:
    where = row_named(row.row)
    first = row.attributions[0]
    faith = "all points get the same answer" if row.fidelity is None else f"fidelity R2 {row.fidelity:.2f}"
    return f"{where}: {first.condition} weighs {three_digits(first.attribution, '+')} ({faith})."


def _summary(rows: list[RowExplanation]) -> str:
    faithful = [row.fidelity for row in rows if row.fidelity is not None]
    if not faithful:
        return f"{len(rows):,} rows were explained; all points around them get the same answer."
    return f"{len(rows):,} rows were explained with a median fidelity R2 of {np.median(faithful):.2f}."
