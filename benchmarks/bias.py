"""What a bias analysis costs beside its peers: CPU seconds and memory, all in one run on the same generated rows.

Run: `.venv/bin/python -m benchmarks.bias [--rows 1000000] [--large] [--peers PYTHON]`.

Each contender runs in a process of its own and first once on a few rows, so that what libraries import when they
are first used is not counted; then its CPU and its peak of memory over what it had before are taken. Peers that are
not in this environment (Aequitas, AIF360) run with the Python given by `--peers`, made by
`python -m venv peers && peers/bin/pip install aequitas aif360 pandas pyarrow`. What would take hours is measured on
few draws and extrapolated linearly; the table says so. `--large` adds 10 and 100 million rows. Memory is read from
/proc, so on Linux.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

DRAWS = 1000
AT_ONCE = 1_000_000
PROTECTED = ("race", "sex", "age")

FEATURES = 10

READ = (
    "import pyarrow.parquet as pq\npq.read_table(path, columns=['race', 'sex', 'age', 'label', 'prediction'])"
)
OURS = """
from pathlib import Path
from engine.fairness import AnalysisType, BiasColumns, BiasOptions, Metric
from engine.fairness.analysis import run
columns = BiasColumns(label='label', prediction='prediction', protected=['race', 'sex', 'age'])
run(Path(path), columns, AnalysisType.COMPREHENSIVE, BiasOptions(metrics=[{metrics}]))
"""
FOUR = OURS.format(
    metrics="Metric.DEMOGRAPHIC_PARITY_DIFFERENCE, Metric.EQUAL_OPPORTUNITY_DIFFERENCE,"
    " Metric.FALSE_POSITIVE_RATE_DIFFERENCE, Metric.ACCURACY_DIFFERENCE"
)
ALIKE = """
from pathlib import Path
from engine.fairness import AnalysisType, BiasColumns, BiasOptions, Metric
from engine.fairness.analysis import run
columns = BiasColumns(prediction='prediction', protected=['sex'], features=[f'x{i}' for i in range(10)])
found = run(Path(path), columns, AnalysisType.INDIVIDUAL_FAIRNESS, BiasOptions(metrics=[Metric.CONSISTENCY]))
value = found.overall_findings[0].value, found.overall_findings[0].interval
"""
ALIKE_AIF360 = """
import pandas as pd
from aif360.datasets import BinaryLabelDataset
from aif360.metrics import BinaryLabelDatasetMetric
names = [f'x{i}' for i in range(10)]
d = pd.read_parquet(path, columns=[*names, 'prediction'])
d['g'] = 1
data = BinaryLabelDataset(df=d, label_names=['prediction'], protected_attribute_names=['g'])
value = BinaryLabelDatasetMetric(data).consistency()
"""
NUMPY_ROWS = """
import numpy as np, pandas as pd
d = pd.read_parquet(path)
group = d.groupby(['race', 'sex', 'age'], observed=True).ngroup().to_numpy()
cell = (group * 2 + d.label.to_numpy()) * 2 + d.prediction.to_numpy()
draw = np.random.default_rng(0)
for _ in range(draws):
    t = np.bincount(cell[draw.integers(0, cell.size, cell.size)], minlength=(group.max() + 1) * 4).reshape(-1, 2, 2)
    with np.errstate(all='ignore'):
        t[:, :, 1].sum(1) / t.sum((1, 2)), t[:, 1, 1] / t[:, 1].sum(1), t[:, 0, 1] / t[:, 0].sum(1)
"""
FAIRLEARN = """
import pandas as pd
from fairlearn.metrics import MetricFrame, selection_rate, true_positive_rate, false_positive_rate
from sklearn.metrics import accuracy_score
d = pd.read_parquet(path)
metrics = {'s': selection_rate, 't': true_positive_rate, 'f': false_positive_rate, 'a': accuracy_score}
more = {'n_boot': draws, 'ci_quantiles': [0.025, 0.975], 'random_state': 0} if draws else {}
frame = MetricFrame(metrics=metrics, y_true=d.label, y_pred=d.prediction,
    sensitive_features=d[['race', 'sex', 'age']], **more)
frame.difference(), frame.ratio()
"""
AEQUITAS = """
import pandas as pd
from aequitas.group import Group
from aequitas.bias import Bias
d = pd.read_parquet(path, columns=['race', 'sex', 'age', 'label', 'prediction'])
d = d.rename(columns={'label': 'label_value', 'prediction': 'score'})
for name in ('race', 'sex', 'age'):
    d[name] = d[name].astype(str)
table, _ = Group().get_crosstabs(d[['score', 'label_value', 'race', 'sex', 'age']], attr_cols=['race', 'sex', 'age'])
Bias().get_disparity_major_group(table, original_df=d, mask_significance=False)
"""
AIF360 = """
import pandas as pd
from aif360.datasets import BinaryLabelDataset
from aif360.metrics import ClassificationMetric
d = pd.read_parquet(path)
d['g'] = (d.race == 'a').astype(int)
true = BinaryLabelDataset(df=d[['g', 'label']], label_names=['label'], protected_attribute_names=['g'])
said = true.copy(); said.labels = d[['prediction']].to_numpy(float)
m = ClassificationMetric(true, said, unprivileged_groups=[{'g': 0}], privileged_groups=[{'g': 1}])
m.statistical_parity_difference(), m.disparate_impact(), m.equal_opportunity_difference(), m.average_odds_difference()
"""
MEASURED = """
import json, time, warnings
warnings.simplefilter('ignore')
draws = {draws}
{imports}
def memory(name):
    lines = open('/proc/self/status').read().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))
def work(path, value=None):
{code}
    return value
work({few!r})
open('/proc/self/clear_refs', 'w').write('5')  # the peak is counted from here on, not from what importing took
before, cpu, wall = memory('VmRSS'), time.process_time(), time.perf_counter()
value = work({path!r})
print(str(value).replace(chr(10), ' '))
print(json.dumps([time.process_time() - cpu, time.perf_counter() - wall, memory('VmHWM') - before]))
"""


@dataclass(frozen=True, kw_only=True)
class Contender:
    """Something to measure: its code, its draws, and how far these are extrapolated."""

    name: str
    code: str
    draws: int = 0
    times: float = 1.0
    python: str = sys.executable


def generate(path: Path, rows: int, features: int = 0) -> None:
    """Seeded rows with groups of 5 x 2 x 4, in parts so that any number fits in memory."""
    draw = np.random.default_rng(1)
    names = [np.array(list("abcde")), np.array(["f", "m"]), np.array(["-25", "26-40", "41-60", "61-"])]
    schema = pa.schema(
        [(name, pa.string()) for name in PROTECTED]
        + [("label", pa.int8()), ("prediction", pa.int8()), ("score", pa.float32())]
        + [(f"x{i}", pa.float32()) for i in range(features)]
    )
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, AT_ONCE):
            n = min(AT_ONCE, rows - start)
            codes = [draw.choice(len(each), n, p=_shares(len(each))) for each in names]
            label = draw.random(n) < 0.45 - 0.04 * codes[0]
            score = np.clip(0.25 + 0.35 * label - 0.02 * codes[0] + 0.2 * draw.normal(size=n), 0, 1)
            columns = [pa.array(each).take(pa.array(code)) for code, each in zip(codes, names, strict=True)]
            columns += [pa.array(label.astype(np.int8)), pa.array((score > 0.5).astype(np.int8))]
            columns += [pa.array(score.astype(np.float32))]
            columns += [
                pa.array((draw.normal(size=n) + (score if i < 3 else 0)).astype(np.float32))
                for i in range(features)
            ]
            writer.write_table(pa.table(columns, schema=schema))


def _shares(count: int) -> np.ndarray:
    weights = 0.6 ** np.arange(count)
    return weights / weights.sum()


def measure(contender: Contender, path: Path) -> tuple[float, float, float, str]:
    """CPU seconds, wall seconds and MiB over imports, extrapolated to all draws; and what came out."""
    imports = "\n".join(line for line in contender.code.splitlines() if line.startswith(("import ", "from ")))
    code = "\n".join(
        f"    {line}" for line in contender.code.splitlines() if line not in imports.splitlines()
    )
    few = path.with_name("few.parquet")
    pq.write_table(pq.ParquetFile(path).read_row_group(0).slice(0, 1000), few)
    script = MEASURED.format(path=str(path), few=str(few), draws=contender.draws, imports=imports, code=code)
    done = subprocess.run(  # noqa: S603
        [contender.python, "-c", script], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{contender.name}: {done.stderr[-2000:]}")
    value, figures = done.stdout.splitlines()[-2:]
    cpu, wall, memory = json.loads(figures)
    return cpu * contender.times, wall * contender.times, memory, value


def contenders(rows: int, peers: str | None) -> list[Contender]:
    """Who runs: what takes hours only with few draws."""
    few = max(1, min(50, 2_000_000 // rows))
    found = [
        Contender(name="only reading the five columns (pyarrow)", code=READ),
        Contender(name="FairMind: four metrics, 1,000 draws", code=FOUR),
        Contender(name="FairMind: all 17 metrics, 1,000 draws", code=OURS.format(metrics="")),
        Contender(name="numpy row bootstrap, three rates", code=NUMPY_ROWS, draws=few, times=DRAWS / few),
        Contender(name="fairlearn MetricFrame, point values only", code=FAIRLEARN),
    ]
    if rows <= 1_000_000:
        found.append(
            Contender(name="fairlearn MetricFrame, bootstrap", code=FAIRLEARN, draws=2, times=DRAWS / 2)
        )
    if peers:
        found.append(Contender(name="Aequitas, point values only", code=AEQUITAS, python=peers))
        found.append(Contender(name="AIF360, one attribute, point values only", code=AIF360, python=peers))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument(
        "--large", action="store_true", help="also 10 and 100 million rows, ours and reading only"
    )
    parser.add_argument("--peers", help="a Python that has aequitas and aif360")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        generate(path, asked.rows)
        print(f"{asked.rows:,} rows, protected attributes 5 x 2 x 4, all intersections")
        show(contenders(asked.rows, asked.peers), path)
        for rows in (10_000_000, 100_000_000) if asked.large else ():
            generate(path, rows)
            print(f"\n{rows:,} rows")
            show(contenders(rows, None)[:3], path)
        ours = Contender(name="FairMind: consistency with its interval", code=ALIKE)
        theirs = Contender(
            name="AIF360: consistency", code=ALIKE_AIF360, python=asked.peers or sys.executable
        )
        for rows, each in ((100_000, [theirs] if asked.peers else []), (1_000_000, [])):
            generate(path, rows, FEATURES)
            print(f"\nConsistency, {rows:,} rows, {FEATURES} features")
            show([ours, *each], path, base=0)


def show(each: list[Contender], path: Path, base: int = 1) -> None:
    """A table of what was measured, with the ratio to one of them; what came out stands below it."""
    found = {contender.name: measure(contender, path) for contender in each}
    ours = found[each[base].name][0]
    print(f"| | CPU s | wall s | MiB over imports | CPU, {each[base].name} = 1 |\n|---|---|---|---|---|")
    for contender in each:
        cpu, wall, memory, _ = found[contender.name]
        far = f" (from {contender.draws} draws)" if contender.times > 1 else ""
        print(f"| {contender.name}{far} | {cpu:.3f} | {wall:.3f} | {memory:.0f} | {cpu / ours:,.2f} |")
    for name, (*_, value) in found.items():
        if value != "None":
            print(f"{name}: {value}")


if __name__ == "__main__":
    main()
