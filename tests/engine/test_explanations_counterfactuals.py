"""Counterfactuals: the nearest change where it is known by hand, always verified, within what may change."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from engine.errors import InvalidInput
from engine.explanations.case import Case
from engine.explanations.explain import explain
from engine.explanations.options import AllowedChange, ExplanationKind, ExplanationOptions
from engine.explanations.searching import most_calls
from engine.values import Step
from tests.scorers import Made, case

NAMES = ["income", "debt", "job"]
RANDOM = np.random.default_rng(0)
BACKGROUND = pd.DataFrame(
    {
        "income": RANDOM.uniform(0, 100, 300),
        "debt": RANDOM.integers(0, 50, 300),
        "job": RANDOM.choice(["clerk", "nurse", "none"], 300),
    }
)
ROW = pd.DataFrame({"income": [30.0], "debt": [20], "job": ["clerk"]})


def granted(rows: pd.DataFrame) -> np.ndarray:
    """Yes from income - debt >= 40 on, and for nurses from 25 on."""
    limit = np.where(rows["job"] == "nurse", 25.0, 40.0)
    return 1 / (
        1 + np.exp(-(rows["income"].to_numpy(float) - rows["debt"].to_numpy(float) - limit) / 5 - 1e-9)
    )


LOAN = Made(function=granted, names=NAMES, classes=["no", "yes"])


def asked(row: pd.DataFrame = ROW, scorer: Made = LOAN, **options: object) -> Case:
    return case(scorer, row, BACKGROUND, ExplanationOptions(**options))


def test_every_change_is_verified_by_the_model_and_they_differ_in_what_they_change() -> None:
    report = explain(ExplanationKind.COUNTERFACTUAL, asked())
    assert len(report.counterfactuals) == 3
    assert len({tuple(sorted(c.feature for c in each.changes)) for each in report.counterfactuals}) == 3
    assert [each.distance for each in report.counterfactuals] == sorted(
        each.distance for each in report.counterfactuals
    )
    for each in report.counterfactuals:
        changed = ROW.astype({"debt": float}).copy()
        for change in each.changes:
            changed[change.feature] = change.after if change.feature == "job" else float(change.after)
        assert granted(changed)[0] >= 0.5
        assert each.prediction == pytest.approx(granted(changed)[0])
        assert each.predicted == "yes"


def test_a_number_moves_no_further_than_it_must() -> None:
    """Income must rise from 30 to 60, which is 30 over the median absolute deviation of the background's incomes."""
    report = explain(ExplanationKind.COUNTERFACTUAL, asked(changes=[AllowedChange(feature="income")]))
    found = report.counterfactuals[0]
    assert found.changes[0].before == "30"
    assert float(found.changes[0].after) == pytest.approx(60, abs=0.02)
    deviation = np.median(np.abs(BACKGROUND["income"] - BACKGROUND["income"].median()))
    assert found.distance == pytest.approx(30 / deviation, abs=0.01)
    assert report.summary.startswith("Row 0 would be answered 'yes' if income were 60")


def test_whole_numbers_stay_whole_and_ranges_hold() -> None:
    row = ROW.assign(income=62.5)  # debt must fall from 20 to at most 22.5 - nothing - so start higher
    row["debt"] = [30]
    report = explain(
        ExplanationKind.COUNTERFACTUAL, asked(row, changes=[AllowedChange(feature="debt", low=10, high=30)])
    )
    assert [change.after for change in report.counterfactuals[0].changes] == ["22"]
    none = explain(
        ExplanationKind.COUNTERFACTUAL, asked(row, changes=[AllowedChange(feature="debt", low=25)])
    )
    assert none.counterfactuals == ()
    assert none.notes[0].startswith("No change that is allowed was found for row 0")


def test_categories_change_to_what_is_allowed() -> None:
    row = ROW.assign(income=50.0)
    free = explain(ExplanationKind.COUNTERFACTUAL, asked(row, changes=[AllowedChange(feature="job")]))
    assert [(c.before, c.after) for c in free.counterfactuals[0].changes] == [("clerk", "nurse")]
    assert free.counterfactuals[0].distance == 1
    bound = [AllowedChange(feature="job", categories=["none"])]
    assert not explain(ExplanationKind.COUNTERFACTUAL, asked(row, changes=bound)).counterfactuals


def test_a_row_that_has_the_answer_needs_no_change() -> None:
    report = explain(ExplanationKind.COUNTERFACTUAL, asked(wanted="no"))
    assert report.counterfactuals == ()
    assert "has the wanted answer already" in report.notes[0]


def test_a_value_is_reached_within_its_range() -> None:
    def price(rows: pd.DataFrame) -> np.ndarray:
        return 2 * rows["income"].to_numpy(float) - rows["debt"].to_numpy(float)

    of = asked(
        scorer=Made(function=price, names=NAMES),
        wanted_low=100,
        wanted_high=110,
        changes=[AllowedChange(feature="income")],
    )
    report = explain(ExplanationKind.COUNTERFACTUAL, of)
    found = report.counterfactuals[0]
    assert float(found.changes[0].after) == pytest.approx(60, abs=0.02)
    assert 100 <= found.prediction <= 110
    assert "would be answered 100" in report.summary  # a number, and no text


def test_a_missing_value_may_be_filled_in() -> None:
    row = pd.DataFrame({"income": [np.nan], "debt": [0], "job": ["clerk"]})

    def known(rows: pd.DataFrame) -> np.ndarray:
        return rows["income"].notna().to_numpy() * 0.9

    found = explain(
        ExplanationKind.COUNTERFACTUAL, asked(row, Made(function=known, names=NAMES, classes=["no", "yes"]))
    ).counterfactuals[0]
    assert [(c.feature, c.before) for c in found.changes] == [("income", None)]
    assert found.distance == 1


def test_a_missing_value_is_left_alone_where_another_change_helps_unless_it_is_named() -> None:
    row = pd.DataFrame({"income": [np.nan], "debt": [30], "job": ["clerk"]})

    def either(rows: pd.DataFrame) -> np.ndarray:
        known = (rows["income"].to_numpy(float) > 50) | (rows["debt"].to_numpy(float) < 10)
        return known * 0.9

    scorer = Made(function=either, names=NAMES, classes=["no", "yes"])
    free = explain(ExplanationKind.COUNTERFACTUAL, asked(row, scorer)).counterfactuals
    assert [[(c.feature, c.after) for c in each.changes] for each in free] == [[("debt", "9")]]
    named = [AllowedChange(feature="income"), AllowedChange(feature="debt", low=20)]
    bound = explain(ExplanationKind.COUNTERFACTUAL, asked(row, scorer, changes=named)).counterfactuals
    assert [[(c.feature, c.before) for c in each.changes] for each in bound] == [[("income", None)]]


def test_a_change_that_another_one_made_needless_is_dropped() -> None:
    """Of the one row with a yes both changes are needed; once the debt is moved back to 9, the income is not."""

    def window(rows: pd.DataFrame) -> np.ndarray:
        debt, income = rows["debt"].to_numpy(float), rows["income"].to_numpy(float)
        return ((debt < 10) & ((debt >= 5) | (income > 50))) * 0.9

    background = pd.DataFrame(
        {"income": [60.2] + [40.7, 40.1] * 10, "debt": [3] + [30, 31] * 10, "job": ["clerk"] * 21}
    )
    row = pd.DataFrame({"income": [40.7], "debt": [30], "job": ["clerk"]})
    scorer = Made(function=window, names=NAMES, classes=["no", "yes"])
    found = explain(ExplanationKind.COUNTERFACTUAL, case(scorer, row, background)).counterfactuals
    assert [[(c.feature, c.after) for c in each.changes] for each in found] == [[("debt", "9")]]


def test_some_tens_of_calls_answer_many_rows_in_the_columns_own_decimals() -> None:
    background = BACKGROUND.assign(income=BACKGROUND["income"].round(2))
    calls: list[int] = []
    steps: list[Step] = []

    def counted(rows: pd.DataFrame) -> np.ndarray:
        calls.append(len(rows))
        return granted(rows)

    scorer = Made(function=counted, names=NAMES, classes=["no", "yes"])
    rows = background.iloc[:40].reset_index(drop=True)
    just_below = rows["debt"] + np.where(rows["job"] == "nurse", 24.99, 39.99)
    rows["income"] = np.where(rows.index < 20, just_below, rows["income"])
    question = replace(case(scorer, rows, background), tell=steps.append)
    report = explain(ExplanationKind.COUNTERFACTUAL, question)
    assert len(calls) <= 2 + most_calls() < 60
    assert report.evaluations == sum(calls)
    fractions = [step.fraction for step in steps]
    assert fractions == sorted(fractions)
    assert len(set(fractions)) > 10
    before = granted(rows) < 0.5
    assert {each.row for each in report.counterfactuals} >= set(np.flatnonzero(before))
    sets = [(each.row, frozenset(c.feature for c in each.changes)) for each in report.counterfactuals]
    assert len(sets) == len(set(sets))
    for each in report.counterfactuals:
        changed = rows.iloc[[each.row]].astype({"debt": float})
        for change in each.changes:
            assert change.after != change.before
            number = change.feature != "job"
            changed[change.feature] = float(change.after) if number else change.after
            assert not number or float(change.after) == round(float(change.after), 2)
        assert (granted(changed)[0] >= 0.5) == before[each.row]
    nearest = {each.row: each for each in reversed(report.counterfactuals)}
    assert all(
        nearest[place].distance < 0.2 for place in range(20)
    )  # an income of 0.01 more, or a debt of 1 less


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"wanted": "maybe"}, "no class 'maybe'"),
        ({"wanted_low": 1.0}, "gives classes"),
        ({"changes": [AllowedChange(feature="age")]}, "no feature 'age'"),
        ({"changes": [AllowedChange(feature="job", low=1)]}, "is no number"),
        ({"changes": [AllowedChange(feature="debt", categories=["1"])]}, "is a number"),
        ({"changes": [AllowedChange(feature="debt", low=2, high=1)]}, "may not lie above"),
        ({"changes": [AllowedChange(feature="debt"), AllowedChange(feature="debt")]}, "twice"),
    ],
)
def test_bad_questions_are_refused_in_words(options: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        explain(ExplanationKind.COUNTERFACTUAL, asked(**options))


def test_a_regression_needs_a_wanted_value() -> None:
    with pytest.raises(InvalidInput, match="wanted_low, wanted_high"):
        explain(ExplanationKind.COUNTERFACTUAL, asked(scorer=replace(LOAN, classes=())))


def test_a_number_from_which_no_distance_can_be_told_is_left_as_it_is() -> None:
    rows = pd.DataFrame({"income": [30.0, 30.0], "debt": [20.0, -np.inf], "job": ["clerk", "clerk"]})
    near = Made(function=lambda rows: granted(rows.assign(debt=20)), names=NAMES, classes=["no", "yes"])
    background = BACKGROUND.assign(debt=np.where(BACKGROUND["debt"] % 2, np.inf, 1e300))
    report = explain(ExplanationKind.COUNTERFACTUAL, case(near, rows, background))
    assert {each.row for each in report.counterfactuals} == {0, 1}
    assert all(np.isfinite(each.distance) for each in report.counterfactuals)
    assert not any(change.feature == "debt" for each in report.counterfactuals for change in each.changes)
    assert report.notes == ("In 1 row debt is not within -1e+60 and 1e+60, and was left as it is.",)


def test_every_kind_refuses_values_that_cannot_be_computed_with() -> None:
    huge = Made(function=lambda rows: np.where(rows["income"] > 50, 1e200, -1e200), names=NAMES)
    asking = asked(scorer=huge, wanted_low=0.0, label="debt")
    for kind in ExplanationKind:
        if kind is not ExplanationKind.GAP:
            with pytest.raises(InvalidInput, match=r"not within -1e\+60 and 1e\+60"):
                explain(kind, replace(asking, labels=ROW["debt"]))


def test_a_row_of_hundreds_of_features_is_searched_in_a_bounded_number_of_tries() -> None:
    """Only x0 counts, and every other row differs in all 250: the nearest change still is that of x0 alone."""
    rows = pd.DataFrame(RANDOM.normal(size=(24, 250)), columns=[f"x{i}" for i in range(250)])
    rows["x0"] = np.where(np.arange(24) % 2, 1.0, -1.0)
    scorer = Made(function=lambda rows: (rows["x0"] > 0) * 0.8 + 0.1, names=list(rows), classes=["no", "yes"])
    report = explain(
        ExplanationKind.COUNTERFACTUAL,
        case(scorer, rows.iloc[[0]], rows.iloc[1:], ExplanationOptions(counterfactuals=1)),
    )
    assert [change.feature for change in report.counterfactuals[0].changes] == ["x0"]
    assert (
        report.evaluations < 40_000
    )  # taking changes back one by one alone would ask 30 times about 600 ways, each round
