"""The package as a whole: what importing it costs, and what long work tells."""

import subprocess
import sys

import numpy as np
import pandas as pd

from engine.fairness import AnalysisType, BiasColumns, BiasOptions
from engine.fairness.analysis import analyse, count


def test_long_draws_tell_their_progress(tmp_path):
    rows = pd.DataFrame({"a": [f"a{i % 100}" for i in range(9000)], "y": np.arange(9000) % 2})
    rows.assign(p=np.arange(9000) % 7 < 3).to_parquet(tmp_path / "rows.parquet")
    cube = count(tmp_path / "rows.parquet", BiasColumns(label="y", prediction="p", protected=["a"]))
    steps = []
    options = BiasOptions(bootstrap_samples=2500, min_group_size=1)
    analyse(cube, AnalysisType.DEMOGRAPHIC_PARITY, options, steps.append)
    assert any("of 2,500 bootstrap samples for 100 groups of a" in step.message for step in steps)


def test_importing_the_names_loads_no_heavy_library():
    code = "import sys, engine.fairness; print([m for m in ('duckdb', 'scipy', 'sklearn', 'pyarrow') if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )
