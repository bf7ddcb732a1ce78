"""Endpoints: what is sent in both protocols, what is believed of an answer, and what may be declared."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter

from engine.errors import InvalidInput
from engine.models import endpoint_scorer
from engine.models.endpoint import Answers, DeclaredFeature, Endpoint, EndpointProtocol, Numbers, Tensors
from engine.models.endpoint_scorer import EndpointScorer
from engine.models.probe import probe_endpoint
from engine.models.signature import FeatureType, ModelFormat, Task

ROWS = pd.DataFrame(
    {
        "city": np.array(["Oslo", None, "Æ"], object),
        "age": [30.5, math.nan, 41.0],
        "grade": np.array([1, 2, 3], np.int64),
    }
)
FEATURES = (
    DeclaredFeature(name="age"),
    DeclaredFeature(name="grade", type=FeatureType.ANY),
    DeclaredFeature(name="city", type=FeatureType.CATEGORY),
)


def declared(protocol=EndpointProtocol.MLFLOW, **more):
    usual = {"task": Task.BINARY, "classes": ("no", "yes"), "features": FEATURES}
    named = {"model_name": "loan"} if protocol is EndpointProtocol.KSERVE_V2 else {}
    return Endpoint(url="https://models.example/a", protocol=protocol, **{**named, **usual, **more})


def asked(endpoint, answer, rows=ROWS):
    """The scores that an answer becomes, and the questions that were sent."""
    sent = []

    def call(path, body):
        sent.append((path, json.loads(body)))
        return answer if isinstance(answer, bytes) else json.dumps(answer).encode()

    return EndpointScorer(endpoint=endpoint, call=call).scores(rows), sent


def tensor(data, shape, name="predict_proba", **more):
    return {"name": name, "shape": shape, "datatype": "FP64", "data": data, **more}


SURE = {"predictions": [[0.25, 0.75], [1, 0], [0.5, 0.5]]}


def test_mlflow_is_asked_with_a_split_frame_in_the_order_that_was_declared():
    scores, sent = asked(declared(), SURE)
    assert sent == [
        (
            "/invocations",
            {
                "dataframe_split": {
                    "columns": ["age", "grade", "city"],
                    "data": [[30.5, 1, "Oslo"], [None, 2, None], [41.0, 3, "Æ"]],
                }
            },
        )
    ]
    assert scores.tolist() == [[0.25, 0.75], [1, 0], [0.5, 0.5]]


def test_kserve_is_asked_with_a_tensor_for_each_column():
    endpoint = declared(
        EndpointProtocol.KSERVE_V2, model_name="a b/c", model_version="2", output_tensor="predict_proba"
    )
    answer = {"outputs": [tensor([0, 1], [2], "label"), tensor([0.25, 0.75, 1, 0, 0.5, 0.5], [3, 2])]}
    scores, [(path, question)] = asked(endpoint, answer)
    assert path == "/v2/models/a%20b%2Fc/versions/2/infer"
    assert question["inputs"] == [
        {"name": "age", "shape": [3, 1], "datatype": "FP64", "data": [30.5, None, 41.0]},
        {"name": "grade", "shape": [3, 1], "datatype": "FP64", "data": [1, 2, 3]},
        {
            "name": "city",
            "shape": [3, 1],
            "datatype": "BYTES",
            "data": ["Oslo", None, "Æ"],
            "parameters": {"content_type": "str"},
        },
    ]
    assert question["outputs"] == [{"name": "predict_proba"}]
    assert scores.tolist() == [[0.25, 0.75], [1, 0], [0.5, 0.5]]


def test_kserve_is_asked_with_one_matrix_where_that_is_declared():
    matrix = {"features": FEATURES[:2], "tensors": Tensors.MATRIX, "numbers": Numbers.FP32}
    endpoint = declared(EndpointProtocol.KSERVE_V2, **matrix)
    _, [(path, question)] = asked(endpoint, {"outputs": [tensor([0.5] * 3, [3])]})
    assert path == "/v2/models/loan/infer"
    assert question == {
        "inputs": [
            {
                "name": "input-0",
                "shape": [3, 2],
                "datatype": "FP32",
                "data": [30.5, 1, None, 2, 41.0, 3],
            }
        ]
    }


@pytest.mark.parametrize(
    ("given", "answer", "scores"),
    [
        ({}, {"predictions": [0.75, 0, 1]}, [[0.25, 0.75], [1, 0], [0, 1]]),  # of the second class alone
        ({}, {"predictions": [[0.75], [0], [1]]}, [[0.25, 0.75], [1, 0], [0, 1]]),
        ({"answers": Answers.LABELS}, {"predictions": ["yes", "no", "no"]}, [[0, 1], [1, 0], [1, 0]]),
        (
            {"answers": Answers.LABELS, "classes": ("0", "1")},
            {"predictions": [1, 0.0, [0][0]]},
            [[0, 1], [1, 0], [1, 0]],
        ),
        (
            {"answers": Answers.LABELS, "classes": ("False", "True")},
            {"predictions": [True, False, False]},
            [[0, 1], [1, 0], [1, 0]],
        ),
        (
            {"task": Task.MULTICLASS, "classes": ("a", "b", "c"), "answers": Answers.LABELS},
            {"predictions": [["c"], ["a"], ["b"]]},
            [[0, 0, 1], [1, 0, 0], [0, 1, 0]],
        ),
        ({"task": Task.REGRESSION, "classes": ()}, {"predictions": [1, -2.5, 1e300]}, [[1], [-2.5], [1e300]]),
    ],
)
def test_answers_come_as_probabilities_labels_or_values(given, answer, scores):
    assert asked(declared(**given), answer)[0].tolist() == scores


def test_probabilities_that_are_off_by_rounding_are_put_right():
    of_second = asked(declared(), {"predictions": [1.0009, -0.0009, 0.25]})[0]
    assert of_second.tolist() == [[0, 1], [1, 0], [0.75, 0.25]]
    of_both = asked(declared(), {"predictions": [[-0.0005, 1.0004], [0.5, 0.4995], [0.25, 0.75]]})[0]
    assert of_both[[0, 2]].tolist() == [[0, 1], [0.25, 0.75]]
    assert of_both[1] == pytest.approx([0.5 / 0.9995, 0.4995 / 0.9995], abs=1e-15)


def test_data_of_a_tensor_may_be_nested_and_the_only_tensor_may_have_any_name():
    endpoint = declared(EndpointProtocol.KSERVE_V2)
    nested = {"outputs": [tensor([[0.25, 0.75], [1, 0], [0.5, 0.5]], [3, 2], "output__0")]}
    assert asked(endpoint, nested)[0].tolist() == [[0.25, 0.75], [1, 0], [0.5, 0.5]]


DEEP = b'{"predictions":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
NO = {"task": Task.REGRESSION, "classes": ()}


@pytest.mark.parametrize(
    ("given", "answer", "said"),
    [
        ({}, b"<html>secret", "no JSON"),
        ({}, b"", "no JSON"),
        ({}, b"\xff\xfe", "no JSON"),
        ({}, DEEP, "more lists than 3 rows need"),
        (
            NO,
            b'{"predictions": [1, 1, 1], "more": [' + b"{}," * 10_031 + b"1]}",
            "more lists than 3 rows need",
        ),
        (NO, b'{"predictions": [NaN, 1, 1]}', "no JSON"),
        (NO, b'{"predictions": [Infinity, 1, 1]}', "no JSON"),
        (NO, b'{"predictions": [-Infinity, 1, 1]}', "no JSON"),
        (NO, b'{"predictions": [1e999, 1, 1]}', "not finite"),
        (NO, b'{"predictions": [1' + b"0" * 400 + b", 1, 1]}", "not finite"),
        (NO, b'{"predictions": [1' + b"0" * 5000 + b", 1, 1]}", "no JSON"),
        (NO, {"predictions": ["1", "2", "secret"]}, "no number"),
        (NO, {"predictions": [True, False, True]}, "no number"),
        (NO, {"predictions": [None, 1, 1]}, "no number"),
        (NO, {"predictions": [{"a": 1}, 1, 1]}, "no number"),
        (NO, {"predictions": [1, 1]}, "each of 3 rows"),
        (NO, {"predictions": []}, "each of 3 rows"),
        (NO, {"predictions": [1] * 4}, "each of 3 rows"),
        (NO, {"predictions": [[1, 2]] * 3}, "2 values for each row"),
        (NO, {"predictions": [[1], [1, 2], []]}, "different lengths"),
        (NO, {"predictions": [[[1]], [[1]], [[1]]]}, "no number"),
        (NO, {"predictions": 1}, "no list"),
        (NO, {"prediction": [1, 1, 1]}, "no list"),
        (NO, [1, 1, 1], "no list"),
        ({}, {"predictions": [[0.2, 0.3, 0.5]] * 3}, "3 numbers for each row, and 2 classes"),
        ({}, {"predictions": [[0.2, 0.2]] * 3}, "no probabilities"),
        ({}, {"predictions": [[-1, 2]] * 3}, "no probabilities"),
        ({}, {"predictions": [1.5, 0, 0]}, "no probabilities"),
        (
            {"task": Task.MULTICLASS, "classes": ("a", "b", "c")},
            {"predictions": [[1.0015, -0.0009, -0.0009]] * 3},
            "no probabilities",
        ),
        ({}, {"predictions": ["yes", "no", "no"]}, "no number"),
        ({"answers": Answers.LABELS}, {"predictions": ["yes", "no", "maybe"]}, "not among those declared"),
        ({"answers": Answers.LABELS}, {"predictions": [None, "no", "no"]}, "not among those declared"),
        ({"answers": Answers.LABELS}, {"predictions": [["yes", "no"]] * 3}, "not among those declared"),
        ({"answers": Answers.LABELS}, {"predictions": [{}, "no", "no"]}, "not among those declared"),
    ],
)
def test_what_is_no_answer_is_refused_and_not_quoted(given, answer, said):
    with pytest.raises(InvalidInput, match=said) as refusal:
        asked(declared(**given), answer)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        (None, "no list of `outputs`"),
        ([], "no list of `outputs`"),
        ([1], "no list of `outputs`"),
        ([{}], "without shape or data"),
        ([tensor([0.5] * 3, [3, 1.0])], "without shape or data"),
        ([tensor([0.5] * 3, [True])], "without shape or data"),
        ([tensor({}, [3])], "without shape or data"),
        ([tensor([0.5] * 3, [3, 2])], "another shape"),
        ([tensor([0.5] * 3, [1, 3])], "another shape"),
        ([tensor([0.5] * 3, [])], "another shape"),
        ([tensor([0.5] * 3, [-3, -1])], "another shape"),
        ([tensor([0.5] * 3, [3, 1, 1])], "another shape"),
        ([tensor([], [3, 0])], "0 numbers for each row"),
        ([tensor([], [3, 2**62, 2**62])], "another shape"),
        ([tensor([[0.5], 0.5, 0.5], [3])], "do not have its shape"),
        ([tensor([[0.5], [0.5], [0.5]], [3])], "do not have its shape"),
        ([tensor([[0.1, 0.9, 0.2], [0.8], [0.5, 0.5]], [3, 2])], "do not have its shape"),
        ([tensor([0.5] * 3, [3], "a"), tensor([0.5] * 3, [3], "b")], "2 tensors; say in outputTensor"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(outputs, said):
    with pytest.raises(InvalidInput, match=said):
        asked(declared(EndpointProtocol.KSERVE_V2), {"outputs": outputs})


def test_a_tensor_of_the_name_that_was_asked_for_must_be_there():
    endpoint = declared(EndpointProtocol.KSERVE_V2, output_tensor="predict_proba")
    with pytest.raises(InvalidInput, match="none of the name"):
        asked(endpoint, {"outputs": [tensor([0.5] * 3, [3], "predict")]})


def test_rows_are_sent_some_at_a_time(monkeypatch):
    monkeypatch.setattr(endpoint_scorer, "BATCH_CELLS", 50)  # of 3 features and 2 classes: 10 rows
    monkeypatch.setattr(endpoint_scorer, "BATCH_BYTES", 400)
    rows = pd.DataFrame({"age": np.arange(35.0), "grade": 1.0, "city": np.array(["x" * 60] * 35, object)})
    sizes = []

    def call(path, body):
        data = json.loads(body)["dataframe_split"]["data"]
        sizes.append((len(data), len(body)))
        return json.dumps({"predictions": [row[0] / 100 for row in data]}).encode()

    scores = EndpointScorer(endpoint=declared(), call=call).scores(rows)
    assert scores[:, 1] == pytest.approx(np.arange(35) / 100)
    assert all(count <= 10 and length <= 400 for count, length in sizes)
    assert asked(declared(), SURE, rows.iloc[:0])[0].shape == (0, 2)


def test_a_row_that_is_too_large_is_not_sent(monkeypatch):
    monkeypatch.setattr(endpoint_scorer, "MOST_BYTES", 1_000)
    rows = ROWS.assign(city=np.array(["x" * 10_000] * 3, object))
    monkeypatch.setattr(endpoint_scorer, "BATCH_BYTES", 500)
    with pytest.raises(InvalidInput, match="at most 1000 bytes are sent"):
        asked(declared(), SURE, rows)


def test_categories_that_are_codes_are_sent_as_numbers_and_others_as_texts():
    codes = DeclaredFeature(name="grade", type=FeatureType.CATEGORY, categories=("1", "2"))
    texts = DeclaredFeature(name="grade", type=FeatureType.CATEGORY, categories=("1", "2+"))
    for feature, expected in ((codes, [[1], [2], [3]]), (texts, [["1"], ["2"], ["3"]])):
        _, [(_, question)] = asked(declared(features=[feature]), SURE)
        assert question["dataframe_split"]["data"] == expected


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (ROWS.drop(columns="age"), "no column 'age'"),
        (ROWS.assign(age=np.array(["a", "b", None], object)), "'age' holds texts"),
        (ROWS.assign(age=[1.0, math.inf, 2.0]), "'age' holds an infinite number"),
    ],
)
def test_rows_that_cannot_be_sent_are_refused_before_anything_is(rows, said):
    with pytest.raises(InvalidInput, match=said):
        asked(declared(), b"never reached", rows)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"url": ""}, "url must be"),
        ({"url": "https://a\nb"}, "url must be"),
        ({"url": "https://a/invocations"}, "before what the protocol adds"),
        ({"protocol": EndpointProtocol.KSERVE_V2}, "needs the name"),
        ({"model_name": "a"}, "MLFLOW has none"),
        ({"output_tensor": "a"}, "output_tensor is of KSERVE_V2"),
        ({"features": ()}, "features must be 1 to 2,000"),
        ({"features": (FEATURES[0],) * 2}, "given twice"),
        ({"features": (DeclaredFeature(name=""),)}, "name must be"),
        ({"classes": ("yes",)}, "classes must be 2, got 1"),
        ({"classes": ("yes", "yes")}, "given twice"),
        ({"task": Task.REGRESSION}, "classes must be 0"),
        ({"answers": Answers.VALUES}, "does not answer values"),
        ({"task": Task.REGRESSION, "classes": (), "answers": Answers.LABELS}, "does not answer labels"),
        (
            {"protocol": EndpointProtocol.KSERVE_V2, "model_name": "a", "tensors": Tensors.MATRIX},
            "'city' is a category",
        ),
    ],
)
def test_what_contradicts_itself_cannot_be_declared(more, said):
    usual = {"url": "https://a", "protocol": EndpointProtocol.MLFLOW, "task": Task.BINARY}
    with pytest.raises(InvalidInput, match=said):
        Endpoint(**{**usual, "classes": ("no", "yes"), "features": FEATURES, **more})


def test_names_that_lead_elsewhere_are_never_asked_and_can_still_be_read():
    for at in ("model_name", "model_version"):
        endpoint = declared(EndpointProtocol.KSERVE_V2, **{at: ".."})
        with pytest.raises(InvalidInput, match=f"{at} may not be"):
            asked(endpoint, b"never reached")


def test_the_first_question_finds_what_is_answered_numbers_or_texts_and_excuses_nothing():
    """Of what is not declared, numbers are tried and then texts."""

    def found(answer, names=()):
        sent = []

        def call(path, body):
            sent.append([row[1] for row in json.loads(body)["dataframe_split"]["data"]])
            return json.dumps(answer(sent[-1][0])).encode()

        return probe_endpoint(EndpointScorer(endpoint=declared(), call=call), names), sent

    sure = {"predictions": [0.75, 0.75]}
    for answer, expected in (
        (lambda value: sure, [[0, 0]]),
        (lambda value: sure if value == "a" else {}, [[0, 0], ["a", "a"]]),
    ):
        probed, sent = found(answer, ["age"])
        assert sent == expected
        assert probed.tried == "a made-up row is of class 'yes' with a score of 0.75"
        assert probed.signature.notes[-1].startswith("the features declared are not those registered")
    with pytest.raises(InvalidInput, match="each of 2 rows"):
        found(lambda value: {"predictions": [0.75]})
    value = declared(task=Task.REGRESSION, classes=())
    with pytest.raises(InvalidInput, match=r"not within -1e\+60 and 1e\+60"):
        probe_endpoint(EndpointScorer(endpoint=value, call=lambda *_: b'{"predictions": [1e308, 1]}'), ())


def test_the_signature_is_what_was_declared_and_the_declaration_can_be_stored():
    endpoint = declared(answers=Answers.LABELS)
    signature = endpoint.signature
    assert (signature.format, signature.names) == (ModelFormat.ENDPOINT, ["age", "grade", "city"])
    assert "probability 1" in signature.notes[1]
    stored = TypeAdapter(Endpoint)
    assert stored.validate_python(stored.dump_python(endpoint, mode="json")).signature == signature
