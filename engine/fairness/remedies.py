"""What to do about a finding, and what it would have brought on the rows of this analysis.

Everything is simulated on counts. What thresholds bring is measured in `simulating`; here is which of them are
remedies, and in which words they are offered.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from engine.fairness.advice import acceptable, look_into, more_rows, open_findings
from engine.fairness.bringing import brings, not_measured, on_others, split
from engine.fairness.groups import judged
from engine.fairness.looking import LAW, unknown
from engine.fairness.metrics import METRICS, QUANTITIES, Metric
from engine.fairness.options import BiasOptions
from engine.fairness.quantity import Cells
from engine.fairness.report import AttributeReport, Effect, Finding, Recommendation, Verdict
from engine.fairness.rules import Aim
from engine.fairness.simulating import (
    Ground,
    Kind,
    Measured,
    Rows,
    Trial,
    beyond,
    closes,
    inverted,
    measured_again,
    measured_both,
    one_sided,
    part_of,
    rows_for,
    selection,
    trials,
    worth_it,
)
from engine.fairness.tables import Places, Table
from engine.fairness.words import capital, number, plural

ACCURACY = "accuracy"
SELECTION = "selection_rate"
OTHERS = "small groups together"

AIMS: Mapping[Metric, Aim] = MappingProxyType(
    {
        Metric.DEMOGRAPHIC_PARITY_DIFFERENCE: Aim.SELECTION,
        Metric.DEMOGRAPHIC_PARITY_RATIO: Aim.SELECTION,
        Metric.DISPARATE_IMPACT: Aim.SELECTION,
        Metric.EQUALIZED_ODDS_DIFFERENCE: Aim.ODDS,
        Metric.AVERAGE_ODDS_DIFFERENCE: Aim.ODDS,
        Metric.EQUALIZED_ODDS_RATIO: Aim.ODDS,
        Metric.EQUAL_OPPORTUNITY_DIFFERENCE: Aim.OPPORTUNITY,
        Metric.FALSE_POSITIVE_RATE_DIFFERENCE: Aim.FALSE_ALARMS,
    }
)
"""Metrics that thresholds can mend, and the rates to make alike for it."""
RATES: Mapping[Aim, str] = MappingProxyType(
    {
        Aim.SELECTION: "selection rates",
        Aim.OPPORTUNITY: "true positive rates",
        Aim.FALSE_ALARMS: "false positive rates",
        Aim.ODDS: "true and false positive rates",
    }
)
TITLES: Mapping[Kind, str] = MappingProxyType(
    {
        Kind.GROUPS: "Set the threshold for each group of {}",
        Kind.SINGLE: "Move the one threshold for all groups of {}",
        Kind.REJECT: "Decide close cases in favour of disadvantaged groups of {}",
    }
)
NAMES: Mapping[Kind, str] = MappingProxyType(
    {
        Kind.GROUPS: "a threshold for each group",
        Kind.SINGLE: "one other threshold for all",
        Kind.REJECT: "close cases decided by group",
    }
)
HALVES = (
    "Thresholds were chosen on one half of the rows and measured on the other, and the intervals take them as given."
    " Other data may behave differently."
)


def recommendations(
    reports: Sequence[AttributeReport],
    overall: Sequence[Finding],
    options: BiasOptions,
    ground_of: Callable[[str], Ground],
    missing: str | None,
) -> tuple[Recommendation, ...]:
    """What to do about the protected attributes that fail or may fail, the worst first.

    Args:
        reports: of attributes alone and crossed; remedies are for those of one attribute.
        overall: findings over all rows.
        options: confidence, draws, seed, smallest group.
        ground_of: from the name of an attribute to the tables of its groups.
        missing: why nothing can be simulated with thresholds and what data would allow it, if so.

    Returns:
        Recommendations with effects measured on the same rows; without effects where none can be measured.
    """
    found: list[Recommendation] = []
    for finding, report in open_findings(reports, tuple(AIMS)):
        if acceptable(finding):
            found.append(more_rows(finding, report))
            continue
        ground = ground_of(report.attribute)
        others = [each for other in reports for each in other.findings] + list(overall)
        beside = [each for each in others if each.verdict is Verdict.FAIL and each is not finding]
        for each in _with_thresholds(finding, report, beside, ground, options, missing):
            found.append(replace(each, text=f"{each.text}{_nobody(finding, report, each.text)}"))
        found += _with_other_groups(finding, report, ground, options)
    return tuple(found)


def _nobody(finding: Finding, report: AttributeReport, said: str) -> str:
    """What is to be done about rows of unknown group, where they are an end of the gap and it is not said yet."""
    more = unknown(finding, report)
    return f" {more}" if more and more not in said else ""


def _with_thresholds(
    finding: Finding,
    report: AttributeReport,
    beside: Sequence[Finding],
    ground: Ground,
    options: BiasOptions,
    missing: str | None,
) -> Iterator[Recommendation]:
    title, aim, classes = METRICS[finding.metric].title, AIMS.get(finding.metric), len(ground.decided.classes)
    if aim is None or classes != 2:
        yield look_into(finding, report, classes)
        return
    if missing is not None:
        yield Recommendation(
            title=f"Give what it takes to simulate other thresholds for {finding.attribute}",
            text=f"Other thresholds might mend the {title}, but what they bring cannot be simulated here. {missing}",
            attribute=finding.attribute,
            effects=(),
            metrics=(finding.metric,),
        )
        return
    rows = rows_for(finding, aim, ground, options)
    if rows is None:
        yield Recommendation(
            title=f"Gather more rows with a score for {finding.attribute}",
            text=f"Other thresholds might mend the {title}, but fewer than two groups have"
            f" {options.min_group_size:,} rows with all that it takes to simulate them: a score, and a label where"
            " the rates compared need one.",
            attribute=finding.attribute,
            effects=(),
            metrics=(finding.metric,),
        )
        return
    tried = list(trials(rows, options))
    remedies = [each for each in tried if closes(rows, each) and worth_it(rows, each, options)]
    if not remedies:
        yield _improve(rows, tried, options)
    here, elsewhere = split(finding, beside)
    for each in remedies:
        moved = measured_both(rows.table, each.table, [other.metric for other in here], options)
        said = f"{brings(finding, each.gap)} {on_others(here, moved)}{not_measured(here, moved, elsewhere)}"
        yield Recommendation(
            title=TITLES[each.kind].format(finding.attribute),
            text=f"{_how(rows, each, options)} {said}{_where(rows, options)}{_backwards(rows, options)}",
            attribute=finding.attribute,
            effects=(
                *_effects(rows, each, options),
                *(_effect(metric, before, after) for metric, (before, after) in moved.items()),
            ),
            settings=each.settings,
            metrics=(finding.metric,),
        )


def _how(rows: Rows, trial: Trial, options: BiasOptions) -> str:
    """What a rule does, in words."""
    if trial.kind is Kind.SINGLE:
        return (
            "One other threshold for everyone: of those that cost at most one point of accuracy on the rows where it"
            f" was chosen, the one with which the {RATES[rows.aim]} of groups are most alike."
        )
    if trial.kind is Kind.GROUPS:
        best = (
            "that favour about as many rows as are favoured now"
            if one_sided(rows, options)
            else "that decide most rows as labelled"
        )
        return (
            f"A threshold of its own for each group: of those with which the {RATES[rows.aim]} of groups are about"
            f" alike, the ones {best}. {LAW}"
        )
    at = f"{rows.threshold:.4g}"
    close = (
        f"Cases near the threshold of {at} are the close ones."
        if rows.own
        else f"Decisions were taken as given, whatever threshold made them; from a score of {at} on as many rows would be"
        " favourable as are now, so cases near it were taken for the close ones."
    )
    return (
        f"{close} In a band around it, groups that get less than all rows together are decided favourably and the"
        f" others are not. {LAW}"
    )


def _where(rows: Rows, options: BiasOptions) -> str:
    """On which rows a rule was tried, what the effects rest on, and what cannot be known of them."""
    groups = "" if rows.everyone else " of the groups that are compared"
    if rows.same:
        said = f"Simulated on all {rows.rows:,} rows{groups}."
    elif rows.own:
        said = (
            f"Simulated on {rows.rows:,} of {rows.decided:,} rows{groups}, those with a finite score and what the"
            " rates compared need, so what was before may differ from the finding."
        )
    else:
        said = (
            f"Simulated on {rows.rows:,} rows with a score{groups}; the finding rests on {rows.decided:,} rows with a"
            " decision, and so does what was before."
        )
    if rows.labelled < rows.rows:
        needed = ACCURACY if rows.aim is Aim.SELECTION else f"{ACCURACY} and the {RATES[rows.aim]}"
        said += f" {capital(needed)} rest{'s' if needed == ACCURACY else ''} on the {rows.labelled:,} with a label."
    if one_sided(rows, options):
        said += (
            " Labels are there almost only where decisions are alike, so accuracy says nothing of the rows that would"
            " be decided otherwise."
        )
    return f"{said} {HALVES}"


def _backwards(rows: Rows, options: BiasOptions) -> str:
    value = inverted(rows, options)
    if value is None:
        return ""
    return (
        f" Over all of these rows, high scores go with unfavourable labels (AUC {number(value)}): is the score the"
        " wrong way round?"
    )


def _improve(rows: Rows, tried: Sequence[Trial], options: BiasOptions) -> Recommendation:
    """For a gap that thresholds do not mend, or only at a cost that nobody should pay: what was seen."""
    finding = rows.finding
    title = METRICS[finding.metric].title
    if beyond(finding, rows.gap[0]) <= 0:
        why = f"On the rows that have a score the {title} is {number(rows.gap[0])}, within its limit of"
        why += f" {number(finding.threshold)}, so thresholds have nothing to mend there."
    elif not tried:
        why = f"No threshold that was tried mends the {title} without deciding nearly everybody, or a group, alike."
    else:
        seen = "; ".join(f"{NAMES[each.kind]}: {_change(rows, each, options)}" for each in tried)
        alike = (
            ""
            if one_sided(rows, options)
            else f", and is right at least as often as deciding everybody alike would be ({number(rows.alike)} of rows)"
        )
        why = (
            f"Thresholds cannot mend the {title} at an acceptable cost: none that was tried brings it within its"
            f" limit, or a quarter nearer to it{alike}. Seen: {seen}."
        )
    return Recommendation(
        title=f"Improve the model for {finding.attribute}",
        text=f"{why}{_backwards(rows, options)} Look at the labels and features of the groups, and train with more"
        f" rows of those that are served worse. {_where(rows, options)}",
        attribute=finding.attribute,
        effects=(),
        metrics=(finding.metric,),
    )


def _change(rows: Rows, trial: Trial, options: BiasOptions) -> str:
    return ", ".join(
        f"{each.name.replace('_', ' ')} from {number(each.before)} to {number(each.after)}"
        for each in _effects(rows, trial, options)
    )


def _effects(rows: Rows, trial: Trial, options: BiasOptions) -> Iterator[Effect]:
    yield _effect(rows.finding.metric, rows.gap, trial.gap)
    yield _effect(SELECTION, selection(rows.table.cells, options), trial.selection)
    if rows.accuracy is not None and trial.accuracy is not None:
        yield _effect(ACCURACY, rows.accuracy, trial.accuracy)


def _effect(name: str, before: Measured, after: Measured) -> Effect:
    return Effect(
        name=str(name),
        before=before[0],
        before_interval=before[1],
        after=after[0],
        after_interval=after[1],
        metric=name if isinstance(name, Metric) else None,
    )


def _with_other_groups(
    finding: Finding, report: AttributeReport, ground: Ground, options: BiasOptions
) -> Iterator[Recommendation]:
    """What leaving out the group that is furthest off would show, and putting small groups together."""
    kinds = {QUANTITIES[quantity].cells for quantity in METRICS[finding.metric].of}
    tables = [each for each in (ground.decided, ground.scored) if each is not None and kinds == {each.kind}]
    if not tables or finding.value is None:
        return
    table, title = tables[0], METRICS[finding.metric].title
    before = finding.value, finding.interval
    large = judged(table, options)
    nobody = {group.name for group in report.groups if None in group.values}
    extremes = [name for name in (finding.lowest, finding.highest) if name is not None]
    without = [
        (name, after)
        for name in extremes
        if (after := measured_again(part_of(table, np.flatnonzero(_except(table, name))), finding, options))
        is not None
    ]
    best = min(without, key=lambda each: abs(each[1][0] - finding.fair), default=None)
    if large.sum() >= 3 and best is not None and _nearer(finding, best[1], before):
        name, after = best
        yield Recommendation(
            title=f"Look first at {name}",
            text=f"Without {name} the {title} of {finding.attribute} would be {number(after[0])} instead of"
            f" {number(before[0])}. This is no remedy, it shows how much of the gap lies with this one group:"
            f" {'find out who it holds' if name in nobody else 'look at its labels, features and decisions'} first.",
            attribute=finding.attribute,
            effects=(_effect(finding.metric, before, after),),
            metrics=(finding.metric,),
        )
    small = np.flatnonzero(~large)
    hidden = small[table.rows[small] < options.suppress_below]
    too_few = any(
        each.size and table.rows[each].sum() < max(options.min_group_size, options.suppress_below)
        for each in (small, hidden)
    )
    if len(small) < 2 or too_few:
        return
    banded = _together(table, small)
    shown = None if banded is None else measured_again(banded, finding, options)
    if shown is None or number(shown[0]) == number(before[0]):
        return
    # of groups that are suppressed neither number nor size is said
    who = "Some groups" if hidden.size else plural(len(small), "group")
    size = "" if hidden.size else f" they have {table.rows[small].sum():,} rows, and"
    yield Recommendation(
        title=f"Put small groups of {finding.attribute} together",
        text=f"{who} are too small to be judged. Put together{size} with them the {title} would be"
        f" {number(shown[0])} instead of {number(before[0])}. Band them by meaning, or gather more of their rows.",
        attribute=finding.attribute,
        effects=(_effect(finding.metric, before, shown),),
        metrics=(finding.metric,),
    )


def _nearer(finding: Finding, after: Measured, before: Measured) -> bool:
    """Whether a value is nearer to fair, as far as it is shown."""
    return abs(after[0] - finding.fair) < abs(before[0] - finding.fair) and number(after[0]) != number(
        before[0]
    )


def _except(table: Table, name: str) -> Sequence[bool]:
    return [other != name for other in table.names]


def _together(table: Table, small: Places) -> Table | None:
    """The table with some groups as one; None where cells do not simply add up."""
    if table.kind is not Cells.OUTCOMES:
        return None
    rest = part_of(table, np.setdiff1d(np.arange(len(table.names)), small))
    return replace(
        rest,
        groups=(*rest.groups, (OTHERS,)),
        names=(*rest.names, OTHERS),
        rows=np.append(rest.rows, table.rows[small].sum()),
        cells=np.concatenate([rest.cells, table.cells[small].sum(0, keepdims=True)]),
    )
