"""Individual fairness measured: rows are compared with their nearest until it is sure enough.

Only a worker imports this module: it brings SciPy.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from engine.errors import InvalidInput
from engine.fairness.intervals import Floats
from engine.fairness.lipschitz import Mean, Tally, outcomes
from engine.fairness.neighbours import NEIGHBOURS, Indexes, Links, Rows, grown, nearest, read
from engine.fairness.options import BiasColumns, BiasOptions
from engine.fairness.report import AlikePair
from engine.tables.part import Part
from engine.values import Step, Tell, silent

EXACT_ROWS = 20_000
"""Up to here every row is compared with its neighbours; above, a sample is."""
FIRST_ANCHORS = 1000
MOST_ANCHORS = 12_000
"""Rows compared at most in a sample: a search in 10 features among 1 M rows costs about 0.6 ms."""
NARROW = 0.005
"""Half the width of an interval that is narrow enough: no more rows are compared then."""
AT_ONCE = 250
NO_FEATURES = "individual fairness compares similar rows: name numeric columns as features to be similar in"


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """How alike similar rows are decided, and on what this rests."""

    consistency: Mean | None
    """1 - mean share of the 5 nearest rows that were decided otherwise: 1 when all are decided like their
    neighbours, 0 when all are decided against them; None with at most 5 rows."""
    violations: Mean | None
    """Share of pairs of a row and one of its 5 nearest whose outcomes differ by more than `lipschitz` times
    their distance; None with at most 5 rows."""
    touched: float
    """Share of the rows compared that are in such a pair with one of their nearest."""
    worst: tuple[AlikePair, ...]
    anchors: int
    """Rows that were compared with their neighbours: all, or a sample."""
    rows: int
    """Rows among which neighbours were searched."""
    rows_excluded: int
    """Rows without a prediction or score, or with a feature missing or infinite."""
    features: tuple[str, ...]
    score: str | None
    """The column whose differences count as violations; None for decisions."""
    score_range: tuple[float, float] | None
    """Lowest and highest score where these leave [0, 1] and were mapped onto it."""
    weighted: bool
    """Whether rows have weights, which have no part here."""


def likeness(
    path: Part,
    columns: BiasColumns,
    classes: Mapping[str, int],
    options: BiasOptions,
    tell: Tell = silent,
) -> Likeness:
    """Compare the outcome of each row with those of its 5 nearest neighbours.

    Nearness is the Euclidean distance between features divided by their standard deviations. A row
    is no neighbour of itself. All rows at the distance of the 5th neighbour share the places that are
    left, so the order of rows does not matter. Up to 20,000 rows all are compared; above, a seeded sample
    grows from 1,000 to at most 12,000 rows until the intervals are narrow, each row with its exact
    neighbours among all rows.

    Args:
        path: a Parquet file.
        columns: with at least one numeric column in `features`.
        classes: the code of each text of a prediction, as `outcomes.predicted_classes` gives it.
        options: the seed of the sample, the confidence, and the bound `lipschitz`.
        tell: told how many rows have been compared.

    Raises:
        InvalidInput: no features, one that is not there or not numeric, or too many numbers.

    Source: Zemel et al., "Learning fair representations" (ICML 2013); unlike AIF360's, without the
    row itself, with scaled features, and with ties shared. Lipschitz: Dwork et al., "Fairness through
    awareness" (2012).
    """
    if not columns.features:
        raise InvalidInput(NO_FEATURES, at=("features",))
    rows = read(path, columns, classes, options)
    score, mapped = _on_unit(rows.score)
    count = rows.point.size
    measured = Likeness(
        consistency=None,
        violations=None,
        touched=0.0,
        worst=(),
        anchors=0,
        rows=count,
        rows_excluded=rows.excluded,
        features=tuple(columns.features),
        score=columns.score,
        score_range=mapped,
        weighted=columns.weights is not None,
    )
    if count <= NEIGHBOURS:
        return measured
    decided = outcomes(rows.point, rows.decision, rows.in_file, names=True)
    scored = decided if score is None else outcomes(rows.point, score, rows.in_file, names=False)
    differing = Tally(outcomes=decided, bound=0.0), rows.decision.astype(np.float64)
    violating = Tally(outcomes=scored, bound=options.lipschitz), differing[1] if score is None else score
    anchors = _compare(rows, [differing, violating], options, tell)
    otherwise = differing[0].mean(count)
    return replace(
        measured,
        consistency=replace(otherwise, value=1 - otherwise.value),
        violations=violating[0].mean(count),
        touched=violating[0].touched(),
        worst=violating[0].pairs(),
        anchors=anchors,
    )


def _on_unit(score: Floats | None) -> tuple[Floats | None, tuple[float, float] | None]:
    """Scores in [0, 1] as they are, others mapped onto it by their lowest and highest."""
    if score is None or not score.size:
        return score, None
    low, high = float(score.min()), float(score.max())
    if low >= 0 and high <= 1:
        return score, None
    return (score - low) / (high - low or 1.0), (low, high)


def _compare(rows: Rows, tallies: list[tuple[Tally, Floats]], options: BiasOptions, tell: Tell) -> int:
    """Compare all rows, or a growing sample of them; returns how many."""
    count = rows.point.size
    exact = count <= EXACT_ROWS
    order = (
        np.arange(count)
        if exact
        else np.random.default_rng(options.seed).choice(count, min(MOST_ANCHORS, count), replace=False)
    )
    tree = grown(rows.places)
    done, goal = 0, count if exact else min(FIRST_ANCHORS, order.size)
    shown = 0.0
    while done < goal:
        for start in range(done, goal, AT_ONCE):
            anchors = order[start : min(start + AT_ONCE, goal)]
            asked, origin = np.unique(rows.point[anchors], return_inverse=True)
            links = _of_rows(nearest(tree, rows, asked), origin, asked.size)
            for tally, own in tallies:
                tally.take(links, rows.point[anchors], own[anchors], rows.in_file[anchors])
            fraction = min(goal, start + AT_ONCE) / order.size
            if fraction - shown >= 0.1:
                shown = fraction
                tell(
                    _step(
                        fraction,
                        f"Compared {min(goal, start + AT_ONCE):,} rows with their {NEIGHBOURS} nearest",
                    )
                )
        done = goal
        if done < order.size:
            half = max(_half(tally.mean(count), options) for tally, _ in tallies)
            if half > NARROW:
                goal = min(order.size, max(done + AT_ONCE, math.ceil(1.05 * done * (half / NARROW) ** 2)))
    tell(_step(1.0, f"Compared {done:,} rows with their {NEIGHBOURS} nearest"))
    return done


def _half(mean: Mean, options: BiasOptions) -> float:
    interval = mean.interval(options.confidence)
    return (interval.high - interval.low) / 2


def _step(fraction: float, message: str) -> Step:
    return Step(stage="comparing neighbours", fraction=fraction, message=message)


def _of_rows(links: Links, origin: Indexes, points: int) -> Links:
    """The links of points as links of the rows there; `origin` has shape (rows,), the point of each."""
    starts = np.searchsorted(links.origin, np.arange(points + 1))
    many = np.diff(starts)[origin]
    row = np.repeat(np.arange(origin.size), many)
    within = np.arange(row.size) - np.repeat(np.cumsum(many) - many, many)
    which = starts[origin[row]] + within
    return Links(
        origin=row,
        point=links.point[which],
        distance=links.distance[which],
        itself=links.itself[which],
        weight=links.weight[which],
    )
