"""The flip rate: how many decisions change when nothing but the protected attribute does.

A model that is asked twice about a person, once as a woman and once as a man, and decides otherwise, uses the attribute.
One that does not may still use columns that go with it: this is no counterfactual in a causal model, in which these
would change too (Kusner, Loftus, Russell and Silva, "Counterfactual fairness", NeurIPS 2017).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_numeric_dtype

from engine.errors import InvalidInput, refuse_outside
from engine.explanations.answers import chosen, text, text_of_truth
from engine.explanations.means import student
from engine.explanations.mixing import BLOCK
from engine.fairness.flip_report import FlipExample, FlipOptions, FlipPair, FlipReport, FlipValue
from engine.fairness.intervals import wilson
from engine.fairness.membership import Membership
from engine.fairness.words import between, number, so_many
from engine.models.scorer import Bounded, Numbers, Scorer
from engine.models.signature import Signature, Task
from engine.values import Count, Interval, Step, Tell, silent

MOST_GROUPS = 20
"""Values that rows are changed to, those with the most rows; pairs grow with their square."""
EVEN = 0.5
"""The chance from which on one of two classes is predicted."""
NO_CAUSES = (
    "Only the column of the attribute was changed. Columns that go with it (proxies) stayed as they are, so this says"
    " whether the model uses the attribute, and is no counterfactual in the causal sense of Kusner et al. (2017)."
)
ALIKE = (
    "Some groups are numbers beyond 2^53 that differ by less than floating-point numbers tell apart: to the model they are"
    " one value."
)
UNAWARE = (
    "The model does not look at the attribute (fairness through unawareness), so none of its decisions can change with"
    " it. That says nothing of columns that go with it (proxies): compare the groups' rates in a bias analysis, and ask"
    " which features carry the gap between them (an explanation of the kind GAP). Kusner et al. (2017) show why this is no counterfactual fairness."
)

Places = NDArray[np.intp]


def flips(
    scorer: Scorer,
    rows: pd.DataFrame,
    ids: Sequence[int | None],
    groups: Membership,
    options: FlipOptions,
    tell: Tell = silent,
) -> FlipReport:
    """Ask a model about each row once more with each other value of the protected attribute.

    Args:
        rows: at least the model's features.
        ids: places of the rows in the dataset.
        groups: of each row; a row is changed to the median of a group's numbers, or to its one text.

    Raises:
        InvalidInput: the options do not fit the model, there are no rows, or the model cannot read a row.
    """
    started, signature = perf_counter(), scorer.signature
    decide = _Decide(signature, scorer, options)
    if not len(rows):
        raise InvalidInput("there are no rows to change", at=("sample_rows",))
    missing = 0 if groups.missing is None else int(groups.sizes[groups.missing])
    if options.attribute not in signature.names:
        return _unaware(decide, options)
    kept, notes = _kept(groups)
    used = np.flatnonzero(np.isin(groups.of, kept))
    code = np.searchsorted(kept, groups.of[used])
    taken = rows.iloc[used][list(signature.names)].reset_index(drop=True)
    names = [groups.names[place] for place in kept]
    values = [_value(taken[options.attribute][code == g]) for g in range(len(kept))]
    if len(set(values)) < len(values):
        notes = (*notes, ALIKE)
    asked = _Asked(decide, taken, code, options, names)
    if len(kept) > 1:
        for g, value in enumerate(values):
            asked.change(g, value, tell)
    return _report(asked, [ids[i] for i in used.tolist()], values, missing, (*groups.notes, *notes), started)


class _Decide:
    """From scores to what is followed, and to decisions."""

    def __init__(self, signature: Signature, scorer: Scorer, options: FlipOptions) -> None:
        self.scorer, self.signature = Bounded(scorer), signature
        self.answer = chosen(scorer, options.explained_class)
        self.threshold = options.threshold
        if signature.task is Task.MULTICLASS and self.threshold is not None:
            raise InvalidInput(
                "a model of more than two classes gives each row the one with the highest score; a threshold has no"
                " place in it",
                at=("threshold",),
            )
        if signature.task is Task.BINARY:
            self.threshold = EVEN if self.threshold is None else self.threshold
            refuse_outside("threshold", self.threshold, 0.0, 1.0)
        self.decides = signature.task is not Task.REGRESSION or self.threshold is not None
        self.unit = "probability" if signature.classes else "value of the model"

    def scores(self, rows: pd.DataFrame) -> Numbers:
        starts = range(0, len(rows), BLOCK)
        return np.concatenate([self.scorer.scores(rows.iloc[start : start + BLOCK]) for start in starts])

    def decisions(self, scores: Numbers) -> Places:
        """(rows,): a class by its place; of a regression 1 from the threshold on."""
        if self.answer is None or self.threshold is None:
            return np.asarray(scores.argmax(axis=1), np.intp)
        reached = scores[:, self.answer.place] >= self.threshold
        if self.signature.task is Task.REGRESSION:
            return np.asarray(reached, np.intp)
        return np.where(reached, self.answer.place, 1 - self.answer.place)

    def word(self, decision: int) -> str:
        if self.signature.task is Task.REGRESSION:
            return f"{'at least' if decision else 'below'} {self.threshold:.12g}"
        return self.signature.classes[decision]

    @property
    def followed(self) -> int | None:
        """The decision whose gains and losses are counted."""
        if self.signature.task is Task.REGRESSION:
            return 1 if self.decides else None
        return None if self.answer is None else self.answer.place


class _Asked:
    """What the model has said of the rows, as they are and changed."""

    def __init__(
        self, decide: _Decide, rows: pd.DataFrame, code: Places, options: FlipOptions, names: Sequence[str]
    ) -> None:
        self.decide, self.rows, self.code, self.options, self.names = decide, rows, code, options, names
        scores = decide.scores(rows) if len(rows) else np.empty((0, max(1, len(decide.signature.classes))))
        self.decision = decide.decisions(scores)
        self.place = (
            self.decision if decide.answer is None else np.full(len(rows), decide.answer.place, dtype=np.intp)
        )
        self.score = scores[np.arange(len(rows)), self.place]
        self.flipped = np.zeros(len(rows), dtype=bool)
        self.moved = np.zeros(len(rows))
        self.furthest = _Furthest.nothing(len(rows))
        self.pairs: list[FlipPair] = []
        self.evaluations = len(rows)

    def text(self, value: Any) -> str:
        """A value as its table shows it: groups of truth values, held as 0 and 1, are called true and false."""
        return (text_of_truth(value) if {*self.names} <= {"true", "false"} else text(value)) or ""

    def change(self, to: int, value: Any, tell: Tell) -> None:
        """Ask about the rows of all other groups as if they were of this one."""
        at = np.flatnonzero(self.code != to)
        changed = self.rows.iloc[at].copy()
        name, dtype = self.options.attribute, self.rows[self.options.attribute].dtype
        changed[name] = pd.Series(value, index=changed.index, dtype=dtype)
        scores = self.decide.scores(changed)
        self.evaluations += len(at)
        score, decision = scores[np.arange(len(at)), self.place[at]], self.decide.decisions(scores)
        move, flips = score - self.score[at], self.decide.decides & (decision != self.decision[at])
        self.moved[at] += np.abs(move)
        self.flipped[at] |= flips
        self.furthest.look(at[flips], to, move[flips], decision[flips])
        for g in range(len(self.names)):
            of = self.code[at] == g
            if of.any():
                pair = self._pair(g, to, at[of], decision[of], move[of], flips[of])
                self.pairs.append(pair)
                tell(
                    Step(
                        stage="changing values",
                        fraction=(to + 1) / len(self.names),
                        message=_of_pair(pair, self.options, self.decide.unit),
                        partial=pair,
                    )
                )

    def _pair(
        self,
        g: int,
        to: int,
        at: Places,
        decision: Places,
        move: Numbers,
        flips: NDArray[np.bool_],
    ) -> FlipPair:
        n, k, confidence, followed = len(at), int(flips.sum()), self.options.confidence, self.decide.followed
        decides = self.decide.decides
        return FlipPair(
            from_group=self.names[g],
            to_group=self.names[to],
            rows=Count(n),
            flipped=Count(k) if decides else None,
            gained=None if followed is None else Count(int((flips & (decision == followed)).sum())),
            lost=None if followed is None else Count(int((flips & (self.decision[at] == followed)).sum())),
            flip_rate=k / n if decides else None,
            interval=_wilson(k, n, confidence) if decides else None,
            mean_change=float(move.mean()),
            mean_change_interval=student(move, confidence),
        )


@dataclass(kw_only=True)
class _Furthest:
    """Of each row, the change that moves its score furthest of those that change its decision."""

    to: Places
    """-1 where there is none."""
    move: Numbers
    decision: Places

    @classmethod
    def nothing(cls, rows: int) -> "_Furthest":
        return cls(
            to=np.full(rows, -1, np.intp), move=np.zeros(rows), decision=np.full(rows, -1, dtype=np.intp)
        )

    def look(self, at: Places, to: int, move: Numbers, decision: Places) -> None:
        better = (self.to[at] < 0) | (np.abs(move) > np.abs(self.move[at]))
        self.to[at[better]] = to
        self.move[at[better]] = move[better]
        self.decision[at[better]] = decision[better]

    def first(self, most: int) -> Places:
        found = np.flatnonzero(self.to >= 0)
        return found[np.argsort(-np.abs(self.move[found]), kind="stable")[:most]]


def _kept(groups: Membership) -> tuple[Places, tuple[str, ...]]:
    """Groups that rows are changed to and from, by place; and what is said of the others."""
    sizes = groups.sizes.copy()
    if groups.missing is not None:
        sizes[groups.missing] = 0
    there = np.flatnonzero(sizes)
    if len(there) <= MOST_GROUPS:
        return there, ()
    largest = np.sort(there[np.argsort(-sizes[there], kind="stable")[:MOST_GROUPS]])
    left = int(sizes.sum() - sizes[largest].sum())
    return largest, (
        f"Only the {MOST_GROUPS} groups with the most rows were looked at; {so_many(left, 'rows')} of"
        f" {len(there) - MOST_GROUPS} others took no part.",
    )


def _value(column: "pd.Series[Any]") -> Any:
    """What a row of another group is given: a value of this one that was seen, the median of its numbers."""
    if is_numeric_dtype(column):
        return np.quantile(column.to_numpy(), 0.5, method="inverted_cdf")
    return column.value_counts().index[0]


def _report(
    asked: _Asked,
    ids: Sequence[int | None],
    values: Sequence[Any],
    missing: int,
    notes: Sequence[str],
    started: float,
) -> FlipReport:
    decide, options, n, groups = asked.decide, asked.options, len(asked.rows), len(asked.names)
    k, reason = int(asked.flipped.sum()), _reason(decide, options, groups)
    told = reason is None
    moved = asked.moved / max(1, groups - 1)
    rate = k / n if told else None
    interval = _wilson(k, n, options.confidence) if told else None
    return FlipReport(
        attribute=options.attribute,
        looked_at=True,
        summary=f"Nothing can be said of flips: {reason}."
        if rate is None or interval is None
        else f"With another value of {options.attribute} and nothing else changed, {k:,} of {so_many(n, 'rows')} would be"
        f" decided otherwise: a flip rate of {number(rate)}, interval {between(interval)}.",
        unit=decide.unit,
        explained_class=None if decide.answer is None else decide.answer.name,
        threshold=decide.threshold,
        rows=Count(n),
        rows_missing=Count(missing),
        flipped=Count(k) if told else None,
        flip_rate=rate,
        interval=interval,
        reason=reason,
        mean_absolute_change=float(moved.mean()) if groups > 1 else None,
        mean_absolute_change_interval=student(moved, options.confidence) if groups > 1 else None,
        values=tuple(
            FlipValue(group=name, value=asked.text(value), rows=Count(int((asked.code == g).sum())))
            for g, (name, value) in enumerate(zip(asked.names, values, strict=True))
        ),
        pairs=tuple(sorted(asked.pairs, key=lambda pair: (-(pair.flip_rate or 0), -abs(pair.mean_change)))),
        examples=tuple(_example(asked, i, ids[i]) for i in asked.furthest.first(options.examples)),
        evaluations=Count(asked.evaluations),
        seconds=perf_counter() - started,
        notes=(NO_CAUSES, *notes, *_on_missing(missing)),
    )


def _example(asked: _Asked, i: int, id: int | None) -> FlipExample:
    found = asked.furthest
    return FlipExample(
        row=None if id is None else Count(id),
        decision_before=asked.decide.word(int(asked.decision[i])),
        decision_after=asked.decide.word(int(found.decision[i])),
        score_before=float(asked.score[i]),
        score_after=float(asked.score[i] + found.move[i]),
    )


def _unaware(decide: _Decide, options: FlipOptions) -> FlipReport:
    return FlipReport(
        attribute=options.attribute,
        looked_at=False,
        summary=f"The model does not look at {options.attribute}, so no decision can change with it alone.",
        unit=decide.unit,
        explained_class=None if decide.answer is None else decide.answer.name,
        threshold=decide.threshold,
        rows=Count(0),
        rows_missing=Count(0),
        flipped=None,
        flip_rate=None,
        interval=None,
        reason=f"{options.attribute} is none of the model's features, so no decision can change with it alone",
        mean_absolute_change=None,
        mean_absolute_change_interval=None,
        evaluations=Count(0),
        seconds=0.0,
        notes=(UNAWARE,),
    )


def _reason(decide: _Decide, options: FlipOptions, groups: int) -> str | None:
    """Why there is no flip rate."""
    if not decide.decides:
        return "the values of a regression are no decisions; with a threshold they would be"
    if groups == 0:
        return f"no row has a value of {options.attribute}"
    if groups == 1:
        return f"all rows that were looked at have the same value of {options.attribute}, so there is no other to change it to"
    return None


def _on_missing(rows: int) -> tuple[str, ...]:
    if not rows:
        return ()
    return (
        f"{so_many(rows, 'rows have no value of the attribute')}; what is missing was left so, and not counted.",
    )


def _of_pair(pair: FlipPair, options: FlipOptions, unit: str) -> str:
    asked = f"As {pair.to_group} instead of {pair.from_group} ({options.attribute})"
    if pair.flipped is None:
        return f"{asked} the score of {so_many(pair.rows, 'rows')} changes by {pair.mean_change:.3g} on average (in {unit})"
    return f"{asked}, {pair.flipped:,} of {so_many(pair.rows, 'rows')} would be decided otherwise"


def _wilson(k: int, n: int, confidence: float) -> Interval:
    low, high = wilson(k, n, confidence)
    return Interval(low=low, high=high)
