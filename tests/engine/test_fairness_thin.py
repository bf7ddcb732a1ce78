"""Where no group is large enough, whatever the kind of model and its columns: insufficient evidence, and no fault."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.fairness import AnalysisType, BiasColumns, BiasOptions, Metric, Verdict
from engine.fairness.analysis import run
from engine.fairness.metrics import METRICS, Form
from engine.fairness.words import CROSS
from engine.values import ModelType
from tests.fairness import findings, sets_of, soundness

ROWS = 240
PROTECTED = ["race", "sex"]
GENERATOR = np.random.default_rng(11)
LABEL = GENERATOR.integers(0, 2, ROWS)
DATA = {
    "race": GENERATOR.choice(["a", "b", "c"], ROWS),
    "sex": GENERATOR.choice(["f", "m"], ROWS),
    "town": GENERATOR.choice(["x", "y"], ROWS),
    "label": LABEL,
    "class": GENERATOR.choice(["high", "low", "mid"], ROWS),
    "guess": GENERATOR.choice(["high", "low", "mid"], ROWS),
    "prediction": GENERATOR.integers(0, 2, ROWS),
    "score": GENERATOR.random(ROWS),
    "points": GENERATOR.normal(500, 90, ROWS),
    "weight": GENERATOR.random(ROWS),
    "feature": GENERATOR.normal(size=ROWS),
    "value": GENERATOR.normal(size=ROWS),
    "distance": GENERATOR.random(ROWS),
    "user": [f"u{i // 4}" for i in range(ROWS)],
    "item": [f"i{i % 7}" for i in range(ROWS)],
    "rank": [1 + i % 4 for i in range(ROWS)],
    "maker": [f"m{i % 7 % 3}" for i in range(ROWS)],
    "relevance": GENERATOR.integers(0, 3, ROWS),
}
OF_USERS = {
    "race": [DATA["race"][i // 4] for i in range(ROWS)],
    "sex": [DATA["sex"][i // 4] for i in range(ROWS)],
}
EVERY_CLASSIFICATION = {"label": "label", "prediction": "prediction", "score": "score", "stratum": "town"}
ASKED = [
    (ModelType.CLASSIFICATION, EVERY_CLASSIFICATION),
    (ModelType.CLASSIFICATION, {"label": "label", "score": "score"}),
    (ModelType.CLASSIFICATION, {"label": "label", "score": "points"}),
    (ModelType.CLASSIFICATION, {"label": "label", "prediction": "prediction", "weights": "weight"}),
    (ModelType.CLASSIFICATION, {"label": "class", "prediction": "guess"}),
    (ModelType.REGRESSION, {"label": "value", "prediction": "points"}),
    (ModelType.CLUSTERING, {"prediction": "class", "distance": "distance"}),
    (
        ModelType.RECOMMENDATION,
        {"user": "user", "item": "item", "item_group": "maker", "rank": "rank", "relevance": "relevance"},
    ),
]
THIN = {
    "too small to be judged": BiasOptions(bootstrap_samples=100, min_group_size=1000),
    "too small to be shown": BiasOptions(bootstrap_samples=100, suppress_below=1000),
}


def report(folder, model, columns, options, rows=ROWS):
    data = DATA | (OF_USERS if model is ModelType.RECOMMENDATION else {})
    path = folder / "rows.parquet"
    pq.write_table(pa.table({name: values[:rows] for name, values in data.items()}), path)
    found = run(
        path, BiasColumns(protected=PROTECTED, **columns), AnalysisType.COMPREHENSIVE, options, model=model
    )
    soundness(found)
    return found


@pytest.mark.parametrize("options", THIN.values(), ids=THIN.keys())
@pytest.mark.parametrize(("model", "columns"), ASKED)
def test_without_a_group_that_is_large_enough_nothing_is_judged(tmp_path, model, columns, options):
    found = report(tmp_path, model, columns, options)
    between = [each for part in sets_of(found) for each in part.findings]
    assert len(found.attributes) >= 2
    assert between
    assert {each.verdict for each in between} == {Verdict.INSUFFICIENT_EVIDENCE}
    assert found.verdict is Verdict.INSUFFICIENT_EVIDENCE


def test_every_metric_that_compares_groups_is_asked_for_here(tmp_path):
    asked = {
        each.metric
        for model, columns in ASKED
        for options in THIN.values()
        for each in findings(report(tmp_path, model, columns, options))
    }
    compared = {metric for metric, spec in METRICS.items() if spec.of and spec.form is not Form.SCORE}
    assert compared <= asked


def test_a_crossing_without_a_large_group_leaves_the_attributes_judged(tmp_path):
    found = report(
        tmp_path,
        ModelType.CLASSIFICATION,
        {"label": "label", "score": "score"},
        BiasOptions(bootstrap_samples=100),
        rows=150,
    )
    # 3 races of about 50 rows, 2 sexes of about 75, of each label half of these; 6 crossings of about 25
    assert min(group.size for each in found.attributes for group in each.groups) >= 30
    assert max(group.size for group in found.intersections[0].groups) < 30
    auc = {each.attribute: each.verdict for each in findings(found) if each.metric is Metric.AUC_DIFFERENCE}
    assert auc.pop(f"race{CROSS}sex") is Verdict.INSUFFICIENT_EVIDENCE
    assert auc["sex"] is not Verdict.INSUFFICIENT_EVIDENCE
    assert found.verdict is not Verdict.INSUFFICIENT_EVIDENCE
