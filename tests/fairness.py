"""Bias reports in tests: made of a table, looked up, and walked for numbers that no report may hold."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from engine.fairness import (
    AnalysisType,
    AttributeReport,
    BiasColumns,
    BiasOptions,
    BiasReport,
    Finding,
    GroupMetric,
    Metric,
    Quantity,
)
from engine.fairness.analysis import run
from engine.fairness.metrics import METRICS, Form
from engine.values import Tell, silent

QUICK = BiasOptions(bootstrap_samples=100)
EVERYONE = BiasOptions(bootstrap_samples=100, min_group_size=1)
COLUMNS = BiasColumns(label="y", prediction="p", protected=["sex"])
# 100 rows each of f and m. Of f 40 and of m 60 are selected, half of them rightly.
SEX = ["f"] * 100 + ["m"] * 100
PREDICTION = [1] * 40 + [0] * 60 + [1] * 60 + [0] * 40
LABEL = ([1, 0] * 20 + [1, 0] * 30) + ([1, 0] * 30 + [1, 0] * 20)


def unfair(size=12_000, seed=5):
    """Two groups of which one scores lower throughout, though labels follow the score alike."""
    generator = np.random.default_rng(seed)
    group = generator.choice(["a", "b", "c"], size, p=[0.5, 0.3, 0.2])
    shift = pd.Series(group).map({"a": 0.5, "b": 0.0, "c": -0.6}).to_numpy()
    chance = 1 / (1 + np.exp(-(generator.normal(size=size) + shift)))
    label = (generator.random(size) < chance).astype(int)
    return pd.DataFrame({"group": group, "label": label, "score": chance.round(3)})


def analysed(
    folder: Path,
    data: Mapping[str, Any],
    columns: BiasColumns,
    options: BiasOptions = QUICK,
    kind: AnalysisType = AnalysisType.COMPREHENSIVE,
    tell: Tell = silent,
) -> BiasReport:
    """The report of a table, which is sound: see `soundness`."""
    path = folder / "data[1].parquet"  # a name that is also a pattern
    pq.write_table(pa.table(dict(data)), path)
    report = run(path, columns, kind, options, tell)
    soundness(report)
    return report


def sets_of(report: BiasReport) -> tuple[AttributeReport, ...]:
    return (*report.attributes, *report.intersections)


def findings(report: BiasReport) -> list[Finding]:
    return [*(f for each in sets_of(report) for f in each.findings), *report.overall_findings]


def finding(
    report: BiasReport, metric: Metric, attribute: str | None = None, outcome: str | None = None
) -> Finding:
    """The only finding of a metric; of an attribute where there are several."""
    (found,) = [
        f
        for f in findings(report)
        if f.metric is metric and f.outcome == outcome and attribute in (None, f.attribute)
    ]
    return found


def of(
    report: BiasReport,
    group: str,
    quantity: Quantity,
    attribute: str | None = None,
    outcome: str | None = None,
) -> GroupMetric:
    """What was measured of one group."""
    each = report.attributes[0] if attribute is None else attribute_of(report, attribute)
    (found,) = [
        m
        for g in each.groups
        if g.name == group
        for m in g.metrics
        if m.quantity is quantity and m.outcome == outcome
    ]
    return found


def attribute_of(report: BiasReport, attribute: str) -> AttributeReport:
    (found,) = [each for each in sets_of(report) if each.attribute == attribute]
    return found


def numbers(value: Any, at: str = "report") -> Iterator[tuple[str, float]]:
    """Every number in a value, with where it stands."""
    if isinstance(value, bool):
        return
    if isinstance(value, int | float):
        yield at, value
    elif is_dataclass(value):
        for field in fields(value):
            yield from numbers(getattr(value, field.name), f"{at}.{field.name}")
    elif isinstance(value, tuple | list):
        for i, each in enumerate(value):
            yield from numbers(each, f"{at}.{i}")


def soundness(report: BiasReport) -> None:
    """What holds for every report: numbers are finite, undefined is None with a reason, a value lies in its interval."""
    assert [at for at, number in numbers(report) if not math.isfinite(number)] == []
    for each in findings(report):
        assert (each.value is None) == (each.interval is None)
        assert each.reason
        assert "nan" not in f"{each.reason} {each.description}".split()
        if each.value is not None and each.interval is not None:
            assert each.interval.low <= each.value <= each.interval.high
            assert each.interval.low >= 0 or METRICS[each.metric].form is Form.LARGEST
        if each.p_value is not None:
            assert 0 < each.p_value <= each.p_value_bh <= each.p_value_holm + 1e-12 <= 1 + 1e-12
    for attribute in sets_of(report):
        for group in attribute.groups:
            for metric in group.metrics:
                assert (metric.value is None) == (metric.reason is not None)
                if metric.value is not None and metric.interval is not None:
                    assert metric.interval.low <= metric.value <= metric.interval.high
