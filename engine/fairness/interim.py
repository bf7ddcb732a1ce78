"""A first look at a summary that is not whole yet: one metric of each attribute by itself, with few draws.

It says where things stand while the rest is still being counted. What is found here is replaced by the report.
"""

from dataclasses import replace

from engine.fairness.analysis import FAMILIES, metrics_asked
from engine.fairness.attributes import on
from engine.fairness.evidence import Summary
from engine.fairness.judging import judge
from engine.fairness.metrics import METRICS, AnalysisType, Form
from engine.fairness.options import BiasColumns, BiasOptions
from engine.fairness.report import Finding
from engine.values import ModelType

DRAWS = 200
"""Enough for what is looked at for seconds: the ends of a 95 % interval have an error of some 7 % of half its width."""


def so_far(
    counted: Summary, columns: BiasColumns, kind: AnalysisType, options: BiasOptions, model: ModelType
) -> tuple[Finding, ...]:
    """The first metric that answers the question, for each protected attribute in which groups can be compared.

    Value and interval are those of the rows in the summary, at most `DRAWS` draws behind the interval. Where
    classes are compared one by one only their mean is told. An attribute without two groups that are large
    enough, or with an undefined value, has no finding yet.

    Args:
        counted: the summary of at least one part.

    Raises:
        InvalidInput: the rows so far cannot be judged, for instance as no favourable value can be told.
    """
    data = FAMILIES[model].evidence(counted, columns, options)
    metrics = [m for m in metrics_asked(kind, model, data, options) if METRICS[m].form is not Form.SCORE]
    quick = replace(options, bootstrap_samples=min(options.bootstrap_samples, DRAWS))
    found: list[Finding] = []
    for i in range(len(data.protected)):
        tables = data.tables((i,))
        first = next(((table, m) for m in metrics for table in tables if on(table, [m])), None)
        if first is not None:
            found += [finding for finding, _ in judge(first[0], [first[1]], quick, lambda _: None)]
    return tuple(f for f in found if f.outcome is None and f.value is not None)
