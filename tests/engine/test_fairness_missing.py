"""Rows of unknown group in a regression: a group of their own, and what is said where they are furthest off."""

import numpy as np
import pandas as pd
import pytest

from engine.fairness import AnalysisType, BiasColumns, Metric, Quantity
from engine.fairness.analysis import run
from engine.values import ModelType
from tests.fairness import QUICK, finding, of


def with_a_bucket(*, apart):
    """Three groups of 200 rows whose predictions differ: with the rows of unknown group by 3, else by `apart`."""
    steps = np.tile([-1.0, 1.0], 100)
    group = np.repeat(np.array(["F", "M", None], dtype=object), 200)
    shift = np.repeat([0.0, apart, 3.0], 200)
    return pd.DataFrame(
        {"group": group, "label": np.tile(steps, 3) * 5, "prediction": np.tile(steps, 3) + shift}
    )


@pytest.mark.parametrize(("apart", "said"), [(2.0, True), (0.0, False)])
def test_a_gap_to_rows_of_unknown_group_names_that_of_the_known_ones_too(tmp_path, apart, said):
    # the label is -5 or 5 throughout, so its standard deviation is 5; the mean predictions are 0, 2 and 3, or 0, 0 and 3
    with_a_bucket(apart=apart).to_parquet(tmp_path / "rows.parquet")
    columns = BiasColumns(label="label", prediction="prediction", protected=["group"])
    made = run(
        tmp_path / "rows.parquet", columns, AnalysisType.COMPREHENSIVE, QUICK, model=ModelType.REGRESSION
    )
    gap = finding(made, Metric.MEAN_PREDICTION_DIFFERENCE)
    assert gap.value == pytest.approx(3 / 5)
    assert gap.highest == "(missing)"
    known = " Among groups of known group it is 0.4, beyond the limit of 0.1 too: F (0) and M (2)."
    assert gap.description.endswith(known) == said
    assert ("known" in gap.description) == said
    labels = [of(made, name, Quantity.MEAN_LABEL).value for name in ("F", "M", "(missing)")]
    assert labels == pytest.approx([0.0, 0.0, 0.0], abs=1e-12)
