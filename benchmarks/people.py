"""Samples of groups of people whose distributions are known, as tables that the engine judges, and what is true of them."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from engine.fairness.clustering import _sampler as drawn_costs
from engine.fairness.cube import Axis
from engine.fairness.distributions import distributions, grid_of
from engine.fairness.metrics import Metric
from engine.fairness.moments import MAX_BINS, moments_of
from engine.fairness.quantity import Cells
from engine.fairness.rankings import Rankings
from engine.fairness.recommendation import _items, _users
from engine.fairness.regression import deviation
from engine.fairness.resampling import Groups
from engine.fairness.scores import Scores, score_table
from engine.fairness.sums import errors
from engine.fairness.tables import Table

Floats = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator], Sequence[Table]]


def table(kind: Cells, cells: npt.NDArray[np.number], **more: object) -> Table:
    """A table of groups whose rows are all in its cells, unless `rows` says otherwise."""
    names = tuple(f"{i:02}" for i in range(len(cells)))
    more.setdefault("rows", cells.reshape(len(cells), -1).sum(1))
    return Table(
        kind=kind,
        attributes=("group",),
        groups=tuple((name,) for name in names),
        names=names,
        cells=cells,
        **more,  # type: ignore[arg-type]
    )


def decided(rates: Sequence[float], sizes: Sequence[int]) -> Draw:
    """Label by prediction: labels are even, and true and false positive rates are the same rates."""
    of, people = np.array(rates), np.array(sizes)

    def draw(generator: np.random.Generator) -> Sequence[Table]:
        labels = generator.binomial(people, 0.5)
        cells = np.zeros((people.size, 3, 2), dtype=np.int64)
        for label, n in enumerate((people - labels, labels)):
            cells[:, label, 1] = generator.binomial(n, of)
            cells[:, label, 0] = n - cells[:, label, 1]
        return [table(Cells.OUTCOMES, cells, classes=("no", "yes"))]

    return draw


def gaps(rates: Sequence[float]) -> dict[Metric, float]:
    """What is true of people so decided."""
    gap = max(rates) - min(rates)
    return {
        Metric.DEMOGRAPHIC_PARITY_DIFFERENCE: gap,
        Metric.DEMOGRAPHIC_PARITY_RATIO: min(rates) / max(rates),
        Metric.EQUALIZED_ODDS_DIFFERENCE: gap,
    }


def predicted(confusion: Sequence[float], size: int) -> Draw:
    """One group of all rows, by the shares of true and false negatives, false and true positives."""
    tn, fn, fp, tp = confusion

    def draw(generator: np.random.Generator) -> Sequence[Table]:
        n = generator.multinomial(size, [tn, fp, fn, tp])
        cells = np.array([[[n[0], n[1]], [n[2], n[3]], [0, 0]]])
        return [table(Cells.OUTCOMES, cells, classes=("no", "yes"))]

    return draw


def entropies(confusion: Sequence[float]) -> dict[Metric, float]:
    """Generalized entropy (alpha 2) and Theil's index of the benefits 0, 1 and 2."""
    tn, fn, fp, tp = confusion
    share, benefit = np.array([fn, tn + tp, fp]), np.array([0.0, 1.0, 2.0])
    relative = benefit / (share @ benefit)
    logarithm = np.log(np.where(relative > 0, relative, 1.0))
    return {
        Metric.GENERALIZED_ENTROPY_INDEX: float(share @ (relative**2 - 1) / 2),
        Metric.THEIL_INDEX: float(share @ (relative * logarithm)),
    }


def scored(parts: Sequence[tuple[int, Callable[[np.random.Generator, int], tuple[Floats, Floats]]]]) -> Draw:
    """Labels and scores of groups, each given by its rows and how they are drawn."""

    def draw(generator: np.random.Generator) -> Sequence[Table]:
        found = [people(generator, size) for size, people in parts]
        label, score = (np.concatenate([each[i] for each in found]) for i in (0, 1))
        group = np.repeat(np.arange(len(parts)), [size for size, _ in parts])
        words = tuple(f"{i:02}" for i in range(len(parts)))
        axes = Axis(name="group", values=words), Axis(name="label", values=("0", "1"))
        keys, at = np.unique(score, return_inverse=True)
        cell, place = np.unique((group * 2 + label.astype(np.int64)) * len(keys) + at, return_inverse=True)
        sums = np.column_stack(
            [np.bincount(place, weights) for weights in (np.ones_like(score), score, score**2)]
        )
        summary = Scores(
            axes=axes,
            codes=np.column_stack([cell // len(keys) // 2, cell // len(keys) % 2]).astype(np.int32),
            keys=keys[cell % len(keys)],
            sums=sums,
            exact=True,
            threshold=0.5,
            rows=len(score),
            lowest=float(score.min()),
            highest=float(score.max()),
        )
        sizes = np.array([size for size, _ in parts])
        like = table(Cells.OUTCOMES, np.zeros((len(parts), 3, 2)), rows=sizes)
        return [score_table(summary, ("1",), like, (0,))]

    return draw


def ordered_by(strength: float) -> Callable[[np.random.Generator, int], tuple[Floats, Floats]]:
    """Scores of the two labels that are normal and so far apart, in standard deviations, then put into [0, 1]."""

    def people(generator: np.random.Generator, size: int) -> tuple[Floats, Floats]:
        label = (generator.random(size) < 0.4).astype(np.float64)
        return label, norm.cdf(generator.normal(strength * (label - 0.5), 1.0)).round(3)

    return people


def area(strength: float) -> float:
    """The area under the ROC curve of such scores."""
    return float(norm.cdf(strength / np.sqrt(2)))


def promised(off: float) -> Callable[[np.random.Generator, int], tuple[Floats, Floats]]:
    """Scores from 0.11 to 0.89 whose labels come true so much more rarely than they promise."""

    def people(generator: np.random.Generator, size: int) -> tuple[Floats, Floats]:
        score = (generator.integers(1, 9, size) + generator.integers(1, 10, size) / 10) / 10
        return (generator.random(size) < score - off).astype(np.float64), score

    return people


def brier(off: float) -> float:
    """Mean squared difference of score and label of such people."""
    score = (np.arange(1, 9)[:, None] + np.arange(1, 10) / 10) / 10
    true = score - off
    return float((true * (1 - true) + off**2).mean())


def measured(
    parts: Sequence[tuple[int, float, float, float]], noise: Callable[[np.random.Generator, int], Floats]
) -> Draw:
    """Groups of rows, mean prediction, mean error and scale of error, all in standard deviations of the label."""

    def draw(generator: np.random.Generator) -> Sequence[Table]:
        prediction, label = [], []
        for size, centre, error, scale in parts:
            prediction.append(generator.normal(centre, 1.0, size))
            label.append(prediction[-1] - error - scale * noise(generator, size))
        sizes = [size for size, *_ in parts]
        words = [f"{i:02}" for i in range(len(parts))]
        found = moments_of(
            ["group"],
            [(words, np.repeat(np.arange(len(parts)), sizes))],
            np.concatenate(label),
            np.concatenate(prediction),
        )
        unit, groups = deviation(found), Groups.of(found, (0,))
        grid, every = grid_of(found, unit), grid_of(found, unit, MAX_BINS)
        return [errors(found, groups, unit), distributions(found, groups, grid, every)]

    return draw


def normal(generator: np.random.Generator, size: int) -> Floats:
    return generator.standard_normal(size)


def skewed(generator: np.random.Generator, size: int) -> Floats:
    """Lognormal, of mean 0 and standard deviation 1: most errors small, few large."""
    found = generator.lognormal(0.0, 0.8, size)
    mean = np.exp(0.32)
    return (found - mean) / (mean * np.sqrt(np.exp(0.64) - 1))


def rare(generator: np.random.Generator, size: int) -> Floats:
    """Of mean 0: one in fifty is 10 off, up or down, all others 0.1."""
    found: Floats = np.where(generator.random(size) < 0.02, 10.0, 0.1) * generator.choice([-1, 1], size)
    return found


def clustered(shares: Sequence[Sequence[float]], sizes: Sequence[int], costs: Sequence[float]) -> Draw:
    """Rows of groups by cluster, and exponential distances to the centres with the given means."""
    people = np.array(sizes)

    def draw(generator: np.random.Generator) -> Sequence[Table]:
        cells = np.stack([generator.multinomial(n, p) for n, p in zip(people, shares, strict=True)])
        names = tuple("ABCDEFGH"[: cells.shape[1]])
        distances = [generator.exponential(mean, n) for n, mean in zip(people, costs, strict=True)]
        sums = np.array([[len(each), each.sum(), (each**2).sum()] for each in distances])
        return [
            table(Cells.CLUSTERS, cells, classes=names, outcomes=tuple(range(len(names)))),
            table(Cells.LARGE_CLUSTERS, cells, classes=names),
            table(Cells.COSTS, sums, rows=people, sampler=drawn_costs(sums)),
        ]

    return draw


def recommended(shares: Sequence[Sequence[float]], served: Sequence[float], sizes: Sequence[int]) -> Draw:
    """Users of groups: chances that a place shows an item of each group, and mean nDCG; ten places a list."""
    exposures = 1 / np.log2(np.arange(2, 12))

    def draw(generator: np.random.Generator) -> Sequence[Table]:
        of = np.repeat(np.arange(len(sizes)), sizes)
        kinds = len(shares[0])
        shown = np.stack([generator.choice(kinds, 10, p=shares[g]) for g in of])
        exposure = np.stack([(exposures * (shown == kind)).sum(1) for kind in range(kinds)], axis=1)
        relevance = generator.poisson(1.0, (len(of), kinds)).astype(np.float64)
        mean = np.array(served)[of]
        gain = generator.beta(2 * mean, 2 * (1 - mean))
        both = np.column_stack([exposure, relevance])
        member = np.eye(len(sizes))[of]
        data = Rankings(
            axes=(Axis(name="group", values=tuple(f"{i:02}" for i in range(len(sizes)))),),
            item_groups=Axis(name="maker", values=tuple("ABCDEFGH"[:kinds])),
            k=10,
            codes=np.arange(len(sizes), dtype=np.int32)[:, None],
            users=np.array(sizes),
            gains=member.T @ np.column_stack([np.ones_like(gain), gain, gain**2]),
            exposure=member.T @ exposure,
            products=np.einsum("ug,ui,uj->gij", member, exposure, exposure),
            relevance=relevance.sum(0),
            cross=both.T @ both,
            rows=np.full(kinds, 10 * len(of) // kinds),
            items=np.column_stack([np.repeat(np.arange(kinds), 100), np.arange(100 * kinds)]).astype(
                np.uint64
            ),
            excluded=0,
            unplaced=0,
        )
        return [_users(data, (0,)), _items(data)]

    return draw


def jensen_shannon(one: Sequence[float], other: Sequence[float]) -> float:
    """Distance of two distributions, base 2."""
    p, q = np.array(one), np.array(other)
    middle = (p + q) / 2
    return float(np.sqrt(((p * np.log2(p / middle)).sum() + (q * np.log2(q / middle)).sum()) / 2))


def spread(shares: Sequence[Sequence[float]], sizes: Sequence[int]) -> dict[Metric, float]:
    """What is true of people so spread over clusters."""
    p, n = np.array(shares), np.array(sizes)
    rows = p * n[:, None]
    expected = rows.sum(1, keepdims=True) * rows.sum(0) / rows.sum()
    apart = max(np.abs(one - other).sum() / 2 for one in p for other in p)
    return {
        Metric.CLUSTER_COMPOSITION_DISTANCE: float(apart),
        Metric.CLUSTER_REPRESENTATION_RATIO: float(np.minimum(rows / expected, expected / rows).min()),
        Metric.CLUSTER_BALANCE: float((rows.min(0) / rows.max(0)).min() / (n.min() / n.max())),
    }
