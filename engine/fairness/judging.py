"""From tables of groups to findings: how far apart the groups are, how sure that is, and the verdict."""

import math
from collections.abc import Callable, Iterator, Sequence
from statistics import NormalDist

import numpy as np

from engine.fairness.balances import BALANCES
from engine.fairness.comparing import PILOT, Comparison, Part, Scale, Scaled, compare, formula, scaled
from engine.fairness.describing import described
from engine.fairness.groups import drawn_with, reference
from engine.fairness.intervals import Floats
from engine.fairness.joint import detectable, driving, interval_of, value_of
from engine.fairness.metrics import METRICS, QUANTITIES, Form, Metric, MetricSpec
from engine.fairness.options import BiasOptions
from engine.fairness.quantity import Curve, Numbers
from engine.fairness.report import Finding, Verdict
from engine.fairness.settling import HARDLY, least_rows, rows_to_find, rows_to_settle
from engine.fairness.sides import Side, studentised
from engine.fairness.tables import Table
from engine.fairness.thinness import too_thin
from engine.fairness.words import (
    capital,
    class_description,
    hardly,
    joined,
    no_reference,
    too_few,
    undefined,
    verdict_reason,
)
from engine.values import Count, Interval


def verdict(interval: Interval | None, fair: float, limit: float) -> Verdict:
    """What an interval says about a limit.

    Acceptable is everything from the fair value to the limit, both included. The verdict is pass when
    the whole interval is acceptable, fail when none of it is, warning when it straddles the limit, and
    insufficient evidence without an interval.

    Args:
        interval: of the metric, or None.
        fair: 0 where small values are fair, as for differences; 1 where large ones are.
        limit: the furthest acceptable value.
    """
    if interval is None:
        return Verdict.INSUFFICIENT_EVIDENCE
    large_is_fair = fair > 0
    if (interval.low >= limit) if large_is_fair else (interval.high <= limit):
        return Verdict.PASS
    beyond = (interval.high < limit) if large_is_fair else (interval.low > limit)
    return Verdict.FAIL if beyond else Verdict.WARNING


def worst(findings: Sequence[Finding]) -> Verdict:
    """Fail before warning before pass; insufficient evidence when nothing was judged.

    Nothing is judged either where groups were to be compared and none were: that all rows together look well says
    nothing of groups.
    """
    between = {finding.verdict for finding in findings if finding.attributes}
    if between == {Verdict.INSUFFICIENT_EVIDENCE}:
        return Verdict.INSUFFICIENT_EVIDENCE
    found = {finding.verdict for finding in findings}
    return next(
        (v for v in (Verdict.FAIL, Verdict.WARNING, Verdict.PASS) if v in found),
        Verdict.INSUFFICIENT_EVIDENCE,
    )


def judge(
    table: Table, metrics: Sequence[Metric], options: BiasOptions, drawn: Callable[[int], None]
) -> Iterator[tuple[Finding, int]]:
    """Judge metrics on the groups of a table.

    Args:
        table: groups and their cells, of the kind that the metrics' quantities are read from.
        metrics: those to judge.
        options: confidence, draws, seed, smallest group, limits, reference groups.
        drawn: told the number of bootstrap samples drawn so far.

    Yields:
        The findings, several of a metric where classes are compared one by one, each with the number of
        groups that were compared.
    """
    at = reference(table, options)
    sides: dict[tuple[Part, Form], Side] = {}
    wanted: list[tuple[Metric, str | None, list[list[Side]]]] = []
    for metric in metrics:
        spec = METRICS[metric]
        by_class = any(QUANTITIES[quantity].by_class for quantity in spec.of)
        outcomes = table.outcomes if by_class else (1,)
        rows = []
        for outcome in outcomes:
            row = []
            for quantity in spec.of:
                key = ((quantity, outcome), _kind(spec.form))
                if key not in sides:
                    counted_in = QUANTITIES[quantity].unit is not None and spec.form is not Form.RATIO
                    comparison = compare(table, key[0], options, at, table.unit if counted_in else 1.0)
                    sides[key] = Side(comparison=comparison, form=key[1], statistics=[])
                row.append(sides[key])
            rows.append(row)
        if len(outcomes) > 1:
            wanted += [(metric, table.classes[o], [row]) for o, row in zip(outcomes, rows, strict=True)]
        wanted.append((metric, None, rows))
    _draw(table, [side for side in sides.values() if side.possible], options, drawn)
    for metric, name, rows in wanted:
        compared = max(len(side.comparison.names) for row in rows for side in row)
        yield _finding(metric, table, name, rows, options), compared


def _kind(form: Form) -> Form:
    """Forms that differ only in how quantities are put together share their draws."""
    return Form.DIFFERENCE if form is Form.AVERAGE else form


def _draw(table: Table, sides: Sequence[Side], options: BiasOptions, drawn: Callable[[int], None]) -> None:
    if not sides:
        return
    places = drawn_with(table, options)
    pilot: Numbers | None = None
    for side in sides:
        quantity = side.comparison.quantity
        if isinstance(QUANTITIES[quantity].how, Curve):
            continue
        scale = Scale.LOG if side.form in (Form.RATIO, Form.AGAINST_REFERENCE) else Scale.LINEAR
        if pilot is None and formula(quantity, scale) is None:
            pilot = np.concatenate(list(table.draws(places, PILOT, options.seed + 1)))
        side.scaled = scaled(
            side.comparison, scale, pilot if pilot is not None else side.comparison.cells[None]
        )
        if scale is Scale.LOG and side.scaled.formula is not None:
            side.chance = _by_chance(side.scaled, side.form, options)
    done = 0
    for block in table.draws(places, options.bootstrap_samples, options.seed):
        for side in sides:
            side.take(block)
        done += len(block)
        drawn(done)


def _by_chance(of: Scaled, form: Form, options: BiasOptions) -> Floats:
    """The largest deviation in each of as many draws of normal errors with the variances of the groups."""
    draw = np.random.default_rng(options.seed + 2)
    error = draw.normal(size=(options.bootstrap_samples, of.variance.size)) * np.sqrt(of.variance)
    return studentised(form, error, np.broadcast_to(of.variance, error.shape), of.of.reference)


def _chance(spec: MetricSpec, sides: Sequence[Side], confidence: float) -> tuple[float, float | None]:
    """The quantile at which the intervals of all pairs hold together, and the p-value of no gap; of one group none."""
    chances = [np.max([np.concatenate(side.statistics) for side in sides], axis=0)]
    normal = [side.chance for side in sides if side.chance is not None]
    if len(normal) == len(sides):
        chances.append(np.max(normal, axis=0))
    quantile = max(float(np.quantile(each, confidence)) for each in chances)
    observed = max(side.observed() for side in sides)
    p_value = max(float((1 + (each >= observed).sum()) / (1 + each.size)) for each in chances)
    if spec.form not in BALANCES and all(side.scaled is not None for side in sides):
        # never surer than of one pair: where rates are 0 or 1 no draw shows an error, and yet there is one
        quantile = max(quantile, NormalDist().inv_cdf((1 + confidence) / 2))
        p_value = max(p_value, 2 * NormalDist().cdf(-observed))
    return quantile, None if spec.form is Form.SCORE else p_value


def _finding(
    metric: Metric, table: Table, outcome: str | None, rows: Sequence[Sequence[Side]], options: BiasOptions
) -> Finding:
    spec, limit, attribute = METRICS[metric], options.limit(metric), joined(table.attributes)
    sides = [side for row in rows for side in row]
    excluded = tuple(dict.fromkeys(e for side in sides for e in side.comparison.excluded))
    missing = next((side for side in sides if not side.possible), None)
    value = math.nan if missing else value_of(spec, rows)
    interval, lowest, highest = None, None, None
    lowest_value, highest_value = None, None
    p_value, found, needed = None, None, None
    judged_as = Verdict.INSUFFICIENT_EVIDENCE
    description = f"{capital(spec.title)} is {spec.meaning}. Here it could not be measured."
    if missing:
        reason = _why_not(spec, missing.comparison, attribute, options)
        needed = rows_to_find(limit, spec, options)
    elif math.isnan(value):
        reason = undefined(spec, excluded)
    else:
        quantile, p_value = _chance(spec, sides, options.confidence)
        interval = interval_of(spec, rows, value, quantile)
        if spec.form is not Form.SCORE:
            found = detectable(spec, rows, quantile)
        judged_as = verdict(interval, spec.fair, limit)
        widest = driving(spec, rows)
        lowest, highest = (None if end is None else end[0] for end in widest.extremes())
        lowest_value, highest_value = (
            None if end is None or math.isnan(end[1]) else end[1] for end in widest.extremes()
        )
        description = described(metric, table, outcome, rows, limit)
        reason = verdict_reason(judged_as, interval, metric, limit, excluded)
        thin = too_thin(spec, rows, value, quantile, limit)
        if judged_as is Verdict.WARNING:
            needed = rows_to_settle(spec, rows, value, quantile, limit)
            if thin and needed:
                needed = max(needed, thin[0])
            reason += hardly(needed, HARDLY * least_rows(rows))
        elif thin:
            judged_as, needed = Verdict.WARNING, thin[0]
            reason += thin[1]
    if interval is None and (outcome is not None or len(rows) > 1):
        description = class_description(description, outcome, len(rows))
    return Finding(
        metric=metric,
        attributes=table.attributes,
        attribute=attribute,
        outcome=outcome,
        value=None if math.isnan(value) else value,
        interval=interval,
        threshold=limit,
        fair=spec.fair,
        verdict=judged_as,
        reason=reason,
        description=description,
        lowest=lowest,
        highest=highest,
        lowest_value=lowest_value,
        highest_value=highest_value,
        excluded=excluded,
        p_value=p_value,
        minimum_detectable=found,
        rows_needed=None if needed is None else Count(needed),
    )


def _why_not(spec: MetricSpec, comparison: Comparison, attribute: str, options: BiasOptions) -> str:
    """Why there is nothing to compare."""
    title = QUANTITIES[comparison.quantity].title
    if spec.form is Form.SCORE:
        among = QUANTITIES[comparison.quantity].among
        return f"The {title} is undefined, or rests on fewer than {options.min_group_size:,} {among}."
    if spec.form is Form.AGAINST_REFERENCE and len(comparison.names) >= 2:
        return no_reference(title, attribute, comparison.excluded)
    return too_few(title, attribute, len(comparison.names), comparison.excluded)
