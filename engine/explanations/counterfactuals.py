"""What would have to change for another answer: the nearest changes within what may change, each verified by the model.

Two kinds of start: rows of the background that already get the wanted answer, of which every change is taken back that
is not needed; and a search that changes the most promising features one by one. Then each changed number is moved back
towards its own value as far as the answer allows. A heuristic: a nearer change may exist, but every one that is told
does what it says. Source of the distance: Wachter, Mittelstadt and Russell, 2017; of diversity: Mothilal et al., 2020.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_integer_dtype, is_numeric_dtype

from engine.errors import InvalidInput
from engine.explanations.answers import predicted, row_named, text
from engine.explanations.case import Case
from engine.explanations.options import AllowedChange, ExplanationKind
from engine.explanations.report import ChangedValue, Counterfactual, Explained, ExplanationMethod
from engine.explanations.wishes import Wish, wish_of
from engine.models.scorer import Numbers
from engine.models.values import truth
from engine.values import Count, Step

NEIGHBOURS = 30
"""Background rows with the wanted answer that are tried, the nearest first."""
VALUES = 24
"""Values of a feature that the search tries: quantiles of the background, or its categories."""
BEAM = 8
DEPTH = 4
HALVINGS = 12

WHY = (
    "The nearest changes that were found by taking back what is not needed from background rows with the wanted answer,"
    " and by changing features one by one; each was put to the model. Nearer ones may exist."
)
Change = Mapping[int, Any]
"""New values, by the place of the feature."""


def explained(case: Case) -> Explained:
    """Changes for each row that lead to the wanted answer."""
    field = _Field.of(case)
    found: list[Counterfactual] = []
    without: list[str] = []
    evaluations = len(case.rows) + len(case.background)
    for i in range(len(case.rows)):
        search = _Search(case, field, i)
        mine = search.nearest()
        evaluations += search.evaluations
        found += mine
        where = "the given row" if case.ids[i] is None else f"row {case.ids[i]}"
        if not mine:
            without.append(f"No change that is allowed was found for {where}: {search.reason}.")
        for each in mine:
            case.tell(
                Step(
                    stage="searching",
                    fraction=(i + 1) / len(case.rows),
                    message=_sentence(each),
                    partial=each,
                )
            )
    return Explained(
        kind=ExplanationKind.COUNTERFACTUAL,
        method=ExplanationMethod.COUNTERFACTUAL_SEARCH,
        exact=False,
        why=WHY,
        summary=_sentence(found[0]) if found else without[0],
        unit="median absolute deviations",
        explained_class=case.options.wanted,
        perturbation=None,
        background=case.stated(),
        rows_used=Count(len(case.rows)),
        seconds=case.seconds,
        evaluations=Count(evaluations),
        counterfactuals=tuple(found),
        notes=tuple(without),
    )


@dataclass(frozen=True, kw_only=True)
class _Field:
    """What may change, to what, and how far that is."""

    names: Sequence[str]
    allowed: Mapping[int, AllowedChange]
    background: Mapping[int, NDArray[Any]]
    scores: Numbers
    """(background rows, classes)"""
    values: Mapping[int, list[Any]]
    """Those the search tries of each feature that may change."""
    scales: Mapping[int, float | None]
    """Of numbers the median absolute deviation; None of others, where any change is 1."""
    whole: frozenset[int]
    """Features that are whole numbers."""

    @classmethod
    def of(cls, case: Case) -> "_Field":
        allowed = _allowed(case)
        columns = {j: case.background[name] for j, name in enumerate(case.names)}
        numbers = {j for j, column in columns.items() if is_numeric_dtype(column)}
        for j in allowed:
            _check(case, allowed[j], j in numbers)
        return cls(
            names=case.names,
            allowed=allowed,
            background={j: column.to_numpy() for j, column in columns.items()},
            scores=case.scorer.scores(case.background),
            values={j: _tried(columns[j], allowed[j], j in numbers) for j in allowed},
            scales={j: _scale(columns[j]) if j in numbers else None for j in columns},
            whole=frozenset(
                j for j in numbers if is_integer_dtype(columns[j]) or case.names[j] in case.truths
            ),
        )

    def permits(self, j: int, value: Any) -> bool:
        """Whether a feature may take a value."""
        asked = self.allowed.get(j)
        if asked is None or text(value) is None:
            return False
        if self.scales[j] is None:
            return not asked.categories or text(value) in asked.categories
        low, high = asked.low, asked.high
        return (low is None or value >= low) and (high is None or value <= high)

    def far(self, j: int, before: Any, after: Any) -> float:
        """How far a change is."""
        if text(before) == text(after):
            return 0.0
        scale = self.scales[j]
        return 1.0 if scale is None or text(before) is None else abs(float(after) - float(before)) / scale


class _Search:
    """The search for one row."""

    def __init__(self, case: Case, field: _Field, i: int) -> None:
        self._case, self._field, self._i = case, field, i
        self._row = [case.rows[name].iloc[i] for name in field.names]
        self._wish: Wish = wish_of(case, case.scores[i])
        self.evaluations = 0
        self.reason = "no row of the background with the wanted answer helps, and no combination of up to"
        self.reason += f" {DEPTH} features that was tried does"

    def nearest(self) -> list[Counterfactual]:
        """Different changes, the nearest first; none where the answer is the wanted one already."""
        if self._wish.granted(self._case.scores[[self._i]])[0]:
            self.reason = "it has the wanted answer already"
            return []
        changes = self._nearer([*self._from_neighbours(), *self._step_by_step()])
        changes.sort(key=lambda change: (round(self._far(change), 9), len(change)))
        chosen: list[Change] = []
        for change in changes:
            if all(set(change) != set(other) for other in chosen):
                chosen.append(change)
        chosen = chosen[: self._case.options.counterfactuals]
        scores = self._ask(chosen) if chosen else np.empty((0, 1))
        return [
            self._told(change, scores[[k]])
            for k, change in enumerate(chosen)
            if self._wish.granted(scores[[k]])[0]
        ]

    def _from_neighbours(self) -> list[Change]:
        """What rows with the wanted answer have otherwise, with every change taken back that is not needed."""
        rows = np.flatnonzero(self._wish.granted(self._field.scores))
        changes = [self._towards(int(row)) for row in rows]
        nearest = sorted((change for change in changes if change), key=self._far)[:NEIGHBOURS]
        granted = self._granted(nearest)
        return self._without_the_needless(
            [change for change, yes in zip(nearest, granted, strict=True) if yes]
        )

    def _towards(self, row: int) -> Change:
        values = {j: self._field.background[j][row] for j in self._field.allowed}
        return {
            j: v for j, v in values.items() if self._field.permits(j, v) and text(v) != text(self._row[j])
        }

    def _without_the_needless(self, changes: Sequence[Change]) -> list[Change]:
        """Take changes back, the costliest first, as long as the answer stays; of all changes at once."""
        left = [dict(change) for change in changes]
        orders = [sorted(change, key=lambda j: -self._far({j: change[j]})) for change in left]
        for turn in range(max(map(len, orders), default=0)):
            on = [k for k, order in enumerate(orders) if turn < len(order) and len(left[k]) > 1]
            less = [{j: value for j, value in left[k].items() if j != orders[k][turn]} for k in on]
            for k, fewer, yes in zip(on, less, self._granted(less), strict=True):
                if yes:
                    left[k] = fewer
        return list(
            {tuple(sorted(change.items(), key=lambda each: each[0])): change for change in left}.values()
        )

    def _step_by_step(self) -> list[Change]:
        """Change features one by one, keeping what comes nearest to the wanted answer."""
        found: list[Change] = []
        beam: list[Change] = [{}]
        for _ in range(min(DEPTH, len(self._field.allowed))):
            tried = [
                {**change, j: value}
                for change in beam
                for j, values in self._field.values.items()
                if j not in change
                for value in values
                if text(value) != text(self._row[j])
            ]
            if not tried:
                break
            scores = self._ask(tried)
            granted = self._wish.granted(scores)
            found += [change for change, yes in zip(tried, granted, strict=True) if yes]
            if found:
                break
            order = np.argsort(self._wish.away(scores), kind="stable")
            beam = [tried[k] for k in order[:BEAM]]
        return sorted(found, key=self._far)[:NEIGHBOURS]

    def _nearer(self, changes: Sequence[Change]) -> list[Change]:
        """Move each changed number back towards its own value as far as the answer stays, by halving the way."""
        left = [dict(change) for change in changes]
        for turn in range(max(map(len, left), default=0)):
            ways = {k: way for k, change in enumerate(left) if (way := self._way(change, turn)) is not None}
            for _ in range(HALVINGS):
                middles = {k: way.middle() for k, way in ways.items()}
                on = [k for k, middle in middles.items() if middle is not None]
                tried = [{**left[k], ways[k].feature: middles[k]} for k in on]
                for k, yes in zip(on, self._granted(tried), strict=True):
                    ways[k].look(middles[k], good=bool(yes))
            for k, way in ways.items():
                left[k][way.feature] = way.good
            shorter = {k: way.rounded() for k, way in ways.items()}
            tried = [{**left[k], ways[k].feature: value} for k, value in shorter.items()]
            for (k, value), yes in zip(shorter.items(), self._granted(tried), strict=True):
                if yes and self._field.permits(ways[k].feature, value):
                    left[k][ways[k].feature] = value
        return list(left)

    def _way(self, change: Change, turn: int) -> "_Way | None":
        """How far the number changed at this turn may go back; None where there is no such number."""
        if turn >= len(change):
            return None
        j = list(change)[turn]
        if self._field.scales[j] is None or text(self._row[j]) is None:
            return None
        return _Way(self._field, j, good=float(change[j]), bad=float(self._row[j]))

    def _granted(self, changes: Sequence[Change]) -> NDArray[np.bool_]:
        return self._wish.granted(self._ask(changes)) if changes else np.empty(0, dtype=bool)

    def _ask(self, changes: Sequence[Change]) -> Numbers:
        """Scores of the row with each of the changes."""
        self.evaluations += len(changes)
        columns = {}
        for j, name in enumerate(self._field.names):
            values = [change.get(j, self._row[j]) for change in changes]
            column = self._case.rows[name]
            columns[name] = pd.Series(
                values,
                dtype="float64" if is_numeric_dtype(column) or self._field.scales[j] is not None else object,
            )
        return self._case.scorer.scores(pd.DataFrame(columns))

    def _far(self, change: Change) -> float:
        return sum(self._field.far(j, self._row[j], value) for j, value in change.items())

    def _told(self, change: Change, scores: Numbers) -> Counterfactual:
        place = self._case.ids[self._i]
        return Counterfactual(
            row=None if place is None else Count(place),
            changes=tuple(
                ChangedValue(
                    feature=self._field.names[j],
                    before=self._case.text(self._field.names[j], self._row[j]),
                    after=self._case.text(
                        self._field.names[j], int(value) if j in self._field.whole else value
                    ),
                )
                for j, value in sorted(
                    change.items(), key=lambda each: -self._field.far(each[0], self._row[each[0]], each[1])
                )
            ),
            prediction=float(scores[0, self._wish.place]),
            predicted=predicted(self._case.scorer, scores)[0],
            distance=self._far(change),
        )


class _Way:
    """Between a value with the wanted answer and the row's own, closing in."""

    def __init__(self, field: _Field, feature: int, *, good: float, bad: float) -> None:
        self.feature, self.good = feature, good
        self._field, self._bad = field, bad

    def middle(self) -> float | None:
        """The next value to try; None when there is none left."""
        middle = (self.good + self._bad) / 2
        if self.feature in self._field.whole:
            middle = float(np.ceil(middle) if self.good > self._bad else np.floor(middle))
        if middle in (self.good, self._bad) or not self._field.permits(self.feature, middle):
            return None
        return middle

    def rounded(self) -> float:
        """The value in four digits, which people can read."""
        return float(f"{self.good:.4g}")

    def look(self, middle: float | None, *, good: bool) -> None:
        """Go on from a value that was tried."""
        if middle is not None:
            self.good, self._bad = (middle, self._bad) if good else (self.good, middle)


def _allowed(case: Case) -> dict[int, AllowedChange]:
    if not case.options.changes:
        return {j: AllowedChange(feature=name) for j, name in enumerate(case.names)}
    allowed: dict[int, AllowedChange] = {}
    for i, each in enumerate(case.options.changes):
        if each.feature not in case.names:
            raise InvalidInput(f"the model does not look at {each.feature!r}", at=("changes", i, "feature"))
        place = case.names.index(each.feature)
        if place in allowed:
            raise InvalidInput(f"changes name {each.feature!r} twice", at=("changes", i, "feature"))
        allowed[place] = _of_truths(i, each) if each.feature in case.truths else each
    return allowed


def _of_truths(i: int, asked: AllowedChange) -> AllowedChange:
    """Truth values that are named, as the numbers that rows hold."""
    if not asked.categories:
        return asked
    values = [value for each in asked.categories if (value := truth(each)) is not None]
    if len(values) < len(asked.categories):
        raise InvalidInput(f"{asked.feature!r} holds true and false alone", at=("changes", i, "categories"))
    return replace(asked, categories=(), low=float(min(values)), high=float(max(values)))


def _check(case: Case, asked: AllowedChange, number: bool) -> None:
    if asked.categories and number:
        raise InvalidInput(
            f"{asked.feature!r} is a number: give low and high, not categories", at=("changes",)
        )
    if (asked.low is not None or asked.high is not None) and not number:
        raise InvalidInput(
            f"{asked.feature!r} is no number: give categories, not low and high", at=("changes",)
        )
    if asked.low is not None and asked.high is not None and asked.low > asked.high:
        raise InvalidInput(
            f"low may not lie above high, got {asked.low:g} and {asked.high:g} for {asked.feature!r}",
            at=("changes",),
        )


def _tried(column: "pd.Series[Any]", asked: AllowedChange, number: bool) -> list[Any]:
    present = column.dropna()
    if not number:
        return list(asked.categories) or list(present.value_counts().index[:VALUES])
    low = present.min() if asked.low is None else asked.low
    high = present.max() if asked.high is None else asked.high
    inside = present[(present >= low) & (present <= high)]
    drawn: Iterable[Any] = (
        np.quantile(inside, np.linspace(0, 1, VALUES), method="nearest") if len(inside) else []
    )
    given = [end for end in (asked.low, asked.high) if end is not None]
    return sorted({float(value) for value in [*drawn, *given]})


def _scale(column: "pd.Series[Any]") -> float:
    """The median absolute deviation; of mostly equal values their standard deviation; of all equal ones 1."""
    present = column.dropna().to_numpy(dtype=float)
    if not len(present):
        return 1.0
    deviation = float(np.median(np.abs(present - np.median(present))))
    return deviation or float(present.std()) or 1.0


def _sentence(found: Counterfactual) -> str:
    where = row_named(found.row)
    changes = " and ".join(
        f"{each.feature} were {each.after} instead of {'missing' if each.before is None else each.before}"
        for each in found.changes
    )
    return f"{where} would be answered {found.predicted!r} if {changes}."
