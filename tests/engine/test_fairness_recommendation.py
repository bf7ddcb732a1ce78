"""Recommendations: exposure, nDCG and what users are shown, against hand-worked numbers, other libraries and row bootstraps."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import norm, sem
from sklearn.metrics import ndcg_score

from engine.errors import InvalidInput
from engine.fairness import AnalysisType, BiasColumns, BiasOptions, Metric, Quantity, Verdict, recommendation
from engine.fairness.analysis import FAMILIES, judged, run
from engine.fairness.evidence import merged
from engine.fairness.keeping import packed, unpacked
from engine.fairness.of_rankings import jensen_shannon
from engine.values import ModelType, silent

ANY_SIZE = BiasOptions(min_group_size=1, bootstrap_samples=100)
ROLES = {"user": "user", "item": "item", "item_group": "maker"}
RANKED = BiasColumns(protected=["sex"], rank="rank", relevance="relevance", **ROLES)
SCORED = BiasColumns(protected=["sex"], score="score", relevance="relevance", **ROLES)
UNJUDGED = BiasColumns(protected=["sex"], rank="rank", **ROLES)
LOG3, LOG5 = np.log2(3), np.log2(5)

# two users and four items; x is shown first to both
HAND = {
    "user": ["ann", "ann", "ann", "bob", "bob", "bob"],
    "sex": ["w", "w", "w", "m", "m", "m"],
    "item": ["i1", "i2", "i3", "i1", "i3", "i4"],
    "maker": ["x", "y", "y", "x", "y", "x"],
    "rank": [1, 2, 3, 1, 2, 3],
    "relevance": [0, 1, 0, 2, 0, 1],
}


def write(folder, data):
    path = folder / "rows.parquet"
    pq.write_table(pa.table(data), path)
    return path


def report(folder, data, columns=RANKED, options=ANY_SIZE, kind=AnalysisType.COMPREHENSIVE):
    return run(write(folder, data), columns, kind, options, model=ModelType.RECOMMENDATION)


def summary(folder, data, columns=RANKED, options=ANY_SIZE):
    return FAMILIES[ModelType.RECOMMENDATION].summarise(write(folder, data), columns, options, silent)


def of(summary, columns=RANKED, options=ANY_SIZE):
    return judged(summary, columns, AnalysisType.COMPREHENSIVE, options, model=ModelType.RECOMMENDATION)


def found(report):
    return {finding.metric: finding for each in report.attributes for finding in each.findings}


def values(report):
    return {metric: finding.value for metric, finding in found(report).items()}


def quantity(report, wanted):
    return {
        group.name: metric.value
        for each in report.attributes
        for group in each.groups
        for metric in group.metrics
        if metric.quantity is wanted
    }


def test_exposure_by_hand(tmp_path):
    # exposures of places 1, 2, 3 are 1, 1 / log2 3, 1 / 2. x gets 1 + 1 + 1 / 2, y gets 2 / log2 3 + 1 / 2;
    # each has two of the four items. Relevances are 3 of x and 1 of y.
    x, y = 2.5, 2 / LOG3 + 0.5
    made = report(tmp_path, HAND)
    assert quantity(made, Quantity.EXPOSURE) == pytest.approx({"x": 2 * x / (x + y), "y": 2 * y / (x + y)})
    assert quantity(made, Quantity.EXPOSURE_TO_RELEVANCE) == pytest.approx({"x": x / 3, "y": y})
    assert values(made)[Metric.EXPOSURE_PARITY_RATIO] == pytest.approx(y / x)
    assert values(made)[Metric.EXPOSURE_TO_RELEVANCE_RATIO] == pytest.approx(x / 3 / y)
    assert [each.attribute for each in made.attributes] == ["sex", "maker"]


def test_what_users_are_shown_by_hand(tmp_path):
    # ann sees x at 1 and y at 2 and 3; bob sees x at 1 and 3 and y at 2
    ann, bob = [1, 1 / LOG3 + 0.5], [1.5, 1 / LOG3]
    made = report(tmp_path, HAND)
    expected = jensenshannon(ann, bob, base=2)
    assert values(made)[Metric.ITEM_DISTRIBUTION_DISTANCE] == pytest.approx(expected)
    # ann's only relevant item stands second; bob's are worth 2 at 1 and 1 at 3, best at 1 and 2
    ndcg = {"w": 1 / LOG3, "m": 2.5 / (2 + 1 / LOG3)}
    assert quantity(made, Quantity.NDCG) == pytest.approx(ndcg)
    assert values(made)[Metric.NDCG_DIFFERENCE] == pytest.approx(ndcg["m"] - ndcg["w"])


def test_the_mean_gain_of_users_has_the_standard_error_of_a_mean(tmp_path):
    # three users whose only relevant item stands first, second and third
    gains = [1, 1 / LOG3, 0.5]
    data = {
        "user": [user for user in "abc" for _ in range(3)],
        "sex": ["w"] * 9,
        "item": [f"i{i}" for _ in "abc" for i in range(3)],
        "maker": ["x", "y", "y"] * 3,
        "rank": [1, 2, 3] * 3,
        "relevance": [1, 0, 0, 0, 1, 0, 0, 0, 1],
    }
    made = report(tmp_path, data)
    (ndcg,) = [m for m in made.attributes[0].groups[0].metrics if m.quantity is Quantity.NDCG]
    assert ndcg.interval.low == pytest.approx(np.mean(gains) - norm.isf(0.025) * sem(gains))
    assert ndcg.interval.high == 1.0  # 1.0037 by the formula


def test_places_beyond_k_do_not_count(tmp_path):
    made = report(tmp_path, HAND, options=BiasOptions(min_group_size=1, bootstrap_samples=100, k=1))
    assert quantity(made, Quantity.EXPOSURE) == pytest.approx({"x": 2.0, "y": 0.0})
    assert quantity(made, Quantity.NDCG) == pytest.approx({"w": 0.0, "m": 1.0})
    assert values(made)[Metric.EXPOSURE_PARITY_RATIO] == 0.0
    assert values(made)[Metric.ITEM_DISTRIBUTION_DISTANCE] == 0.0


def test_scores_give_places_and_ties_go_by_the_text_of_the_item(tmp_path):
    data = {name: column for name, column in HAND.items() if name != "rank"}
    scored = {**data, "score": [0.9, 0.9, 0.1, 5.0, 4.0, 4.0]}
    assert values(report(tmp_path, scored, SCORED)) == pytest.approx(values(report(tmp_path, HAND)))


def test_items_that_are_not_shown_count_for_the_best_list(tmp_path):
    # ann would have liked i5 twice as much: the best list has 2 first and 1 second
    data = {name: list(column) for name, column in HAND.items()}
    for name, value in zip(data, ["ann", "w", "i5", "y", None, 2], strict=True):
        data[name].append(value)
    made = report(tmp_path, data)
    assert quantity(made, Quantity.NDCG)["w"] == pytest.approx(1 / LOG3 / (2 + 1 / LOG3))
    assert any("1 row has no place" in note for note in made.method.notes)


def lists(seed, users=40, places=6, items=30, sexes="wm"):
    """Random lists with ties in relevance."""
    generator = np.random.default_rng(seed)
    shown = np.concatenate([generator.permutation(items)[:places] for _ in range(users)])
    return {
        "user": np.repeat(np.arange(users), places),
        "sex": np.repeat(generator.choice(list(sexes), users), places),
        "item": shown,
        "maker": np.array(list("xyz"))[shown % 3],
        "rank": np.concatenate([generator.permutation(places) + 1 for _ in range(users)]),
        "relevance": generator.integers(0, 4, users * places) * (generator.random(users * places) < 0.4),
    }


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("k", [1, 3, 10])
def test_ndcg_is_that_of_scikit_learn(tmp_path, seed, k):
    data = lists(seed)
    made = report(tmp_path, data, options=BiasOptions(min_group_size=1, bootstrap_samples=100, k=k))
    theirs = {"w": [], "m": []}
    for user in range(40):
        rows = data["user"] == user
        if data["relevance"][rows].any():
            scored = ndcg_score([data["relevance"][rows]], [-data["rank"][rows]], k=k)
            theirs[data["sex"][rows][0]].append(scored)
    expected = {sex: np.mean(each) for sex, each in theirs.items()}
    assert quantity(made, Quantity.NDCG) == pytest.approx(expected)
    without = 40 - sum(map(len, theirs.values()))
    assert any(f"{without} user" in note for note in made.method.notes) == (without > 0)


def test_the_distance_of_item_distributions_is_that_of_scipy(tmp_path):
    data = lists(9, sexes="wmd")
    exposure = 1 / np.log2(1 + data["rank"])
    shown = {
        sex: [exposure[(data["sex"] == sex) & (data["maker"] == maker)].sum() for maker in "xyz"]
        for sex in "wmd"
    }
    theirs = max(jensenshannon(shown[a], shown[b], base=2) for a, b in ("wm", "wd", "md"))
    assert values(report(tmp_path, data))[Metric.ITEM_DISTRIBUTION_DISTANCE] == pytest.approx(theirs)


@settings(max_examples=40)
@given(counts=st.lists(st.lists(st.integers(0, 9), min_size=4, max_size=4), min_size=3, max_size=3))
def test_jensen_shannon_is_that_of_scipy_and_a_metric(counts):
    p, q, r = (np.array(each) + np.array([1e-3, 0, 0, 0]) for each in counts)
    p, q, r = p / p.sum(), q / q.sum(), r / r.sum()
    # sqrt turns rounding errors of 1e-16 into 1e-8
    assert jensen_shannon(p, q) == pytest.approx(np.nan_to_num(jensenshannon(p, q, base=2)), abs=1e-7)
    assert jensen_shannon(p, r) <= jensen_shannon(p, q) + jensen_shannon(q, r) + 1e-7


@settings(max_examples=6)
@given(seed=st.integers(0, 1000), data=st.data())
def test_order_and_names_do_not_matter(tmp_path_factory, seed, data):
    folder = tmp_path_factory.mktemp("laws")
    rows = lists(seed, users=8, places=3, items=5)
    before = values(report(folder, rows))
    order = data.draw(st.permutations(range(24)))
    assert values(report(folder, {name: column[order] for name, column in rows.items()})) == pytest.approx(
        before
    )
    renamed = {
        **rows,
        "user": np.char.add("u", (99 - rows["user"]).astype(str)),
        "item": 99 - rows["item"],
        "sex": np.where(rows["sex"] == "w", "zz", "é"),
        "maker": np.char.add("maker ", np.array(list("zxy"))[rows["item"] % 3]),
    }
    assert values(report(folder, renamed)) == pytest.approx(before)


@settings(max_examples=6)
@given(seed=st.integers(0, 1000), cut=st.integers(1, 7))
def test_parts_with_whole_users_add_up(tmp_path_factory, seed, cut):
    folder = tmp_path_factory.mktemp("parts")
    rows = lists(seed, users=8, places=3, items=5)
    first = rows["user"] < cut
    parts = [
        summary(folder, {name: column[some] for name, column in rows.items()}) for some in (first, ~first)
    ]
    both, whole = of(merged(*parts)), of(summary(folder, rows))
    assert values(both) == pytest.approx(values(whole))
    assert [group.name for group in both.attributes[1].groups] == [g.name for g in whole.attributes[1].groups]
    (one,), (other,) = merged(*parts), summary(folder, rows)
    for name in ("codes", "users", "gains", "exposure", "products", "relevance", "cross", "rows", "items"):
        assert getattr(one, name) == pytest.approx(getattr(other, name)), name


def test_twice_the_users_give_the_same_values(tmp_path):
    rows = lists(4)
    again = {**rows, "user": rows["user"] + 1000}
    twice = {name: np.concatenate([column, again[name]]) for name, column in rows.items()}
    assert values(report(tmp_path, twice)) == pytest.approx(values(report(tmp_path, rows)))


def test_ends_are_those_of_a_bootstrap_of_users(tmp_path):
    users = 400
    rows = lists(11, users=users)
    options = BiasOptions(bootstrap_samples=4000)
    measured = found(report(tmp_path, rows, options=options))
    # per user: exposure of makers x, y and z, and nDCG
    exposure = 1 / np.log2(1 + rows["rank"])
    by_user = np.zeros((users, 3))
    np.add.at(by_user, (rows["user"], "xyz".index("x") + rows["item"] % 3), exposure)
    ndcg = np.full(users, np.nan)
    for user in range(users):
        mine = rows["user"] == user
        if rows["relevance"][mine].any():
            ndcg[user] = ndcg_score([rows["relevance"][mine]], [-rows["rank"][mine]], k=10)
    women = rows["sex"][::6] == "w"
    generator = np.random.default_rng(5)
    gaps, logs = [], []
    for _ in range(3000):
        some = generator.integers(0, users, users)
        gaps.append(np.nanmean(ndcg[some][women[some]]) - np.nanmean(ndcg[some][~women[some]]))
        logs.append(np.log(by_user[some].sum(0)))
    interval, value = measured[Metric.NDCG_DIFFERENCE].interval, measured[Metric.NDCG_DIFFERENCE].value
    assert interval.high == pytest.approx(value + 1.96 * np.std(gaps), abs=0.004)
    # three pairs of makers hold together: between one pair's 1.96 and Bonferroni's 2.39 standard errors
    logs = np.array(logs)
    pairs = [np.std(logs[:, a] - logs[:, b]) for a, b in ((0, 1), (0, 2), (1, 2))]
    ratio = measured[Metric.EXPOSURE_PARITY_RATIO]
    down = np.log(ratio.value) - np.log(ratio.interval.low)
    assert 1.9 * min(pairs) < down < 2.5 * max(pairs) * np.sqrt(4 / 3)
    assert ratio.verdict is not Verdict.INSUFFICIENT_EVIDENCE


def test_without_relevance_only_exposure_is_compared(tmp_path):
    made = report(tmp_path, {n: c for n, c in HAND.items() if n != "relevance"}, UNJUDGED)
    assert set(found(made)) == {Metric.EXPOSURE_PARITY_RATIO, Metric.ITEM_DISTRIBUTION_DISTANCE}
    with pytest.raises(InvalidInput, match="relevance"):
        report(tmp_path, HAND, UNJUDGED, kind=AnalysisType.EQUALIZED_ODDS)


def test_groups_of_items_without_relevance_are_undefined_and_said(tmp_path):
    made = report(tmp_path, {**HAND, "relevance": [1, 0, 0, 1, 0, 1]})
    assert quantity(made, Quantity.EXPOSURE_TO_RELEVANCE)["y"] is None
    assert values(made)[Metric.EXPOSURE_TO_RELEVANCE_RATIO] is None


def test_one_group_of_users_is_not_enough(tmp_path):
    made = report(tmp_path, {**HAND, "sex": ["w"] * 6})
    assert found(made)[Metric.NDCG_DIFFERENCE].verdict is Verdict.INSUFFICIENT_EVIDENCE
    assert found(made)[Metric.ITEM_DISTRIBUTION_DISTANCE].value is None


def test_missing_groups_are_groups_and_missing_users_are_left_out(tmp_path):
    made = report(
        tmp_path,
        {
            **HAND,
            "sex": ["w", "w", "w", None, None, None],
            "maker": ["x", " ", None, "x", None, "x"],
            "user": ["ann", "ann", "ann", "bob", "bob", None],
        },
    )
    assert [group.name for group in made.attributes[0].groups] == ["w", "(missing)"]
    assert [(group.name, group.size) for group in made.attributes[1].groups] == [("x", 2), ("(missing)", 3)]
    assert (made.rows, made.rows_excluded) == (6, 1)


def test_users_attributes_cross_and_items_groups_do_not(tmp_path):
    rows = lists(2)
    rows["race"] = np.where(rows["user"] % 2, "a", "b")
    columns = BiasColumns(protected=["sex", "race"], rank="rank", relevance="relevance", **ROLES)
    made = report(tmp_path, rows, columns)
    assert [each.attribute for each in made.attributes] == ["sex", "race", "maker"]
    assert [each.attributes for each in made.intersections] == [("sex", "race")]
    assert {f.metric for f in made.intersections[0].findings} == {
        Metric.NDCG_DIFFERENCE,
        Metric.ITEM_DISTRIBUTION_DISTANCE,
    }


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rank": [0, 2, 3, 1, 2, 3]}, "1 row has a rank that is no whole number from 1 on"),
        ({"rank": [1.5, 2, 3, 1, 2, 3]}, "1 row has a rank that is no whole number from 1 on"),
        ({"rank": [1, 2, 2, 1, 2, 3]}, "lists of users hold 1 place twice"),
        ({"item": ["i1", "i2", "i2", "i1", "i3", "i4"]}, "lists of users hold 1 item twice"),
        ({"relevance": [0, -1, 0, 2, 0, 1]}, "1 row has a relevance below 0"),
        ({"sex": ["w", "w", "m", "m", "m", "m"]}, "1 user has more than one value of a protected column"),
        ({"sex": ["w", "w", None, "m", "m", "m"]}, "1 user has more than one value of a protected column"),
        ({"maker": ["x", "y", "y", "y", "y", "x"]}, "1 item has more than one group"),
        ({"user": [None] * 6}, "no row has a user and an item"),
    ],
)
def test_lists_that_make_no_sense_are_refused(tmp_path, changed, message):
    with pytest.raises(InvalidInput, match=message):
        report(tmp_path, {**HAND, **changed})


def test_too_many_combinations_of_users_and_items_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(recommendation, "MAX_PRODUCTS", 17)
    with pytest.raises(InvalidInput, match="2 combinations of protected values and 3 groups of items"):
        report(tmp_path, lists(1))


def test_what_is_kept_can_be_judged_again(tmp_path):
    made = summary(tmp_path, lists(1))
    assert of(unpacked(packed(made))) == of(made)


def test_more_than_100_groups_of_items_are_refused(tmp_path):
    rows = lists(1, items=200)
    rows["maker"] = rows["item"].astype(str)
    with pytest.raises(InvalidInput, match="item_group column 'maker' has"):
        report(tmp_path, rows)
