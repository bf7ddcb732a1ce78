"""What is kept of an analysis: comes back the same, judges the same, is small and runs nothing."""

import io

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest

from engine.errors import InvalidInput
from engine.fairness import AnalysisType, Bands, BiasColumns, BiasOptions, Metric, Reference, Threshold
from engine.fairness.analysis import analyse, judged, measured
from engine.fairness.keeping import DESCRIPTION, NotKept, fits, packed, unpacked
from tests.builders import LOANS

COLUMNS = BiasColumns(label="approved", prediction="predicted", protected=["race", "sex"])
OPTIONS = BiasOptions(bootstrap_samples=100)


@pytest.fixture
def table(tmp_path):
    source = tmp_path / "loans.csv"
    source.write_text(LOANS)

    pyarrow.parquet.write_table(pyarrow.csv.read_csv(source), tmp_path / "loans.parquet")
    return tmp_path / "loans.parquet"


def test_what_comes_back_gives_the_same_report(table):
    kind = AnalysisType.COMPREHENSIVE
    summary, similar = measured(table, COLUMNS, kind, OPTIONS)
    kept = packed((summary, similar))
    again, similar_again = unpacked(kept)
    assert len(kept) < 10_000
    assert judged(again, COLUMNS, kind, OPTIONS, likeness=similar_again) == judged(
        summary, COLUMNS, kind, OPTIONS, likeness=similar
    )


def test_what_comes_back_still_adds_up(table):
    (cube,), _ = measured(table, COLUMNS, AnalysisType.COMPREHENSIVE, OPTIONS)
    (again,), _ = unpacked(packed(((cube,), None)))
    assert (again + cube).rows == 2 * cube.rows
    assert analyse(again + cube, AnalysisType.DEMOGRAPHIC_PARITY, OPTIONS).rows == 720


def test_what_is_too_large_or_strange_is_not_kept():
    with pytest.raises(NotKept, match="more than the 100 that are kept"):
        packed((np.random.default_rng(0).random(1000),), most=100)
    for strange in (object(), {"a": 1}, len, np.array(["text"], dtype=object)):
        with pytest.raises(NotKept, match="are not kept"):
            packed((strange,))


def test_what_was_damaged_or_made_to_harm_is_refused_in_words():
    pickled = io.BytesIO()
    np.savez(pickled, **{DESCRIPTION: np.array([OPTIONS], dtype=object)})
    future = io.BytesIO()
    np.savez(future, **{DESCRIPTION: np.frombuffer(b'{"format": 99, "value": null}', dtype=np.uint8)})
    command = b'{"format": 1, "value": {"class": "subprocess:Popen", "fields": {"args": "true"}}}'
    harmful = io.BytesIO()
    np.savez(harmful, **{DESCRIPTION: np.frombuffer(command, dtype=np.uint8)})
    for content in (
        b"",
        b"PK\x03\x04",
        packed((1,))[:-40],
        pickled.getvalue(),
        future.getvalue(),
        harmful.getvalue(),
    ):
        with pytest.raises(InvalidInput, match="run it again"):
            unpacked(content)


def test_options_that_only_judge_fit_and_options_that_count_do_not():
    for given in (
        {"thresholds": [Threshold(metric=Metric.ACCURACY_DIFFERENCE, limit=0.2)]},
        {"references": [Reference(attribute="race", group="black")]},
        {"min_group_size": 5},
        {"confidence": 0.9, "seed": 7, "bootstrap_samples": 500, "max_depth": 1, "suppress_below": 10},
    ):
        assert fits(OPTIONS, BiasOptions(**given), COLUMNS), given
    bands = [Bands(attribute="age", edges=[25.0, 60.0])]
    assert fits(OPTIONS, BiasOptions(metrics=[Metric.CONSISTENCY]), COLUMNS)
    for given in ({"bands": bands}, {"score_threshold": 0.4}, {"k": 5}):
        assert not fits(OPTIONS, BiasOptions(**given), COLUMNS), given
    assert fits(BiasOptions(bands=tuple(bands)), BiasOptions(bands=bands), COLUMNS)
    similar = BiasColumns(label="approved", prediction="predicted", protected=["race"], features=["age"])
    assert not fits(OPTIONS, BiasOptions(seed=1), similar)
    assert not fits(OPTIONS, BiasOptions(metrics=[Metric.CONSISTENCY]), similar)
    assert fits(OPTIONS, BiasOptions(min_group_size=5), similar)
