"""What features add to the gap between two groups: in closed form, by hand, and beside shap."""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats
from sklearn.ensemble import GradientBoostingClassifier

from engine.errors import InvalidInput
from engine.explanations.asking import ask
from engine.explanations.case import Case
from engine.explanations.explain import explain
from engine.explanations.gap import chosen_groups
from engine.explanations.options import ExplanationKind, ExplanationOptions, Perturbation
from engine.explanations.report import Explained
from engine.fairness.membership import Membership, grouped
from engine.models.ensemble import Link
from engine.models.scorer import Inside, Linear
from engine.models.skops_file import opened
from engine.values import silent
from tests.estimators import dumped
from tests.scorers import Made, case

RANDOM = np.random.default_rng(0)
ROWS = pd.DataFrame({"income": RANDOM.normal(50, 10, 300), "debt": RANDOM.exponential(5, 300)})
SEX = np.where(RANDOM.random(300) < 0.4, "f", "m")
ROWS["income"] -= 8 * (SEX == "f")
WEIGHTS = np.array([[0.05, -0.2]])


def gap(asked: Case, groups: Membership, group: str | None = None, reference: str | None = None) -> Explained:
    options = replace(asked.options, attribute=groups.attribute, group=group, reference=reference)
    return explain(ExplanationKind.GAP, replace(asked, groups=groups, options=options))


def of(names: np.ndarray, attribute: str = "sex") -> Membership:
    codes, values = pd.factorize(names)
    return grouped(attribute, list(values), codes)


def encode(rows: pd.DataFrame) -> np.ndarray:
    return rows[["income", "debt"]].to_numpy(float)


CORE = Linear(weights=WEIGHTS, intercept=np.array([-1.0]), link=Link.LOGISTIC)
LOAN = Made(
    function=lambda rows: CORE.link.scores(CORE.margins(encode(rows)))[:, 1],
    names=["income", "debt"],
    classes=["no", "yes"],
    structure=Inside(core=CORE, players=np.array([0, 1]), encode=encode),
)


def test_of_a_linear_model_each_feature_adds_its_weight_times_the_difference_of_its_means() -> None:
    found = gap(case(LOAN, ROWS, ROWS[:50]), of(SEX), "f", "m")
    f, m = ROWS[SEX == "f"], ROWS[SEX == "m"]
    by_name = {each.feature: each for each in found.gap.features}
    for name, weight in (("income", 0.05), ("debt", -0.2)):
        assert by_name[name].difference == pytest.approx(weight * (f[name].mean() - m[name].mean()))
        interval = stats.ttest_ind(weight * f[name], weight * m[name], equal_var=False).confidence_interval()
        assert (by_name[name].interval.low, by_name[name].interval.high) == pytest.approx(interval)
    log_odds = ROWS["income"] * 0.05 - ROWS["debt"] * 0.2 - 1
    assert found.gap.difference == pytest.approx(log_odds[SEX == "f"].mean() - log_odds[SEX == "m"].mean())
    assert found.largest_additivity_error < 1e-12
    assert (found.unit, found.exact, found.gap.rows, found.gap.reference_rows) == (
        "log-odds",
        True,
        len(f),
        len(m),
    )
    chance = 1 / (1 + np.exp(-log_odds))
    assert found.gap.score == pytest.approx(chance[SEX == "f"].mean())
    assert found.gap.reference_score == pytest.approx(chance[SEX == "m"].mean())
    assert [each.feature for each in found.gap.features] == [
        "income",
        "debt",
    ]  # 8 years' worth of income apart
    adds = {name: f"{name} ({each.difference:+.3g})" for name, each in by_name.items()}
    assert found.summary == (
        f"The mean score of 'yes' is {found.gap.score:.3f} for f and {found.gap.reference_score:.3f} for m (sex). The gap"
        f" is {found.gap.difference:+.3g} (in log-odds); its largest parts are {adds['income']}, {adds['debt']}."
    )
    assert not any(each.protected for each in found.gap.features)


def test_turned_round_every_sign_turns_and_what_is_not_shown_is_summed_up() -> None:
    there = gap(case(LOAN, ROWS, ROWS), of(SEX), "f", "m")
    back = gap(case(LOAN, ROWS, ROWS, ExplanationOptions(max_features=1)), of(SEX), "m", "f")
    assert back.gap.difference == pytest.approx(-there.gap.difference)
    assert len(back.gap.features) == 1
    assert back.gap.features[0].difference == pytest.approx(-there.gap.features[0].difference)
    assert back.gap.features[0].difference + back.gap.others == pytest.approx(back.gap.difference)
    assert back.gap.features[0].interval.low == pytest.approx(-there.gap.features[0].interval.high)


def test_the_attribute_itself_is_marked_and_carries_all_where_it_decides_alone() -> None:
    rows = pd.DataFrame({"sex": [1.0, 1, 0, 0, 0], "income": [1.0, 2, 3, 4, 5]})
    scorer = Made(
        function=lambda given: 0.2 + 0.5 * given["sex"], names=["sex", "income"], classes=["0", "1"]
    )
    found = gap(case(scorer, rows, rows), of(np.array(["1", "1", "0", "0", "0"])))
    assert (found.gap.group, found.gap.reference) == ("1", "0")  # the larger one is compared with
    first, second = found.gap.features
    assert (first.feature, first.protected, second.protected) == ("sex", True, False)
    assert first.difference == pytest.approx(0.5)
    assert (first.mean, first.reference_mean) == pytest.approx((0.3, -0.2))  # 0.7 and 0.2 around 0.4
    assert (first.interval.low, first.interval.high) == pytest.approx((0.5, 0.5))  # each group is all alike
    assert second.difference == pytest.approx(0)
    assert found.unit == "probability"
    assert found.evaluations > 0


@pytest.mark.parametrize("perturbation", list(Perturbation))
def test_differences_are_those_of_the_values_of_shap(tmp_path, perturbation) -> None:
    import shap  # noqa: PLC0415  # slow to load

    label = (ROWS["income"] - ROWS["debt"] + RANDOM.normal(0, 5, 300) > 40).astype(int)
    model = GradientBoostingClassifier(n_estimators=10, random_state=0).fit(ROWS, label)
    options = ExplanationOptions(perturbation=perturbation)
    found = gap(case(opened(dumped(model, tmp_path)), ROWS, ROWS[:40], options), of(SEX), "f", "m")
    interventional = perturbation is Perturbation.INTERVENTIONAL
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        explainer = shap.TreeExplainer(
            model,
            ROWS[:40] if interventional else None,
            feature_perturbation="interventional" if interventional else "tree_path_dependent",
        )
        values = explainer.shap_values(ROWS)
    expected = values[SEX == "f"].mean(axis=0) - values[SEX == "m"].mean(axis=0)
    by_name = {each.feature: each.difference for each in found.gap.features}
    assert [by_name["income"], by_name["debt"]] == pytest.approx(expected, rel=1e-5, abs=1e-7)
    assert found.largest_additivity_error < 1e-9
    assert (found.background is None) == (not interventional)


def test_of_several_classes_one_is_explained_for_all_rows() -> None:
    def function(rows: pd.DataFrame) -> np.ndarray:
        scores = np.tile([0.5, 0.3, 0.2], (len(rows), 1))
        scores[(rows["x"] > 2).to_numpy()] = [0.1, 0.3, 0.6]
        return scores

    rows = pd.DataFrame({"x": [1.0, 2, 1, 3, 1]})
    found = gap(
        case(Made(function=function, names=["x"], classes=["a", "b", "c"]), rows, rows),
        of(np.array(list("fffmm"))),
    )
    assert found.explained_class == "a"  # that most rows are given
    assert found.gap.difference == pytest.approx(
        -0.2 if found.gap.group == "m" else 0.2
    )  # 0.3 of m, 0.5 of f


def test_features_are_told_as_they_become_known() -> None:
    steps = []
    told = case(LOAN, ROWS, ROWS[:20])
    found = gap(replace(told, tell=steps.append), of(SEX), "f", "m")
    assert [step.interim for step in steps] == [True, True, False, False]
    assert [step.partial for step in steps[2:]] == list(found.gap.features)
    assert steps[0].message.startswith("After 100 of 300 rows")


@pytest.mark.parametrize(
    ("names", "group", "reference", "at", "said"),
    [
        ("aaabbbcc", None, None, "group", "compare with 'a': 'b', 'c'"),
        ("aaabbbcc", "d", None, "group", "no group 'd'; its groups are 'a', 'b', 'c'"),
        ("aaabbbcc", "a", "d", "reference", "no group 'd'"),
        ("aaaaaaab", "b", "a", "group", "'b' has 1 of the rows, and at least 2"),
        ("aaaaaaaa", None, None, "group", "there is no other"),
        ("aaaaaaaa", "a", None, "attribute", "all rows are in one group of sex"),
    ],
)
def test_groups_that_cannot_be_compared_are_refused_in_words(names, group, reference, at, said) -> None:
    with pytest.raises(InvalidInput) as error:
        gap(case(LOAN, ROWS[:8], ROWS[:8]), of(np.array(list(names))), group, reference)
    assert error.value.at == (at,)
    assert said in str(error.value)


def test_rows_without_a_value_are_no_group_unless_they_are_named() -> None:
    def of_texts(text: str) -> Membership:
        return grouped("sex", ["a", "b", None], ["ab-".index(each) for each in text])

    groups = of_texts("-----aaabb")
    missing = groups.names[groups.missing]
    assert chosen_groups(groups, None, None) == chosen_groups(groups, "b", "a")
    assert chosen_groups(groups, "b", None) == chosen_groups(groups, "b", "a")
    assert chosen_groups(groups, "a", missing)[1] == chosen_groups(groups, missing, None)[0] == groups.missing
    with pytest.raises(InvalidInput, match="all rows that have a value are in one group of sex"):
        chosen_groups(of_texts("-----aaa"), "a", None)


@pytest.mark.parametrize(
    ("options", "at"),
    [
        ({"sample_rows": 3}, "sample_rows"),
        ({"attribute": ""}, "attribute"),
        ({"attribute": None}, "attribute"),
        ({"rows": [1]}, "rows"),
        ({"group": "f", "reference": "f"}, "reference"),
        ({"bands": [float("inf")]}, "bands"),
        ({"max_features": 51}, "max_features"),
    ],
)
def test_options_beyond_their_range_are_refused(options, at) -> None:
    with pytest.raises(InvalidInput) as error:
        ExplanationOptions(**{"attribute": "sex"} | options).check(ExplanationKind.GAP)
    assert error.value.at == (at,)


def test_a_dataset_is_read_with_as_many_rows_of_each_group(tmp_path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"sex": SEX, "income": ROWS["income"], "debt": ROWS["debt"]}), path)

    def asked(**options: object) -> Explained:
        return ask(silent, LOAN, [path], ExplanationKind.GAP, ExplanationOptions(attribute="sex", **options))

    whole = asked()
    assert (whole.gap.group, whole.gap.reference) == ("f", "m")
    assert (whole.gap.rows, whole.gap.reference_rows) == ((SEX == "f").sum(), (SEX == "m").sum())
    assert whole.gap.difference == pytest.approx(
        gap(case(LOAN, ROWS, ROWS), of(SEX), "f", "m").gap.difference
    )
    some = asked(sample_rows=41, background_rows=10)
    assert (some.gap.rows, some.gap.reference_rows, some.rows_used) == (20, 20, 40)
    assert (some.background.rows, some.background.of_rows) == (10, 300)
    assert asked(sample_rows=41, background_rows=10).gap == some.gap
    with pytest.raises(InvalidInput, match="no column 'sexx'; did you mean 'sex'") as error:
        ask(silent, LOAN, [path], ExplanationKind.GAP, ExplanationOptions(attribute="sexx"))
    assert error.value.at == ("attribute",)
