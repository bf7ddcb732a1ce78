"""scikit-learn models out of skops files: what they take, and that they say what the estimator itself says."""

import numpy as np
import pandas as pd
import pytest
from sklearn import linear_model as linear
from sklearn import preprocessing as pre
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from engine.errors import InvalidInput
from engine.models.signature import FeatureType, ModelFormat, Task
from engine.models.skops_file import opened
from tests import estimators as made

ALL = made.KNOWN | made.UNKNOWN


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(1):  # on a busy machine the threads of OpenMP wait for each other
        yield


def own_scores(model, table):
    if hasattr(model, "predict_proba"):
        return model.predict_proba(table)
    if hasattr(model, "classes_"):
        return (model.classes_ == model.predict(table)[:, None]).astype(float)
    return model.predict(table).reshape(-1, 1)


@pytest.mark.parametrize("name", ALL)
def test_a_file_gives_the_scores_of_its_estimator_and_its_structure_gives_them_too(name, tmp_path):
    model, table = made.fitted(ALL[name]), ALL[name][1]
    scorer = opened(made.dumped(model, tmp_path))
    rows, expected = made.as_rows(table), own_scores(model, table)
    assert scorer.scores(rows[rows.columns[::-1]]) == pytest.approx(expected, abs=1e-12)  # in any order
    inside = scorer.inside()
    assert (inside is None) == (name in made.UNKNOWN)
    if inside is not None:
        core = inside.core
        assert core.link.scores(core.margins(inside.encode(rows))) == pytest.approx(expected, abs=1e-9)


def test_the_signature_says_what_a_pipeline_takes_and_gives(tmp_path):
    model = made.fitted(made.KNOWN["logistic behind encoders"])
    signature = opened(made.dumped(model, tmp_path)).signature
    assert (signature.format, signature.framework, signature.task) == (
        ModelFormat.SKOPS,
        "scikit-learn",
        Task.BINARY,
    )
    assert signature.kind == "Pipeline: ColumnTransformer, LogisticRegression"
    assert signature.classes == ("no", "yes")
    assert [(feature.name, feature.type) for feature in signature.features] == [
        ("age", FeatureType.NUMBER),
        ("debt", FeatureType.NUMBER),
        ("city", FeatureType.CATEGORY),
        ("grade", FeatureType.NUMBER),
    ]
    assert signature.features[2].categories == ("Bern", "Oslo", "Rome")
    assert (signature.trees, signature.notes) == (None, ())


def test_encoded_columns_are_traced_to_the_column_they_are_made_of(tmp_path):
    inside = opened(made.dumped(made.fitted(made.KNOWN["forest behind encoders"]), tmp_path)).inside()
    # age, debt, grade, and whether age is missing; then Bern, Oslo, Rome and None of the city, column 2
    assert inside.players.tolist() == [0, 1, 3, 0, 2, 2, 2, 2]


def test_columns_that_no_transformer_looks_at_are_not_asked_for(tmp_path):
    model = make_pipeline(make_column_transformer(("passthrough", ["debt"])), linear.LinearRegression())
    scorer = opened(made.dumped(model.fit(made.TABLE, made.VALUE), tmp_path))
    assert scorer.signature.names == ["debt"]
    assert len(scorer.scores(made.TABLE[["debt"]])) == made.ROWS


def test_an_estimator_trained_on_an_array_takes_the_names_it_is_given(tmp_path):
    path = made.dumped(linear.LinearRegression().fit(made.NUMBERS.to_numpy(), made.VALUE), tmp_path)
    unnamed, named = opened(path), opened(path, ["age", "debt"])
    assert (unnamed.signature.names, named.signature.names) == (["x0", "x1"], ["age", "debt"])
    assert "carries no names" in unnamed.signature.notes[0]
    rows = made.NUMBERS.set_axis(["x0", "x1"], axis=1)
    assert (unnamed.scores(rows) == named.scores(made.NUMBERS)).all()
    assert opened(path, ["age"]).signature.names == ["x0", "x1"]  # too few to be theirs


def test_a_classifier_without_probabilities_says_so(tmp_path):
    scorer = opened(made.dumped(made.fitted(made.UNKNOWN["ridge votes"]), tmp_path))
    assert scorer.signature.notes == (
        "The model gives no probabilities: each row's class has probability 1.",
    )
    assert set(np.unique(scorer.scores(made.NUMBERS))) == {0, 1}


def test_another_version_of_scikit_learn_is_a_note(tmp_path, monkeypatch):
    model = linear.LinearRegression().fit(made.NUMBERS, made.VALUE)
    monkeypatch.setattr("sklearn.base.__version__", "1.2.3")
    path = made.dumped(model, tmp_path)
    monkeypatch.undo()
    signature = opened(path).signature
    assert signature.framework_version == "1.2.3"
    assert "Trained with scikit-learn 1.2.3 and opened with" in signature.notes[0]


@pytest.mark.parametrize(
    ("categories", "given"),
    [
        (["1", "2"], [1.0, 2.0]),
        ([1, 2], ["1", "2"]),
        ([1, 2], [1.0, 2.0]),
        ([False, True], [0.0, 1.0]),
        ([0.5, 2.0], ["0.5", "2"]),
    ],
)
def test_a_category_is_known_by_its_text_whatever_type_the_dataset_has(categories, given, tmp_path):
    kind = object if isinstance(categories[0], str) else None
    table = pd.DataFrame({"code": pd.Series(categories * 10, dtype=kind)})
    model = make_pipeline(pre.OneHotEncoder(), linear.LinearRegression())
    scorer = opened(made.dumped(model.fit(table, [0.0, 1.0] * 10), tmp_path))
    rows = pd.DataFrame({"code": pd.Series(given, dtype=object if isinstance(given[0], str) else float)})
    assert scorer.scores(rows).ravel() == pytest.approx([0, 1])


@pytest.mark.parametrize(
    ("name", "column", "value", "said"),
    [
        ("logistic", "age", "old", "'age' holds 'old', and the model needs numbers"),
        ("logistic", "age", None, "'age' has a missing value in row 1, which the model does not take"),
        ("logistic", "debt", np.inf, "'debt' has a number that is too large in row 1"),
        ("closed", "city", "Paris", "has not seen 'Paris' in the column 'city'; it knows Bern, Oslo, Rome"),
        ("closed", "city", None, "'city' has a missing value in row 1"),
    ],
)
def test_rows_that_a_model_does_not_take_are_refused_with_column_and_value(
    name, column, value, said, tmp_path
):
    encoder = make_column_transformer((pre.OneHotEncoder(), ["city"]), remainder="passthrough")
    model = linear.LogisticRegression(max_iter=2000)
    table = made.TABLE if name == "closed" else made.NUMBERS
    pipeline = make_pipeline(encoder, model) if name == "closed" else model
    scorer = opened(made.dumped(pipeline.fit(table, made.YES), tmp_path))
    rows = table.iloc[:3].copy()
    rows[column] = rows[column].astype(object)
    rows.iloc[1, rows.columns.get_loc(column)] = value
    with pytest.raises(InvalidInput, match=said):
        scorer.scores(rows)


def test_a_column_that_is_not_there_is_named(tmp_path):
    scorer = opened(made.dumped(made.fitted(made.KNOWN["logistic"]), tmp_path))
    with pytest.raises(InvalidInput, match="needs a column 'debt'"):
        scorer.scores(made.NUMBERS[["age"]])


def test_what_is_no_model_of_one_answer_is_refused(tmp_path):
    from sklearn.cluster import KMeans  # noqa: PLC0415  # for this test alone

    two = np.column_stack([made.VALUE, made.VALUE])
    many = RandomForestClassifier(3).fit(made.NUMBERS, np.column_stack([made.YES, made.THREE]).astype(str))
    for model, said in [
        (pre.StandardScaler().fit(made.NUMBERS), "StandardScaler predicts nothing by itself"),
        (linear.LinearRegression().fit(made.NUMBERS, two), "predicts several values"),
        (many, "predicts several columns"),
        (linear.LogisticRegression(), "not fitted"),
        (KMeans(2).fit(made.NUMBERS), "does not open: sklearn.cluster._kmeans.KMeans"),
    ]:
        with pytest.raises(InvalidInput, match=said):
            opened(made.dumped(model, tmp_path))
