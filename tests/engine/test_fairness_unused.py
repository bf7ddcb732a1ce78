"""A score that the dataset has and nobody named is spoken of in the notes, where naming it would have measured more."""

import pytest

from engine.fairness import AnalysisType, BiasColumns, BiasOptions, Metric
from engine.fairness.analysis import run
from engine.fairness.unused import noted
from engine.values import ModelType

ROWS = "\n".join(
    ["sex,y,p,risk_score,weight", *(f"{'fm'[i % 2]},{i // 2 % 2},{i // 4 % 2},0.{i},1" for i in range(80))]
)


@pytest.fixture
def notes(read, tmp_path):
    """What is added to the notes of a report on these rows."""
    profile = read(ROWS.encode())[0].profile

    def added(kind=AnalysisType.COMPREHENSIVE, metrics=(), model=ModelType.CLASSIFICATION, **named):
        columns = BiasColumns(protected=["sex"], **{"label": "y", "prediction": "p"} | named)
        options = BiasOptions(bootstrap_samples=100, metrics=metrics)
        report = run(tmp_path / "table.parquet", columns, kind, options, model=model)
        before, after = (
            report.method.notes,
            noted(report, profile, columns, kind, options, model).method.notes,
        )
        assert after[: len(before)] == before
        return after[len(before) :]

    return added


def test_a_score_that_nobody_named_is_in_the_notes(notes):
    (note,) = notes()
    assert note.startswith("Column 'risk_score' looks like the score") and "AUC, were left out" in note


@pytest.mark.parametrize(
    "asked",
    [
        {"score": "risk_score"},
        {"stratum": "risk_score"},
        {"label": None},
        {"weights": "weight"},
        {"kind": AnalysisType.DEMOGRAPHIC_PARITY},
        {"metrics": [Metric.EQUALIZED_ODDS_DIFFERENCE]},
        {"model": ModelType.REGRESSION},
    ],
    ids=str,
)
def test_a_score_is_not_missed_where_it_is_used_or_would_measure_nothing(notes, asked):
    assert notes(**asked) == ()
