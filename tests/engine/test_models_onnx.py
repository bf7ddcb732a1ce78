"""ONNX models as skl2onnx writes them answer as scikit-learn does, and are explained as the same model in skops is."""

import numpy as np
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper
from sklearn import linear_model as linear
from sklearn import preprocessing as pre
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from engine.errors import InvalidInput
from engine.explanations.explain import explain
from engine.explanations.options import ExplanationKind, ExplanationOptions
from engine.models import onnx_file, skops_file
from engine.models.formats import opened
from engine.models.signature import FeatureType, ModelFormat, Task
from tests import estimators as made
from tests.onnx_models import exported, graph
from tests.scorers import case as explained


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(1):  # on a busy machine the threads of OpenMP wait for each other
        yield


FINE = made.TABLE.copy()
"""Numbers with many digits: thresholds are halfway between numbers, and on one of few digits float32 would decide."""
_RNG = np.random.default_rng(1)
for _name in ("age", "debt", "grade"):
    FINE[_name] = (FINE[_name] + _RNG.normal(0, 0.3, made.ROWS)).astype("float32").astype(float)


def numbers_and_texts(**options):
    numeric = make_pipeline(SimpleImputer(strategy="median"), pre.StandardScaler())
    return make_column_transformer(
        (numeric, ["age", "debt", "grade"]),
        (pre.OneHotEncoder(handle_unknown="ignore", **options), ["city"]),
    )


def behind(*steps):
    return lambda: make_pipeline(*steps)


SAME = [
    "tree",
    "tree of three classes",
    "forest",
    "forest of three classes",
    "forest of values",
    "boosting",
    "boosting of three classes",
    "exponential boosting",
    "boosting of values",
    "histogram",
    "histogram of three classes",
    "histogram of values",
    "logistic",
    "logistic of three classes",
    "logistic of descent, three classes",
    "least squares",
    "descent",
    "poisson",
    "target encoder",
]
PIPELINES = {
    "scaled and one-hot": (behind(numbers_and_texts(), linear.LogisticRegression()), FINE, made.YES),
    "one-hot without the first": (
        behind(numbers_and_texts(drop="first"), linear.LinearRegression()),
        FINE,
        made.VALUE,
    ),
    "boosting behind encoders": (
        behind(numbers_and_texts(), GradientBoostingRegressor(n_estimators=7, random_state=0)),
        FINE,
        made.VALUE,
    ),
    "forest behind encoders": (
        behind(numbers_and_texts(), RandomForestClassifier(7, random_state=0)),
        FINE,
        made.THREE,
    ),
    "histogram behind encoders": (
        behind(numbers_and_texts(sparse_output=False), made.HGC(max_iter=8)),
        FINE,
        made.YES,
    ),
    "forest behind ordinals": (
        behind(made.ordinal(), RandomForestClassifier(7, random_state=0)),
        FINE,
        made.YES,
    ),
}
KNOWN = {name: made.KNOWN[name] for name in SAME} | PIPELINES
UNKNOWN = {
    name: made.UNKNOWN[name]
    for name in (
        "components",
        "neighbours",
        "linear support vectors",
        "ridge votes",
        "calibrated",
        "network",
        "ada",
        "stacking",
    )
}


def own_scores(model, table):
    if hasattr(model, "predict_proba"):
        return model.predict_proba(table)
    if hasattr(model, "classes_"):
        return (model.classes_ == model.predict(table)[:, None]).astype(float)
    return model.predict(table).reshape(-1, 1)


def read(case, **options):
    model, table = made.fitted(case), case[1]
    return model, onnx_file.read(exported(model, table, **options).SerializeToString(), list(table.columns))


@pytest.mark.parametrize("name", KNOWN | UNKNOWN)
def test_a_file_gives_the_scores_of_its_estimator_and_its_structure_gives_them_too(name):
    case = (KNOWN | UNKNOWN)[name]
    model, scorer = read(case)
    rows, expected = made.as_rows(case[1]), own_scores(model, case[1])
    assert scorer.signature.classes == tuple(str(value) for value in getattr(model, "classes_", ()))
    assert scorer.scores(rows[rows.columns[::-1]]) == pytest.approx(expected, rel=1e-5, abs=1e-6)
    inside = scorer.inside()
    assert (inside is None) == (name in UNKNOWN)
    if inside is None:
        assert "is explained as a black box" in scorer.signature.notes[-1]
    else:
        core = inside.core
        ours = core.link.scores(core.margins(inside.encode(rows)))
        assert ours == pytest.approx(scorer.scores(rows), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("name", ["forest", "boosting", "histogram", "logistic", "least squares", *PIPELINES])
def test_a_file_is_explained_as_the_same_model_in_skops_is(name, tmp_path):
    case = KNOWN[name]
    model, ours = read(case)
    rows = made.as_rows(case[1])
    theirs = skops_file.opened(made.dumped(model, tmp_path))
    of_the_last = ExplanationOptions(explained_class=(ours.signature.classes or [None])[-1])
    reports = [
        explain(ExplanationKind.SHAP, explained(scorer, rows[:6], rows[20:60], of_the_last))
        for scorer in (ours, theirs)
    ]
    found, expected = (
        [{of.feature: of.attribution for of in one.attributions} for one in report.rows] for report in reports
    )
    assert found == [pytest.approx(row, rel=1e-4, abs=1e-4) for row in expected]


def test_the_signature_says_what_a_pipeline_takes_and_gives():
    _, scorer = read(PIPELINES["scaled and one-hot"])
    signature = scorer.signature
    assert (signature.format, signature.framework, signature.task) == (
        ModelFormat.ONNX,
        "skl2onnx",
        Task.BINARY,
    )
    assert signature.kind == "Concat, Imputer, OneHotEncoder, Scaler, LinearClassifier"
    assert [(feature.name, feature.type) for feature in signature.features] == [
        ("age", FeatureType.NUMBER),
        ("debt", FeatureType.NUMBER),
        ("city", FeatureType.CATEGORY),
        ("grade", FeatureType.NUMBER),
    ]
    assert signature.features[2].categories == ("Bern", "Oslo", "Rome")
    assert signature.named
    assert signature.notes[0].startswith("Written for the operators of ai.onnx")


def test_encoded_columns_are_traced_to_the_column_they_are_made_of():
    _, scorer = read(PIPELINES["scaled and one-hot"])
    assert scorer.inside().players.tolist() == [0, 1, 3, 2, 2, 2]  # age, debt, grade; Bern, Oslo, Rome


def test_trees_are_counted_as_the_file_has_them():
    assert read(KNOWN["boosting of three classes"])[1].signature.trees == 21  # 7 rounds of 3 classes
    assert read(KNOWN["forest of three classes"])[1].signature.trees == 7


def test_names_come_from_the_file_then_from_the_registry_and_else_are_numbered(tmp_path):
    model = exported(linear.LinearRegression().fit(made.NUMBERS.to_numpy(), made.VALUE), made.NUMBERS)
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    unnamed = opened(path, ModelFormat.ONNX)
    registered = opened(path, ModelFormat.ONNX, ["age", "debt"])
    assert (unnamed.signature.names, unnamed.signature.named) == (["x0", "x1"], False)
    assert "does not carry the names" in " ".join(unnamed.signature.notes)
    assert registered.signature.names == ["age", "debt"]
    rows = made.NUMBERS.set_axis(["x0", "x1"], axis=1)
    assert (unnamed.scores(rows) == registered.scores(made.NUMBERS)).all()
    for written in ('["a", "b"]', "a, b"):
        del model.metadata_props[:]
        model.metadata_props.add(key="feature_names", value=written)
        named = onnx_file.read(model.SerializeToString(), ["age", "debt"])
        assert (named.signature.names, named.signature.named) == (["a", "b"], True)


def test_names_that_skl2onnx_has_cleared_of_marks_are_those_registered():
    table = made.TABLE[["city", "age"]].set_axis(["city-name", "age (years)"], axis=1)
    encoder = make_column_transformer((pre.OneHotEncoder(), ["city-name"]), remainder="passthrough")
    model = exported(make_pipeline(encoder, linear.LinearRegression()).fit(table, made.VALUE), table)
    content = model.SerializeToString()
    assert onnx_file.read(content).signature.names == ["city_name", "age__years_"]
    scorer = onnx_file.read(content, list(table.columns))
    assert scorer.signature.names == list(table.columns)
    assert len(scorer.scores(table)) == made.ROWS


def test_columns_that_nothing_looks_at_are_not_asked_for():
    encoder = make_column_transformer(("passthrough", ["debt"]), (pre.OneHotEncoder(), ["city"]))
    case = behind(encoder, linear.LinearRegression()), made.TABLE, made.VALUE
    _, scorer = read(case)
    assert scorer.signature.names == ["debt", "city"]
    assert scorer.inside().players.tolist() == [0, 1, 1, 1]
    assert len(scorer.scores(made.TABLE[["city", "debt"]])) == made.ROWS


def test_probabilities_are_read_with_a_zipmap_and_without():
    case = KNOWN["forest"]
    with_map, without = read(case)[1], read(case, options={"zipmap": False})[1]
    assert without.signature.classes == with_map.signature.classes == ("no", "yes")
    assert (without.scores(case[1]) == with_map.scores(case[1])).all()
    assert with_map.scores(case[1]).sum(axis=1) == pytest.approx(1, abs=1e-12)


def test_a_missing_number_goes_to_the_imputer_and_a_missing_text_to_no_category():
    model, scorer = read(PIPELINES["scaled and one-hot"])
    rows = made.as_rows(FINE.where(made.GAPS.notna()))
    assert rows.isna().any(axis=None)
    # "never" is in no column of the encoder, as a text that is missing is in none
    expected = model.predict_proba(rows.assign(city=rows["city"].fillna("never")))
    assert scorer.scores(rows) == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_what_a_column_may_not_hold_is_said_with_its_name():
    encoder = make_column_transformer((pre.OneHotEncoder(), ["city"]), remainder="passthrough")
    _, scorer = read((behind(encoder, linear.LinearRegression()), made.TABLE, made.VALUE))
    rows = made.TABLE[:3]
    for changed, words in (
        ({"city": ["Oslo", "Paris", "Rome"]}, "column 'city' holds 'Paris', which the model has not seen"),
        ({"city": ["Oslo", None, "Rome"]}, "column 'city' holds a missing value"),
        ({"debt": ["1", "2", "much"]}, "column 'debt' holds 'much'; the model needs a number"),
        ({"age": [1.0, np.nan, 2.0]}, "column 'age' has a missing value in row 1"),
        ({"age": [1.0, 2.0, 1e300]}, "column 'age' has a number that is too large in row 2"),
    ):
        with pytest.raises(InvalidInput, match=words):
            scorer.scores(rows.assign(**changed))
    with pytest.raises(InvalidInput, match="no column 'age'"):
        scorer.scores(rows.drop(columns="age"))


def test_whole_numbers_are_taken_as_such_and_others_refused():
    cast = helper.make_node("Cast", ["X"], ["F"], to=TensorProto.FLOAT)
    total = helper.make_node("ReduceSum", ["F", "axes"], ["Y"])
    axes = numpy_helper.from_array(np.array([1]), "axes")
    scorer = onnx_file.read(graph([cast, total], weights=(axes,), kind=TensorProto.INT64).SerializeToString())
    assert scorer.scores(pd.DataFrame({"x0": [1, 2], "x1": [3.0, 4.0]})).tolist() == [[4.0], [6.0]]
    with pytest.raises(InvalidInput, match=r"column 'x1' has 0\.5 in row 0; the model takes whole numbers"):
        scorer.scores(pd.DataFrame({"x0": [1], "x1": [0.5]}))
    with pytest.raises(InvalidInput, match="column 'x0' has a missing value in row 0"):
        scorer.scores(pd.DataFrame({"x0": [np.nan], "x1": [1]}))


def test_a_sigmoid_alone_is_the_probability_of_the_second_of_two_classes():
    weights = numpy_helper.from_array(np.array([[1.0], [-2.0]], np.float32), "w")
    nodes = [helper.make_node("MatMul", ["X", "w"], ["m"]), helper.make_node("Sigmoid", ["m"], ["Y"])]
    scorer = onnx_file.read(graph(nodes, weights=(weights,)).SerializeToString())
    assert (scorer.signature.task, scorer.signature.classes) == (Task.BINARY, ("0", "1"))
    assert "numbered from 0" in " ".join(scorer.signature.notes)
    # sigmoid(1 - 2 * 0.5) = 1 / 2, sigmoid(3) = 0.9525741
    rows = pd.DataFrame({"x0": [1.0, 1.0], "x1": [0.5, -1.0]})
    assert scorer.scores(rows)[:, 1] == pytest.approx([0.5, 0.9525741])
    assert scorer.inside().core.weights.tolist() == [[1.0, -2.0]]
