"""People drawn from distributions that are known, group by group, with the gaps that are true of them.

To add a scene: a row in `scenes` with a function that draws its tables, and the true value of each metric to be checked.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from engine.fairness.clustering import _sampler as drawn_costs
from engine.fairness.cube import Axis
from engine.fairness.distributions import distributions, grid_of
from engine.fairness.metrics import Metric
from engine.fairness.moments import moments_of
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

UNEVEN = (2400, 800, 300)
UNEVEN_FIVE = (5200, 2000, 1500, 900, 400)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Some groups of people, of whom samples are drawn."""

    family: str
    name: str
    draw: Draw
    """From a generator to the tables of one sample."""
    truth: Mapping[Metric, float]
    """Of all people, per metric."""


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
        return [errors(found, groups, unit), distributions(found, groups, grid_of(found, unit))]

    return draw


def normal(generator: np.random.Generator, size: int) -> Floats:
    return generator.standard_normal(size)


def skewed(generator: np.random.Generator, size: int) -> Floats:
    """Lognormal, of mean 0 and standard deviation 1: most errors small, few large."""
    found = generator.lognormal(0.0, 0.8, size)
    mean = np.exp(0.32)
    return (found - mean) / (mean * np.sqrt(np.exp(0.64) - 1))


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


DECIDED = (
    ("equal, 3 of 100", [0.5] * 3, [100] * 3),
    ("equal, 5 of 400 to 5,200", [0.3] * 5, UNEVEN_FIVE),
    ("equal, 40 of 30 to 600", [0.3] * 40, [30, 60, 100, 150, 200, 300, 400, 600] * 5),
    ("equal and rare (0.05), 3 of 300", [0.05] * 3, [300] * 3),
    ("a gap of 0.10, 3 of 300", [0.5, 0.45, 0.4], [300] * 3),
    ("a gap of 0.25, 5 of 400 to 5,200", [0.5, 0.4, 0.35, 0.3, 0.25], UNEVEN_FIVE),
)
ALIKE_IN_ERRORS = {
    Metric.MEAN_ERROR_DIFFERENCE: 0.0,
    Metric.MEAN_ABSOLUTE_ERROR_DIFFERENCE: 0.0,
    Metric.MEAN_ABSOLUTE_ERROR_RATIO: 1.0,
    Metric.ROOT_MEAN_SQUARED_ERROR_RATIO: 1.0,
    Metric.R2_DIFFERENCE: 0.0,
    Metric.KOLMOGOROV_SMIRNOV_DISTANCE: 0.0,
    Metric.WASSERSTEIN_DISTANCE: 0.0,
}
ALIKE_IN_SCORES = {
    Metric.AUC_DIFFERENCE: 0.0,
    Metric.ABROCA: 0.0,
    Metric.CALIBRATION_DIFFERENCE: 0.0,
    Metric.BRIER_SCORE_DIFFERENCE: 0.0,
}
ALIKE_IN_LISTS = {
    Metric.NDCG_DIFFERENCE: 0.0,
    Metric.EXPOSURE_PARITY_RATIO: 1.0,
    Metric.EXPOSURE_TO_RELEVANCE_RATIO: 1.0,
    Metric.ITEM_DISTRIBUTION_DISTANCE: 0.0,
}
FEW, SOME, THIRDS = (60, 60, 60), (300, 300, 300), (1 / 3, 1 / 3, 1 / 3)
QUARTERS, TILTED = (0.4, 0.3, 0.2, 0.1), (0.25, 0.3, 0.25, 0.2)
ABROCA_GAP = area(1.5) - area(0.8)  # binormal curves of equal spread do not cross


def scenes() -> tuple[Scene, ...]:
    """All of them: small groups, larger ones, uneven ones, and true gaps."""
    found = [
        Scene(family="decisions", name=name, draw=decided(rates, sizes), truth=gaps(rates))
        for name, rates, sizes in DECIDED
    ]
    for name, sizes in (
        ("equal, 3 of 60", FEW),
        ("equal, 3 of 300", SOME),
        ("equal, 3 of 300 to 2,400", UNEVEN),
    ):
        found += [
            Scene(
                family="scores",
                name=name,
                draw=scored([(size, ordered_by(1.0)) for size in sizes]),
                truth=ALIKE_IN_SCORES,
            ),
            Scene(
                family="scores that keep their promise",
                name=name,
                draw=scored([(size, promised(0.0)) for size in sizes]),
                truth=ALIKE_IN_SCORES,
            ),
            Scene(
                family="regression",
                name=name,
                draw=measured([(size, 0.0, 0.0, 1.0) for size in sizes], normal),
                truth=ALIKE_IN_ERRORS,
            ),
            Scene(
                family="regression, skewed errors",
                name=name,
                draw=measured([(size, 0.0, 0.0, 1.0) for size in sizes], skewed),
                truth=ALIKE_IN_ERRORS,
            ),
            Scene(
                family="clustering",
                name=name,
                draw=clustered([QUARTERS] * len(sizes), sizes, [1.0] * len(sizes)),
                truth={**spread([QUARTERS] * len(sizes), sizes), Metric.SOCIAL_COST_RATIO: 1.0},
            ),
            Scene(
                family="recommendation",
                name=name,
                draw=recommended([THIRDS] * len(sizes), [0.6] * len(sizes), sizes),
                truth=ALIKE_IN_LISTS,
            ),
        ]
    for name, sizes in (("apart, 3 of 60", FEW), ("apart, 3 of 300", SOME)):
        found += [
            Scene(
                family="scores",
                name=name,
                draw=scored([(n, ordered_by(s)) for n, s in zip(sizes, (1.5, 1.1, 0.8), strict=True)]),
                truth={Metric.AUC_DIFFERENCE: ABROCA_GAP, Metric.ABROCA: ABROCA_GAP},
            ),
            Scene(
                family="scores that keep their promise",
                name=name,
                draw=scored([(n, promised(s)) for n, s in zip(sizes, (0.1, 0.05, 0.0), strict=True)]),
                truth={
                    Metric.CALIBRATION_DIFFERENCE: 0.1,
                    Metric.BRIER_SCORE_DIFFERENCE: max(map(brier, (0.1, 0.05, 0.0)))
                    - min(map(brier, (0.1, 0.05, 0.0))),
                },
            ),
            Scene(
                family="regression",
                name=name,
                draw=measured([(n, c, c, 1.0) for n, c in zip(sizes, (0.0, 0.1, 0.2), strict=True)], normal),
                truth={
                    Metric.MEAN_ERROR_DIFFERENCE: 0.2 / np.sqrt(2),
                    Metric.KOLMOGOROV_SMIRNOV_DISTANCE: float(2 * norm.cdf(0.1) - 1),
                    Metric.WASSERSTEIN_DISTANCE: 0.2 / np.sqrt(2),
                },
            ),
            Scene(
                family="regression, skewed errors",
                name=name,
                draw=measured(
                    [(n, 0.0, 0.0, s) for n, s in zip(sizes, (1.0, 0.9, 0.7), strict=True)], skewed
                ),
                truth={
                    Metric.MEAN_ERROR_DIFFERENCE: 0.0,
                    Metric.MEAN_ABSOLUTE_ERROR_RATIO: 0.7,
                    Metric.ROOT_MEAN_SQUARED_ERROR_RATIO: 0.7,
                },
            ),
            Scene(
                family="clustering",
                name=name,
                draw=clustered([QUARTERS, QUARTERS, TILTED], sizes, (1.0, 0.9, 0.7)),
                truth={**spread([QUARTERS, QUARTERS, TILTED], sizes), Metric.SOCIAL_COST_RATIO: 0.7},
            ),
            Scene(
                family="recommendation",
                name=name,
                draw=recommended(
                    [(0.4, 0.35, 0.25), (0.4, 0.35, 0.25), (0.3, 0.35, 0.35)], (0.65, 0.6, 0.5), sizes
                ),
                truth={
                    Metric.NDCG_DIFFERENCE: 0.15,
                    Metric.EXPOSURE_PARITY_RATIO: (0.25 + 0.25 + 0.35) / (0.4 + 0.4 + 0.3),
                    Metric.EXPOSURE_TO_RELEVANCE_RATIO: (0.25 + 0.25 + 0.35) / (0.4 + 0.4 + 0.3),
                    Metric.ITEM_DISTRIBUTION_DISTANCE: jensen_shannon((0.4, 0.35, 0.25), (0.3, 0.35, 0.35)),
                },
            ),
        ]
    found.append(
        Scene(
            family="scores that keep their promise",
            name="apart, 300 and 5,000",
            draw=scored([(300, promised(0.0)), (5000, promised(0.08))]),
            truth={
                Metric.CALIBRATION_DIFFERENCE: 0.08,
                Metric.BRIER_SCORE_DIFFERENCE: brier(0.0) - brier(0.08),
            },
        )
    )
    for name, confusion in (
        ("perfect", (0.5, 0.0, 0.0, 0.5)),
        ("1 % wrong", (0.5, 0.005, 0.005, 0.49)),
        ("30 % wrong", (0.4, 0.1, 0.2, 0.3)),
    ):
        for size in (100, 1000):
            found.append(
                Scene(
                    family="entropy",
                    name=f"{name}, {size:,} rows",
                    draw=predicted(confusion, size),
                    truth=entropies(confusion),
                )
            )
    return tuple(found)
