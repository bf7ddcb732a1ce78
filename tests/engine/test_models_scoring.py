"""A dataset with a model's answers added: every row its own, under names that are free."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.errors import InvalidInput
from engine.models.prediction import Scoring
from engine.models.scoring import answers, join, score
from engine.models.signature import Feature, FeatureType, Task
from tests.builders import a_signature

NUMBERS = (Feature(name="x", type=FeatureType.NUMBER),)


class Given:
    """A model whose score for a row is written in the row."""

    def __init__(self, task: Task, classes: tuple[str, ...] = ()) -> None:
        self.signature = a_signature(task=task, classes=classes, features=NUMBERS)

    def scores(self, rows):
        x = rows["x"].to_numpy(float)
        if self.signature.task is Task.REGRESSION:
            return x[:, None]
        rest = (1 - x) / (len(self.signature.classes) - 1)
        return np.stack([rest] * (len(self.signature.classes) - 1) + [x], axis=1)

    def inside(self):
        return None


@pytest.fixture
def parts(tmp_path):
    table = pa.table({"x": np.linspace(0, 1, 11), "who": [f"p{i}" for i in range(11)]})
    for i, (start, rows) in enumerate([(0, 4), (4, 7)]):
        pq.write_table(table.slice(start, rows), tmp_path / f"{i}.parquet")
    return [tmp_path / "0.parquet", tmp_path / "1.parquet"]


@pytest.fixture
def scored(parts, tmp_path, monkeypatch):
    monkeypatch.setattr("engine.models.rows.BATCH_ROWS", 3)
    monkeypatch.setattr("engine.models.scoring.BATCH_ROWS", 5)

    def of(model, scoring=Scoring()):  # noqa: B008  frozen
        told = []
        assert score(model, parts, tmp_path / "numbers", told.append) == 11
        assert told[-1].fraction == 1.0
        join(parts, tmp_path / "numbers", model.signature, scoring, tmp_path / "out.parquet")
        return pq.read_table(tmp_path / "out.parquet").to_pydict()

    return of


def test_each_row_gets_its_own_answer_over_parts_and_batches(scored):
    found = scored(Given(Task.BINARY, ("0", "1")))
    assert list(found) == ["x", "who", "prediction", "score"]
    assert found["who"] == [f"p{i}" for i in range(11)]
    assert found["score"] == found["x"]
    assert found["prediction"] == [0] * 5 + [1] * 6  # 0.5 counts as the second class


def test_a_threshold_and_names_may_be_given(scored):
    asked = Scoring(prediction="repaid?", score="chance", threshold=0.9)
    found = scored(Given(Task.BINARY, ("no", "yes")), asked)
    assert found["repaid?"] == ["no"] * 9 + ["yes"] * 2
    assert found["chance"] == found["x"]


def test_more_classes_have_a_score_each(scored):
    found = scored(Given(Task.MULTICLASS, ("a", "b", "c")))
    assert list(found)[2:] == ["prediction", "score_a", "score_b", "score_c"]
    assert found["prediction"][0] == "a" and found["prediction"][-1] == "c"
    assert found["score_c"] == found["x"]


def test_the_score_may_be_that_of_another_class(scored):
    found = scored(Given(Task.BINARY, ("good", "bad")), Scoring(of_class="good", threshold=0.25))
    assert found["score"] == pytest.approx([1 - x for x in found["x"]])
    assert found["prediction"] == ["good"] * 8 + ["bad"] * 3  # good from 0.25 on, so x up to 0.75
    many = scored(Given(Task.MULTICLASS, ("a", "b", "c")), Scoring(of_class="c"))
    assert list(many)[2:] == ["prediction", "score"] and many["score"] == many["x"]
    with pytest.raises(InvalidInput, match="no class 'fair'; its classes are 'good', 'bad'") as refused:
        scored(Given(Task.BINARY, ("good", "bad")), Scoring(of_class="fair"))
    assert refused.value.at == ("of_class",)


def test_a_regression_has_its_value_and_an_undefined_one_has_none(scored, parts):
    pq.write_table(pa.table({"x": [1.0, None, 3.0, 4.0], "who": ["a"] * 4}), parts[0])
    found = scored(Given(Task.REGRESSION))
    assert list(found) == ["x", "who", "prediction"]
    assert found["prediction"][:4] == [1.0, None, 3.0, 4.0]


def test_a_name_that_is_taken_is_refused(scored):
    with pytest.raises(InvalidInput, match="has a column 'Who' already"):
        scored(Given(Task.BINARY, ("0", "1")), Scoring(score="Who"))


def test_numbers_of_other_rows_are_refused(parts, tmp_path):
    (tmp_path / "numbers").write_bytes(b"\0" * 8 * 10)
    with pytest.raises(InvalidInput, match="changed while it was scored"):
        join(parts, tmp_path / "numbers", a_signature(), Scoring(), tmp_path / "out.parquet")


def test_answers_to_single_rows_name_class_and_scores():
    (first, second) = answers(np.array([[0.25, 0.75], [0.75, 0.25]]), a_signature(classes=("no", "yes")))
    assert (first.prediction, second.prediction) == ("yes", "no")
    assert [(each.label, each.score) for each in first.scores] == [("no", 0.25), ("yes", 0.75)]
    (only,) = answers(np.array([[0.1]]), a_signature(task=Task.REGRESSION, classes=()))
    assert (float(only.prediction), only.value, only.scores) == (0.1, 0.1, ())


@pytest.mark.parametrize(
    ("given", "at"),
    [
        ({"threshold": 1.1}, "threshold"),
        ({"threshold": float("nan")}, "threshold"),
        ({"prediction": ""}, "prediction"),
    ],
)
def test_what_makes_no_sense_is_refused_at_its_place(given, at):
    with pytest.raises(InvalidInput) as refused:
        Scoring(**given)
    assert refused.value.at == (at,)
    with pytest.raises(InvalidInput):
        Scoring(prediction="same", score="Same")
