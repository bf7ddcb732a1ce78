"""The sentences of a report, for people who know no statistics."""

import re
from collections.abc import Sequence
from math import isclose, isnan

from engine.fairness.metrics import METRICS, QUANTITIES, Form, Metric, MetricSpec
from engine.fairness.quantity import Quantity
from engine.fairness.report import Exclusion, Finding, Verdict
from engine.fairness.severity import weight
from engine.values import Interval

EXAMPLES = 3
SAME = 1e-12
"""Values that differ by less than this share of themselves differ by rounding alone."""
MOST_DECIMALS = 10
_SEVERAL = re.compile(r"\b(row|user|item|place|prediction)s\b( have\b)?")
_TIMES = "\N{MULTIPLICATION SIGN}"
CROSS = f" {_TIMES} "


def joined(attributes: Sequence[str]) -> str:
    """Attributes in one text, such as "race × sex"; different ones for different attributes."""  # noqa: RUF002
    return crossed(attributes) if attributes else "all rows"


def crossed(names: Sequence[str]) -> str:
    """Names in one text from which they could be told again: one that holds our own signs stands in quotes."""
    return CROSS.join(map(_apart, names))


def _apart(name: str) -> str:
    if _TIMES not in name and not name.startswith('"'):
        return name
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def number(value: float, decimals: int = 3) -> str:
    """At most so many decimals: "0.12", "1"."""
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if decimals else text


def three_digits(value: float, sign: str = "") -> str:
    """Three significant digits, and whole numbers in full: "0.0123", "2,314"; with `sign="+"` always a sign."""
    return f"{value:{sign},.0f}" if 999.5 <= abs(value) < 1e9 else f"{value:{sign}.3g}"


def limit_of(limit: float) -> str:
    """A limit in full, as it was asked for: "0.8", "0.0125"."""
    return next(
        (number(limit, d) for d in range(3, MOST_DECIMALS) if isclose(round(limit, d), limit)), number(limit)
    )


def beside(value: float, limit: float) -> str:
    """A value as it is said beside its limit: with more decimals where rounding would put it onto or across it."""
    if isclose(value, limit, rel_tol=SAME, abs_tol=SAME):
        return limit_of(limit)
    shown = float(limit_of(limit))
    told = (number(value, d) for d in range(3, MOST_DECIMALS))
    return next(
        (text for text in told if float(text) != shown and (float(text) > shown) == (value > limit)),
        number(value),
    )


def between(interval: Interval, limit: float | None = None) -> str:
    """An interval as "[0.05, 0.19]", its ends told apart from a limit that it is held to."""
    ends = interval.low, interval.high
    low, high = (number(end) if limit is None else beside(end, limit) for end in ends)
    return f"[{low}, {high}]"


def plural(count: int, noun: str) -> str:
    """ "1 group", "2 groups", "no group"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}" if count else f"no {noun}"


def so_many(count: float, what: str) -> str:
    """What is written for several, as many of it as there are: "1 row has no label", "2 rows have no label"."""
    if round(count) == 1:
        what = _SEVERAL.sub(lambda found: found[1] + (" has" if found[2] else ""), what, count=1)
    return f"{count:,.0f} {what}"


def verdict_reason(
    verdict: Verdict, interval: Interval, metric: Metric, limit: float, excluded: Sequence[Exclusion]
) -> str:
    """Why an interval leads to this verdict."""
    where = {
        Verdict.PASS: f"lies within the limit of {limit_of(limit)}: {METRICS[metric].title} is acceptable",
        Verdict.FAIL: f"lies beyond the limit of {limit_of(limit)}: {METRICS[metric].title} is not acceptable",
        Verdict.WARNING: f"straddles the limit of {limit_of(limit)}: these data cannot tell on which side the truth is",
    }[verdict]
    whole = "The interval" if verdict is Verdict.WARNING else "The whole interval"
    return f"{whole} {between(interval, limit)} {where}.{left_out(excluded)}"


def hardly(needed: int | None, most: float) -> str:
    """A sentence, with a space before it, where more rows than `most` would settle a verdict, or none; or nothing."""
    if needed is not None and needed <= most:
        return ""
    took = f": it would take about {needed:,} in the smallest group" if needed is not None else ""
    return f" The value is so near the limit that more rows can hardly settle it{took}."


def left_out(excluded: Sequence[Exclusion]) -> str:
    """A sentence on the groups that took no part, with a space before it; or nothing."""
    if not excluded:
        return ""
    some = "; ".join(f"{e.group}, {e.reason}" for e in excluded[:EXAMPLES])
    more = f"; and {len(excluded) - EXAMPLES:,} more" if len(excluded) > EXAMPLES else ""
    groups = len({e.group for e in excluded})
    return f" Not compared: {plural(groups, 'group')} ({some}{more})."


def too_few(quantity: str, attribute: str, compared: int, excluded: Sequence[Exclusion]) -> str:
    """Why there is no comparison of a quantity."""
    return (
        f"Comparing the {quantity} needs two groups of {attribute} that are large enough,"
        f" and there is {'only one' if compared else 'none'}.{left_out(excluded)}"
    )


def no_reference(quantity: str, attribute: str, excluded: Sequence[Exclusion]) -> str:
    """Why nothing is compared with the reference group."""
    return (
        f"The reference group of {attribute} rests on too few rows to compare the {quantity} with."
        f"{left_out(excluded)}"
    )


def undefined(spec: MetricSpec, excluded: Sequence[Exclusion]) -> str:
    """Why a metric has no value although groups can be compared."""
    of = " and ".join(QUANTITIES[quantity].title for quantity in spec.of)
    if spec.form is Form.AGAINST_REFERENCE:
        return f"The ratio is undefined: the {of} of the reference group is 0.{left_out(excluded)}"
    return f"The ratio is undefined: the {of} is 0 in every group.{left_out(excluded)}"


def gap_description(
    metric: Metric,
    quantity: Quantity,
    lowest: tuple[str, float] | None,
    highest: tuple[str, float] | None,
    worst_class: str | None,
    *,
    good: bool = True,
) -> str:
    """What a metric compared, between which groups, and who is worse off where that is known.

    Args:
        metric: what was compared.
        quantity: the one of its quantities that is furthest apart.
        lowest: group and value of the lower end, if there is one.
        highest: the same of the higher end.
        worst_class: of a mean over classes, the one that is furthest apart.
        good: whether what is compared is good for the person, which one class of several need not be.
    """
    here = "Here" if worst_class is None else f"For {worst_class!r}, where it is worst,"
    meant = f"{capital(METRICS[metric].title)} is {METRICS[metric].meaning}."
    title = QUANTITIES[quantity].title
    if highest is None:
        return meant
    if lowest is None:
        return f"{meant} {here} the {title} is largest for {highest[0]}, {number(highest[1])}."
    if isnan(lowest[1]):
        return f"{meant} {here} {lowest[0]} and {highest[0]} are furthest apart."
    if isclose(lowest[1], highest[1], rel_tol=SAME):
        same = f"{_who(lowest[0], highest[0])} have the same {title}"
        no_gap = (
            f"no gap: {same} ({number(lowest[1])})" if worst_class is None else f"no gap in any class: {same}"
        )
        return f"{meant} Here there is {no_gap}."
    goes = f"goes from {number(lowest[1])} ({lowest[0]}) to {number(highest[1])} ({highest[0]})"
    harm = _harm(quantity, lowest[0], highest[0]) if good or not QUANTITIES[quantity].by_class else ""
    return f"{meant} {here} the {title} {goes}{harm}."


def _harm(quantity: Quantity, lowest: str, highest: str) -> str:
    """Which group is worse off, and how; or nothing."""
    spec = QUANTITIES[quantity]
    if spec.harm_when_low is not None:
        return f": {spec.harm_when_low.format(lowest)}"
    return f": {spec.harm_when_high.format(highest)}" if spec.harm_when_high is not None else ""


def among_known(
    attribute: str,
    value: float,
    limit: float,
    lowest: tuple[str, float] | None,
    highest: tuple[str, float] | None,
) -> str:
    """A sentence, with a space before it, on the gap that is left where rows without a value take no part."""
    ends = [
        group if isnan(rate) else f"{group} ({number(rate)})"
        for group, rate in (end for end in (lowest, highest) if end is not None)
    ]
    between_whom = f": {' and '.join(ends)}" if ends else ""
    return (
        f" Among groups of known {attribute} it is {beside(value, limit)}, beyond the limit of {limit_of(limit)} too"
        f"{between_whom}."
    )


def balance_description(metric: Metric, part: str, few: str | None, many: str | None) -> str:
    """What a balance is, and in which part and by which groups it is smallest."""
    rows = [f"{how} of {group}" for how, group in (("few", few), ("many", many)) if group is not None]
    meant = f"{capital(METRICS[metric].title)} is {METRICS[metric].meaning}."
    if few == many:
        return f"{meant} Here all groups compared are spread alike."
    return f"{meant} Here it is smallest in {part!r}, which has comparatively {' and '.join(rows)}."


def class_description(description: str, outcome: str | None, classes: int) -> str:
    """Which class a finding is about, where there are several."""
    if outcome is None:
        return f"The mean over {classes} classes, each against the others. {description}"
    return f"For {outcome!r} against the other classes. {description}"


def subject(finding: Finding) -> str:
    """What a finding is about, in a sentence: "precision difference of sex for 'clerical'"."""
    of = f"{METRICS[finding.metric].title} of {finding.attribute}"
    return of if finding.outcome is None else f"{of} for {finding.outcome!r}"


def value_of(finding: Finding) -> str:
    """The value of a finding beside its limit; of one that has none, 0."""
    return beside(finding.value or 0.0, finding.threshold)


def told(finding: Finding, groups: int) -> str:
    """A finding in the one sentence that is told while the analysis runs."""
    title = METRICS[finding.metric].title
    who = f"{plural(groups, 'group')} of {finding.attribute}" if finding.attributes else finding.attribute
    if finding.value is None or finding.interval is None:
        return f"Could not judge the {subject(finding)}: {finding.reason}"
    does = {Verdict.PASS: "passes", Verdict.FAIL: "fails", Verdict.WARNING: "may or may not meet"}[
        finding.verdict
    ]
    of_class = "" if finding.outcome is None else f"for {finding.outcome!r} the "
    outcome = f"{of_class}{title} {value_of(finding)} {between(finding.interval, finding.threshold)}"
    return f"Compared {who}: {outcome} {does} the limit of {limit_of(finding.threshold)}"


def interim(finding: Finding) -> str:
    """A finding with a value, as it stands while rows are still being counted."""
    value = number(finding.value or 0.0)
    interval = f" {between(finding.interval)}" if finding.interval else ""
    return f"the {METRICS[finding.metric].title} of {finding.attribute} is {value}{interval} (interim)"


def summary(findings: Sequence[Finding], verdict: Verdict) -> str:
    """The outcome of a report in one sentence for a person."""
    of = {v: [f for f in findings if f.verdict is v] for v in Verdict}
    judged = len(findings) - len(of[Verdict.INSUFFICIENT_EVIDENCE])
    if verdict is Verdict.INSUFFICIENT_EVIDENCE:
        what = "No groups could be compared: " if judged else "Nothing could be judged: "
        return what + (findings[0].reason if findings else "no metric was asked for.")
    first = max(of[verdict], key=weight)
    example = f"{subject(first)} is {value_of(first)}"
    limit = f"the limit is {limit_of(first.threshold)}"
    text = {
        Verdict.FAIL: f"{len(of[Verdict.FAIL])} of {plural(judged, 'comparison')} "
        f"{'lies' if len(of[Verdict.FAIL]) == 1 else 'lie'} beyond the limit: the {example}, {limit}",
        Verdict.WARNING: f"No comparison is clearly beyond its limit, but {len(of[Verdict.WARNING])} of "
        f"{judged} may be: the {example}, {limit}",
        Verdict.PASS: f"All of {plural(judged, 'comparison')} lie within the limits"
        if judged > 1
        else f"The {example}, within the limit of {limit_of(first.threshold)}",
    }[verdict]
    if verdict is not Verdict.PASS or judged == 1:
        text += from_to(first)
    unknown = len(of[Verdict.INSUFFICIENT_EVIDENCE])
    return text + (f"; {unknown:,} more could not be judged." if unknown else ".")


def from_to(finding: Finding) -> str:
    """Between which groups, and their rates where a gap is one of rates; or that there is none."""
    if finding.lowest is None or finding.highest is None:
        return ""
    low, high = finding.lowest_value, finding.highest_value
    rates = None if low is None or high is None else (low, high)
    if finding.lowest == finding.highest or (rates and isclose(*rates, rel_tol=SAME)):
        of = " and ".join(QUANTITIES[quantity].title for quantity in METRICS[finding.metric].of)
        return f", and {_who(finding.lowest, finding.highest)} have the same {of}"
    if rates is None:
        return f", between {finding.lowest} and {finding.highest}"
    return f", between {finding.lowest} ({number(rates[0])}) and {finding.highest} ({number(rates[1])})"


def _who(lowest: str, highest: str) -> str:
    """Whose values are the same: where one group is both the lowest and the highest there is nothing between."""
    return "all groups compared" if lowest == highest else f"{lowest} and {highest}"


def capital(text: str) -> str:
    """The text with its first letter large and the others as they are."""
    return text[:1].upper() + text[1:]
