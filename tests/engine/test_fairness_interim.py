"""What is said of the parts that are counted already: one metric of each attribute, of the rows so far."""

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from engine.errors import InvalidInput
from engine.fairness import AnalysisType, BiasColumns, BiasOptions, Metric, Verdict
from engine.fairness.analysis import run
from engine.fairness.interim import so_far
from engine.fairness.parts import part, prepared, together
from engine.fairness.words import interim
from engine.values import ModelType
from tests.builders import LOANS
from tests.jobs.parts import table

COLUMNS = BiasColumns(label="approved", prediction="predicted", protected=("race", "sex"))
COMPREHENSIVE, CLASSIFICATION = AnalysisType.COMPREHENSIVE, ModelType.CLASSIFICATION
LOAN_TABLE = pyarrow.csv.read_csv(pa.BufferReader(LOANS.encode()))


@pytest.fixture
def parts(tmp_path):
    """The summaries of tables, as parts of one dataset."""

    def summaries(columns, *tables, options=None, kind=COMPREHENSIVE, model=CLASSIFICATION):
        paths = [tmp_path / f"part-{i}.parquet" for i in range(len(tables))]
        for path, rows in zip(paths, tables, strict=True):
            pq.write_table(rows, path)
        read = prepared(paths, columns, kind, options or BiasOptions(), model)
        return [part(path, columns, read, model) for path in paths]

    return summaries


def only(race):
    return LOAN_TABLE.filter(pc.equal(LOAN_TABLE["race"], race))


def test_each_attribute_has_its_first_metric_of_the_rows_so_far(parts):
    first, second = parts(COLUMNS, LOAN_TABLE, only("white"))
    race, sex = so_far(first, COLUMNS, COMPREHENSIVE, BiasOptions(), CLASSIFICATION)
    # white 160 of 200 and black 60 of 160 are selected; f 60 of 200 and m 160 of 160
    assert (race.metric, race.attribute) == (Metric.DEMOGRAPHIC_PARITY_DIFFERENCE, "race")
    assert race.value == pytest.approx(160 / 200 - 60 / 160)
    assert (sex.attribute, sex.value) == ("sex", pytest.approx(1 - 60 / 200))
    assert race.verdict is Verdict.FAIL and race.interval.low < race.value < race.interval.high
    assert interim(race).startswith("the demographic parity difference of race is 0.425 [0.")
    # 200 rows more, f 60 of 100 and m 100 of 100: f 120 of 300 in all
    _, sex = so_far(together(first, second, COLUMNS), COLUMNS, COMPREHENSIVE, BiasOptions(), CLASSIFICATION)
    assert sex.value == pytest.approx(1 - 120 / 300)


def test_the_question_decides_which_metric(parts):
    kind = AnalysisType.EQUALIZED_ODDS
    (counted,) = parts(COLUMNS, LOAN_TABLE, kind=kind)
    found = so_far(counted, COLUMNS, kind, BiasOptions(), CLASSIFICATION)
    assert {finding.metric for finding in found} == {Metric.EQUALIZED_ODDS_DIFFERENCE}


def test_an_attribute_without_two_groups_has_nothing_to_say_yet(parts):
    (counted,) = parts(COLUMNS, only("white"))
    (sex,) = so_far(counted, COLUMNS, COMPREHENSIVE, BiasOptions(), CLASSIFICATION)
    assert sex.attribute == "sex"


def test_decisions_that_cannot_be_understood_yet_are_refused_like_in_a_report(parts):
    approved = LOAN_TABLE.slice(0, 1).drop(["predicted", "approved"])
    columns = BiasColumns(prediction="outcome", protected=("race",))
    (counted,) = parts(columns, approved.append_column("outcome", [["granted"]]))
    with pytest.raises(InvalidInput):
        so_far(counted, columns, COMPREHENSIVE, BiasOptions(), CLASSIFICATION)


KINDS = {
    "decisions": (BiasColumns(label="approved", prediction="predicted", protected=("race",)), CLASSIFICATION),
    "scores": (BiasColumns(label="approved", score="score", protected=("race", "age")), CLASSIFICATION),
    "classes": (BiasColumns(prediction="tercile", protected=("race",)), CLASSIFICATION),
    "numbers": (BiasColumns(label="score", prediction="age", protected=("race",)), ModelType.REGRESSION),
    "clusters": (BiasColumns(prediction="tercile", protected=("race",)), ModelType.CLUSTERING),
}


@pytest.mark.parametrize("name", KINDS)
def test_of_all_rows_it_is_the_value_of_the_report(name, parts, tmp_path):
    columns, model = KINDS[name]
    rows = table()
    rows = rows.append_column("tercile", [[f"t{int(3 * score)}" for score in rows["score"].to_pylist()]])
    (counted,) = parts(columns, rows, model=model)
    found = so_far(counted, columns, COMPREHENSIVE, BiasOptions(), model)
    report = run(tmp_path / "part-0.parquet", columns, COMPREHENSIVE, BiasOptions(), model=model)
    singles = [f for each in report.attributes for f in each.findings]
    values = {(f.metric, f.attribute): f.value for f in singles if f.outcome is None}
    assert [f.attribute for f in found] == list(columns.protected)
    assert [f.value for f in found] == [values[f.metric, f.attribute] for f in found]
