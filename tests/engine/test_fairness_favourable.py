"""Which value of a column is the favourable one: understood, named, or asked for in words."""

import pandas as pd
import pytest

from engine.errors import InvalidInput
from engine.fairness import AnalysisType, BiasColumns, BiasOptions, Metric
from engine.fairness.analysis import run
from tests.fairness import LABEL, PREDICTION
from tests.fairness import finding as only


@pytest.mark.parametrize(
    ("no", "yes"),
    [(0, 1), (-1, 1), (False, True), ("0", "1"), ("no", "Yes"), ("FALSE", "true"), (0.0, 1.0)],
)
def test_usual_encodings_need_no_favorable_value(report, no, yes):
    coded = report(y=[yes if v else no for v in LABEL], p=[yes if v else no for v in PREDICTION])
    plain = report()
    assert coded.attributes == plain.attributes


def test_other_values_need_a_favorable_one(report):
    words = {"y": ["good" if v else "bad" for v in LABEL], "p": ["good" if v else "bad" for v in PREDICTION]}
    with pytest.raises(InvalidInput, match="'bad', 'good'; name the favourable value") as refused:
        report(**words)
    assert refused.value.at == ("favorable",)
    named = BiasColumns(label="y", prediction="p", protected=["sex"], favorable="good")
    result = report(named, **words)
    assert result.attributes == report().attributes
    assert result.favorable == "good"
    with pytest.raises(InvalidInput, match="'grand' occurs neither as label nor as prediction"):
        report(BiasColumns(label="y", prediction="p", protected=["sex"], favorable="grand"), **words)


def test_a_favorable_number_is_found_however_it_is_written(report):
    named = BiasColumns(label="y", prediction="p", protected=["sex"], favorable="2.0")
    result = report(named, y=[2 - v for v in LABEL], p=[float(2 - v) for v in PREDICTION])
    assert only(result, Metric.DEMOGRAPHIC_PARITY_DIFFERENCE).value == pytest.approx(0.2)


def test_at_most_five_shortened_values_are_shown(report):
    with pytest.raises(InvalidInput, match="and 2 more") as refused:
        report(y=[f"{'x' * 100}{i % 7}" for i in range(200)])
    assert len(str(refused.value)) < 400


def test_a_score_is_no_decision(report):
    with pytest.raises(InvalidInput, match=r"200 distinct values.*A score belongs under score") as refused:
        report(p=[i / 1000 for i in range(200)])
    assert refused.value.at == ("prediction",)


def test_a_long_value_is_not_repeated_whole(report):
    named = BiasColumns(label="y", prediction="p", protected=["sex"], favorable="it's " * 20_000)
    with pytest.raises(InvalidInput, match='…" occurs neither as label') as refused:
        report(named)
    assert len(str(refused.value)) < 250
    assert str(InvalidInput(f"{'x' * 100!r} it's {'y' * 101!r}")) == f"'{'x' * 100}' it's '{'y' * 100}…'"


def test_a_favourable_value_that_one_column_spells_differently_is_refused(tmp_path):
    """Else predictions Yes/No beside labels yes/no would read as nobody ever selected, in silence."""
    path = tmp_path / "spelt.parquet"
    pd.DataFrame({"l": ["yes", "no"] * 50, "p": ["Yes", "No"] * 50, "g": ["a", "b"] * 50}).to_parquet(path)
    columns = BiasColumns(label="l", prediction="p", protected=["g"], favorable="yes")
    with pytest.raises(InvalidInput, match="does not occur in column 'p', which holds 'No', 'Yes'"):
        run(path, columns, AnalysisType.COMPREHENSIVE, BiasOptions())
