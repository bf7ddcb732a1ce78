"""The flip rate: decisions that change with the protected attribute alone, counted by hand."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from engine.errors import InvalidInput
from engine.explanations.between_groups import ask_flips, flips_of_analysis
from engine.explanations.flips import ALIKE, flips
from engine.fairness.flip_report import FlipOptions, FlipReport
from engine.fairness.membership import grouped
from engine.fairness.options import Bands, BiasColumns, BiasOptions
from engine.values import silent
from tests.scorers import Made

# 10 rows, 6 f and 4 m. Yes from 50 on, but for m from 40 on already: rows of 40 to 49 hang on their sex.
ROWS = pd.DataFrame(
    {
        "sex": np.array(["f"] * 6 + ["m"] * 4, dtype=object),
        "income": [30.0, 40, 45, 49, 50, 60, 35, 44, 55, 70],
    }
)


def by_sex(rows: pd.DataFrame) -> np.ndarray:
    limit = np.where(rows["sex"] == "m", 40.0, 50.0)
    return np.where(rows["income"] >= limit, 0.75, 0.25)


LOAN = Made(function=by_sex, names=["sex", "income"], classes=["no", "yes"])


def asked(
    scorer: Made = LOAN, rows: pd.DataFrame = ROWS, groups: Sequence[str | None] | None = None, **options
) -> FlipReport:
    attribute = options.setdefault("attribute", "sex")
    column = rows[attribute] if groups is None else pd.Series(groups, dtype=object)
    codes, values = pd.factorize(column.astype(object), use_na_sentinel=False)
    texts = [None if pd.isna(value) else str(value) for value in values]
    of = grouped(attribute, texts, codes)
    return flips(scorer, rows, list(range(100, 100 + len(rows))), of, FlipOptions(**options))


def test_exactly_the_rows_whose_decision_hangs_on_the_attribute_are_counted() -> None:
    report = asked()
    assert (report.rows, report.flipped, report.flip_rate) == (10, 4, 0.4)  # 40, 45, 49 of f and 44 of m
    low, high = proportion_confint(4, 10, method="wilson")
    assert (report.interval.low, report.interval.high) == pytest.approx((low, high))
    f_to_m, m_to_f = sorted(report.pairs, key=lambda pair: pair.from_group)
    assert (f_to_m.rows, f_to_m.flipped, f_to_m.gained, f_to_m.lost) == (6, 3, 3, 0)
    assert (m_to_f.rows, m_to_f.flipped, m_to_f.gained, m_to_f.lost) == (4, 1, 0, 1)
    # half of the 6 gain 0.5; their standard deviation is sqrt(6 * 0.25^2 / 5)
    assert f_to_m.mean_change == pytest.approx(0.25)
    spread = (6 * 0.25**2 / 5) ** 0.5
    low, high = stats.t.interval(0.95, 5, 0.25, spread / 6**0.5)
    assert (f_to_m.mean_change_interval.low, f_to_m.mean_change_interval.high) == pytest.approx((low, high))
    assert m_to_f.mean_change == pytest.approx(-0.125)
    assert report.mean_absolute_change == pytest.approx(0.2)  # 4 of 10 rows move by 0.5
    assert report.evaluations == 20  # each as it is, and once changed
    assert report.summary == (
        "With another value of sex and nothing else changed, 4 of 10 rows would be decided otherwise: a flip rate of"
        " 0.4, interval [0.168, 0.687]."
    )


def test_examples_show_what_was_asked_and_what_the_model_said() -> None:
    report = asked(examples=2)
    assert [example.row for example in report.examples] == [101, 102]  # all move alike, so the first ones
    first = report.examples[0]
    assert (first.decision_before, first.decision_after) == ("no", "yes")
    assert (first.score_before, first.score_after) == (0.25, 0.75)
    assert asked(examples=0).examples == ()


def test_a_row_flips_if_any_other_value_changes_its_decision() -> None:
    """Only group c is favoured: each row of a and b flips as c and not as the other, and c flips as either."""
    rows = pd.DataFrame({"sex": np.array(list("aabbbc"), dtype=object)})
    scorer = Made(
        function=lambda given: np.where(given["sex"] == "c", 0.9, 0.1), names=["sex"], classes=["0", "1"]
    )
    report = asked(scorer, rows)
    assert report.flip_rate == 1
    assert {(pair.from_group, pair.to_group): pair.flipped for pair in report.pairs} == {
        ("a", "b"): 0,
        ("a", "c"): 2,
        ("b", "a"): 0,
        ("b", "c"): 3,
        ("c", "a"): 1,
        ("c", "b"): 1,
    }
    # rows of a and b move by 0.8 for one of two values, c for both
    assert report.mean_absolute_change == pytest.approx((5 * 0.4 + 0.8) / 6)


def test_a_model_that_does_not_look_at_the_attribute_cannot_flip_and_says_what_that_leaves_open() -> None:
    scorer = Made(function=lambda rows: rows["income"] / 100, names=["income"], classes=["no", "yes"])
    report = asked(scorer)
    assert not report.looked_at
    assert (report.flip_rate, report.flipped, report.evaluations, report.pairs) == (None, None, 0, ())
    assert (report.rows, report.rows_missing) == (0, 0)  # it was asked about none
    assert report.interval is None
    assert report.reason == "sex is none of the model's features, so no decision can change with it alone"
    assert "proxies" in report.notes[0]
    assert "unawareness" in report.notes[0]
    assert "Kusner" in report.notes[0]


def test_every_other_report_says_that_it_is_no_causal_counterfactual() -> None:
    assert any("Kusner" in note and "proxies" in note for note in asked().notes)


def test_what_is_missing_stays_missing_and_is_not_counted() -> None:
    seen: list[int] = []

    def function(rows: pd.DataFrame) -> np.ndarray:
        seen.append(int(rows["sex"].isna().sum()))
        return by_sex(rows)

    rows = ROWS.copy()
    rows.loc[[1, 7], "sex"] = None
    report = asked(Made(function=function, names=LOAN.names, classes=LOAN.classes), rows)
    assert (report.rows, report.rows_missing, report.flipped) == (8, 2, 2)  # 45 and 49 are left
    assert sum(seen) == 0
    assert "2 rows have no value of the attribute" in report.notes[-1]


def test_of_a_banded_number_the_median_of_a_band_stands_for_it() -> None:
    ages = np.array([20, 22, 29, 41, 45, 70])
    rows = pd.DataFrame({"age": ages})
    asked_with: list[set[int]] = []

    def function(given: pd.DataFrame) -> np.ndarray:
        assert given["age"].dtype == ages.dtype  # whole numbers stay whole
        asked_with.append(set(given["age"].tolist()))
        return np.where(given["age"] >= 40, 0.9, 0.1)

    groups = ["young"] * 3 + ["old"] * 3
    scorer = Made(function=function, names=["age"], classes=["0", "1"])
    report = asked(scorer, rows, groups, attribute="age")
    assert {each.group: each.value for each in report.values} == {"young": "22", "old": "45"}
    assert asked_with[1:] == [{45}, {22}]
    assert report.flip_rate == 1


def test_a_threshold_and_the_class_that_is_followed() -> None:
    assert asked(threshold=0.8).flipped == 0  # nobody reaches it
    turned = asked(explained_class="no")
    assert turned.flip_rate == 0.4
    assert {(pair.from_group, pair.gained, pair.lost) for pair in turned.pairs} == {("f", 0, 3), ("m", 1, 0)}
    assert turned.examples[0].score_before == 0.75


def test_of_several_classes_the_highest_score_decides() -> None:
    def function(rows: pd.DataFrame) -> np.ndarray:
        scores = np.tile([0.2, 0.3, 0.5], (len(rows), 1))
        scores[(rows["sex"] == "m").to_numpy()] = [0.6, 0.3, 0.1]
        return scores

    report = asked(Made(function=function, names=["sex"], classes=["a", "b", "c"]))
    assert report.flip_rate == 1
    assert report.explained_class is None
    f_to_m = next(pair for pair in report.pairs if pair.from_group == "f")
    assert f_to_m.mean_change == pytest.approx(-0.4)  # of the class that the row is given, c
    assert (f_to_m.gained, f_to_m.lost) == (None, None)


def test_of_a_regression_the_value_is_followed_and_decisions_need_a_threshold() -> None:
    scorer = Made(function=lambda rows: rows["income"] + 5 * (rows["sex"] == "m"), names=["sex", "income"])
    report = asked(scorer)
    assert (report.flip_rate, report.flipped) == (None, None)
    assert "threshold" in report.reason
    assert {pair.mean_change for pair in report.pairs} == {5.0, -5.0}
    # 50 from 45 on for f as m, and 44 + 5 no longer counts for m below 50; of m 49 -> 44 stays below
    decided = asked(scorer, threshold=50.0)
    assert decided.flipped == 2  # f with 45 and 49
    assert decided.examples[0].decision_after == "at least 50"


def test_one_group_or_none_leaves_nothing_to_change_to() -> None:
    report = asked(rows=ROWS.iloc[:6])
    assert report.flip_rate is None
    assert report.reason.startswith("all rows that were looked at have the same value of sex")
    nobody = ROWS.assign(sex=np.full(10, None, dtype=object))
    assert asked(rows=nobody).reason == "no row has a value of sex"


def test_of_very_many_groups_the_largest_are_looked_at() -> None:
    names = [f"g{i:02}" for i in range(25)]
    rows = pd.DataFrame({"sex": np.array(names[:20] * 2 + names[20:], dtype=object)})
    scorer = Made(function=lambda given: np.full(len(given), 0.3), names=["sex"], classes=["0", "1"])
    report = asked(scorer, rows)
    assert (report.rows, len(report.pairs)) == (40, 20 * 19)
    assert "5 rows of 5 others" in report.notes[1]


def test_pairs_are_told_as_they_are_known() -> None:
    steps = []
    codes, values = pd.factorize(ROWS["sex"])
    of = grouped("sex", list(values), codes)
    report = flips(LOAN, ROWS, list(range(10)), of, FlipOptions(attribute="sex"), steps.append)
    assert [step.partial for step in steps] == sorted(report.pairs, key=lambda pair: pair.to_group)
    assert steps[-1].fraction == 1
    assert steps[0].message == "As f instead of m (sex), 1 of 4 rows would be decided otherwise"


@pytest.mark.parametrize(
    ("options", "at", "said"),
    [
        ({"attribute": ""}, "attribute", "empty"),
        ({"bands": [3, 2]}, "bands", "rise"),
        ({"threshold": float("nan")}, "threshold", "must lie in"),
        ({"threshold": 2.0}, "threshold", "[0.0, 1.0], got 2"),
        ({"explained_class": "maybe"}, "explained_class", "no class 'maybe'"),
        ({"sample_rows": 1}, "sample_rows", "[2, 1000000], got 1"),
        ({"examples": 101}, "examples", "[0, 100], got 101"),
        ({"suppress_below": 1001}, "suppress_below", "[0, 1000], got 1001"),
    ],
)
def test_bad_input_is_refused_in_words(options: dict, at: str, said: str) -> None:
    with pytest.raises(InvalidInput) as error:
        asked(rows=ROWS, groups=list(ROWS["sex"]), **options)
    assert error.value.at == (at,)
    assert said in str(error.value)


@pytest.mark.parametrize("value", [1e308, 1e61, np.nan])
def test_values_that_cannot_be_computed_with_are_refused_in_words(value: float) -> None:
    scorer = Made(function=lambda rows: np.full(len(rows), value), names=["sex", "income"])
    with pytest.raises(InvalidInput, match=r"not within -1e\+60 and 1e\+60"):
        asked(scorer)


def test_a_threshold_has_no_place_among_several_classes() -> None:
    scorer = Made(
        function=lambda rows: np.full((len(rows), 3), 1 / 3), names=["sex"], classes=["a", "b", "c"]
    )
    with pytest.raises(InvalidInput, match="more than two classes"):
        asked(scorer, threshold=0.5)


def test_a_dataset_is_read_with_the_groups_of_a_bias_report(tmp_path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(
        pa.table({"unused": [0] * 10, "sex": list(ROWS["sex"]), "income": list(ROWS["income"])}), path
    )
    report = ask_flips(silent, LOAN, [path], FlipOptions(attribute="sex"))
    assert (report.flipped, report.rows) == (4, 10)
    assert [example.row for example in report.examples] == [1, 2, 3, 7]
    ages = tmp_path / "ages.parquet"
    pq.write_table(pa.table({"age": list(range(20, 60))}), ages)
    of_age = Made(function=lambda rows: (rows["age"] >= 40) * 0.8 + 0.1, names=["age"], classes=["0", "1"])
    banded = ask_flips(silent, of_age, [ages], FlipOptions(attribute="age"))
    assert [each.group for each in banded.values] == [
        "below 29",
        "29 to below 39",
        "39 to below 49",
        "49 and above",
    ]
    assert [each.value for each in banded.values] == ["24", "33", "43", "54"]  # the lower of two middle ones
    # 39 is decided like a younger one, so it flips into the two upper bands; all rows flip into some band
    assert banded.flip_rate == 1
    assert ask_flips(silent, of_age, [ages], FlipOptions(attribute="age", bands=[40])).pairs[0].rows == 20
    with pytest.raises(InvalidInput, match="no column 'agee'; did you mean 'age'"):
        ask_flips(silent, of_age, [ages], FlipOptions(attribute="agee"))
    sample = ask_flips(silent, of_age, [ages], FlipOptions(attribute="age", sample_rows=7, seed=3))
    assert sample.rows == 7


@pytest.mark.parametrize(
    ("ids", "shown", "alike"),
    [
        ([1764244800123, 1764244800124, None], ["1764244800123", "1764244800124"], False),
        (
            [2**53 + 1, 2**53, None],
            ["9.00719925474e+15"] * 2,
            True,
        ),  # a missing one makes them floating-point
        ([2**64 - 1, 2**64 - 2, None], ["1.84467440737e+19"] * 2, True),
    ],
)
def test_whole_numbers_are_shown_digit_by_digit_as_far_as_the_model_can_tell_them_apart(
    ids, shown, alike, tmp_path
) -> None:
    kind = pa.uint64() if ids[0] >= 2**63 else pa.int64()
    table = pa.table({"id": pa.array(ids * 4, kind), "age": [30.0] * 12})
    pq.write_table(table, tmp_path / "rows.parquet")
    scorer = Made(function=lambda rows: rows["age"] / 100, names=["id", "age"], classes=["no", "yes"])
    report = ask_flips(silent, scorer, [tmp_path / "rows.parquet"], FlipOptions(attribute="id"))
    assert [each.value for each in report.values] == shown
    assert (ALIKE in report.notes) == alike


def test_of_an_analysis_every_attribute_is_asked_about_or_says_why_not(tmp_path) -> None:
    """Four of group n, which few people are in, take no part where groups below 5 are suppressed."""
    path = tmp_path / "rows.parquet"
    sex, income = [*ROWS["sex"], *"nnnn"], [*ROWS["income"], 45.0, 45, 45, 45]
    pq.write_table(pa.table({"sex": sex, "income": income, "town": list("ab") * 7}), path)
    columns = BiasColumns(protected=["sex", "income", "town", "county"], favorable="yes")
    steps = []
    options = BiasOptions(
        bands=[Bands(attribute="income", edges=[50])], suppress_below=5, score_threshold=0.7
    )
    sex, income, town, county = flips_of_analysis(steps.append, LOAN, [path], columns, options)
    assert {each.group for each in sex.values} == {"f"}  # of m there are four as well
    assert sex.reason.startswith("all rows that were looked at have the same value of sex")
    assert sex.examples == ()
    assert sex.notes[-1] == "Groups with fewer than 5 rows take no part and are not named."
    assert (income.threshold, income.explained_class) == (0.7, "yes")
    assert town.reason == "town is none of the model's features, so no decision can change with it alone"
    assert (county.flip_rate, county.looked_at, county.rows) == (None, False, 0)
    assert county.reason.startswith("the dataset has no column 'county'")
    told = [step for step in steps if step.partial is not None]
    assert [step.partial for step in told] == [sex, income, town, county]
    assert [step.fraction for step in told] == [0.25, 0.5, 0.75, 1]
    shown = flips_of_analysis(silent, LOAN, [path], columns, BiasOptions())[0]
    assert len(shown.values) == 3
    assert shown.examples
    hidden = flips_of_analysis(silent, LOAN, [path], columns, BiasOptions(suppress_below=11))[0]
    assert hidden.reason == "every group of sex has fewer than 11 rows, so none takes part"
