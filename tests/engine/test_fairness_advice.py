"""What is advised where nothing can be simulated."""

import numpy as np
import pandas as pd
import pytest

from engine.fairness import AnalysisType, BiasColumns, BiasOptions, Metric, Verdict
from engine.fairness.analysis import run
from engine.values import ModelType

QUICK = BiasOptions(bootstrap_samples=200)


def clustered(tmp_path, clusters):
    path = tmp_path / "rows.parquet"
    groups = np.repeat(["a", "b"], len(clusters) // 2)
    pd.DataFrame({"group": groups, "cluster": clusters}).to_parquet(path)
    columns = BiasColumns(prediction="cluster", protected=["group"])
    return run(path, columns, AnalysisType.COMPREHENSIVE, QUICK, model=ModelType.CLUSTERING)


def test_a_gap_that_no_rule_mends_is_to_be_looked_into_with_the_groups_that_drive_it(tmp_path):
    report = clustered(tmp_path, ["x"] * 450 + ["y"] * 50 + ["x"] * 50 + ["y"] * 450)
    assert report.verdict is Verdict.FAIL
    (advice,) = report.recommendations
    assert advice.title.startswith("Find out why group differs in cluster")
    assert advice.attribute == "group"
    assert "rows of a and of b" in advice.text
    assert "cannot be simulated" in advice.text
    assert advice.effects == ()


def test_a_gap_within_its_limit_asks_for_the_rows_that_would_settle_it(tmp_path):
    report = clustered(tmp_path, ["x"] * 31 + ["y"] * 29 + ["x"] * 29 + ["y"] * 31)
    assert report.verdict is Verdict.WARNING
    (advice,) = report.recommendations
    assert advice.title == "Gather more rows to settle group"
    needed = {f.rows_needed for f in report.attributes[0].findings if f.rows_needed}
    assert not needed or any(f"{each:,} rows" in advice.text for each in needed)


def test_the_rows_that_would_settle_a_rate_are_those_it_rests_on(tmp_path):
    # 3 of 50 unfavourable labels of a and 4 of 60 of b are predicted favourably, of 500 rows each
    groups = [
        pd.DataFrame(
            {
                "group": name,
                "label": [0] * unfavourable + [1] * (500 - unfavourable),
                "prediction": [1] * wrong + [0] * (unfavourable - wrong) + [1] * (500 - unfavourable),
            }
        )
        for name, unfavourable, wrong in (("a", 50, 3), ("b", 60, 4))
    ]
    pd.concat(groups).to_parquet(tmp_path / "rows.parquet")
    columns = BiasColumns(label="label", prediction="prediction", protected=["group"])
    asked = BiasOptions(bootstrap_samples=200, metrics=[Metric.FALSE_POSITIVE_RATE_DIFFERENCE])
    report = run(tmp_path / "rows.parquet", columns, AnalysisType.EQUALIZED_ODDS, asked)
    (advice,) = report.recommendations
    needed = report.attributes[0].findings[0].rows_needed
    assert needed is not None
    assert (
        f"About {needed:,} rows with an unfavourable label in the smallest group, which has 50 now, would do if all"
        " groups grew alike." in advice.text
    )


def of_regression(generator):
    data = pd.DataFrame({"group": np.repeat(["a", "b"], 500), "label": generator.normal(size=1000)})
    data["prediction"] = data.label + np.where(data.group == "a", 2.0, -2.0)
    return data, {"label": "label", "prediction": "prediction"}


def of_clustering(generator):
    cluster = np.repeat(["x", "y", "x", "y"], [450, 50, 50, 450])
    return pd.DataFrame({"group": np.repeat(["a", "b"], 500), "cluster": cluster}), {"prediction": "cluster"}


def of_recommendation(generator):
    users, items = np.repeat(np.arange(200), 10), np.tile(np.arange(10), 200)
    data = pd.DataFrame(
        {"user": users, "item": items, "rank": items + 1, "maker": np.where(items < 5, "m", "n")}
    )
    data["group"] = np.where(users < 100, "a", "b")
    return data, {"user": "user", "item": "item", "rank": "rank", "item_group": "maker"}


def of_several_classes(generator):
    data = pd.DataFrame({"group": np.repeat(["a", "b"], 600), "label": generator.choice(list("xyz"), 1200)})
    data["prediction"] = np.where(data.group == "a", data.label, "x")
    data["score"] = generator.random(1200)
    return data, {"label": "label", "prediction": "prediction", "score": "score"}


@pytest.mark.parametrize(
    ("make", "model", "says"),
    [
        (of_regression, ModelType.REGRESSION, "sign of the mean error"),
        (of_clustering, ModelType.CLUSTERING, "numbers of clusters"),
        (of_recommendation, ModelType.RECOMMENDATION, "groups of items, not of users: re-rank"),
        (of_several_classes, ModelType.CLASSIFICATION, "which classes the model confuses"),
    ],
)
def test_each_kind_of_model_is_advised_on_what_it_has_and_not_on_thresholds(tmp_path, make, model, says):
    data, named = make(np.random.default_rng(1))
    data.to_parquet(tmp_path / "rows.parquet")
    columns = BiasColumns(protected=["group"], **named)
    report = run(tmp_path / "rows.parquet", columns, AnalysisType.COMPREHENSIVE, QUICK, model=model)
    assert report.recommendations
    assert any(says in advice.text for advice in report.recommendations)
    for advice in report.recommendations:
        assert "threshold" not in (advice.title + advice.text).lower()
        assert advice.settings == ()


def test_what_passes_needs_no_advice(tmp_path):
    report = clustered(tmp_path, ["x", "y"] * 10_000)
    assert report.verdict is Verdict.PASS
    assert report.recommendations == ()
