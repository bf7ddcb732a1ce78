"""A model trained again under a constraint: what it does on held-out rows, beside fairlearn's own search and numbers."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fairlearn.metrics import (
    demographic_parity_difference,
    equal_opportunity_difference,
    equalized_odds_difference,
)
from fairlearn.reductions import DemographicParity, GridSearch
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from engine.errors import InvalidInput
from engine.fairness.membership import Membership, grouped
from engine.mitigation import Candidate, Constraint, MitigationOptions
from engine.mitigation.candidates import multipliers, spread
from engine.mitigation.measuring import Ground, choose
from engine.mitigation.mitigate import mitigate, mitigated
from engine.mitigation.splitting import divided
from engine.mitigation.unfitted import unfitted
from engine.models.skops_file import opened
from engine.values import silent
from tests.estimators import dumped
from tests.scorers import Made

RANDOM = np.random.default_rng(0)
N = 2_000
SEX = np.where(RANDOM.random(N) < 0.4, "f", "m").astype(object)
# skill is what labels follow; pay is a proxy of sex that they follow too
ROWS = pd.DataFrame({"skill": RANDOM.normal(size=N), "pay": RANDOM.normal(size=N) + 2.0 * (SEX == "m")})
ROWS["town"] = RANDOM.choice(["Oslo", "Rome"], N).astype(object)
PAID = np.where(ROWS["skill"] + ROWS["pay"] - 1.2 + RANDOM.normal(size=N) * 0.5 > 0, "yes", "no")
FEATURES = ["skill", "pay", "town"]
ROWS["paid"] = PAID.astype(object)
OPTIONS = MitigationOptions(attribute="sex", label="paid", bootstrap_samples=100, candidates=11)


def of(names: np.ndarray) -> Membership:
    codes, values = pd.factorize(names, use_na_sentinel=False)
    return grouped("sex", [None if value != value else value for value in values], codes)


@pytest.fixture(scope="module")
def scorer(tmp_path_factory):
    encode = make_column_transformer((StandardScaler(), ["skill", "pay"]), (OneHotEncoder(), ["town"]))
    model = make_pipeline(encode, LogisticRegression(C=10)).fit(ROWS[FEATURES], PAID)
    return opened(dumped(model, tmp_path_factory.mktemp("model")))


@pytest.mark.parametrize("constraint", list(Constraint))
def test_the_gap_closes_on_rows_that_were_held_out(scorer, constraint):
    report, _ = mitigated(scorer, ROWS, of(SEX), replace(OPTIONS, constraint=constraint))
    interval = report.mitigated.gap_interval
    assert interval.low <= report.mitigated.gap <= interval.high
    assert report.summary.startswith("On 600 held-out rows the ")
    if constraint is not Constraint.ERROR_RATE_PARITY:  # of which there is no gap in these rows
        assert report.changed
        assert report.mitigated.gap < report.before.gap - 0.02
        assert report.mitigated.gap < report.retrained.gap - 0.02
        assert report.mitigated.accuracy > 0.6
    assert (report.rows.training, report.rows.selection, report.rows.held_out) == (1_000, 400, 600)
    assert sum(each.chosen for each in report.candidates) == 1


def test_a_dataset_becomes_the_file_of_a_new_model_and_the_same_one_again(scorer, tmp_path):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({**{name: ROWS[name] for name in ROWS}, "sex": SEX}), path)
    steps, files = [], [tmp_path / f"{i}.skops" for i in range(2)]
    report = mitigate(steps.append, scorer, [path], OPTIONS, files[0])
    assert mitigate(silent, scorer, [path], OPTIONS, files[1]) == report
    made, twice = (opened(file) for file in files)
    scores = made.scores(ROWS)
    assert np.array_equal(scores, twice.scores(ROWS))
    assert (made.signature.names, made.signature.classes) == (FEATURES, ("no", "yes"))
    # over all rows about what the held-out ones show
    gap = demographic_parity_difference(PAID == "yes", scores[:, 1] >= 0.5, sensitive_features=SEX)
    assert gap == pytest.approx(report.mitigated.gap, abs=0.08)
    assert "Trained 11 of 11 candidates" in [step.message for step in steps]
    assert [step.fraction for step in steps] == sorted(step.fraction for step in steps)
    *told, last = [step.partial for step in steps if step.partial is not None]
    assert told == [replace(each, chosen=False) for each in report.candidates]
    assert [last] == [each for each in report.candidates if each.chosen]
    with pytest.raises(InvalidInput, match="no column 'payed'") as refusal:
        mitigate(silent, scorer, [path], replace(OPTIONS, label="payed"), files[0])
    assert refusal.value.at == ("label",)


@pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")  # fairlearn's own
def test_its_candidates_are_those_of_fairlearns_search_on_the_same_grid(tmp_path):
    numbers = ROWS[["skill", "pay"]]
    scorer = opened(dumped(LogisticRegression(C=10).fit(numbers, PAID), tmp_path))
    report, made = mitigated(scorer, ROWS, of(SEX), OPTIONS)
    # the same three parts, from the one function that makes them; everything else is fairlearn's
    yes = PAID == "yes"
    parts = divided(2 * (SEX == "m") + yes, 0.2, 0.3, 0)
    rows, truth, sex = numbers.iloc[parts.training], yes[parts.training].astype(int), SEX[parts.training]
    grid = multipliers(Constraint.DEMOGRAPHIC_PARITY, truth, sex, 11, 0)
    search = GridSearch(LogisticRegression(C=10), DemographicParity(), grid=grid)
    search.fit(rows, truth, sensitive_features=sex)
    at = parts.selection
    for each in report.candidates:
        said = search.predictors_[each.number].predict(numbers.iloc[at])
        gap = demographic_parity_difference(yes[at], said, sensitive_features=SEX[at])
        assert (each.gap, each.accuracy) == pytest.approx((gap, (said == yes[at]).mean()))
    best = next(each for each in report.candidates if each.chosen)
    assert best.gap + 1 - best.accuracy == min(each.gap + 1 - each.accuracy for each in report.candidates)
    assert made.estimator.coef_ == pytest.approx(search.predictors_[best.number].coef_)
    said = search.predictors_[best.number].predict(numbers.iloc[parts.held_out])
    assert report.mitigated.accuracy == pytest.approx((said == yes[parts.held_out]).mean())


def test_every_number_is_that_of_fairlearn():
    yes, favored = PAID == "yes", np.random.default_rng(1).random(N) < np.where(SEX == "m", 0.6, 0.4)
    expected = {
        Constraint.DEMOGRAPHIC_PARITY: demographic_parity_difference,
        Constraint.EQUALIZED_ODDS: equalized_odds_difference,
        Constraint.TRUE_POSITIVE_RATE_PARITY: equal_opportunity_difference,
    }
    for constraint, difference in expected.items():
        options = replace(OPTIONS, constraint=constraint)
        ground = Ground(names=["f", "m"], groups=(SEX == "m").astype(np.intp), truth=yes, options=options)
        found = ground.measures(favored)
        assert found.gap == pytest.approx(difference(yes, favored, sensitive_features=SEX))
        assert found.accuracy == pytest.approx((favored == yes).mean())
        assert found.selection_rate == pytest.approx(favored.mean())
        assert found.groups[0].true_positive_rate == pytest.approx(favored[(SEX == "f") & yes].mean())
        assert found.groups[1].false_positive_rate == pytest.approx(favored[(SEX == "m") & ~yes].mean())


def test_the_choice_weighs_mistakes_against_the_gap_by_hand():
    curve = [
        Candidate(number=0, gap=1.0, accuracy=1.0, chosen=False),
        Candidate(number=3, gap=0.0, accuracy=0.5, chosen=False),
        Candidate(number=4, gap=None, accuracy=1.0, chosen=False),
    ]
    for weight, chosen in ((0.0, 0), (0.3, 0), (0.4, 3), (1.0, 3)):  # losses are weight and (1 - weight) / 2
        assert [each.number for each in choose(curve, weight) if each.chosen] == [chosen]


@pytest.mark.parametrize("dimensions", [1, 2, 5])
def test_multipliers_begin_without_any_and_lie_on_both_sides(dimensions):
    found = spread(dimensions, 20, seed=0)
    assert found.shape == (20, dimensions)
    assert not found[0].any()
    assert np.abs(found).max() <= 1
    assert (found.max(axis=0) > 0.5).all()
    assert (found.min(axis=0) < -0.5).all()
    assert len(np.unique(found, axis=0)) == 20


def test_the_three_parts_share_no_row_and_are_alike():
    strata = RANDOM.integers(0, 4, N)
    parts = divided(strata, 0.2, 0.3, seed=1)
    together = np.concatenate([parts.training, parts.selection, parts.held_out])
    assert np.array_equal(np.sort(together), np.arange(N))
    for stratum in range(4):
        rows = (strata == stratum).sum()
        assert (strata[parts.held_out] == stratum).sum() == round(0.3 * rows)
        assert (strata[parts.selection] == stratum).sum() == round(0.2 * rows)
    assert not np.array_equal(divided(strata, 0.2, 0.3, seed=2).training, parts.training)


def test_what_could_touch_files_or_start_processes_is_put_back(tmp_path):
    inner = make_pipeline(StandardScaler(), LogisticRegression(), memory=str(tmp_path / "cache"))
    forest = RandomForestClassifier(n_jobs=2, verbose=3, warm_start=True)
    inner.set_params(logisticregression=forest, verbose=True)
    settings = unfitted(inner, 5).get_params()
    name = "randomforestclassifier" if "randomforestclassifier" in settings else "logisticregression"
    told = [settings[each] for each in ("memory", "verbose", f"{name}__n_jobs", f"{name}__verbose")]
    assert told == [None, False, None, False]
    assert (settings[f"{name}__warm_start"], settings[f"{name}__random_state"]) == (False, 5)


def test_rows_without_label_or_group_and_small_groups_take_no_part_and_are_told(scorer):
    rows, sex = ROWS.copy(), SEX.copy()
    rows.loc[:9, "paid"] = None
    sex[5:15] = None
    sex[20:40] = "x"
    report, _ = mitigated(scorer, rows, of(sex), OPTIONS, not_drawn=7)
    left = report.rows
    assert (left.no_label, left.no_group, left.small_groups, left.not_drawn) == (10, 5, 20, 7)
    assert left.training + left.selection + left.held_out == N - 35
    assert [each.group for each in report.mitigated.groups] == ["f", "m"]
    assert any("10 rows have no label and 5 rows have no value of sex" in note for note in report.notes)
    assert any("x: 6 of the held-out rows, of 20 in all" in note for note in report.notes)


@pytest.mark.parametrize(
    ("options", "at"),
    [
        ({"constraint_weight": 1.5}, "constraint_weight"),
        ({"candidates": 2}, "candidates"),
        ({"candidates": 3.5}, "candidates"),
        ({"favorable": ""}, "favorable"),
        ({"held_out": 0.0}, "held_out"),
        ({"held_out": 0.5, "selection": 0.4}, "held_out"),
        ({"label": "sex"}, "label"),
        ({"attribute": ""}, "attribute"),
        ({"bands": [2, 1]}, "bands"),
    ],
)
def test_options_beyond_their_range_are_refused(options, at):
    with pytest.raises(InvalidInput) as error:
        replace(OPTIONS, **options)
    assert error.value.at == (at,)


def test_what_cannot_be_trained_again_is_refused_in_words(scorer, tmp_path):
    numbers = ROWS[["skill", "pay"]]

    def refused(scorer=scorer, options=OPTIONS, sex=SEX, **given):
        with pytest.raises(InvalidInput) as error:
            mitigated(scorer, ROWS.assign(**given), of(sex), options)
        return str(error.value), error.value.at

    made = Made(function=lambda rows: rows["pay"] > 0, names=["pay"], classes=["no", "yes"])
    assert "only scikit-learn models" in refused(made)[0]
    three = opened(dumped(LogisticRegression().fit(numbers, np.arange(N) % 3), tmp_path))
    assert refused(three) == (
        "mitigation is for binary classification, and this model has 3 classes",
        ("model_id",),
    )
    said, at = refused(paid=np.array(["maybe", *PAID[1:]], dtype=object))
    assert ("'maybe' in column 'paid' is none of the model's classes" in said, at) == (True, ("label",))
    assert "no class 'good'" in refused(options=replace(OPTIONS, favorable="good"))[0]
    assert "looks at 'pay'" in refused(options=replace(OPTIONS, label="pay"))[0]
    said, at = refused(sex=np.full(N, "f", dtype=object))
    assert ("compares, and only f has" in said, at) == (True, ("min_group_size",))
    said, _ = refused(sex=np.array(["f"] * (N - 20) + ["m"] * 20, dtype=object))
    assert "Too small are m: 6 of the held-out rows, of 20 in all" in said
    said, at = refused(paid=np.full(N, "yes", dtype=object))
    assert (said, at) == (
        "a model is trained on rows of both classes, and all 2,000 rows that take part have the label 'yes' in 'paid':"
        " give rows with 'no' too, or more of them",
        ("label",),
    )
    # of two rows one is held out, and one is to choose on
    two = np.array(["no", "no"] + ["yes"] * (N - 2), dtype=object)
    said, at = refused(
        options=replace(OPTIONS, held_out=0.5, selection=0.3, min_group_size=1),
        sex=np.array(["f"] * 1_000 + ["m"] * 1_000, dtype=object),
        paid=two,
    )
    assert ("rows to train on have the label 'yes'" in said, at) == (True, ("label",))
