"""Time and peak memory of reading a CSV of 100 MB: ours, with checks, types and profile, beside pandas.

    python benchmarks/ingest.py [rows]

Both run in a process of their own, one after the other, on the same file drawn from a fixed seed.
Peak memory is what Linux reports.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

SEED = 20_240_229
ROWS = 900_000

OURS = """
from pathlib import Path
from engine.tables.ingest import ingest
def work(source, target):
    ingest(Path(source), Path(target))
"""
PANDAS = """
import pandas as pd
def work(source, target):
    pd.read_csv(source).to_parquet(target)
"""
MEASURE = """
import json, re, sys, time
from pathlib import Path
start = time.perf_counter()
work(*sys.argv[1:])
took = time.perf_counter() - start
# not ru_maxrss, which starts at the size of the parent
peak = int(re.search("VmHWM: *(.*) kB", Path("/proc/self/status").read_text().replace("\\t", " "))[1]) / 1024
print(json.dumps({"seconds": took, "cpu": time.process_time(), "peak": peak}))
"""


def write(path: Path, rows: int) -> None:
    """A lending table of mixed types: codes, dates, gaps, quoted text with delimiters."""
    draw = np.random.default_rng(SEED)
    start = pd.Timestamp("2020-01-01")
    frame = pd.DataFrame(
        {
            "applicant_id": np.arange(rows),
            "zip": [f"{code:05d}" for code in draw.integers(0, 99_999, rows)],
            "age": draw.integers(18, 90, rows),
            "income": np.where(draw.random(rows) < 0.05, np.nan, draw.lognormal(10, 1, rows).round(2)),
            "sex": draw.choice(["female", "male"], rows),
            "race": draw.choice(["White", "Black", "Asian", "Other, mixed"], rows),
            "applied": (start + pd.to_timedelta(draw.integers(0, 1500, rows), unit="D")).strftime("%Y-%m-%d"),
            "decided_at": start + pd.to_timedelta(draw.integers(0, 10**8, rows), unit="s"),
            "note": draw.choice(
                ["ok", 'said "no", twice', "late payments and other remarks of the clerk"], rows
            ),
            "score": draw.random(rows),
            "approved": draw.random(rows) < 0.5,
        }
    )
    frame.to_csv(path, index=False)


def measure(name: str, work: str, source: Path, target: Path) -> None:
    """Run one reader in a fresh process and print what it took."""
    done = subprocess.run(  # noqa: S603  our own two programs above
        [sys.executable, "-c", work + MEASURE, str(source), str(target)],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    took = json.loads(done.stdout)
    print(
        f"{name:28} {took['seconds']:6.2f} s   {took['cpu']:6.2f} s of CPU   peak {took['peak']:5.0f} MiB"
        f"   Parquet {target.stat().st_size / 1e6:5.1f} MB"
    )


def main() -> None:
    """Generate, run both, and tell."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "loans.csv")
        write(source, rows)
        print(f"{rows:,} rows, {source.stat().st_size / 1e6:.0f} MB of CSV, seed {SEED}")
        measure("ours, checked and profiled", OURS, source, Path(folder, "ours.parquet"))
        measure("pandas, neither", PANDAS, source, Path(folder, "pandas.parquet"))


if __name__ == "__main__":
    main()
