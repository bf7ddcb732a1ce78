"""Numbers that are far larger or smaller than others: computed with up to a limit, and refused beyond it with their column."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.errors import InvalidInput
from engine.fairness import AnalysisType, BiasColumns, Quantity
from engine.fairness.analysis import run
from engine.values import ModelType
from tests.fairness import EVERYONE, QUICK, analysed, of, soundness

ROWS = 240
GENERATOR = np.random.default_rng(5)
ONES = np.ones(ROWS)
UNIT = GENERATOR.random(ROWS)
DATA = {
    "sex": ["f", "m"] * (ROWS // 2),
    "label": GENERATOR.integers(0, 2, ROWS),
    "decision": GENERATOR.integers(0, 2, ROWS),
    "value": GENERATOR.normal(size=ROWS),
    "user": list(range(ROWS)),
    "item": [f"i{i % 7}" for i in range(ROWS)],
    "rank": [1] * ROWS,
    "maker": [f"m{i % 7 % 3}" for i in range(ROWS)],
}
LISTS = {"user": "user", "item": "item", "item_group": "maker", "rank": "rank"}
CASES = {
    "score": (ModelType.CLASSIFICATION, {"label": "label", "score": "x"}, ("score",)),
    "weights": (ModelType.CLASSIFICATION, {"prediction": "decision", "weights": "x"}, ("weights",)),
    "features": (ModelType.CLASSIFICATION, {"prediction": "decision", "features": ["x"]}, ("features", 0)),
    "score of similar rows": (ModelType.CLASSIFICATION, {"score": "x", "features": ["value"]}, ("score",)),
    "label": (ModelType.REGRESSION, {"label": "x", "prediction": "value"}, ("label",)),
    "predicted value": (ModelType.REGRESSION, {"label": "value", "prediction": "x"}, ("prediction",)),
    "distance": (ModelType.CLUSTERING, {"prediction": "decision", "distance": "x"}, ("distance",)),
    "relevance": (ModelType.RECOMMENDATION, {**LISTS, "relevance": "x"}, ("relevance",)),
}


def report(folder, x, case):
    model, columns, _ = CASES[case]
    path = folder / "rows.parquet"
    pq.write_table(pa.table({**DATA, "x": x}), path)
    found = run(
        path, BiasColumns(protected=["sex"], **columns), AnalysisType.COMPREHENSIVE, QUICK, model=model
    )
    soundness(found)
    return found


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("huge", [2e60, 1.7e308])
def test_a_number_that_cannot_be_computed_with_is_refused_with_its_column(tmp_path, case, huge):
    *_, at = CASES[case]
    with pytest.raises(InvalidInput, match=rf"column 'x' holds {huge:.3g}".replace("+", r"\+")) as refused:
        report(tmp_path, np.where(np.arange(ROWS) == 7, huge, UNIT), case)
    assert refused.value.at == at
    assert "within -1e+60 and 1e+60" in str(refused.value)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("scale", [1e60, 1e-50])
def test_numbers_within_the_limit_are_computed_with(tmp_path, case, scale):
    report(tmp_path, UNIT * scale, case)


def test_weights_that_are_all_tiny_count_as_others_do(tmp_path):
    one, other = (
        report(tmp_path, UNIT * scale, "weights").attributes[0].findings for scale in (1.0, 2.0**-150)
    )
    assert one == other


def test_a_weight_whose_square_is_nothing_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="a weight is 0 or at least 1e-60") as refused:
        report(tmp_path, np.where(np.arange(ROWS) == 7, 1e-170, 1.0), "weights")
    assert refused.value.at == ("weights",)


def test_a_ratio_that_rests_on_next_to_no_weight_has_no_interval(tmp_path):
    # of f one unselected row weighs 1e9 and 150 selected ones weigh 1 each: a rate of 1.5e-7 of about one row, whose
    # ratio to that of m may be anything
    data = {
        "sex": ["f"] * 151 + ["m"] * 149,
        "p": [0] + [1] * 150 + [i % 2 for i in range(149)],
        "w": [1e9] + [1.0] * 299,
    }
    columns = BiasColumns(prediction="p", protected=["sex"], weights="w")
    found = of(analysed(tmp_path, data, columns, EVERYONE), "m", Quantity.SELECTION_RATE)
    assert found.ratio == pytest.approx((74 / 149) / (150 / 1000000150))
    assert found.ratio_interval is None
    assert found.difference_interval is not None


def test_a_weight_that_is_no_number_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="1 row has no weight"):
        report(tmp_path, np.where(np.arange(ROWS) == 7, np.nan, 1.0), "weights")


@pytest.mark.parametrize("case", [case for case in CASES if case != "weights"])
def test_a_value_that_is_no_number_is_missing_whatever_the_file_says_of_its_values(tmp_path, case):
    # statistics of a Parquet file leave NaN out
    nothing = np.arange(ROWS) == 7
    nan = report(tmp_path, np.where(nothing, np.nan, UNIT), case)
    null = report(tmp_path, pa.array(UNIT, mask=nothing), case)
    assert nan == null
