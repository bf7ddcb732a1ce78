"""The conditions of `fairmind audit --fail-on`, and the exit code that follows from a report."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import IntEnum
from math import isfinite
from operator import ge, gt, le, lt
from types import MappingProxyType

from engine.errors import InvalidInput
from engine.fairness import AnalysisType, BiasOptions, BiasReport, Finding, Metric, Verdict
from engine.fairness.options import refuse_unmeasured
from engine.fairness.words import number
from engine.values import ModelType

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = MappingProxyType(
    {">=": ge, "<=": le, ">": gt, "<": lt}
)
DECIMALS = 12
"""Values are compared after rounding to these: 0.4 - 0.1 is 0.3, although not in floating point."""
SHOWN = 3
RULE = re.compile(r"\s*(?P<metric>[A-Za-z0-9_ -]+?)\s*(?P<sign>>=|<=|>|<)\s*(?P<number>\S+)\s*")


class Code(IntEnum):
    """How `fairmind audit` ends."""

    CLEAN = 0
    FINDING = 1
    USAGE = 2
    NOT_ESTIMABLE = 3


OF_VERDICT = {Verdict.FAIL: Code.FINDING, Verdict.INSUFFICIENT_EVIDENCE: Code.NOT_ESTIMABLE}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A condition on the values of a metric; where it holds there is something to act on."""

    metric: Metric
    sign: str
    number: float

    def holds(self, value: float) -> bool:
        return COMPARISONS[self.sign](round(value, DECIMALS), round(self.number, DECIMALS))

    def __str__(self) -> str:
        return f"{self.metric} {self.sign} {self.number:g}"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """An exit code, and why, in sentences."""

    code: Code
    reasons: tuple[str, ...]


def metric_named(text: str) -> Metric:
    """The metric of a name, written as in a report or as in GraphQL.

    Raises:
        InvalidInput: there is none; the message names the nearest one.
    """
    name = re.sub(r"[\s-]+", "_", text.strip().lower())
    if name in set(Metric):
        return Metric(name)
    alike = get_close_matches(name, list(Metric), n=1, cutoff=0.5)
    hint = f"did you mean {alike[0]}?" if alike else f"there are {', '.join(Metric)}"
    raise InvalidInput(f"there is no metric {text.strip()!r}; {hint}")


def rule(text: str, kind: AnalysisType, model: ModelType, options: BiasOptions) -> Rule:
    """Read a condition such as "demographic_parity_difference>0.1".

    Raises:
        InvalidInput: it is no condition, or the analysis does not measure its metric.
    """
    found = RULE.fullmatch(text)
    if found is None:
        raise InvalidInput(
            f"{text!r} is no condition; write a metric, one of > >= < <= and a number,"
            " such as 'demographic_parity_difference>0.1'"
        )
    metric = metric_named(found["metric"])
    try:
        limit = float(found["number"])
    except ValueError:
        limit = float("nan")
    if not isfinite(limit):
        raise InvalidInput(f"{text!r} needs a finite number after {found['sign']}, got {found['number']!r}")
    refuse_unmeasured(metric, kind, model)
    if not options.asks(metric):
        raise InvalidInput(f"{metric} is not among --metrics")
    return Rule(metric=metric, sign=found["sign"], number=limit)


def decide(report: BiasReport, rules: Sequence[Rule]) -> Outcome:
    """How the audit ends.

    With rules: a finding where one holds for the value of any comparison in the report, of one attribute, of
    several crossed, or of all rows; otherwise not estimable where a metric of them has no value for an attribute
    by itself or for all rows. Without rules the report's own verdict decides.
    """
    if not rules:
        return Outcome(code=OF_VERDICT.get(report.verdict, Code.CLEAN), reasons=())
    outcomes = [_judged(report, each) for each in rules]
    codes = [outcome.code for outcome in outcomes]
    code = next((c for c in (Code.FINDING, Code.NOT_ESTIMABLE) if c in codes), Code.CLEAN)
    return Outcome(code=code, reasons=tuple(reason for outcome in outcomes for reason in outcome.reasons))


def _judged(report: BiasReport, asked: Rule) -> Outcome:
    alone = [*(f for each in report.attributes for f in each.findings), *report.overall_findings]
    crossed = [f for each in report.intersections for f in each.findings]
    alone, crossed = ([f for f in part if f.metric is asked.metric] for part in (alone, crossed))
    values = [(f, f.value) for f in (*alone, *crossed) if f.value is not None]
    ordered = sorted(values, key=lambda each: each[1], reverse=asked.sign.startswith(">"))
    held = [_named(*each) for each in ordered if asked.holds(each[1])]
    if held:
        more = f" and {len(held) - SHOWN:,} more" if len(held) > SHOWN else ""
        return Outcome(code=Code.FINDING, reasons=(f"{asked} holds for {', '.join(held[:SHOWN])}{more}.",))
    if not alone:
        why = f"{asked} is unknown: {asked.metric} was not measured, as it needs columns that were not named."
        return Outcome(code=Code.NOT_ESTIMABLE, reasons=(why,))
    unknown = [f for f in alone if f.value is None]
    if unknown:
        reasons = tuple(f"{asked} is unknown for {_of(f)}: {f.reason}" for f in unknown)
        return Outcome(code=Code.NOT_ESTIMABLE, reasons=reasons)
    nearest = _named(*ordered[0])
    return Outcome(code=Code.CLEAN, reasons=(f"{asked} holds nowhere; the nearest is {nearest}.",))


def _named(finding: Finding, value: float) -> str:
    return f"{_of(finding)} ({number(value)})"


def _of(finding: Finding) -> str:
    return finding.attribute if finding.outcome is None else f"{finding.attribute}, {finding.outcome}"
