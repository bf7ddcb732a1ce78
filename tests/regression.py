"""Regression in tests: a table written and judged, and moments of rows."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine.fairness import (
    AnalysisType,
    BiasColumns,
    BiasOptions,
)
from engine.fairness.analysis import run
from engine.fairness.distributions import distributions, grid_of
from engine.fairness.moments import moments_of
from engine.fairness.regression import deviation
from engine.fairness.resampling import Groups
from engine.fairness.sums import errors
from engine.values import ModelType
from tests.fairness import soundness

COLUMNS = BiasColumns(protected=["group"], label="label", prediction="prediction")
QUICK = BiasOptions(bootstrap_samples=100, min_group_size=1)


def written(folder, data, name="data"):
    path = folder / f"{name}.parquet"
    pq.write_table(pa.table(dict(data)), path)
    return path


def report(folder, data, columns=COLUMNS, options=QUICK, kind=AnalysisType.COMPREHENSIVE):
    found = run(written(folder, data), columns, kind, options, model=ModelType.REGRESSION)
    soundness(found)
    return found


def moments(label, prediction, groups):
    words = list(dict.fromkeys(groups))
    index = np.array([words.index(each) for each in groups], dtype=np.int64)
    numbers = (np.asarray(each, dtype=np.float64) for each in (label, prediction))
    return moments_of(["group"], [(words, index)], *numbers)


def tables(found):
    unit = deviation(found)
    groups = Groups.of(found, (0,))
    return errors(found, groups, unit), distributions(found, groups, grid_of(found, unit))
