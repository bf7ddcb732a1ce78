"""What differs between the questions of two analyses that are compared, in sentences."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from engine.fairness.metrics import METRICS
from engine.fairness.options import SINGLE, BiasColumns, BiasOptions
from engine.fairness.report import BiasReport
from engine.fairness.words import capital, limit_of

TOLD_BY_REPORTS = ("label", "prediction", "confidence", "bootstrap_samples", "seed", "min_group_size")
"""Fields of the question that a report repeats."""
RESOLVED_BY_REPORTS = ("thresholds", "references")
"""Options that a report shows as they turned out: all limits, and the reference group of each attribute."""
SHOWN = 200
"""Characters of a setting; features may be a hundred names."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What an analysis was asked; its report repeats a part of it."""

    columns: BiasColumns
    options: BiasOptions


def differences(
    before: BiasReport, after: BiasReport, asked: tuple[Question, Question] | None = None
) -> Iterator[str]:
    """One sentence for each column, limit, reference group and option that is not the same.

    Args:
        before: the report of the first analysis.
        after: that of the second.
        asked: the questions of the two, where they are known: the reports alone do not tell the stratum, for one.
    """
    for what, one, other in [*_of_reports(before, after), *_of_questions(asked)]:
        if one != other:
            yield f"The {what} is {one} in the first analysis and {other} in the second."


def _of_reports(before: BiasReport, after: BiasReport) -> Iterator[tuple[str, str, str]]:
    yield "question", before.kind.replace("_", " "), after.kind.replace("_", " ")
    for role in ("label", "prediction"):
        yield f"{role} column", _shown(getattr(before, role)), _shown(getattr(after, role))
    limits = {each.metric: each.limit for each in after.limits}
    for each in before.limits:
        if each.metric in limits:
            title = METRICS[each.metric].title
            yield f"limit of the {title}", limit_of(each.limit), limit_of(limits[each.metric])
    references = {each.attributes: each for each in after.attributes}
    for part in before.attributes:
        if part.attributes in references:
            other = references[part.attributes].reference_group
            yield f"reference group of {part.attribute}", _shown(part.reference_group), _shown(other)
    for name in ("confidence", "bootstrap_samples", "seed", "min_group_size"):
        yield _option(name), _shown(getattr(before.method, name)), _shown(getattr(after.method, name))


def _of_questions(asked: tuple[Question, Question] | None) -> Iterator[tuple[str, str, str]]:
    if asked is None:
        return
    one, other = asked
    for role in SINGLE:
        if role not in TOLD_BY_REPORTS:
            what = f"{role.replace('_', ' ')} column"
            yield what, _shown(getattr(one.columns, role)), _shown(getattr(other.columns, role))
    yield "list of features", _shown(one.columns.features), _shown(other.columns.features)
    for field in fields(BiasOptions):
        if field.name not in TOLD_BY_REPORTS + RESOLVED_BY_REPORTS:
            pair = getattr(one.options, field.name), getattr(other.options, field.name)
            yield _option(field.name), _shown(pair[0]), _shown(pair[1])


def _option(name: str) -> str:
    """An option as the API calls it: "option minGroupSize"."""
    first, *others = name.split("_")
    return f"option {first}{''.join(map(capital, others))}"


def _shown(value: Any) -> str:
    """A setting in words, the same for lists and tuples; long ones are cut."""
    if value is None or (isinstance(value, list | tuple) and not value):
        return "not given"
    text = ", ".join(map(_item, value)) if isinstance(value, list | tuple) else _item(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _item(value: Any) -> str:
    edges = getattr(value, "edges", None)
    if edges is not None:
        return f"{value.attribute} at {' and '.join(f'{edge:g}' for edge in edges)}"
    return f"{value:g}" if isinstance(value, float) else str(value)
