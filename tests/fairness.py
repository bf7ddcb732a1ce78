"""Bias reports in tests: made of a table, looked up, and walked for numbers that no report may hold."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

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
