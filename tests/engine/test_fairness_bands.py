"""How groups come about and which are named: bands, references, strata, and groups too small to show."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter

from engine.errors import InvalidInput
from engine.fairness import (
    AnalysisType,
    Bands,
    BiasColumns,
    BiasOptions,
    BiasReport,
    Finding,
    Metric,
    Quantity,
    Reference,
    Verdict,
)
from engine.fairness.analysis import analyse, count
from tests.fairness import QUICK, analysed, attribute_of, finding, of

DATA = Path(__file__).parent.parent / "data"
AGE = BiasColumns(label="y", prediction="p", protected=["age"])
SEX = BiasColumns(label="y", prediction="p", protected=["sex"])


def people(rows=400):
    return {"age": np.arange(rows) % 80, "y": np.arange(rows) % 2, "p": np.arange(rows) // 2 % 2}


def sizes(report):
    return {group.name: group.size for group in report.attributes[0].groups}


def test_an_age_is_banded_at_the_edges_that_are_given(tmp_path):
    options = replace(QUICK, bands=[Bands(attribute="age", edges=[18, 65.5])])
    report = analysed(tmp_path, people(), AGE, options)
    # of 80 ages, 0 to 17, 18 to 65 and 66 to 79, five rows each
    assert sizes(report) == {"below 18": 90, "18 to below 65.5": 240, "65.5 and above": 70}
    assert "age is banded at 18, 65.5, as asked." in report.method.notes


def test_an_age_is_banded_at_its_quartiles_by_default(tmp_path):
    data = people()
    report = analysed(tmp_path, data, AGE)
    edges = [int(np.quantile(data["age"], q, method="inverted_cdf")) for q in (0.25, 0.5, 0.75)]
    assert edges == [19, 39, 59]
    assert set(sizes(report)) == {"below 19", "19 to below 39", "39 to below 59", "59 and above"}
    assert "age is banded at 19, 39, 59, its quartiles." in report.method.notes


def test_a_number_with_few_values_is_a_list_of_groups(tmp_path):
    report = analysed(tmp_path, people() | {"age": np.arange(400) % 4}, AGE)
    assert sizes(report) == {"0": 100, "1": 100, "2": 100, "3": 100}


@pytest.mark.parametrize("kind", [int, float])
@pytest.mark.parametrize(("values", "groups"), [(19, 19), (20, 20), (21, 4), (22, 4), (41, 4)])
def test_a_number_is_banded_from_21_values_on(tmp_path, kind, values, groups):
    ages = [kind(1900 + i % values) for i in range(values * 20)]
    report = analysed(tmp_path, people(values * 20) | {"age": ages}, AGE)
    assert len(report.attributes[0].groups) == groups


def test_rows_without_an_age_are_a_group_of_their_own(tmp_path):
    ages = [None if i < 40 else float(i % 80) for i in range(400)]
    assert sizes(analysed(tmp_path, people() | {"age": ages}, AGE))["(missing)"] == 40


def test_bands_that_differ_by_little_have_different_names(tmp_path):
    ages = 1_700_000_000 + np.arange(400) % 80
    report = analysed(tmp_path, people() | {"age": ages}, AGE)
    assert len(sizes(report)) == 4
    assert sum(sizes(report).values()) == 400


def test_texts_have_no_bands(tmp_path):
    options = replace(QUICK, bands=[Bands(attribute="age", edges=[1])])
    for values, kind in ((["old", "young"] * 200, "string"), ([True, False] * 200, "bool")):
        with pytest.raises(InvalidInput, match=f"holds {kind} values; only numbers have bands") as refused:
            analysed(tmp_path, people() | {"age": values}, AGE, options)
        assert refused.value.at == ("bands", 0, "attribute")


def test_groups_stand_in_the_order_of_their_numbers(tmp_path):
    options = replace(QUICK, bands=[Bands(attribute="age", edges=[-5, 9, 60, 1000.5])])
    ages = [[-7, 0, 10, 70, 2000, None][i % 6] for i in range(400)]
    report = analysed(tmp_path, people() | {"age": ages}, AGE, options)
    assert list(sizes(report)) == [
        "below -5",
        "-5 to below 9",
        "9 to below 60",
        "60 to below 1000.5",
        "1000.5 and above",
        "(missing)",
    ]
    report = analysed(tmp_path, people() | {"age": [[9, 10, 100, -1][i % 4] for i in range(400)]}, AGE)
    assert list(sizes(report)) == ["-1", "9", "10", "100"]


def test_an_infinite_number_is_missing(tmp_path):
    # what an upload reads as empty is so in a table that is judged where it lies
    ages = [np.inf if i < 40 else -np.inf if i < 60 else float(i % 80) for i in range(400)]
    assert sizes(analysed(tmp_path, people() | {"age": ages}, AGE))["(missing)"] == 60
    few = [np.inf if i < 40 else float(i % 2) for i in range(400)]
    assert sizes(analysed(tmp_path, people() | {"age": few}, AGE)) == {"0": 180, "1": 180, "(missing)": 40}


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("bands", Bands(attribute="shoe", edges=[1])),
        ("references", Reference(attribute="shoe", group="44")),
    ],
)
def test_options_for_no_protected_attribute_are_refused(tmp_path, name, wrong):
    with pytest.raises(InvalidInput, match="'shoe' is none of the protected attributes") as refused:
        analysed(tmp_path, people(), AGE, replace(QUICK, **{name: [wrong]}))
    assert refused.value.at == (name, 0, "attribute")


@pytest.mark.parametrize(
    ("edges", "said"), [([], "1 to 20 numbers, got 0"), ([3, 2], "rise"), ([1, np.inf], "finite")]
)
def test_edges_that_are_none_are_refused(edges, said):
    good, wrong = Bands(attribute="year", edges=[1]), Bands(attribute="age", edges=edges)
    with pytest.raises(InvalidInput, match=said) as refused:
        BiasOptions(bands=[good, wrong])
    assert refused.value.at == ("bands", 1, "edges")


def crowd(**sizes):
    """Rows of each sex, every second one selected, every third with a favourable label."""
    sex = [name for name, rows in sizes.items() for _ in range(rows)]
    return {"sex": sex, "y": [i % 3 // 2 for i in range(len(sex))], "p": [i % 2 for i in range(len(sex))]}


def asked(group, **more):
    return replace(QUICK, references=[Reference(attribute="sex", group=group)], **more)


def test_the_largest_group_is_the_reference_unless_another_is_asked_for(tmp_path):
    data = crowd(f=200, m=100, x=60)
    assert analysed(tmp_path, data, SEX).attributes[0].reference_group == "f"
    report = analysed(tmp_path, data, SEX, asked("x"))
    assert report.attributes[0].reference_group == "x"
    assert of(report, "x", Quantity.SELECTION_RATE).difference is None
    assert of(report, "f", Quantity.SELECTION_RATE).difference is not None
    impact = finding(report, Metric.DISPARATE_IMPACT)
    assert impact.highest == "x"


def test_a_band_can_be_the_reference(tmp_path):
    bands = [Bands(attribute="age", edges=[18, 65])]
    references = [Reference(attribute="age", group="65 and above")]
    report = analysed(tmp_path, people(), AGE, replace(QUICK, bands=bands, references=references))
    assert report.attributes[0].reference_group == "65 and above"


def test_a_reference_that_is_too_small_is_said_and_replaced(tmp_path):
    report = analysed(tmp_path, crowd(f=200, m=100, x=12), SEX, asked("x"))
    assert report.attributes[0].reference_group == "f"
    said = "The reference group asked for of sex has too few rows to be judged; f took its place."
    assert said in report.method.notes


def test_a_reference_that_does_not_exist_is_refused_with_those_that_do(tmp_path):
    with pytest.raises(InvalidInput, match=r"no row has 'male' as sex.*its groups are 'f', 'm'") as refused:
        analysed(tmp_path, crowd(f=200, m=100, x=12), SEX, asked("male"))
    assert refused.value.at == ("references", 0, "group")


def test_a_reference_without_favourable_labels_leaves_others_to_be_compared(tmp_path):
    data = crowd(f=200, m=100, x=60)
    data["p"] = [0 if sex == "x" else p for sex, p in zip(data["sex"], data["p"], strict=True)]
    impact = finding(analysed(tmp_path, data, SEX, asked("x")), Metric.DISPARATE_IMPACT)
    assert (impact.value, impact.verdict) == (None, Verdict.INSUFFICIENT_EVIDENCE)
    assert "the selection rate of the reference group is 0" in impact.reason


def test_crossed_groups_take_the_references_of_all_their_attributes(tmp_path):
    data = crowd(f=400, m=400) | {"town": ["a", "b"] * 400}
    columns = BiasColumns(label="y", prediction="p", protected=["sex", "town"])
    references = [Reference(attribute="sex", group="m"), Reference(attribute="town", group="b")]
    report = analysed(tmp_path, data, columns, replace(QUICK, references=references))
    assert [each.reference_group for each in report.intersections] == ["m × b"]  # noqa: RUF001


def test_intersections_stand_with_the_worst_first(tmp_path):
    # all that goes wrong goes wrong where sex and town cross
    generator = np.random.default_rng(3)
    sex, town, car = (generator.choice(list(pair), 1200) for pair in ("fm", "ab", "xy"))
    selected = generator.random(1200) < np.where((sex == "f") == (town == "a"), 0.8, 0.2)
    data = {
        "sex": sex,
        "town": town,
        "car": car,
        "y": generator.integers(0, 2, 1200),
        "p": selected.astype(int),
    }
    columns = BiasColumns(label="y", prediction="p", protected=["car", "sex", "town"])
    report = analysed(tmp_path, data, columns, replace(QUICK, max_depth=2))
    names = [each.attributes for each in report.intersections]
    assert names[0] == ("sex", "town")
    assert sorted(names) == [("car", "sex"), ("car", "town"), ("sex", "town")]
    assert len(analysed(tmp_path, data, columns, replace(QUICK, max_depth=3)).intersections) == 4
    assert analysed(tmp_path, data, columns, replace(QUICK, max_depth=1)).intersections == ()


# Berkeley: women apply where few are admitted. Selected of applicants, by department:
#   a: women 16 of 20, men 60 of 80;   b: women 16 of 80, men 3 of 20
# Over all: women 32 of 100, men 63 of 100. Within both departments women fare better.
BERKELEY = [("f", "a", 16, 20), ("m", "a", 60, 80), ("f", "b", 16, 80), ("m", "b", 3, 20)]


def berkeley(rows=BERKELEY):
    each = [(sex, dept, int(i < k)) for sex, dept, k, n in rows for i in range(n)]
    return pd.DataFrame(each, columns=["sex", "dept", "p"])


STRATA = BiasColumns(prediction="p", protected=["sex"], stratum="dept")


def test_simpsons_paradox(tmp_path):
    report = analysed(tmp_path, berkeley(), STRATA)
    assert finding(report, Metric.DEMOGRAPHIC_PARITY_DIFFERENCE).value == pytest.approx(0.31)
    # women, a: 4 of 24 unselected, 16 of 76 selected; b: 64 of 81 unselected, 16 of 19 selected; 100 rows each
    women = ((4 / 24 - 16 / 76) + (64 / 81 - 16 / 19)) / 2
    assert of(report, "f", Quantity.CONDITIONAL_DISPARITY).value == pytest.approx(women)
    assert women < 0 < 68 / 105 - 32 / 95  # without strata women are found more among the unselected
    disparity = finding(report, Metric.CONDITIONAL_DEMOGRAPHIC_DISPARITY)
    assert (disparity.value, disparity.highest) == (pytest.approx(-women), "m")


@pytest.mark.parametrize("attribute", ["sex", "age_band"])
def test_the_disparity_of_aif360_is_the_mean_over_groups(tmp_path, attribute):
    # AIF360 takes the groups themselves as strata: sum of n_i DD_i over n, DD_i ours of one stratum
    data = pd.read_csv(DATA / "german_credit_lr.csv").assign(all="1")
    columns = BiasColumns(prediction="y_pred", protected=[attribute], stratum="all")
    report = analysed(tmp_path, data, columns)
    groups = report.attributes[0].groups
    value = sum(g.size * of(report, g.name, Quantity.CONDITIONAL_DISPARITY).value for g in groups) / len(data)
    known = json.loads((DATA / "german_credit_lr.reference.json").read_text())["groupings"][attribute]
    assert value == pytest.approx(known["aif360"]["conditional_demographic_disparity"], abs=1e-9)


def test_a_stratum_in_which_all_are_selected_says_nothing(tmp_path):
    rows = [*BERKELEY, ("f", "c", 50, 50), ("m", "c", 50, 50)]
    # 100 of 300 rows are in c and count 0
    women = ((4 / 24 - 16 / 76) + (64 / 81 - 16 / 19)) / 3
    report = analysed(tmp_path, berkeley(rows), STRATA)
    assert of(report, "f", Quantity.CONDITIONAL_DISPARITY).value == pytest.approx(women)
    alike = analysed(tmp_path, berkeley([("f", "c", 50, 50), ("m", "c", 50, 50)]), STRATA)
    disparity = finding(alike, Metric.CONDITIONAL_DEMOGRAPHIC_DISPARITY)
    assert (disparity.value, disparity.verdict) == (None, Verdict.INSUFFICIENT_EVIDENCE)


def test_small_groups_are_part_of_the_strata_of_the_others(tmp_path):
    # 10 rows of x, unjudged: a finding speaks of the same numbers as the groups
    report = analysed(tmp_path, berkeley([*BERKELEY, ("x", "a", 0, 10)]), STRATA)
    disparity = finding(report, Metric.CONDITIONAL_DEMOGRAPHIC_DISPARITY)
    assert disparity.value == of(report, disparity.highest, Quantity.CONDITIONAL_DISPARITY).value
    assert disparity.highest in ("f", "m")
    assert [e.group for e in disparity.excluded] == ["x"]


def test_a_disparity_is_a_comparison_already(tmp_path):
    metric = of(analysed(tmp_path, berkeley(), STRATA), "f", Quantity.CONDITIONAL_DISPARITY)
    assert (metric.difference, metric.ratio) == (None, None)


def test_a_missing_stratum_is_a_stratum(tmp_path):
    report = analysed(tmp_path, berkeley().replace("b", None), STRATA)
    same = analysed(tmp_path, berkeley(), STRATA)
    assert [f.value for f in report.attributes[0].findings] == [f.value for f in same.attributes[0].findings]


SECRET = "zanzibari"


@pytest.mark.parametrize("kind", AnalysisType)
@pytest.mark.parametrize(("rows", "smallest"), [(7, 10), (37, 50)])
def test_a_group_too_small_to_show_is_nowhere_in_the_report(tmp_path, kind, rows, smallest):
    data = crowd(f=211, m=123, **{SECRET: rows})
    data["p"] = [1 if sex == SECRET else p for sex, p in zip(data["sex"], data["p"], strict=True)]
    data |= {"town": ["a", "b", "b"] * (len(data["sex"]) // 3) + ["a"] * (len(data["sex"]) % 3)}
    data |= {"dept": ["u", "v"] * (len(data["sex"]) // 2) + ["u"] * (len(data["sex"]) % 2)}
    data |= {"x": np.random.default_rng(1).normal(size=len(data["sex"]))}
    columns = BiasColumns(
        label="y", prediction="p", protected=["sex", "town"], stratum="dept", features=["x"]
    )
    told = []
    options = replace(asked(SECRET), suppress_below=smallest)
    report = analysed(tmp_path, data, columns, options, kind, told.append)
    written = TypeAdapter(BiasReport).dump_json(report).decode()
    partial = [step.partial for step in told if isinstance(step.partial, Finding)]
    written += TypeAdapter(list[Finding]).dump_json(partial).decode() + " ".join(
        step.message for step in told
    )
    assert SECRET not in written
    assert f'"size":{rows},' not in written
    assert f" {rows} rows" not in written
    assert f'"denominator":{rows},' not in written
    hidden = f"Groups with fewer than {smallest} rows are neither shown nor judged."
    assert hidden in report.method.notes
    assert [g.name for g in attribute_of(report, "sex").groups] == ["f", "m"]


def test_without_suppression_small_groups_are_shown(tmp_path):
    report = analysed(tmp_path, crowd(f=211, m=123, x=7), SEX)
    assert sizes(report) == {"f": 211, "m": 123, "x": 7}


def test_bands_given_make_parts_add_up(tmp_path):
    data = pd.DataFrame(people())
    options = replace(QUICK, bands=[Bands(attribute="age", edges=[18, 65])])
    for name, part in {"all": data, "one": data[:100], "two": data[100:]}.items():
        part.to_parquet(tmp_path / f"{name}.parquet")
    whole, one, two = (
        count(tmp_path / f"{name}.parquet", AGE, options=options) for name in ("all", "one", "two")
    )
    kind = AnalysisType.COMPREHENSIVE
    assert analyse(one + two, kind, options) == analyse(whole, kind, options)
    loose = [count(tmp_path / f"{name}.parquet", AGE) for name in ("one", "two")]
    if loose[0].notes != loose[1].notes:
        with pytest.raises(InvalidInput, match="read alike"):
            _ = loose[0] + loose[1]
