"""How often our intervals of a gap hold the true one, beside the percentile bootstrap that fairlearn uses.

Run: `.venv/bin/python benchmarks/coverage.py [--runs 1000]`. Counts are drawn from known rates, judged by the engine
as an analysis judges them, and compared with the truth. The standard error of a coverage of 0.95 over 1,000 runs
is 0.007.
"""

import argparse
from collections.abc import Iterator

import numpy as np

from engine.fairness.judging import judge
from engine.fairness.metrics import Metric
from engine.fairness.options import BiasOptions
from engine.fairness.quantity import Cells
from engine.fairness.tables import Table

SCENES = {
    "equal, 3 groups of 100": ([0.5] * 3, [100] * 3),
    "equal, 5 groups of 400 to 5,200": ([0.3] * 5, [5200, 2000, 1500, 900, 400]),
    "equal, 40 groups of 30 to 600": ([0.3] * 40, [30, 60, 100, 150, 200, 300, 400, 600] * 5),
    "equal and rare (0.05), 3 groups of 300": ([0.05] * 3, [300] * 3),
    "a gap of 0.10, 3 groups of 300": ([0.5, 0.45, 0.4], [300] * 3),
    "a gap of 0.25, 5 groups of 400 to 5,200": ([0.5, 0.4, 0.35, 0.3, 0.25], [5200, 2000, 1500, 900, 400]),
}
METRICS = (
    Metric.DEMOGRAPHIC_PARITY_DIFFERENCE,
    Metric.DEMOGRAPHIC_PARITY_RATIO,
    Metric.EQUALIZED_ODDS_DIFFERENCE,
)


def truth(rates: np.ndarray) -> dict[Metric, float]:
    """The gaps where labels are even and true and false positive rates are the same rates."""
    gap = float(rates.max() - rates.min())
    return {METRICS[0]: gap, METRICS[1]: float(rates.min() / rates.max()), METRICS[2]: gap}


def tables(rates: np.ndarray, sizes: np.ndarray, runs: int) -> Iterator[Table]:
    """Tables of label by prediction, drawn from the rates."""
    draw = np.random.default_rng(5)
    for _ in range(runs):
        labels = draw.binomial(sizes, 0.5)
        cells = np.zeros((sizes.size, 3, 2), dtype=np.int64)
        for label, n in enumerate((sizes - labels, labels)):
            cells[:, label, 1] = draw.binomial(n, rates)
            cells[:, label, 0] = n - cells[:, label, 1]
        names = tuple(f"{i:02}" for i in range(sizes.size))
        yield Table(
            kind=Cells.OUTCOMES,
            attributes=("group",),
            groups=tuple((name,) for name in names),
            names=names,
            rows=cells.sum((1, 2)),
            cells=cells,
            classes=("no", "yes"),
        )


def percentile(table: Table, seed: int, samples: int) -> tuple[float, float]:
    """The percentile bootstrap interval of highest minus lowest selection rate."""
    k, n = table.cells[..., 1].sum(-1), table.rows
    drawn = np.random.default_rng(seed).binomial(n, k / n, size=(samples, n.size)) / n
    low, high = np.quantile(drawn.max(1) - drawn.min(1), [0.025, 0.975])
    return float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--samples", type=int, default=500)
    asked = parser.parse_args()
    print("| true rates | difference | ratio | equalized odds | percentile bootstrap of the difference |")
    print("|---|---|---|---|---|")
    for scene, (rates, sizes) in SCENES.items():
        true = truth(np.array(rates))
        held = dict.fromkeys((*METRICS, "percentile"), 0)
        for seed, table in enumerate(tables(np.array(rates), np.array(sizes), asked.runs)):
            options = BiasOptions(bootstrap_samples=asked.samples, seed=seed, min_group_size=1)
            for finding, _ in judge(table, METRICS, options, lambda _: None):
                interval = finding.interval
                if interval is not None:
                    found = true[finding.metric]
                    held[finding.metric] += interval.low - 1e-12 <= found <= interval.high + 1e-12
            low, high = percentile(table, seed, asked.samples)
            held["percentile"] += low <= true[METRICS[0]] <= high
        shares = " | ".join(f"{count / asked.runs:.3f}" for count in held.values())
        print(f"| {scene} | {shares} |", flush=True)


if __name__ == "__main__":
    main()
