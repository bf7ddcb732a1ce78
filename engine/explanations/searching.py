"""The search for changes, of all rows and all starts in lock-step.

A model answers a thousand rows in hardly more time than one, so each step puts the candidates of every start to it at
once: the calls are some tens, however many rows are asked about (`most_calls`).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_numeric_dtype

from engine.explanations.answers import text
from engine.explanations.case import Case
from engine.explanations.changing import VALUES, Change, Field
from engine.explanations.wishes import Wish
from engine.models.scorer import Numbers
from engine.values import Step, Tell

NEIGHBOURS = 30
"""Background rows with the wanted answer that are tried, the nearest first."""
BEAM = 8
DEPTH = 4
PROMISING, ALIKE = 60, 5
"""Changes of a row whose numbers are moved back, at most so many of the same features."""
TURNS = 6
"""Numbers of a change that are moved back."""
SECTIONS, CLOSER = 12, 3
"""A number is moved back by trying so many values between its own and the good one, and so many times closer."""
TAKING = 8
"""Rounds of taking changes back; each ends with a change that has to stay."""
AT_ONCE = 10_000_000
"""Values that the model is given at once, of all features together."""
PREFIXES = 48
"""Of a change of many features, so many ways to take the first of them back are tried in a round."""
OF_A_ROW = 10_000
"""Changes of a row that are tried in a step, at most one for each feature; of many features, not all values are."""
FEATURES = OF_A_ROW // (BEAM * VALUES)
"""That a step goes on with, those that came nearest by themselves."""


@dataclass(frozen=True)
class Start:
    """A change of one row; `row` is its place in the case."""

    row: int
    change: Change

    @property
    def features(self) -> tuple[int, ...]:
        return tuple(sorted(self.change))

    def without(self, features: Collection[int]) -> "Start":
        return Start(self.row, {j: value for j, value in self.change.items() if j not in features})


def most_calls() -> int:
    """How often one search asks the model at most, each time about all candidates at once."""
    return TAKING + DEPTH + TURNS * (CLOSER + 1) + TAKING + 1


class Search:
    """The search for some rows of a case, each with its wish."""

    def __init__(
        self, case: Case, field: Field, wishes: Mapping[int, Wish], *, fill: bool, tell: Tell
    ) -> None:
        """`fill`: whether missing values may be replaced."""
        self._case, self._field, self._wishes, self._tell = case, field, wishes, tell
        self._own = {j: case.rows[name].to_numpy() for j, name in enumerate(field.names)}
        self._numeric = [is_numeric_dtype(case.rows[name]) for name in field.names]
        self._open = {
            i: [
                j
                for j in field.allowed
                if (fill or text(self._own[j][i]) is not None) and field.measurable(j, self._own[j][i])
            ]
            for i in wishes
        }
        self.evaluations = 0
        self._calls = 0

    def nearest(self) -> Iterator[tuple[int, list[tuple[Change, float, Numbers]]]]:
        """For each row its different changes with their distance and scores, the nearest first."""
        self._doing = "Trying what rows with the wanted answer have otherwise"
        found = self._taken_back([each for i in self._wishes for each in self._neighbours(i)])
        self._doing = "Changing features one by one"
        found += self._step_by_step()
        self._doing = "Moving numbers back towards the row's own"
        found = self._nearer([each for i in self._wishes for each in self._promising(found, i)])
        found = self._taken_back(found)
        scores = self._ask(found)
        granted = self._granted(found, scores)
        for i in self._wishes:
            mine = [
                (each, self._far(each), scores[[k]])
                for k, each in enumerate(found)
                if each.row == i and granted[k]
            ]
            mine.sort(key=lambda one: (round(one[1], 9), len(one[0].change)))
            nearest: dict[tuple[int, ...], tuple[Change, float, Numbers]] = {}
            for each, far, score in mine:
                nearest.setdefault(each.features, (each.change, far, score))
            yield i, list(nearest.values())[: self._case.options.counterfactuals]

    def _neighbours(self, i: int) -> list[Start]:
        """What background rows with the wanted answer have otherwise, of the nearest rows."""
        field = self._field
        far = np.zeros_like(field.permitted, dtype=float)
        for j in self._open[i]:
            own, scale = self._own[j][i], field.scales[j]
            if text(own) is None:
                far[:, j] = 1.0
            elif scale is None:
                far[:, j] = field.texts[j] != text(own)
            else:
                far[:, j] = np.abs(field.background[j].astype(float) - float(own)) / scale
        far[~field.permitted] = 0.0
        total = far.sum(axis=1)
        rows = np.flatnonzero(self._wishes[i].granted(field.scores) & (total > 0))
        return [
            Start(i, {int(j): field.background[int(j)][row] for j in np.flatnonzero(far[row])})
            for row in rows[np.argsort(total[rows], kind="stable")[:NEIGHBOURS]]
        ]

    def _taken_back(self, starts: Sequence[Start]) -> list[Start]:
        """Take changes back, the costliest first, as long as the answer stays; starts without it are left out."""
        left = list(starts)
        orders = [self._costliest(start) for start in left]
        reach = [len(order) - 1 for order in orders]  # so many of them may go; all is the row's own answer
        good = [False] * len(left)
        for turn in range(TAKING):
            points = {
                k: _spaced(0 if turn == 0 else 1, reach[k]) for k in range(len(left)) if turn == 0 or good[k]
            }
            tried = [(k, taken) for k, some in points.items() for taken in some]
            if not tried:
                break
            fewer = [left[k].without(frozenset(orders[k][:taken])) for k, taken in tried]
            most = {k: (0, left[k]) for k, some in points.items() if some}
            for (k, taken), start, yes in zip(tried, fewer, self._yes(fewer), strict=True):
                if yes:
                    most[k] = (taken, start)  # the last one takes most back
                    good[k] = True
            for k, (taken, start) in most.items():
                left[k] = start
                failed = next((point for point in points[k] if point > taken), taken + 1)
                if failed == taken + 1:  # so the next one has to stay
                    orders[k] = orders[k][failed:]
                    reach[k] = len(orders[k])
                else:  # one of those between has
                    orders[k], reach[k] = orders[k][taken:], failed - taken - 1
        kept = {
            (left[k].row, tuple(sorted(left[k].change.items()))): left[k] for k, yes in enumerate(good) if yes
        }
        return list(kept.values())

    def _step_by_step(self) -> list[Start]:
        """Change features one by one, keeping what comes nearest to the wanted answer, until some change has it."""
        found: list[Start] = []
        beam, open = [Start(i, {}) for i in self._wishes], dict(self._open)
        for depth in range(DEPTH):
            tried = [
                Start(start.row, {**start.change, j: value})
                for start in beam
                for j in open[start.row]
                if j not in start.change
                for value in self._field.values[j][:: 1 + len(open[start.row]) * VALUES // OF_A_ROW]
                if text(value) != text(self._own[j][start.row])
            ]
            if not tried:
                break
            scores = self._ask(tried)
            granted = self._granted(tried, scores)
            mine = [start for start, yes in zip(tried, granted, strict=True) if yes]
            found += mine
            done = {start.row for start in mine}
            beam = self._best(tried, scores, done, BEAM)
            if depth == 0 and max(map(len, open.values())) > FEATURES:
                nearest = self._best(tried, scores, done, OF_A_ROW)
                open = {
                    i: list(dict.fromkeys(j for start in nearest if start.row == i for j in start.change))[
                        :FEATURES
                    ]
                    for i in open
                }
        return found

    def _best(self, tried: Sequence[Start], scores: Numbers, done: set[int], count: int) -> list[Start]:
        """Of each row that has no change yet, so many that come nearest to its wish."""
        rows = np.array([start.row for start in tried])
        best: list[Start] = []
        for i in self._wishes.keys() - done:
            mine = np.flatnonzero(rows == i)
            order = np.argsort(self._wishes[i].away(scores[mine]), kind="stable")[:count]
            best += [tried[k] for k in mine[order]]
        return best

    def _promising(self, found: Sequence[Start], i: int) -> list[Start]:
        mine = sorted((start for start in found if start.row == i), key=self._far)
        of: dict[tuple[int, ...], int] = {}
        chosen: list[Start] = []
        for start in mine:
            of[start.features] = of.get(start.features, 0) + 1
            if of[start.features] <= ALIKE:
                chosen.append(start)
        return chosen[:PROMISING]

    def _nearer(self, starts: Sequence[Start]) -> list[Start]:
        """Move each changed number back towards the row's own as far as the answer allows."""
        left = [start for start in starts for _ in range(2)]
        numbers = [
            [j for j in self._costliest(start) if self._moves(start.row, j)][:: 1 if k % 2 else -1][:TURNS]
            for k, start in enumerate(left)
        ]  # what moves first moves furthest, so each start is moved in both orders
        for turn in range(max(map(len, numbers), default=0)):
            now = {k: of[turn] for k, of in enumerate(numbers) if turn < len(of)}
            towards = {k: float(self._own[j][left[k].row]) for k, j in now.items()}
            for closer in range(CLOSER):
                self._move(left, now, towards, whole_way=closer == 0)
            self._round(left, now)
        return left

    def _move(
        self, left: list[Start], now: dict[int, int], towards: dict[int, float], *, whole_way: bool
    ) -> None:
        """Of values between, take the one nearest to the row's own that still has the answer."""
        tried: list[tuple[int, float]] = []
        for k, j in now.items():
            if j in left[k].change:
                values = self._field.between(j, float(left[k].change[j]), towards[k], SECTIONS)
                own = [towards[k]] if whole_way and len(left[k].change) > 1 else []
                tried += [(k, value) for value in [*own, *values]]
        if not tried:
            return
        granted = self._yes([self._set(left[k], now[k], value) for k, value in tried])
        settled: set[int] = set()
        for (k, value), yes in zip(tried, granted, strict=True):  # from near the row's own on
            if k not in settled and yes:
                left[k] = self._set(left[k], now[k], value)
                settled.add(k)
            elif k not in settled:
                towards[k] = value

    def _round(self, left: list[Start], now: dict[int, int]) -> None:
        """Take a value that is easier to read, where it has the answer too."""
        tried = [
            (k, value)
            for k, j in now.items()
            if j in left[k].change
            for value in self._field.readable(j, float(left[k].change[j]), float(self._own[j][left[k].row]))
        ]
        settled: set[int] = set()
        rounded = [self._set(left[k], now[k], value) for k, value in tried]
        for (k, _), start, yes in zip(tried, rounded, self._yes(rounded), strict=True):
            if yes and k not in settled and len(start.change) == len(left[k].change):
                left[k] = start
                settled.add(k)

    def _moves(self, i: int, j: int) -> bool:
        return self._field.scales[j] is not None and text(self._own[j][i]) is not None

    def _set(self, start: Start, j: int, value: float) -> Start:
        """With another value of a feature; its own is no change."""
        if text(value) == text(self._own[j][start.row]):
            return start.without([j])
        return Start(start.row, {**start.change, j: value})

    def _costliest(self, start: Start) -> list[int]:
        own = self._own
        return sorted(start.change, key=lambda j: -self._field.far(j, own[j][start.row], start.change[j]))

    def _far(self, start: Start) -> float:
        return sum(self._field.far(j, self._own[j][start.row], value) for j, value in start.change.items())

    def _yes(self, starts: Sequence[Start]) -> NDArray[np.bool_]:
        return self._granted(starts, self._ask(starts))

    def _granted(self, starts: Sequence[Start], scores: Numbers) -> NDArray[np.bool_]:
        granted = np.zeros(len(starts), dtype=bool)
        wishes = [self._wishes[start.row] for start in starts]
        for wish in set(wishes):
            of = np.fromiter((each == wish for each in wishes), bool, len(wishes))
            granted[of] = wish.granted(scores[of])
        return granted

    def _ask(self, starts: Sequence[Start]) -> Numbers:
        """Scores of the rows with these changes; tells how far the search is."""
        if not starts:
            return np.empty((0, max(1, len(self._case.scorer.signature.classes))))
        at_once = max(1, AT_ONCE // len(self._field.names))
        parts = [
            self._case.scorer.scores(self._frame(starts[k : k + at_once]))
            for k in range(0, len(starts), at_once)
        ]
        self.evaluations += len(starts)
        self._calls += 1
        done = f"{self._doing}: {self.evaluations:,} changes were tried"
        self._tell(Step(stage="searching", fraction=min(1.0, self._calls / most_calls()), message=done))
        return np.concatenate(parts)

    def _frame(self, starts: Sequence[Start]) -> pd.DataFrame:
        rows = np.array([start.row for start in starts])
        changed: dict[int, tuple[list[int], list[Any]]] = {}
        for k, start in enumerate(starts):
            for j, value in start.change.items():
                places, values = changed.setdefault(j, ([], []))
                places.append(k)
                values.append(value)
        columns: dict[str, Any] = {}
        for j, name in enumerate(self._field.names):
            number = self._numeric[j] or self._field.scales[j] is not None
            column = self._own[j][rows].astype(float if number else object)
            places, values = changed.get(j, ([], []))
            column[places] = values
            columns[name] = pd.Series(column, dtype="float64" if number else object)
        return pd.DataFrame(columns)


def _spaced(first: int, last: int) -> list[int]:
    """Whole numbers from the first to the last, all of them or PREFIXES as even as can be."""
    count = min(PREFIXES, last - first + 1)
    return np.linspace(first, last, count).round().astype(int).tolist() if count > 0 else []
