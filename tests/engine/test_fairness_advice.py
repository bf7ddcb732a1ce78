"""What is advised where nothing can be simulated."""

import numpy as np
import pandas as pd

from engine.fairness import AnalysisType, BiasColumns, BiasOptions, Verdict
from engine.fairness.analysis import run
from engine.values import ModelType

QUICK = BiasOptions(bootstrap_samples=200)


def clustered(tmp_path, clusters):
    path = tmp_path / "rows.parquet"
    groups = np.repeat(["a", "b"], len(clusters) // 2)
    pd.DataFrame({"group": groups, "cluster": clusters}).to_parquet(path)
    columns = BiasColumns(prediction="cluster", protected=["group"])
    return run(path, columns, AnalysisType.COMPREHENSIVE, QUICK, model=ModelType.CLUSTERING)


def test_a_gap_that_no_rule_mends_is_to_be_looked_into_with_the_groups_that_drive_it(tmp_path):
    report = clustered(tmp_path, ["x"] * 450 + ["y"] * 50 + ["x"] * 50 + ["y"] * 450)
    assert report.verdict is Verdict.FAIL
    (advice,) = report.recommendations
    assert advice.title.startswith("Find out why group differs in cluster")
    assert advice.attribute == "group"
    assert " a " in advice.text and " b," in advice.text
    assert "nothing could be simulated" in advice.text
    assert advice.effects == ()


def test_a_gap_within_its_limit_asks_for_the_rows_that_would_settle_it(tmp_path):
    report = clustered(tmp_path, ["x"] * 31 + ["y"] * 29 + ["x"] * 29 + ["y"] * 31)
    assert report.verdict is Verdict.WARNING
    (advice,) = report.recommendations
    assert advice.title == "Gather more rows to settle group"
    needed = {f.rows_needed for f in report.attributes[0].findings if f.rows_needed}
    assert not needed or any(f"{each:,} rows in each group" in advice.text for each in needed)


def test_what_passes_needs_no_advice(tmp_path):
    report = clustered(tmp_path, ["x", "y"] * 10_000)
    assert report.verdict is Verdict.PASS
    assert report.recommendations == ()
