"""People drawn from distributions that are known, group by group, with the gaps that are true of them.

To add a scene: a row in `scenes` with a function of `benchmarks/people.py` that draws its tables, and the true value of each
metric to be checked.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from benchmarks.people import (
    Draw,
    area,
    brier,
    clustered,
    decided,
    entropies,
    gaps,
    jensen_shannon,
    measured,
    normal,
    ordered_by,
    predicted,
    promised,
    rare,
    recommended,
    scored,
    skewed,
    spread,
)
from engine.fairness.metrics import Metric

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


DECIDED = (
    ("equal, 3 of 100", [0.5] * 3, [100] * 3),
    ("equal, 5 of 400 to 5,200", [0.3] * 5, UNEVEN_FIVE),
    ("equal, 40 of 30 to 600", [0.3] * 40, [30, 60, 100, 150, 200, 300, 400, 600] * 5),
    ("equal and rare (0.05), 3 of 300", [0.05] * 3, [300] * 3),
    ("equal and rare (0.03), 40 and 1,000", [0.03] * 2, [40, 1000]),
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
            family="regression, rare errors",
            name="equal, 40 and 1,000",
            draw=measured([(size, 0.0, 0.0, 1.0) for size in (40, 1000)], rare),
            truth=ALIKE_IN_ERRORS,
        )
    )
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
