"""What a report says of its method applies to this report."""

import numpy as np
import pytest

from engine.fairness import BiasColumns, BiasOptions, Metric
from engine.fairness.analysis import run
from engine.fairness.metrics import AnalysisType
from engine.values import ModelType
from tests.engine.test_fairness_advice import of_clustering, of_recommendation, of_regression
from tests.fairness import QUICK, analysed

STRANGE = {
    ModelType.REGRESSION: ("F1", "AUC", "ndividual fairness", "Rates", "entrop", "Balances"),
    ModelType.CLUSTERING: ("F1", "AUC", "ndividual fairness", "R2", "Brier", "entrop", "rates of groups"),
    ModelType.RECOMMENDATION: ("F1", "AUC", "ndividual fairness", "R2", "Brier", "Rates", "Balances"),
}
"""Words that have no place in the notes of a kind of model."""
OWN = {
    ModelType.REGRESSION: "draw: mean prediction, mean error, mean absolute error, root mean squared error, R2.",
    ModelType.CLUSTERING: "Balances have intervals that hold for all clusters and groups at once",
    ModelType.RECOMMENDATION: "Distributions and curves are compared by their largest distance",
}


@pytest.mark.parametrize(
    ("make", "model"),
    [
        (of_regression, ModelType.REGRESSION),
        (of_clustering, ModelType.CLUSTERING),
        (of_recommendation, ModelType.RECOMMENDATION),
    ],
)
def test_notes_speak_of_nothing_that_the_kind_of_model_does_not_have(tmp_path, make, model):
    data, named = make(np.random.default_rng(1))
    data.to_parquet(tmp_path / "rows.parquet")
    columns = BiasColumns(protected=["group"], **named)
    made = run(tmp_path / "rows.parquet", columns, AnalysisType.COMPREHENSIVE, QUICK, model=model)
    notes = " ".join(made.method.notes)
    assert [word for word in STRANGE[model] if word in notes] == []
    assert OWN[model] in notes


def test_notes_speak_of_the_metrics_that_were_asked_for(tmp_path):
    table = {"g": ["a", "b"] * 50, "y": [0, 1, 1, 0] * 25, "p": [0, 1] * 50}
    columns = BiasColumns(label="y", prediction="p", protected=["g"])
    gap = BiasOptions(bootstrap_samples=100, metrics=[Metric.DEMOGRAPHIC_PARITY_DIFFERENCE])
    notes = " ".join(analysed(tmp_path, table, columns, gap).method.notes)
    assert "Gaps between the rates" in notes and "Ratios of rates" not in notes
    every = " ".join(analysed(tmp_path, table, columns, QUICK).method.notes)
    assert "Ratios of rates" in every and "that of F1" in every
