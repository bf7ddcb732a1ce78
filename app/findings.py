"""A bias report as a person reads it in a terminal: groups, findings, what they mean, what to do."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from app.terminal import plain
from engine.fairness import (
    METRICS,
    AttributeReport,
    BiasReport,
    Effect,
    Finding,
    GroupMetric,
    GroupReport,
    Interval,
    Quantity,
    Risk,
    Verdict,
)
from engine.fairness.severity import weight
from engine.fairness.words import between, limit_of, number, plural, value_of

COLOURS = {
    Verdict.PASS: "green",
    Verdict.WARNING: "yellow",
    Verdict.FAIL: "bold red",
    Verdict.INSUFFICIENT_EVIDENCE: "dim",
}
WORDS = {verdict: verdict.replace("_", " ") for verdict in Verdict} | {
    Verdict.INSUFFICIENT_EVIDENCE: "not judged"
}
RISKS = {Risk.LOW: "green", Risk.MODERATE: "yellow", Risk.HIGH: "red", Risk.CRITICAL: "bold red"}
MOST_GROUPS = 20
MOST_CROSSED = 3
MOST_QUANTITIES = 4
NARROW = 100
"""Characters a line below which tables hold fewer columns, so that no name of a metric is cut."""
FEWER_QUANTITIES = 2
MOST_ADVICE = 5
ORDER = (Verdict.FAIL, Verdict.WARNING, Verdict.PASS, Verdict.INSUFFICIENT_EVIDENCE)


def show(report: BiasReport, name: str, console: Console) -> None:
    """Print a report.

    Args:
        report: what came out.
        name: of the file.
        console: where to print; it decides on colours and width.
    """
    console.print(f"[bold]{plain(name)}[/]  {plain(_about(report))}")
    for each in report.attributes:
        _groups(each, console)
        _findings(each.attribute, each.findings, console)
    for each in report.intersections[:MOST_CROSSED]:
        _findings(each.attribute, each.findings, console)
    left = len(report.intersections) - MOST_CROSSED
    if left > 0:
        console.print(
            f"[dim]Compared as well, with better results: {plural(left, 'crossing')}; --json shows all.[/]"
        )
    if report.overall_findings:
        _findings("all rows", report.overall_findings, console)
    _meaning(report, console)
    _advice(report, console)
    _notes(report, console)


def _about(report: BiasReport) -> str:
    left_out = f", {report.exclusion_reason}" if report.exclusion_reason else ""
    against = f" against {report.label}" if report.label else ""
    judged = f" Judged: {report.prediction}{against}." if report.prediction else ""
    good = f" Favourable: {report.favorable}." if report.favorable else ""
    return f"{plural(report.rows, 'row')}{left_out}.{judged}{good}"


def _groups(report: AttributeReport, console: Console) -> None:
    quantities = _quantities(report)[: FEWER_QUANTITIES if console.width < NARROW else MOST_QUANTITIES]
    against = f", compared with {report.reference_group}" if report.reference_group is not None else ""
    table = Table(
        title=plain(f"{report.attribute}{against}"), title_justify="left", title_style="bold", box=SIMPLE_HEAD
    )
    table.add_column("group", overflow="fold")
    table.add_column("rows", justify="right")
    for quantity, outcome in quantities:
        title = quantity.replace("_", " ")
        table.add_column(plain(title if outcome is None else f"{title}, {outcome}"), justify="right")
    for group in report.groups[:MOST_GROUPS]:
        cells = [_measured(_metric(group, *each)) for each in quantities]
        name, style = (group.name, None) if group.judged else (f"{group.name} *", "dim")
        table.add_row(plain(name), f"{group.size:,}", *cells, style=style)
    console.print(table)
    if any(not group.judged for group in report.groups[:MOST_GROUPS]):
        console.print("[dim]* too small to be judged[/]")
    if len(report.groups) > MOST_GROUPS:
        console.print(f"[dim]and {len(report.groups) - MOST_GROUPS:,} more groups, in --json[/]")


def _quantities(report: AttributeReport) -> list[tuple[Quantity, str | None]]:
    """What is shown of each group: first what the metrics found here are made of."""
    known = [m for group in report.groups for m in group.metrics if m.value is not None]
    measured = list(dict.fromkeys((m.quantity, m.outcome) for m in known))
    compared = [quantity for finding in report.findings for quantity in METRICS[finding.metric].of]
    ordered = dict.fromkeys([*compared, *(quantity for quantity, _ in measured)])
    found = [each for quantity in ordered for each in measured if each[0] is quantity]
    return found


def _metric(group: GroupReport, quantity: Quantity, outcome: str | None) -> GroupMetric | None:
    return next((m for m in group.metrics if (m.quantity, m.outcome) == (quantity, outcome)), None)


def _measured(metric: GroupMetric | None) -> str:
    return "undefined" if metric is None or metric.value is None else _with(metric.value, metric.interval)


def _with(value: float, interval: Interval | None) -> str:
    return number(value) if interval is None else plain(f"{number(value)} {between(interval)}")


def _findings(attribute: str, findings: Sequence[Finding], console: Console) -> None:
    if not findings:
        return
    narrow = console.width < NARROW
    table = Table(
        title=plain(f"{attribute}: findings"),
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        pad_edge=not narrow,
    )
    table.add_column("verdict", no_wrap=True)
    table.add_column("metric", no_wrap=True, min_width=max(len(each.metric) for each in findings))
    for name in ("value", "interval", "limit"):
        table.add_column(name, justify="right", no_wrap=True)
    if not narrow:
        table.add_column("p (BH)", justify="right", no_wrap=True)
        table.add_column("lowest – highest", overflow="fold")  # noqa: RUF001
    # as the summary picks its finding: by verdict, then the foremost first
    ordered = sorted(sorted(findings, key=weight, reverse=True), key=lambda f: ORDER.index(f.verdict))
    for each in ordered:
        table.add_row(*_compared(each, narrow=narrow), *(() if narrow else _between(each)))
    console.print(table)
    if narrow:
        _reasons([each for each in ordered if each.value is None], console)


def _reasons(unjudged: Sequence[Finding], console: Console) -> None:
    """Why some have no value, each reason once."""
    for reason in dict.fromkeys(_unjudged(each) for each in unjudged):
        names = "; ".join(_named(each, ", ") for each in unjudged if _unjudged(each) == reason)
        console.print(f"[dim]{names}: {plain(reason)}[/]")
    if unjudged:
        console.print()


def _compared(finding: Finding, *, narrow: bool) -> tuple[str, ...]:
    """Verdict, metric, value, interval and limit."""
    least, most, comma = ("≥", "≤", ",\n") if narrow else ("at least", "at most", ", ")
    sign = least if finding.fair > 0 else most
    return (
        f"[{COLOURS[finding.verdict]}]{WORDS[finding.verdict]}[/]",
        _named(finding, comma),
        "" if finding.value is None else value_of(finding),
        "" if finding.interval is None else plain(between(finding.interval, finding.threshold)),
        f"{sign} {limit_of(finding.threshold)}",
    )


def _between(finding: Finding) -> tuple[str, str]:
    """The p-value, and the groups that are furthest apart, or why none are."""
    found = finding.p_value_bh
    p = "" if found is None else number(found) if found >= 0.001 else "<0.001"
    if finding.value is None:
        return p, plain(_unjudged(finding))
    if finding.lowest is not None and finding.lowest == finding.highest:
        return p, "all alike"
    ends = [end for end in (finding.lowest, finding.highest) if end]
    return p, plain(" – ".join(ends))  # noqa: RUF001


def _named(finding: Finding, comma: str) -> str:
    """The metric, and the class that it is about."""
    words = [finding.metric.replace("_", " "), *([] if finding.outcome is None else [plain(finding.outcome)])]
    return comma.join(words)


def _unjudged(finding: Finding) -> str:
    return finding.reason.partition(" Not compared:")[0]


def _meaning(report: BiasReport, console: Console) -> None:
    colour = COLOURS[report.verdict]
    console.print(f"[{colour}]{WORDS[report.verdict].upper()}[/]  {plain(report.summary)}")
    risk = report.risk_assessment
    scores = [
        f"bias score {number(report.overall_bias_score)} of 1"
        if report.overall_bias_score is not None
        else "",
        f"compliance {report.compliance_score:.0f} of 100" if report.compliance_score is not None else "",
        f"risk [{RISKS[risk.risk]}]{risk.risk}[/]",
        f"to act: {risk.urgency.replace('_', ' ')}",
    ]
    console.print("; ".join(part for part in scores if part))


def _advice(report: BiasReport, console: Console) -> None:
    if not report.recommendations:
        return
    console.print("\n[bold]What to do[/]")
    for i, each in enumerate(report.recommendations[:MOST_ADVICE], start=1):
        console.print(f" {i}. [bold]{plain(each.title)}[/]: {plain(each.text)}")
        for effect in each.effects:
            console.print(f"      {plain(_change(effect))}")
        if each.settings:
            console.print(f"      {plain('; '.join(each.settings))}")
    left = len(report.recommendations) - MOST_ADVICE
    if left > 0:
        console.print(f"[dim]and {left:,} more, in --json[/]")


def _notes(report: BiasReport, console: Console) -> None:
    console.print("\n[dim]Notes[/]")
    for note in report.method.notes:
        console.print(f"[dim] - {plain(note)}[/]")


def _change(effect: Effect) -> str:
    ends = [
        number(value) if interval is None else f"{number(value)} {between(interval)}"
        for value, interval in (
            (effect.before, effect.before_interval),
            (effect.after, effect.after_interval),
        )
    ]
    return f"{effect.name}: {ends[0]} → {ends[1]}"
