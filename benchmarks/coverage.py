"""How often our intervals hold what is true, for each kind of metric; and how often p-values raise a false alarm.

Run: `.venv/bin/python -m benchmarks.coverage [--runs 500] [--family regression]`. Samples are drawn from the scenes of
`benchmarks/scenes.py`, judged by the engine as an analysis judges them, and compared with the truth. The standard
error of a coverage of 0.95 over 500 runs is 0.010.
"""

import argparse
import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.scenes import Scene, scenes
from engine.fairness.attributes import on
from engine.fairness.intervals import katz, newcombe, wilson
from engine.fairness.judging import judge
from engine.fairness.likeness import likeness
from engine.fairness.metrics import METRICS, Metric
from engine.fairness.options import BiasColumns, BiasOptions

ALARM = 0.05
"""Where there is no gap, so many p-values are this small or smaller."""


def held(
    scene: Scene, runs: int, samples: int, again: int = 0, fewest: int = 1
) -> Mapping[Metric, tuple[float, float]]:
    """Per metric the shares of runs in which the interval holds the truth, and in which the p-value is an alarm.

    `again` draws other samples than 0 does; `fewest` is the smallest group that is judged.
    """
    generator = np.random.default_rng(
        [*f"{scene.family}, {scene.name}".encode(), *([again] if again else [])]
    )
    kept, alarms = dict.fromkeys(scene.truth, 0), dict.fromkeys(scene.truth, 0)
    for seed in range(runs):
        options = BiasOptions(bootstrap_samples=samples, seed=seed, min_group_size=fewest)
        for table in scene.draw(generator):
            for finding, _ in judge(table, on(table, list(scene.truth)), options, lambda _: None):
                if finding.interval is None:
                    continue
                low, high = finding.interval.low, finding.interval.high
                kept[finding.metric] += low - 1e-9 <= scene.truth[finding.metric] <= high + 1e-9
                alarms[finding.metric] += finding.p_value is not None and finding.p_value <= ALARM
    return {metric: (kept[metric] / runs, alarms[metric] / runs) for metric in scene.truth}


def percentile(scene: Scene, runs: int, samples: int) -> float:
    """The same of the percentile bootstrap of highest minus lowest selection rate, as fairlearn has it."""
    generator, kept = np.random.default_rng(5), 0
    for seed in range(runs):
        (table,) = scene.draw(generator)
        k, n = table.cells[..., 1].sum(-1), table.rows
        drawn = np.random.default_rng(seed).binomial(n, k / n, size=(samples, n.size)) / n
        low, high = np.quantile(drawn.max(1) - drawn.min(1), [0.025, 0.975])
        kept += low <= scene.truth[Metric.DEMOGRAPHIC_PARITY_DIFFERENCE] <= high
    return kept / runs


def of_pairs(runs: int) -> None:
    """Newcombe's and Katz's intervals of two shares."""
    print(
        "\n| two groups, true shares | Newcombe's difference | Katz's ratio | runs without a ratio |\n|---|---|---|---|"
    )
    generator = np.random.default_rng(5)
    for n, m, p, q in ((60, 60, 0.3, 0.3), (60, 60, 0.05, 0.05), (300, 60, 0.5, 0.4), (300, 300, 0.1, 0.05)):
        difference, ratio, without = 0, 0, 0
        for _ in range(10 * runs):
            k, h = int(generator.binomial(n, p)), int(generator.binomial(m, q))
            low, high = newcombe((k / n, *wilson(k, n, 0.95)), (h / m, *wilson(h, m, 0.95)))
            difference += low <= p - q <= high
            of = katz((k, n), (h, m), 0.95)
            without += of is None
            ratio += of is not None and of[0] <= p / q <= of[1]
        some = 10 * runs - without
        said = f"{difference / (10 * runs):.3f} | {ratio / some:.3f} | {without / (10 * runs):.3f}"
        print(f"| {p:g} of {n}, {q:g} of {m} | {said} |", flush=True)


def of_neighbours(runs: int) -> None:
    """Consistency, whose truth is its mean over many samples of the size: neighbours are nearer in larger ones."""
    print("\n| similar rows | consistency | violations |\n|---|---|---|")
    generator = np.random.default_rng(5)
    columns = BiasColumns(protected=["g"], prediction="p", features=["x", "y"])
    for rows in (100, 400):
        found = []
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(runs):
                x, y = generator.normal(size=(2, rows))
                chosen = generator.random(rows) < 1 / (1 + np.exp(-3 * x))
                decided = np.where(chosen, "1", "0")
                path = Path(folder) / "rows.parquet"
                pq.write_table(pa.table({"g": ["a"] * rows, "x": x, "y": y, "p": decided}), path)
                measured = likeness(path, columns, {"0": 0, "1": 1}, BiasOptions())
                found.append([measured.consistency, measured.violations])
        shares = []
        for means in zip(*found, strict=True):
            true = np.mean([mean.value for mean in means if mean is not None])
            ends = [mean.interval(0.95) for mean in means if mean is not None]
            shares.append(np.mean([each.low <= true <= each.high for each in ends]))
        print(f"| {rows} rows, 2 features | {shares[0]:.3f} | {shares[1]:.3f} |", flush=True)


def _only(scene: Scene, metrics: Sequence[Metric] | None) -> Scene:
    """A scene with the truth of some metrics alone, so that no others are judged."""
    return (
        scene if not metrics else replace(scene, truth={m: t for m, t in scene.truth.items() if m in metrics})
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument(
        "--again", type=int, default=0, help="other samples than those of the table: 1, 2 ..."
    )
    parser.add_argument("--family", help="only the scenes of this family")
    parser.add_argument("--scene", default="", help="only the scenes with this in their name")
    parser.add_argument("--metrics", nargs="+", type=Metric, help="only these, which costs less")
    parser.add_argument("--fewest", type=int, default=1, help="rows of the smallest group that is judged")
    asked = parser.parse_args()
    ordered = sorted(
        (
            scene
            for each in scenes()
            if asked.scene in each.name and (scene := _only(each, asked.metrics)).truth
        ),
        key=lambda scene: scene.family,
    )
    for family, some in groupby(ordered, key=lambda scene: scene.family):
        if asked.family not in (None, family):
            continue
        each = list(some)
        metrics = list(dict.fromkeys(metric for scene in each for metric in scene.truth))
        more = ["percentile bootstrap"] if family == "decisions" and not asked.metrics else []
        print(f"\n| {family} | {' | '.join([metric.replace('_', ' ') for metric in metrics] + more)} |")
        print("|---" * (1 + len(metrics) + len(more)) + "|")
        for scene in each:
            shares = held(scene, asked.runs, asked.samples, asked.again, asked.fewest)
            shown = []
            for metric in metrics:
                if metric not in scene.truth:
                    shown.append("")
                    continue
                kept, alarms = shares[metric]
                fair = math.isclose(scene.truth[metric], METRICS[metric].fair, abs_tol=1e-12)
                tested = fair and family != "entropy"
                shown.append(f"{kept:.3f} ({alarms:.3f})" if tested else f"{kept:.3f}")
            if more:
                shown.append(f"{percentile(scene, asked.runs, asked.samples):.3f}")
            print(f"| {scene.name} | {' | '.join(shown)} |", flush=True)
    chosen = asked.family or asked.scene or asked.metrics
    if chosen in (None, "", "pairs"):
        of_pairs(asked.runs)
    if chosen in (None, "", "neighbours"):
        of_neighbours(asked.runs)


if __name__ == "__main__":
    main()
