"""Recommendations: what other decisions would have brought on the same rows."""

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import demographic_parity_difference

from engine.fairness import AnalysisType, BiasColumns, BiasOptions, Metric
from engine.fairness.analysis import run
from engine.fairness.metrics import METRICS
from tests.fairness import unfair


def report(data, tmp_path, options=None, kind=AnalysisType.DEMOGRAPHIC_PARITY, **columns):
    data.to_parquet(tmp_path / "data.parquet")
    named = {"label": "label", "score": "score", "protected": ["group"], **columns}
    return run(tmp_path / "data.parquet", BiasColumns(**named), kind, options or BiasOptions())


def about(found, start):
    return next(r for r in found.recommendations if r.title.startswith(start))


def effect(recommendation, name):
    return next(each for each in recommendation.effects if each.name == name)


def thresholds_of(advice):
    """The threshold of each group, from the sentences that say it."""
    return {each.split(": ")[0]: float(each.rsplit(" ", 1)[1]) for each in advice.settings}


def first(found):
    """The finding that is advised on first."""
    return found.attributes[0].findings[0]


REMEDIES = ("Set the threshold", "Move the one threshold", "Decide close cases")


def remedies(found):
    return [each for each in found.recommendations if each.title.startswith(REMEDIES)]


def test_group_thresholds_bring_a_gap_down_and_say_how_to_apply_them(tmp_path):
    data = unfair()
    found = report(data, tmp_path)
    advice = about(found, "Set the threshold for each group")
    gap, accuracy = effect(advice, "demographic_parity_difference"), effect(advice, "accuracy")
    assert gap.before_interval.low <= gap.before <= gap.before_interval.high
    assert gap.after_interval.low <= gap.after <= gap.after_interval.high
    assert gap.before > 0.3
    assert gap.after < 0.05
    assert accuracy.before == pytest.approx(((data.score >= 0.5) == data.label).mean(), abs=1e-12)
    assert accuracy.before - accuracy.after < 0.05
    assert "unlawful" in advice.text
    least = thresholds_of(advice)
    decided = (data.score >= data.group.map(least)).astype(int)
    assert demographic_parity_difference(data.label, decided, sensitive_features=data.group) <= 0.011
    assert (decided == data.label).mean() == pytest.approx(accuracy.after, abs=0.01)


def test_decisions_that_are_given_are_the_ones_before(tmp_path):
    data = unfair().assign(decision=lambda d: (d.score > 0.7).astype(int))
    advice = about(report(data, tmp_path, prediction="decision"), "Set the threshold")
    assert effect(advice, "accuracy").before == pytest.approx((data.decision == data.label).mean(), abs=1e-12)


def test_close_cases_go_to_the_disadvantaged_within_one_band(tmp_path):
    advice = about(report(unfair(), tmp_path), "Decide close cases")
    assert "near the threshold of 0.5 " in advice.text
    least = thresholds_of(advice)
    assert least["c"] < 0.5 < least["a"]
    assert 0.5 - least["c"] == pytest.approx(least["a"] - 0.5, abs=0.002)
    assert "unlawful" in advice.text


def test_the_group_that_makes_the_gap_is_named_with_what_is_left_without_it(tmp_path):
    generator = np.random.default_rng(2)
    data = pd.DataFrame({"group": generator.choice(["a", "b", "odd"], 6000)})
    data["decision"] = (generator.random(6000) < data.group.map({"a": 0.5, "b": 0.5, "odd": 0.1})).astype(int)
    found = report(data, tmp_path, label=None, score=None, prediction="decision")
    advice = about(found, "Look first at odd")
    rates = data.groupby("group").decision.mean()
    assert advice.effects[0].after == pytest.approx(abs(rates["a"] - rates["b"]), abs=1e-9)
    assert "no remedy" in advice.text
    needs = about(found, "Give what it takes")
    assert needs.effects == ()
    assert "score" in needs.text and "label" in needs.text


def test_small_groups_are_shown_together(tmp_path):
    generator = np.random.default_rng(3)
    data = pd.DataFrame({"group": ["a"] * 500 + ["b"] * 500 + ["c"] * 20 + ["d"] * 25})
    chance = data.group.map({"a": 0.6, "b": 0.2, "c": 0.05, "d": 0.05})
    data["decision"] = (generator.random(len(data)) < chance).astype(int)
    found = report(data, tmp_path, label=None, score=None, prediction="decision")
    advice = about(found, "Put small groups")
    small = data[data.group.isin(["c", "d"])].decision.mean()
    assert advice.effects[0].after == pytest.approx(data[data.group == "a"].decision.mean() - small, abs=1e-9)
    assert "45 rows" in advice.text


def test_a_fair_model_gets_no_advice(tmp_path):
    generator = np.random.default_rng(4)
    data = pd.DataFrame({"group": generator.choice(["a", "b"], 20_000), "score": generator.random(20_000)})
    data["label"] = (generator.random(20_000) < data.score).astype(int)
    assert report(data, tmp_path).recommendations == ()


def test_too_few_rows_are_no_gap_to_mend(tmp_path):
    data = pd.DataFrame(
        {"group": ["a", "b"] * 40, "label": [0, 0, 1, 1] * 20, "score": [0.2, 0.2, 0.8, 0.8] * 20}
    )
    found = report(data, tmp_path)
    assert [r.title for r in found.recommendations] == ["Gather more rows to settle group"]


def test_effects_name_their_metric_and_what_it_costs_has_none(tmp_path):
    found = report(unfair(3000), tmp_path)
    named = {each.name: each.metric for advice in found.recommendations for each in advice.effects}
    assert named["demographic_parity_difference"] is Metric.DEMOGRAPHIC_PARITY_DIFFERENCE
    assert named["accuracy"] is None


@pytest.mark.parametrize("score", [0.3, 0.8])
def test_a_constant_score_leaves_nothing_to_choose(tmp_path, score):
    data = unfair(3000).assign(decision=lambda d: (d.score >= 0.5).astype(int), score=score)
    found = report(data, tmp_path, prediction="decision")
    for advice in found.recommendations:
        for each in advice.effects:
            assert np.isfinite([each.before, each.after]).all()


def test_labels_of_one_class_are_survived(tmp_path):
    found = report(unfair(3000).assign(label=1), tmp_path, kind=AnalysisType.COMPREHENSIVE)
    assert found.recommendations
    for advice in found.recommendations:
        assert all(np.isfinite([each.before, each.after]).all() for each in advice.effects)


def test_the_same_seed_gives_the_same_advice(tmp_path):
    one = report(unfair(), tmp_path, kind=AnalysisType.COMPREHENSIVE)
    assert one.recommendations == report(unfair(), tmp_path, kind=AnalysisType.COMPREHENSIVE).recommendations


def rare(share, size=6000):
    """Labels that the score says next to nothing of, of which this share is favourable."""
    generator = np.random.default_rng(11)
    data = unfair(size)
    data["decision"] = (data.score >= 0.5).astype(int)
    data["label"] = (generator.random(size) < share + 0.05 * (data.score - 0.5)).astype(int)
    return data


@pytest.mark.parametrize("share", [0.05, 0.95])
def test_to_switch_the_model_off_or_always_on_is_no_remedy(tmp_path, share):
    data = rare(share)
    found = report(data, tmp_path, prediction="decision")
    assert remedies(found) == []
    advice = about(found, "Improve the model")
    assert advice.effects == () and advice.settings == ()
    alike = max(data.label.mean(), 1 - data.label.mean())
    assert "cannot mend" in advice.text
    assert f"deciding everybody alike would be ({round(alike, 3):g} of rows)" in advice.text
    assert f"accuracy from {round((data.decision == data.label).mean(), 3):g} to" in advice.text


@pytest.mark.parametrize("kind", [AnalysisType.DEMOGRAPHIC_PARITY, AnalysisType.EQUALIZED_ODDS])
@pytest.mark.parametrize("seed", range(4))
def test_every_remedy_mends_at_a_cost_worth_paying_and_decides_both_ways(tmp_path, kind, seed):
    data = unfair(400, seed=seed)
    data["decision"] = (data.score >= 0.5).astype(int)
    alike = max(data.label.mean(), 1 - data.label.mean())
    offered = remedies(report(data, tmp_path, kind=kind, prediction="decision"))
    assert offered
    for each in offered:
        gap, selected, accuracy = each.effects[:3]
        assert selected.name == "selection_rate" and accuracy.name == "accuracy"
        fair = METRICS[Metric(gap.name)].fair
        assert abs(gap.after - fair) < abs(gap.before - fair)
        assert accuracy.after >= alike
        assert 0.5 * selected.before <= selected.after <= 1 - 0.5 * (1 - selected.before)
        assert selected.before == pytest.approx(data.decision.mean(), abs=1e-12)


def test_a_gap_in_selection_is_simulated_on_rows_without_a_label_too(tmp_path):
    data = unfair(6000)
    data["decision"] = (data.score >= 0.5).astype(int)
    data["label"] = data.label.where(data.decision == 1).astype(
        "Int64"
    )  # known only of those who were approved
    found = report(data, tmp_path, prediction="decision")
    advice = about(found, "Set the threshold")
    gap, selected, accuracy = advice.effects[:3]
    assert gap.before == first(found).value and gap.before_interval == first(found).interval
    assert accuracy.before == pytest.approx(data.label[data.decision == 1].mean(), abs=1e-12)
    assert (
        f"Simulated on all {len(data):,} rows. Accuracy rests on the {data.label.notna().sum():,} with"
        in advice.text
    )
    assert "accuracy says nothing of the rows that would" in advice.text
    decided = (data.score >= data.group.map(thresholds_of(advice))).astype(int)
    assert demographic_parity_difference(decided, decided, sensitive_features=data.group) <= 0.011
    assert gap.after <= 0.05
    # as many are approved as now
    assert decided.mean() == pytest.approx(data.decision.mean(), abs=0.01)
    assert selected.after == pytest.approx(data.decision.mean(), abs=0.02)


def test_rows_without_a_score_are_spoken_of(tmp_path):
    data = unfair(6000)
    data["decision"] = (data.score >= 0.5).astype(int)
    data["score"] = data.score.where(np.arange(len(data)) % 10 > 0)
    found = report(data, tmp_path, prediction="decision")
    advice = about(found, "Set the threshold")
    assert effect(advice, "demographic_parity_difference").before == first(found).value
    assert (
        "Simulated on 5,400 rows with a score; the finding rests on 6,000 rows with a decision" in advice.text
    )


def test_labels_that_are_missing_for_a_group_do_not_move_its_selection_rate(tmp_path):
    data = unfair(6000)
    data["label"] = data.label.where((data.group != "c") | (data.score >= 0.5)).astype("Int64")
    found = report(data, tmp_path)
    assert effect(about(found, "Set the"), "demographic_parity_difference").before == first(found).value


@pytest.mark.parametrize("kind", [AnalysisType.DEMOGRAPHIC_PARITY, AnalysisType.EQUALIZED_ODDS])
def test_a_score_the_wrong_way_round_is_asked_about_and_offers_nothing(tmp_path, kind):
    data = unfair(6000).assign(decision=lambda d: (d.score >= 0.5).astype(int), score=lambda d: -d.score)
    found = report(data, tmp_path, kind=kind, prediction="decision")
    assert remedies(found) == []
    assert "wrong way round?" in about(found, "Improve the model").text
    right_way = report(data.assign(score=-data.score), tmp_path, kind=kind, prediction="decision")
    assert remedies(right_way)
    assert not any("wrong way round" in each.text for each in right_way.recommendations)


def test_the_band_lies_around_the_threshold_that_decisions_speak_of(tmp_path):
    data = unfair().assign(decision=lambda d: (d.score >= 0.6).astype(int))
    advice = about(report(data, tmp_path, prediction="decision"), "Decide close cases")
    assert "taken as given, whatever threshold made them; from a score of 0.6 on" in advice.text
    least = thresholds_of(advice)
    assert 0.6 - least["c"] == pytest.approx(least["a"] - 0.6, abs=0.002)


@pytest.mark.parametrize("metric", [Metric.DEMOGRAPHIC_PARITY_RATIO, Metric.DEMOGRAPHIC_PARITY_DIFFERENCE])
@pytest.mark.parametrize("score", ["score", None])
def test_no_ratio_is_said_to_be_brought_down(tmp_path, metric, score):
    data = unfair(4000).assign(decision=lambda d: (d.score >= 0.5).astype(int))
    asked = BiasOptions(metrics=[metric], bootstrap_samples=200)
    found = report(data, tmp_path, asked, prediction="decision", score=score)
    assert found.recommendations
    for each in found.recommendations:
        assert not any(word in each.title + each.text for word in ("lower", " down", "least loss"))


def with_small_groups(chance):
    generator = np.random.default_rng(3)
    data = pd.DataFrame({"group": ["a"] * 500 + ["b"] * 500 + ["c"] * 20 + ["d"] * 25})
    rates = data.group.map({"a": 0.6, "b": 0.2}).fillna(chance)
    data["decision"] = (generator.random(len(data)) < rates).astype(int)
    return data


def test_small_groups_that_change_nothing_are_not_spoken_of(tmp_path):
    found = report(with_small_groups(0.4), tmp_path, label=None, score=None, prediction="decision")
    assert [each for each in found.recommendations if each.title.startswith("Put small")] == []


def test_of_groups_that_are_hidden_neither_number_nor_size_is_said(tmp_path):
    hidden = BiasOptions(suppress_below=30)
    found = report(with_small_groups(0.05), tmp_path, hidden, label=None, score=None, prediction="decision")
    advice = about(found, "Put small groups")
    assert "Some groups are too small" in advice.text
    assert not any(said in advice.text for said in ("2 groups", "45", "rows,"))
