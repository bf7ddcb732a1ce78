"""An explanation as a person reads it in a terminal: a waterfall for each row, bars for features that matter."""

from collections.abc import Sequence
from math import floor, log10

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.terminal import plain
from engine.explanations.gap_report import GroupGap
from engine.explanations.options import ExplanationKind
from engine.explanations.report import (
    Agreement,
    Counterfactual,
    Explained,
    Importance,
    Interaction,
    RowExplanation,
)
from engine.fairness.words import number, plural
from engine.values import Interval

BAR = 30
"""Characters of the longest bar."""
MOST_ROWS = 10
MOST_PAIRS = 3
RIGHT, LEFT = "█", "░"
"""Of bars up and down, which can be told apart without colours too."""
UP, DOWN = "red", "blue"
"""As shap's pictures have it: what moves the answer up, and what moves it down."""


def show(report: Explained, name: str, console: Console) -> None:
    """Print an explanation.

    Args:
        report: what came out.
        name: of the model's file.
        console: where to print; it decides on colours and width.
    """
    console.print(f"[bold]{plain(name)}[/]  {plain(report.summary)}", soft_wrap=True)
    for row in report.rows[:MOST_ROWS]:
        console.print(_waterfall(row, report))
    if len(report.rows) > MOST_ROWS:
        console.print(f"[dim]{len(report.rows) - MOST_ROWS:,} more rows: --json has all[/]")
    if report.gap is not None:
        console.print(_gap(report.gap, report.unit))
    if report.importances:
        console.print(_bars(report))
    for pair in (report.interactions or ())[:MOST_PAIRS]:
        if pair.strength:
            console.print(_together(pair))
    if report.counterfactuals:
        console.print(_changes(report.counterfactuals))
    for each in report.agreement:
        console.print(_agreed(each))
    for line in [*map(plain, report.notes), *(f"[dim]{plain(line)}[/]" for line in _basis(report))]:
        console.print(line, soft_wrap=True)


def _waterfall(row: RowExplanation, report: Explained) -> Table:
    lime = report.kind is ExplanationKind.LIME
    where = "given row" if row.row is None else f"row {row.row:,}"
    of = "" if row.explained_class is None else f" of {row.explained_class!r}"
    table = Table(box=SIMPLE_HEAD, title_justify="left", pad_edge=False)
    table.title = plain(f"{where}: {row.predicted!r}, score{of} {number(row.prediction)}")
    table.add_column("feature")
    table.add_column(report.unit, justify="right")
    table.add_column("")
    largest = max((abs(each.attribution) for each in row.attributions), default=0.0)
    shown = _decimals(largest)
    table.add_row("intercept" if lime else "mean of the background", f"{row.base:.{shown}f}")
    for each in row.attributions:
        value = "missing" if each.value is None else each.value
        said = each.condition or f"{each.feature} = {value}"
        sure = "" if not each.standard_error else f" ± {each.standard_error:.{shown}f}"
        table.add_row(plain(said), f"{each.attribution:+.{shown}f}{sure}", _bar(each.attribution, largest))
    if row.others:
        table.add_row("all others", f"{row.others:+.{shown}f}", _bar(row.others, largest))
    table.add_row("local model" if lime else "this row", f"{row.output:.{shown}f}")
    if row.fidelity is not None:
        table.caption = f"fidelity R2 {number(row.fidelity)}, stability {row.stability:.0%}"
    return table


def _bars(report: Explained) -> Table:
    shuffled = report.kind is ExplanationKind.PERMUTATION
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("feature")
    table.add_column(f"loss of {report.unit}" if shuffled else f"mean |SHAP|, {report.unit}", justify="right")
    table.add_column("")
    largest = max((abs(each.importance or 0.0) for each in report.importances), default=0.0)
    for each in report.importances:
        table.add_row(
            plain(each.feature), _sure(each, _decimals(largest)), _bar(each.importance or 0.0, largest)
        )
    return table


def _gap(gap: GroupGap, unit: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("feature")
    table.add_column(plain(f"{gap.group} minus {gap.reference}, {unit}"), justify="right")
    table.add_column("")
    largest = max((abs(each.difference) for each in gap.features), default=0.0)
    shown = _decimals(largest)
    for each in gap.features:
        said = _with_ends(f"{each.difference:+.{shown}f}", each.interval, shown)
        table.add_row(plain(each.feature), said, _bar(each.difference, largest))
    if gap.others:
        table.add_row("all others", f"{gap.others:+.{shown}f}", _bar(gap.others, largest))
    table.add_row("the gap", _with_ends(f"{gap.difference:+.{shown}f}", gap.interval, shown))
    return table


def _with_ends(value: str, interval: Interval | None, shown: int) -> str:
    if interval is None:
        return value
    return plain(f"{value} [{interval.low:.{shown}f}, {interval.high:.{shown}f}]")


def _sure(each: Importance, shown: int) -> str:
    if each.importance is None:
        return plain(each.reason or "undefined")
    return _with_ends(f"{each.importance:.{shown}f}", each.interval, shown)


def _decimals(largest: float) -> int:
    """For all numbers of a table, so that they stand below each other: four digits of the largest."""
    return min(9, max(0, 3 - floor(log10(largest)))) if largest else 2


def _together(pair: Interaction) -> str:
    return plain(
        f"  {pair.first} and {pair.second} together, beyond what each does alone: {number(pair.strength)}"
    )


def _changes(found: Sequence[Counterfactual]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("row", "answer", "score", "if"):
        table.add_column(name, justify="right" if name in ("row", "score") else "left")
    table.add_column("distance", justify="right")
    for each in found:
        changes = ", ".join(
            f"{one.feature}: {'missing' if one.before is None else one.before} -> {one.after}"
            for one in each.changes
        )
        table.add_row(
            "given" if each.row is None else f"{each.row:,}",
            plain(each.predicted),
            number(each.prediction),
            plain(changes),
            f"{each.distance:.3f}",
        )
    return table


def _agreed(pair: Agreement) -> str:
    correlation = "undefined" if pair.rank_correlation is None else number(pair.rank_correlation)
    signs = "" if pair.same_sign is None else f", same direction {pair.same_sign:.0%}"
    return f"  {pair.first} and {pair.second}: rank correlation {correlation}{signs}, same features {pair.shared_top:.0%}"


def _bar(value: float, largest: float) -> Text:
    length = round(BAR * abs(value) / largest) if largest else 0
    return Text((RIGHT if value > 0 else LEFT) * length, style=UP if value > 0 else DOWN)


def _basis(report: Explained) -> list[str]:
    """What the numbers rest on."""
    exact = "exact" if report.exact else "approximate"
    lines = [f"{report.method.replace('_', ' ')} ({exact}): {report.why}"]
    if report.background is not None:
        of = report.background
        lines.append(f"background: {of.rows:,} of {of.of_rows:,} rows, seed {of.seed}, {of.sha256[:12]}")
    error = report.largest_additivity_error
    checks = "" if error is None else f"; additivity error at most {error:.1g}"
    asked = f"; the model was asked {report.evaluations:,} times" if report.evaluations else ""
    lines.append(f"{plural(report.rows_used, 'row')} in {report.seconds:,.1f} s{asked}{checks}")
    return lines
