"""Two reports compared: worked by hand, and simulated where nothing changed and where something did."""

from dataclasses import replace
from math import hypot

import numpy as np
import pytest

from engine.errors import InvalidInput
from engine.fairness import AnalysisType, BiasColumns, BiasOptions, BiasReport, Interval, Metric
from engine.fairness.analysis import analyse
from engine.fairness.comparison import NOTES, Direction, change_interval, compared
from engine.fairness.cube import Role, cube_of
from engine.fairness.differing import Question
from engine.fairness.intervals import newcombe, wilson
from engine.fairness.options import Bands, Reference, Threshold
from engine.fairness.trend import headlines
from engine.values import ModelType

OPTIONS = BiasOptions(bootstrap_samples=100)
GAP = Metric.DEMOGRAPHIC_PARITY_DIFFERENCE


def report(selected: list[int], sizes: list[int], options: BiasOptions = OPTIONS) -> BiasReport:
    """Groups a, b, ... of these sizes, with so many selected."""
    names = [chr(ord("a") + i) for i in range(len(sizes))]
    cells = [
        (group, prediction, count)
        for group, (k, n) in enumerate(zip(selected, sizes, strict=True))
        for prediction, count in ((1, k), (0, n - k))
        if count
    ]
    group, prediction, counts = np.array(cells).T
    cube = cube_of(
        ["group", "selected"],
        [(names, group), (["0", "1"], prediction)],
        counts,
        roles=[Role.PROTECTED, Role.PREDICTION],
    )
    return analyse(cube, AnalysisType.DEMOGRAPHIC_PARITY, options)


def gap(before: BiasReport, after: BiasReport):
    return next(change for change in compared(before, after).changes if change.metric is GAP)


def test_the_margins_of_two_intervals_add_like_the_sides_of_a_triangle():
    # 0.30 [0.20, 0.42] to 0.10 [0.05, 0.18]: change -0.20, down hypot(0.05, 0.12) = 0.13,
    # up hypot(0.08, 0.10) = 0.1280625; p: 0.20 / (0.1280625 / 1.959964) = 3.060946 standard errors, 0.0022063.
    found, p = change_interval(
        (0.30, Interval(low=0.20, high=0.42)), (0.10, Interval(low=0.05, high=0.18)), (0.95, 0.95), 0.95
    )
    assert (found.low, found.high) == pytest.approx((-0.33, -0.0719375), abs=1e-6)
    assert p == pytest.approx(0.0022063, abs=1e-6)


def test_it_is_newcombes_interval_where_the_two_are_shares():
    a, b = (0.3, *wilson(30, 100, 0.95)), (0.5, *wilson(60, 120, 0.95))
    found, _ = change_interval(
        (a[0], Interval(low=a[1], high=a[2])), (b[0], Interval(low=b[1], high=b[2])), (0.95, 0.95), 0.95
    )
    assert (found.low, found.high) == pytest.approx(newcombe(b, a), abs=1e-12)


def test_an_end_of_the_scale_says_nothing_of_the_error():
    # 0.02 [0, 0.12]: no gap is certain to be at least 0, yet the value may be off by 0.10, not by 0.02.
    found, _ = change_interval(
        (0.02, Interval(low=0.0, high=0.12)), (0.30, Interval(low=0.20, high=0.40)), (0.95, 0.95), 0.95
    )
    assert found.high == pytest.approx(0.28 + hypot(0.10, 0.10))


def test_reports_of_different_confidence_are_brought_to_the_higher_one():
    even = Interval(low=0.4, high=0.6)
    found, _ = change_interval((0.5, even), (0.5, even), (0.95, 0.5), 0.95)
    # one margin 0.1 as it is, the other 0.1 * 1.959964 / 0.674490 = 0.290585
    assert found.high == pytest.approx(hypot(0.1, 0.290585), abs=1e-6)


def test_a_report_has_not_changed_from_itself():
    one = report([400, 250], [1000, 1000])
    found = compared(one, one)
    assert found.changes
    for change in found.changes:
        assert (change.change, change.p_value, change.direction) == (0.0, 1.0, Direction.UNCHANGED)
        assert "nothing changed" in change.description and "chance" not in change.description
    assert (
        found.summary
        == f"Nothing changed: {len(found.changes)} findings rest on the same counts in both analyses."
    )


def test_the_same_gap_in_other_rows_is_not_called_unchanged():
    # 0.15 both times, of twice as many rows
    found = gap(report([400, 250], [1000, 1000]), report([800, 500], [2000, 2000]))
    assert (found.change, found.direction) == (0.0, Direction.UNCLEAR)
    assert "the data cannot tell this from chance" in found.description


def test_the_notes_say_what_differs_between_the_two_questions():
    lenient = replace(
        OPTIONS,
        min_group_size=40,
        thresholds=[Threshold(metric=GAP, limit=0.25)],
        references=[Reference(attribute="group", group="b")],
    )
    before, after = report([40, 25], [101, 100]), report([40, 25], [101, 100], lenient)
    columns = BiasColumns(prediction="p", protected=["group"], stratum="branch")
    asked = (
        Question(columns=columns, options=OPTIONS),
        Question(columns=replace(columns, stratum=None), options=replace(lenient, max_depth=2)),
    )
    found = compared(before, after, asked)
    assert set(found.notes) - set(NOTES) == {
        "The limit of the demographic parity difference is 0.1 in the first analysis and 0.25 in the second.",
        "The reference group of group is a in the first analysis and b in the second.",
        "The option minGroupSize is 30 in the first analysis and 40 in the second.",
        "The stratum column is branch in the first analysis and not given in the second.",
        "The option maxDepth is 3 in the first analysis and 2 in the second.",
    }
    assert gap(before, after).direction is Direction.UNCHANGED  # another limit is no other gap
    assert compared(before, before, (asked[0], asked[0])).notes == NOTES


def test_lists_of_a_question_differ_by_what_they_hold_and_not_by_their_kind():
    banded = replace(OPTIONS, bands=[Bands(attribute="age", edges=[25, 60])])
    again = replace(OPTIONS, bands=(Bands(attribute="age", edges=(25.0, 60.0)),))
    one, columns = report([40, 25], [100, 100]), BiasColumns(prediction="p", protected=["group"])
    asked = [Question(columns=columns, options=options) for options in (banded, again, OPTIONS)]
    assert compared(one, one, (asked[0], asked[1])).notes == NOTES
    assert (
        "The option bands is age at 25 and 60 in the first analysis and not given in the second."
        in compared(one, one, (asked[0], asked[2])).notes
    )


def test_a_gap_that_closed_is_fairer_and_the_other_way_round_less_fair():
    wide, narrow = report([600, 300], [1000, 1000]), report([500, 480], [1000, 1000])
    for before, after, direction, word in (
        (wide, narrow, Direction.FAIRER, "fairer now"),
        (narrow, wide, Direction.LESS_FAIR, "less fair now"),
    ):
        found = compared(before, after)
        assert {change.direction for change in found.changes} == {direction}
        assert all(word in change.description for change in found.changes)
        assert all(change.p_value_holm >= change.p_value_bh >= change.p_value for change in found.changes)
    assert gap(wide, narrow).change == pytest.approx(0.02 - 0.30)
    assert gap(wide, narrow).interval.low == pytest.approx(-gap(narrow, wide).interval.high)


def test_groups_in_one_of_the_two_only_are_named():
    change = gap(report([50, 60], [100, 100]), report([50, 60, 70], [100, 100, 100]))
    assert change.groups_in_one_only == ("c",)
    assert "perhaps the cause: c." in change.description


def test_what_cannot_be_compared_is_listed_with_a_reason():
    before, after = report([50, 60], [100, 100]), report([50, 6], [100, 10])
    found = compared(before, after)
    assert found.changes == ()
    assert found.summary.startswith("Nothing could be compared. It has no value in the second analysis")
    assert {each.metric for each in found.not_compared} >= {GAP}
    other = replace(before, attributes=tuple(replace(a, findings=()) for a in before.attributes))
    assert {each.reason for each in compared(before, other).not_compared} == {
        "It is part of the first analysis only."
    }


def test_reports_of_other_models_or_outcomes_are_refused():
    one = report([50, 60], [100, 100])
    with pytest.raises(InvalidInput, match="have no metric in common") as refused:
        compared(one, replace(one, model=ModelType.REGRESSION))
    assert refused.value.at == ("b",)
    with pytest.raises(InvalidInput, match="favourable outcome is '1' in one analysis and 'denied'"):
        compared(one, replace(one, favorable="denied"))
    assert compared(one, replace(one, favorable="Yes")).changes


def found_in(before: list[float], after: list[float], sizes: tuple[int, int], pairs: int = 100) -> float:
    """Share of pairs of samples from these rates in which the gap is said to have changed."""
    generator = np.random.default_rng(3)
    said = 0
    for seed in range(pairs):
        options = replace(OPTIONS, seed=seed)
        made = [
            report(list(generator.binomial(n, rates)), [n] * len(rates), options)
            for rates, n in zip((before, after), sizes, strict=True)
        ]
        said += gap(*made).direction in (Direction.FAIRER, Direction.LESS_FAIR)
    return said / pairs


@pytest.mark.parametrize(
    ("rates", "sizes"),
    [
        ([0.4, 0.4], (300, 300)),
        ([0.4, 0.55], (400, 400)),
        ([0.4, 0.5], (100, 3000)),
        ([0.4] * 5, (100, 2000)),
        ([0.3, 0.4, 0.5], (300, 300)),
    ],
)
def test_false_alarms_are_no_more_than_promised(rates, sizes):
    # 5 % promised; with 100 pairs a share of 0.11 is 2.8 standard errors away.
    assert found_in(rates, rates, sizes) < 0.11


def test_a_real_change_is_found():
    # 0.2 between gaps of standard error 0.035 each is 4 standard errors: a power of 0.98.
    assert found_in([0.4, 0.5], [0.35, 0.65], (400, 400), pairs=60) > 0.85


def test_a_column_that_is_called_like_a_crossing_is_not_taken_for_it():
    # a is fair and b is not; their crossing has the larger gap, and the column "a × b" none at all  # noqa: RUF003
    rows = [(a, b, 1 if i < (4 if b else 40) else 0) for a in (0, 1) for b in (0, 1) for i in range(50)]
    a, b, selected = np.array(rows).T
    odd = np.arange(len(rows)) % 2
    names = ["a", "b", "a × b"]  # noqa: RUF001
    cube = cube_of(
        [*names, "selected"],
        [*((["0", "1"], codes) for codes in (a, b, odd)), (["0", "1"], selected)],
        np.ones(len(rows), dtype=np.int64),
        roles=[Role.PROTECTED] * 3 + [Role.PREDICTION],
    )
    made = analyse(cube, AnalysisType.COMPREHENSIVE, replace(OPTIONS, max_depth=2))
    gaps = {change.attribute: change for change in compared(made, made).changes if change.metric is GAP}
    assert len(gaps) == 6
    assert gaps['"a × b"'].before == gaps['"a × b"'].after == pytest.approx(0)  # noqa: RUF001
    assert gaps["a × b"].before == gaps["a × b"].after == pytest.approx(0.72)  # noqa: RUF001
    named = {(each.attribute, each.value) for each in headlines(made) if each.metric is GAP}
    assert len({attribute for attribute, _ in named}) == 6
