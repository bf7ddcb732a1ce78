"""The structure found in ONNX trees and weights, of all modes and conventions; onnxruntime itself is the judge."""

import itertools

import numpy as np
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper

from engine.errors import InvalidInput
from engine.models import onnx_file
from engine.models.ensemble import Link
from engine.models.signature import Task
from tests.onnx_models import graph

VALUES = [-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 1e30, np.inf, np.nan]
ROWS = pd.DataFrame(list(itertools.product(VALUES, VALUES)), columns=["x0", "x1"])
"""On the thresholds, between them and beyond all, and missing, for both columns."""
STUMPS = {
    "treeids": [0, 0, 0, 7, 7, 7, 7, 7],
    "nodeids": [0, 1, 2, 9, 1, 5, 3, 4],
    "featureids": [0, 0, 0, 1, 0, 0, 0, 0],
    "values": [1.0, 0, 0, 2.0, 1.0, 0, 0, 0],
    "truenodeids": [1, 0, 0, 1, 3, 0, 0, 0],
    "falsenodeids": [2, 0, 0, 5, 4, 0, 0, 0],
}
"""A tree of one split, and one of two whose nodes have numbers in no order."""
LEAVES = {"treeids": [0, 0, 7, 7, 7], "nodeids": [1, 2, 5, 3, 4]}


def forest(modes=("BRANCH_LEQ", "BRANCH_LEQ", "BRANCH_LEQ"), tracks=(0, 0, 0), **options):
    leaf = "LEAF"
    options = {
        "nodes_modes": [modes[0], leaf, leaf, modes[1], modes[2], leaf, leaf, leaf],
        "nodes_missing_value_tracks_true": [tracks[0], 0, 0, tracks[1], tracks[2], 0, 0, 0],
        **{f"nodes_{name}": values for name, values in STUMPS.items()},
        **options,
    }
    kind = "Classifier" if "class_ids" in options else "Regressor"
    prefix = "class" if kind == "Classifier" else "target"
    if kind == "Regressor":
        options = {"n_targets": 1, "target_ids": [0] * 5, "target_weights": [0.5, -1, 2, 3.25, -4], **options}
    options = {**{f"{prefix}_{name}": values for name, values in LEAVES.items()}, **options}
    outputs = ["Y"] if kind == "Regressor" else ["L", "Y"]
    return helper.make_node(f"TreeEnsemble{kind}", ["X"], outputs, domain="ai.onnx.ml", **options)


def classes(names=("no", "yes"), **options):
    return forest(
        **{
            "class_ids": [0] * 5,
            "class_weights": [0.5, -1, 2, 3.25, -4],
            "classlabels_strings": list(names),
            **options,
        }
    )


def read(node, *after, **options):
    if node.op_type.endswith("Classifier"):
        options = {
            "outputs": (("L", TensorProto.STRING, [None]), ("Y", TensorProto.FLOAT, [None, None])),
            **options,
        }
    return onnx_file.read(graph([node, *after], **options).SerializeToString())


def agree(scorer, rows=ROWS):
    """What its core says of rows, which is what onnxruntime says."""
    inside = scorer.inside()
    assert inside is not None, scorer.signature.notes
    scores = scorer.scores(rows)
    assert len(np.unique(scores[:, -1])) > 1
    ours = inside.core.link.scores(inside.core.margins(inside.encode(rows)))
    assert ours == pytest.approx(scores, rel=1e-5, abs=1e-6)
    return inside.core


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.DOUBLE])
@pytest.mark.parametrize("tracks", [(0, 0, 0), (1, 1, 1), (1, 0, 1)])
@pytest.mark.parametrize(
    "mode", ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]
)
def test_a_row_goes_the_way_of_each_mode_also_when_its_value_is_missing(mode, tracks, kind):
    agree(read(forest((mode,) * 3, tracks), kind=kind))


def test_modes_may_be_mixed_and_columns_may_be_split_by_equality_and_by_size():
    agree(read(forest(("BRANCH_LEQ", "BRANCH_EQ", "BRANCH_GT"))))  # each column in one way
    scorer = read(forest(("BRANCH_LEQ", "BRANCH_LEQ", "BRANCH_EQ")))  # the first column in both
    assert scorer.inside() is None
    assert "a column is split both by size and by equality" in scorer.signature.notes[-1]
    assert len(scorer.scores(ROWS)) == len(ROWS)


def test_thresholds_are_compared_in_the_precision_of_the_file():
    values = [0.1, 0, 0, 2.0, 0.1, 0, 0, 0]
    near = np.array([0.1, np.float32(0.1), np.nextafter(np.float32(0.1), 1), np.nextafter(0.1, 1)], float)
    rows = pd.DataFrame({"x0": [*near, 1, -1], "x1": [0.0] * 6})
    for kind in (TensorProto.FLOAT, TensorProto.DOUBLE):
        agree(read(forest(nodes_values=values), kind=kind), rows)


@pytest.mark.parametrize(
    "options",
    [
        {"base_values": [0.75]},
        {"aggregate_function": "AVERAGE"},
        {"aggregate_function": "AVERAGE", "base_values": [2.5]},
    ],
    ids=str,
)
def test_values_are_sums_or_averages_with_a_base(options):
    assert agree(read(forest(**options))).link is Link.IDENTITY


def test_the_exponential_of_a_sum_is_its_link():
    forest_ = forest()
    forest_.output[0] = "M"
    core = agree(read(forest_, helper.make_node("Exp", ["M"], ["Y"])))
    assert core.link is Link.EXPONENTIAL


SHARES = [0.5, 0.125, 0.25, 0.0, 0.375]
MARGINS = [0.5, -1, 2, 3.25, -4]


def both(zero, one, **options):
    """Weights of each leaf for both classes."""
    twice = {f"class_{name}": [*ids, *ids] for name, ids in LEAVES.items()}
    return {**twice, "class_ids": [0] * 5 + [1] * 5, "class_weights": [*zero, *one], **options}


@pytest.mark.parametrize(
    ("options", "link"),
    [
        ({"post_transform": "LOGISTIC"}, Link.LOGISTIC),
        ({"post_transform": "LOGISTIC", "base_values": [0.5]}, Link.LOGISTIC),
        ({"class_weights": SHARES}, Link.COMPLEMENT),
        (both([0.5 - share for share in SHARES], SHARES), Link.COMPLEMENT),
        (both(MARGINS, MARGINS[::-1], post_transform="SOFTMAX"), Link.LOGISTIC),
        (both(MARGINS, MARGINS[::-1], post_transform="SOFTMAX", base_values=[0.25, 1.5]), Link.LOGISTIC),
        # as CatBoost has it
        (
            both(
                [-margin for margin in MARGINS],
                MARGINS,
                post_transform="LOGISTIC",
                modes=["BRANCH_GT"] * 3,
            ),
            Link.LOGISTIC,
        ),
        (
            both(
                [-margin for margin in MARGINS],
                MARGINS,
                post_transform="LOGISTIC",
                base_values=[-0.5, 0.5],
                modes=["BRANCH_GT"] * 3,
            ),
            Link.LOGISTIC,
        ),
    ],
    ids=[
        "one",
        "one with a base",
        "one share",
        "both shares",
        "both",
        "both with bases",
        "CatBoost",
        "CatBoost with bases",
    ],
)
def test_two_classes_by_each_convention(options, link):
    scorer = read(classes(**options))
    assert (scorer.signature.task, scorer.signature.classes) == (Task.BINARY, ("no", "yes"))
    assert agree(scorer).link is link


def test_what_onnxruntime_makes_no_probabilities_of_is_a_vote():
    scorer = read(classes(post_transform="LOGISTIC", class_ids=[1] * 5))  # it gives 0.5 for the first class
    assert "The model gives no probabilities" in " ".join(scorer.signature.notes)
    assert np.unique(scorer.scores(ROWS)).tolist() == [0, 1]


def test_three_classes_with_one_that_no_leaf_speaks_of():
    options = {"post_transform": "SOFTMAX", "class_ids": [0, 2, 0, 2, 0]}
    scorer = read(classes(("a", "b", "c"), **options))
    assert scorer.signature.task is Task.MULTICLASS
    assert agree(scorer).link is Link.SOFTMAX


def since_5(**options):
    """x0 <= 1 ? 0.5 : (x1 > 2 ? 2 : -4), and a tree x1 == 3 ? 1 : 0.25; leaves stand apart."""

    def tensor(values, kind=TensorProto.FLOAT):
        return helper.make_tensor("t", kind, [len(values)], values)

    options = {
        "n_targets": 1,
        "nodes_modes": tensor([0, 3, 3], TensorProto.UINT8),
        "nodes_splits": tensor([1.0, 2.0, 3.0]),
        "nodes_featureids": [0, 1, 1],
        "nodes_truenodeids": [0, 1, 3],
        "nodes_trueleafs": [1, 1, 1],
        "nodes_falsenodeids": [1, 2, 4],
        "nodes_falseleafs": [0, 1, 1],
        "nodes_missing_value_tracks_true": [1, 0, 1],
        "tree_roots": [0, 2],
        "leaf_targetids": [0] * 5,
        "leaf_weights": tensor([0.5, 2.0, -4.0, 1.0, 0.25]),
        **options,
    }
    return helper.make_node("TreeEnsemble", ["X"], ["Y"], domain="ai.onnx.ml", **options)


def test_trees_of_version_5_stand_in_another_form():
    model = graph([since_5()])
    model.opset_import[1].version = 5
    scorer = onnx_file.read(model.SerializeToString())
    assert scorer.signature.trees == 2
    agree(scorer)


def test_the_largest_of_leaves_is_no_sum_and_not_known_inside():
    scorer = read(forest(aggregate_function="MAX"))
    assert scorer.scores(ROWS).max() == 3.25
    assert scorer.inside() is None
    assert "the trees are not summed up" in scorer.signature.notes[-1]


@pytest.mark.parametrize("after", ["Relu", "Clip", "Floor"])
def test_what_bends_the_sum_is_not_known_inside(after):
    bent = forest()
    bent.output[0] = "M"
    scorer = read(bent, helper.make_node(after, ["M"], ["Y"]))
    assert scorer.inside() is None
    assert "does not end in trees" in scorer.signature.notes[-1]


def test_columns_that_are_mixed_before_the_core_are_not_traced():
    matrix = numpy_helper.from_array(np.array([[1, 1], [0, 1]], np.float32), "w")
    tree = forest()
    tree.input[0] = "M"
    model = graph([helper.make_node("MatMul", ["X", "w"], ["M"]), tree], weights=(matrix,))
    scorer = onnx_file.read(model.SerializeToString())
    assert scorer.inside() is None
    assert "not made of one column each" in scorer.signature.notes[-1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"nodes_featureids": [7] + [0] * 7}, "cannot predict"),
        ({"nodes_truenodeids": [0] * 8}, "does not open"),
        ({"nodes_truenodeids": [1, 0, 0, 99, 3, 0, 0, 0]}, "does not open"),
        ({"nodes_values": [1.0]}, "does not open"),
        ({"target_nodeids": [1, 2, 5, 3, 99]}, "does not open|cannot predict"),
    ],
    ids=str,
)
def test_damaged_trees_are_refused(change, words):
    with pytest.raises(InvalidInput, match=words):
        read(forest(**change))
