"""Clusters: balances, composition and social cost against hand-worked numbers, plain loops and row bootstraps."""

from itertools import combinations, pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import InvalidInput
from engine.fairness import AnalysisType, BiasColumns, BiasOptions, Metric, Quantity, Verdict
from engine.fairness.analysis import FAMILIES, judged, run
from engine.fairness.evidence import merged
from engine.values import ModelType, silent

ANY_SIZE = BiasOptions(min_group_size=1, bootstrap_samples=100)
COLUMNS = BiasColumns(protected=["sex"], prediction="cluster")
COSTS = BiasColumns(protected=["sex"], prediction="cluster", distance="distance")
BALANCES = (Metric.CLUSTER_BALANCE, Metric.CLUSTER_REPRESENTATION_RATIO, Metric.CLUSTER_COMPOSITION_DISTANCE)


def table(counts):
    """Rows of a file from {(group, cluster): rows}."""
    rows = [key for key, count in counts.items() for _ in range(count)]
    return {"sex": [row[0] for row in rows], "cluster": [row[1] for row in rows]}


def report(folder, data, columns=COLUMNS, options=ANY_SIZE, kind=AnalysisType.DEMOGRAPHIC_PARITY):
    path = folder / "rows.parquet"
    pq.write_table(pa.table(data), path)
    return run(path, columns, kind, options, model=ModelType.CLUSTERING)


def found(report, attribute=0):
    return {finding.metric: finding for finding in report.attributes[attribute].findings}


def values(report):
    return {metric: finding.value for metric, finding in found(report).items()}


def summary(folder, data, columns=COLUMNS, options=ANY_SIZE):
    path = folder / "part.parquet"
    pq.write_table(pa.table(data), path)
    return FAMILIES[ModelType.CLUSTERING].summarise(path, columns, options, silent)


def of(summary, columns=COLUMNS, options=ANY_SIZE):
    return judged(summary, columns, AnalysisType.DEMOGRAPHIC_PARITY, options, model=ModelType.CLUSTERING)


def test_clusters_that_are_balanced_have_few_and_many_of_no_group(tmp_path):
    data = table({("w", "A"): 20, ("w", "B"): 20, ("m", "A"): 20, ("m", "B"): 20})
    balance = found(report(tmp_path, data))[Metric.CLUSTER_BALANCE]
    assert balance.value == 1 and balance.description.endswith("Here all groups compared are spread alike.")


def test_balances_by_hand(tmp_path):
    # women 30 of A and 10 of B, men 20 of A and 40 of B: counts go 20 : 30 and 10 : 40, the smallest ratio is 1 / 4;
    # that of all rows is 40 : 60, so balance is 0.25 / (2 / 3) = 0.375. Women are 40 % of all rows, and 60 % of A
    # and 20 % of B: ratios 1.5 and 0.5, inverses 2 / 3 and 2; men 40 / 60 and 80 / 60: the smallest is 0.5.
    # Distributions (0.75, 0.25) and (1 / 3, 2 / 3) are 5 / 12 apart.
    data = table({("w", "A"): 30, ("w", "B"): 10, ("m", "A"): 20, ("m", "B"): 40})
    measured = found(report(tmp_path, data))
    assert {metric: finding.value for metric, finding in measured.items()} == pytest.approx(
        {
            Metric.CLUSTER_BALANCE: 0.375,
            Metric.CLUSTER_REPRESENTATION_RATIO: 0.5,
            Metric.CLUSTER_COMPOSITION_DISTANCE: 5 / 12,
        }
    )
    assert (measured[Metric.CLUSTER_BALANCE].lowest, measured[Metric.CLUSTER_BALANCE].highest) == ("w", "m")
    assert (
        "'B', which has comparatively few of w and many of m" in measured[Metric.CLUSTER_BALANCE].description
    )
    assert measured[Metric.CLUSTER_REPRESENTATION_RATIO].lowest == "w"
    assert measured[Metric.CLUSTER_REPRESENTATION_RATIO].highest is None


def test_the_social_cost_ratio_is_that_of_mean_distances(tmp_path):
    # means 2 and 2.5; the row without a distance and the one without a cluster take no part
    data = {
        "sex": ["w", "w", "m", "m", "m", "w"],
        "cluster": ["1", "2", "1", "2", "1", None],
        "distance": [1.0, 3.0, 2.0, 3.0, None, 100.0],
    }
    measured = report(tmp_path, data, COSTS)
    assert values(measured)[Metric.SOCIAL_COST_RATIO] == pytest.approx(0.8)
    costs = {
        group.name: metric.value
        for group in measured.attributes[0].groups
        for metric in group.metrics
        if metric.quantity is Quantity.SOCIAL_COST
    }
    assert costs == pytest.approx({"w": 2.0, "m": 2.5})
    assert measured.rows_excluded == 1


def plain_values(counts):
    """The three metrics by loops over {(group, cluster): rows}."""
    groups, clusters = ({key[i] for key in counts} for i in (0, 1))
    size = {g: sum(counts.get((g, c), 0) for c in clusters) for g in groups}
    rows = sum(size.values())
    ratios, shares = [], []
    for c in clusters:
        in_cluster = sum(counts.get((g, c), 0) for g in groups)
        for a in groups:
            share = counts.get((a, c), 0) / in_cluster / (size[a] / rows)
            shares.append(min(share, 1 / share) if share else 0.0)
            for b in groups - {a}:
                x, y = counts.get((a, c), 0), counts.get((b, c), 0)
                if x or y:
                    ratios.append(min(x, y) / max(x, y))
    best = min(size.values()) / max(size.values())
    apart = [
        sum(abs(counts.get((a, c), 0) / size[a] - counts.get((b, c), 0) / size[b]) for c in clusters) / 2
        for a, b in combinations(groups, 2)
    ]
    return dict(zip(BALANCES, (min(1.0, min(ratios) / best), min(shares), max(apart)), strict=True))


COUNTS = st.dictionaries(
    st.tuples(st.sampled_from("abcd"), st.sampled_from("1234")), st.integers(1, 20), min_size=2
).filter(lambda counts: len({group for group, _ in counts}) > 1)


@settings(max_examples=20)
@given(counts=COUNTS)
def test_balances_are_those_of_plain_loops(tmp_path_factory, counts):
    measured = values(report(tmp_path_factory.mktemp("loops"), table(counts)))
    assert measured == pytest.approx(plain_values(counts))


@settings(max_examples=8)
@given(counts=COUNTS, data=st.data())
def test_order_names_and_copies_of_rows_do_not_matter(tmp_path_factory, counts, data):
    folder = tmp_path_factory.mktemp("laws")
    rows = table(counts)
    before = report(folder, rows)
    order = data.draw(st.permutations(range(len(rows["sex"]))))
    assert report(folder, {name: [column[i] for i in order] for name, column in rows.items()}) == before
    renamed = {
        "sex": [f"{ord('z') - ord(v)} & co" for v in rows["sex"]],
        "cluster": [9 - int(v) for v in rows["cluster"]],
    }
    assert values(report(folder, renamed)) == pytest.approx(values(before))
    twice = {name: column * 2 for name, column in rows.items()}
    assert values(report(folder, twice)) == pytest.approx(values(before))


@settings(max_examples=8)
@given(counts=COUNTS, cut=st.integers(1, 100))
def test_parts_add_up(tmp_path_factory, counts, cut):
    folder = tmp_path_factory.mktemp("parts")
    rows = table(counts)
    rows["distance"] = [float(i % 7) for i in range(len(rows["sex"]))]
    cut = cut % (len(rows["sex"]) - 1) + 1
    parts = [
        summary(folder, {name: column[start:end] for name, column in rows.items()}, COSTS)
        for start, end in pairwise([0, cut, len(rows["sex"])])
    ]
    assert of(merged(*parts), COSTS) == of(summary(folder, rows, COSTS), COSTS)


def test_ends_of_balances_hold_what_a_row_bootstrap_of_the_driving_ratio_shows(tmp_path):
    # one pair, two clusters: log ratios of counts of B, and the share of w in B over that in all rows
    counts = {("w", "A"): 300, ("w", "B"): 100, ("m", "A"): 200, ("m", "B"): 400}
    measured = found(report(tmp_path, table(counts), options=BiasOptions(bootstrap_samples=4000)))
    drawn = np.random.default_rng(1).multinomial(1000, np.array(list(counts.values())) / 1000, size=20_000)
    balance = drawn[:, 1] / drawn[:, 3] / (400 / 600)
    share = drawn[:, 1] / drawn[:, [1, 3]].sum(1) / (drawn[:, :2].sum(1) / 1000)
    for metric, rows in (
        (Metric.CLUSTER_BALANCE, balance),
        (Metric.CLUSTER_REPRESENTATION_RATIO, share),
    ):
        interval = measured[metric].interval
        error = np.log(rows).std()
        low, high = (
            (np.log(measured[metric].value) - np.log(interval.low)) / error,
            (np.log(interval.high) - np.log(measured[metric].value)) / error,
        )
        # 1.96 standard errors for one ratio, at most the 2.5 of four ratios that hold together
        assert 1.9 < low < 2.6 and 1.9 < high < 2.6


def test_social_cost_ends_are_those_of_a_row_bootstrap(tmp_path):
    generator = np.random.default_rng(3)
    sex = np.repeat(["w", "m"], [400, 600])
    distance = generator.gamma(2.0, np.where(sex == "w", 1.0, 1.2))
    data = {"sex": sex, "cluster": generator.integers(0, 3, 1000), "distance": distance}
    options = BiasOptions(bootstrap_samples=4000)
    measured = found(report(tmp_path, data, COSTS, options))[Metric.SOCIAL_COST_RATIO]
    ratios = []
    for _ in range(4000):
        rows = generator.integers(0, 1000, 1000)
        means = [distance[rows][sex[rows] == group].mean() for group in ("w", "m")]
        ratios.append(np.log(means[0] / means[1]))
    half = 1.96 * np.std(ratios)
    assert np.log(measured.interval.low) == pytest.approx(np.log(measured.value) - half, abs=0.01)
    assert np.log(measured.interval.high) == pytest.approx(min(0.0, np.log(measured.value) + half), abs=0.01)


@pytest.mark.parametrize("clusters", [2, 12])
def test_clusters_that_ignore_the_group_seldom_fail(tmp_path, clusters):
    # 40 files of 600 rows: intervals of 95 % miss the fair value twice, and 8 or more with a chance of 0.1 %
    generator = np.random.default_rng(clusters)
    missed = dict.fromkeys(BALANCES, 0)
    for _ in range(40):
        data = {
            "sex": generator.choice(list("abc"), 600, p=[0.2, 0.3, 0.5]),
            "cluster": generator.integers(0, clusters, 600),
        }
        measured = found(report(tmp_path, data, options=BiasOptions(bootstrap_samples=200)))
        for metric in BALANCES:
            interval, fair = measured[metric].interval, float(metric is not BALANCES[2])
            missed[metric] += not interval.low <= fair <= interval.high
    assert max(missed.values()) <= 7


def test_one_cluster_is_fair(tmp_path):
    measured = found(report(tmp_path, table({("w", "A"): 50, ("m", "A"): 90})))
    assert {metric: finding.value for metric, finding in measured.items()} == {
        Metric.CLUSTER_BALANCE: 1.0,
        Metric.CLUSTER_REPRESENTATION_RATIO: 1.0,
        Metric.CLUSTER_COMPOSITION_DISTANCE: 0.0,
    }
    assert measured[Metric.CLUSTER_REPRESENTATION_RATIO].verdict is Verdict.PASS


def test_one_group_is_not_enough(tmp_path):
    measured = found(report(tmp_path, table({("w", "A"): 50, ("w", "B"): 90})))
    assert {finding.verdict for finding in measured.values()} == {Verdict.INSUFFICIENT_EVIDENCE}
    assert {finding.value for finding in measured.values()} == {None}


def test_a_cluster_of_few_rows_does_not_decide_a_balance(tmp_path):
    counts = {("w", "A"): 100, ("m", "A"): 100, ("w", "B"): 100, ("m", "B"): 100, ("w", "tiny"): 3}
    made = report(tmp_path, table(counts), options=BiasOptions(bootstrap_samples=100))
    assert values(made)[Metric.CLUSTER_BALANCE] == 1.0
    few = "1 of 3 clusters has fewer than 30 rows and takes no part in the two balances"
    assert any(f"{few}: 'tiny'." in note for note in made.method.notes)
    hidden = report(tmp_path, table(counts), options=BiasOptions(bootstrap_samples=100, suppress_below=10))
    assert any(f"{few}." in note for note in hidden.method.notes)
    assert not any("tiny" in note for note in hidden.method.notes)
    # the composition knows it: 3 of the 203 women are elsewhere
    assert values(made)[Metric.CLUSTER_COMPOSITION_DISTANCE] == pytest.approx(3 / 203)


def test_clusters_without_one_of_the_groups_have_a_balance_of_zero(tmp_path):
    measured = found(report(tmp_path, table({("w", "A"): 500, ("m", "B"): 500})))
    assert measured[Metric.CLUSTER_BALANCE].value == 0.0
    assert measured[Metric.CLUSTER_BALANCE].verdict is Verdict.FAIL
    assert measured[Metric.CLUSTER_COMPOSITION_DISTANCE].value == 1.0


def test_shares_of_groups_are_shown_cluster_by_cluster(tmp_path):
    made = report(tmp_path, table({("w", 1): 30, ("w", 2): 10, ("m", 1): 20, ("m", 2): 40}))
    shares = {
        (group.name, metric.outcome): (metric.value, metric.numerator, metric.denominator)
        for group in made.attributes[0].groups
        for metric in group.metrics
    }
    assert shares == {
        ("w", "1"): (0.75, 30, 40),
        ("w", "2"): (0.25, 10, 40),
        ("m", "1"): (pytest.approx(1 / 3), 20, 60),
        ("m", "2"): (pytest.approx(2 / 3), 40, 60),
    }


def test_many_clusters_are_judged_and_not_listed(tmp_path):
    data = {"sex": ["w", "m"] * 300, "cluster": [i // 2 % 60 for i in range(600)]}
    made = report(tmp_path, data)
    assert values(made)[Metric.CLUSTER_BALANCE] == 1.0
    assert made.attributes[0].groups[0].metrics == ()


def test_crossed_groups_are_judged_too(tmp_path):
    data = table({("w", "A"): 60, ("w", "B"): 60, ("m", "A"): 60, ("m", "B"): 60})
    data["race"] = ["x", "y"] * 120
    columns = BiasColumns(protected=["sex", "race"], prediction="cluster")
    made = report(tmp_path, data, columns, kind=AnalysisType.COMPREHENSIVE)
    (crossed,) = made.intersections
    assert len(crossed.groups) == 4
    assert {finding.metric for finding in crossed.findings} == set(BALANCES)


@pytest.mark.parametrize(
    ("changed", "columns", "message"),
    [
        ({"cluster": list(range(200))}, COLUMNS, "200 distinct values"),
        ({"cluster": [None] * 200}, COLUMNS, "no row has a cluster"),
        ({"distance": [-1.0] * 200}, COSTS, "200 rows have a distance below 0"),
        ({"distance": ["near"] * 200}, COSTS, "distance needs numbers"),
    ],
)
def test_what_cannot_be_judged_is_refused(tmp_path, changed, columns, message):
    data = {"sex": ["w", "m"] * 100, "cluster": ["1"] * 200, **changed}
    with pytest.raises(InvalidInput, match=message):
        report(tmp_path, data, columns)


def test_clusters_have_no_odds(tmp_path):
    with pytest.raises(InvalidInput, match="no question for clustering"):
        report(tmp_path, table({("w", "A"): 2, ("m", "A"): 2}), kind=AnalysisType.EQUALIZED_ODDS)
