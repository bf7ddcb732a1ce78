"""Individual fairness: rows that are alike should be decided alike."""

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import NearestNeighbors

from engine.errors import InvalidInput
from engine.fairness import AnalysisType, BiasColumns, BiasOptions, Metric, Verdict
from engine.fairness import likeness as module
from engine.fairness.analysis import run

COLUMNS = BiasColumns(label="y", prediction="p", protected=["sex"], features=["income", "age"])
QUICK = BiasOptions(bootstrap_samples=100)


@pytest.fixture
def judged(tmp_path):
    """Write rows to a file and judge their consistency."""

    def judge(data, columns=COLUMNS, kind=AnalysisType.INDIVIDUAL_FAIRNESS, options=QUICK):
        path = tmp_path / "rows.parquet"
        rows = {"sex": "f", "y": 1} | data
        pd.DataFrame(rows).to_parquet(path)
        return run(path, columns, kind, options)

    return judge


def consistency(report):
    (found,) = [f for f in report.overall_findings if f.metric is Metric.CONSISTENCY]
    return found


def people(rows, seed=0):
    generator = np.random.default_rng(seed)
    income, age = generator.normal(size=rows), generator.integers(18, 80, rows)
    return {"income": income, "age": age, "p": (income + generator.normal(size=rows) / 2 > 0).astype(int)}


def test_agrees_with_scikit_learns_neighbours(judged):
    data = people(800)
    places = np.column_stack([data["income"], data["age"]])
    places = (places - places.mean(0)) / places.std(0)
    # six nearest, the first being the row itself: no ties, as incomes are continuous
    near = NearestNeighbors(n_neighbors=6).fit(places).kneighbors(return_distance=True, X=places)[1][:, 1:]
    expected = 1 - np.abs(data["p"] - data["p"][near].mean(1)).mean()
    finding = consistency(judged(data))
    assert finding.metric is Metric.CONSISTENCY
    assert finding.value == pytest.approx(expected, abs=1e-12)
    assert finding.interval.low <= finding.value <= finding.interval.high


def test_ties_share_the_places_that_are_left(judged):
    # At incomes 0, 10, ..., 50 stand 1, 1, 1, 1, 1, 30 rows; age is constant and says nothing.
    # The 30 at 50 are each other's neighbours and all selected: nothing to disagree on.
    # 40: its 5 nearest are 30 (not selected) at 10, and the 30 rows at 50 (selected), also at 10: all 31
    #     tie, so the mean is 30/31; it is not selected itself: 30/31.
    # 30: 20 and 40 at 10 (2 rows, none selected), then 10 and the 30 rows at 20, sharing 3 places:
    #     mean 3 * (30/31) / 5 = 18/31.
    # 20: 10, 30, 0, 40 (none selected), then the 30 rows at 30, one place: mean 1/5.
    # 10: 0, 20, 30, 40, then the 30 rows at 40: 1/5.   0: 10, 20, 30, 40, then the 30 rows at 50: 1/5.
    data = {"income": [0, 10, 20, 30, 40] + [50] * 30, "age": 7, "p": [0] * 5 + [1] * 30}
    finding = consistency(judged(data))
    assert finding.value == pytest.approx(1 - (30 / 31 + 18 / 31 + 3 / 5) / 35)


def test_row_order_does_not_matter(judged):
    generator = np.random.default_rng(4)
    data = {"income": generator.integers(0, 4, 300), "age": generator.integers(0, 3, 300)}
    data["p"] = generator.integers(0, 2, 300)
    order = generator.permutation(300)
    shuffled = {name: values[order] for name, values in data.items()}
    assert judged(shuffled).overall_findings == judged(data).overall_findings


def test_alike_rows_decided_alike_pass_and_others_fail(judged):
    steps = {"income": np.repeat([0, 1, 2, 3], 100), "age": 30}
    alike = consistency(judged(steps | {"p": np.repeat([0, 0, 1, 1], 100)}))
    random = consistency(judged(steps | {"p": np.tile([0, 1], 200)}))
    assert (alike.value, alike.verdict) == (1.0, Verdict.PASS)
    # each row has 99 others at its place, 50 of them decided the other way
    assert (random.value, random.verdict) == (pytest.approx(1 - 50 / 99), Verdict.FAIL)


def test_a_sample_of_rows_is_near_the_exact_value(judged, monkeypatch):
    data = people(4000, seed=3)
    exact = consistency(judged(data))
    monkeypatch.setattr(module, "EXACT_ROWS", 1000)
    monkeypatch.setattr(module, "MOST_ANCHORS", 1000)
    report = judged(data)
    sampled = consistency(report)
    assert sampled.interval.low < exact.value < sampled.interval.high
    assert any("1,000 of 4,000 rows" in note for note in report.method.notes)
    assert consistency(judged(data)) == sampled


def test_rows_without_a_feature_are_left_out_and_counted(judged):
    data = people(200)
    data["income"][:7] = np.nan
    assert "7 rows without a prediction or a feature" in judged(data).method.notes[-1]


def test_a_comprehensive_analysis_includes_it_where_features_are_named(judged):
    data = people(200)
    kind = AnalysisType.COMPREHENSIVE
    assert consistency(judged(data, kind=kind)).value is not None
    bare = BiasColumns(label="y", prediction="p", protected=["sex"])
    found = {f.metric for f in judged(data, bare, kind).overall_findings}
    assert found == {Metric.GENERALIZED_ENTROPY_INDEX, Metric.THEIL_INDEX}
    with pytest.raises(InvalidInput, match="name numeric columns") as refused:
        judged(data, bare)
    assert refused.value.at == ("features",)


def test_too_few_rows_are_no_evidence(judged):
    finding = consistency(judged(people(5), options=BiasOptions(min_group_size=1)))
    assert (finding.value, finding.verdict) == (None, Verdict.INSUFFICIENT_EVIDENCE)
    assert "There are 5 rows with all features and a prediction; at least 6 are needed" in finding.reason


def test_words_are_no_features(judged):
    with pytest.raises(InvalidInput, match=r"'age' holds .*string values; distances need numbers") as refused:
        judged(people(50) | {"age": "old"})
    assert refused.value.at == ("features", 1)
