"""Hostile and damaged ONNX files: refused in words before onnxruntime sees them, or kept in a child that is limited."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from sklearn import linear_model as linear
from sklearn import preprocessing as pre
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline

from engine.errors import InvalidInput
from engine.models.onnx_file import read
from tests import estimators as made
from tests.onnx_models import exported, graph

MUTATIONS = 200
RUN = """
import json, resource, sys
from pathlib import Path
import numpy as np, pandas as pd
from engine.errors import InvalidInput
from engine.models.onnx_file import read

resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
folder, outcomes = Path(sys.argv[1]), []
for path in sorted(folder.glob("*.onnx")):
    try:
        scorer = read(path.read_bytes())
        scores = scorer.scores(scorer.plain(3, seed=5, positive=False))
        assert np.isfinite(scores).all() and len(scores) == 3, path
        outcomes.append("answered")
    except InvalidInput as error:
        outcomes.append(str(error))
    except MemoryError:
        outcomes.append("needs more memory than there is")
print(json.dumps(outcomes))
"""


def outcomes(folder):
    """What becomes of all files of a folder, in a child of limited memory; it must end by itself."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(folder)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    assert done.stderr == ""  # nor does onnxruntime speak
    return json.loads(done.stdout)  # which is all that was said


def identity(*nodes, weights=(), **options):
    """A model that gives back one column, and more."""
    return graph([helper.make_node("Identity", ["X"], ["Y"]), *nodes], columns=1, weights=weights, **options)


def refused(model, words):
    with pytest.raises(InvalidInput, match=words):
        read(model if isinstance(model, bytes) else model.SerializeToString())


def mutated(content, rng):
    """Some bytes changed, so that what surrounds them keeps its lengths; seldom some taken out or put in."""
    damaged = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        at = int(rng.integers(len(damaged)))
        kind = rng.integers(10)
        if kind < 4:
            damaged[at] = int(rng.integers(256))
        elif kind < 8:
            damaged[at] ^= 1 << int(rng.integers(8))
        elif kind == 8:
            del damaged[at : at + int(rng.integers(1, 20))]
        else:
            damaged[at:at] = damaged[at // 2 : at // 2 + int(rng.integers(1, 20))]
    return bytes(damaged)


def damaged_files():
    columns = make_column_transformer((pre.OneHotEncoder(), ["city"]), (pre.StandardScaler(), ["age"]))
    forest = make_pipeline(columns, RandomForestClassifier(2, max_depth=3, random_state=0))
    weights = linear.LogisticRegression().fit(made.NUMBERS, made.YES)
    models = [exported(forest.fit(made.TABLE, made.YES), made.TABLE), exported(weights, made.NUMBERS)]
    whole = [model.SerializeToString() for model in models]
    rng = np.random.default_rng(11)
    return [mutated(whole[i % 2], rng) for i in range(MUTATIONS)]


def sixteen_gigabytes():
    size = numpy_helper.from_array(np.array([2**32], np.int64), "s")
    nodes = [
        helper.make_node("ConstantOfShape", ["s"], ["b"]),
        helper.make_node("ReduceMax", ["b"], ["m"], keepdims=0),
        helper.make_node("Add", ["X", "m"], ["Y"]),
    ]
    return graph(nodes, columns=1, weights=(size,)).SerializeToString()


def test_damaged_files_and_bombs_are_refused_in_words_or_answer_with_numbers_in_a_limited_child(tmp_path):
    for i, content in enumerate([*damaged_files(), sixteen_gigabytes()]):
        (tmp_path / f"{i:03}.onnx").write_bytes(content)
    *damaged, bomb = outcomes(tmp_path)
    assert len(damaged) == MUTATIONS
    assert 10 < damaged.count("answered") < 180
    assert all(10 < len(said) < 600 for said in damaged if said != "answered")
    assert bomb == "needs more memory than there is"  # which the job then says, with how much there is


@pytest.mark.parametrize(
    "content",
    [b"", b"hello, this is text\n" * 20, b"\x00" * 100, b"\x08\x0a" + b"\xff" * 50, b"\x08\x0a\x12\x03abc"],
)
def test_what_is_no_model_is_refused(content):
    refused(content, "damaged or incomplete|no graph")


def test_weights_in_another_file_are_refused_wherever_they_stand():
    outside = TensorProto(name="w", data_type=1, dims=[1], data_location=TensorProto.EXTERNAL)
    outside.external_data.add(key="location", value="../../etc/passwd")
    words = "keeps weights in another file"
    refused(identity(weights=(outside,)), words)
    refused(identity(helper.make_node("Constant", [], ["c"], value=outside)), words)
    inner = helper.make_graph(
        [helper.make_node("Identity", ["w"], ["i"])], "inner", [], [onnx.ValueInfoProto(name="i")], [outside]
    )
    condition = numpy_helper.from_array(np.array(True), "c")
    branch = helper.make_node("If", ["c"], ["r"], then_branch=inner, else_branch=inner)
    refused(identity(branch, weights=(condition,)), words)


def test_a_tensor_that_claims_more_than_it_holds_is_refused():
    for dims, words in (
        ([2**30, 4], "claims 4294967296 values and has 0"),
        ([2**40], "a size that can not be"),
        ([-1], "a size"),
    ):
        refused(identity(weights=(TensorProto(name="w", data_type=1, dims=dims),)), words)
    half = numpy_helper.from_array(np.ones(4, np.float32), "w")
    half.raw_data = half.raw_data[:8]
    refused(identity(weights=(half,)), "claims 4 values and has 2")
    refused(identity(weights=(TensorProto(name="w", data_type=99, dims=[1]),)), "unknown type 99")


def test_sparse_tensors_are_refused():
    model = identity()
    model.graph.sparse_initializer.add(dims=[2**30])
    refused(model, "sparse tensors")


def test_operators_of_others_and_functions_and_chance_are_refused_by_name():
    custom = helper.make_node("Fancy", ["X"], ["Z"], domain="com.example")
    refused(identity(custom), "the operator 'Fancy' of 'com.example'")
    refused(identity(helper.make_node("RandomNormalLike", ["X"], ["Z"])), r"at random \(RandomNormalLike\)")
    model = identity()
    version = [helper.make_opsetid("", 21)]
    call = helper.make_node("Identity", ["a"], ["b"])
    model.functions.append(helper.make_function("", "Twice", ["a"], ["b"], [call], version))
    refused(model, r"operators of its own \('Twice'\)")


def test_graphs_nested_deep_and_of_many_nodes_are_refused():
    node = helper.make_node("Identity", ["X"], ["a"])
    for _ in range(4):
        inner = helper.make_graph([node], "inner", [], [onnx.ValueInfoProto(name="a")])
        node = helper.make_node("If", ["c"], ["a"], then_branch=inner, else_branch=inner)
    condition = numpy_helper.from_array(np.array(True), "c")
    refused(identity(node, weights=(condition,)), "nests graphs in graphs")
    many = [helper.make_node("Identity", ["X"], [f"n{i}"]) for i in range(1_000)]
    model = identity(*many)
    content = model.graph.SerializeToString() * 101  # protobuf merges what is repeated
    refused(onnx.ModelProto(ir_version=10).SerializeToString() + _field(7, content), "more than 100000 nodes")


def _field(number, content):
    """A field of bytes in protobuf's encoding."""
    length, head = len(content), bytearray([number << 3 | 2])
    while length > 127:
        head.append(length & 127 | 128)
        length >>= 7
    return bytes(head) + bytes([length]) + content


def test_graphs_without_inputs_or_outputs_or_with_odd_ones_are_refused():
    model = identity()
    del model.graph.output[:]
    refused(model, "no graph that makes anything")
    alone = graph([helper.make_node("Constant", [], ["Y"], value_float=1.0)])
    del alone.graph.input[:]
    refused(alone, "takes no inputs")
    for shape, words in (
        ([None, 3, 64, 64], "has 4 dimensions"),
        ([1, 3], "takes exactly 1 rows"),
        ([None, None], "does not say how many columns"),
        ([None, 2**30], "more than 100000 columns"),
    ):
        model = identity()
        model.graph.input[0].CopyFrom(helper.make_tensor_value_info("X", TensorProto.FLOAT, shape))
        refused(model, words)
    refused(identity(kind=TensorProto.COMPLEX64), "another type than those that are read")
    two = graph([helper.make_node("Identity", ["X"], ["Y"])])
    refused(two, "neither one value, nor probabilities")
    refused(graph([helper.make_node("Identity", ["Z"], ["Y"])]), "does not open|takes no inputs")


def test_what_onnxruntime_refuses_is_said_without_where_in_its_source(tmp_path):
    wrong = numpy_helper.from_array(np.ones((3, 1), np.float32), "w")
    with pytest.raises(InvalidInput) as refusal:
        read(graph([helper.make_node("MatMul", ["X", "w"], ["Y"])], weights=(wrong,)).SerializeToString())
    assert "onnxruntime does not open the ONNX file" in str(refusal.value)
    assert "/" not in str(refusal.value)
    assert "ONNXRuntimeError" not in str(refusal.value)
