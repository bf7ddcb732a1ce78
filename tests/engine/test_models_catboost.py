"""CatBoost's JSON read by us answers as CatBoost does; what it says of its models stands in tests/data/catboost.json."""

import json
from copy import deepcopy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine.errors import InvalidInput
from engine.explanations.leaf_tables import LeafTables, fits
from engine.models.catboost_json import read
from engine.models.signature import ModelFormat, Task
from engine.models.tree_scorer import TreeScorer
from tests.trees import shapley

TOLD = json.loads((Path(__file__).parents[1] / "data" / "catboost.json").read_text())
ROWS = pd.DataFrame(TOLD["rows"])
GAPS = ROWS.assign(a=pd.Series(TOLD["gaps"], dtype=float))
MODELS = TOLD["models"]
TASKS = {
    "binary": Task.BINARY,
    "missing below": Task.BINARY,
    "missing above": Task.BINARY,
    "truth values": Task.BINARY,
    "chances": Task.BINARY,
    "three": Task.MULTICLASS,
    "one against the rest": Task.MULTICLASS,
    "three, by loss": Task.MULTICLASS,
    "value": Task.REGRESSION,
    "value, by depth": Task.REGRESSION,
    "count": Task.REGRESSION,
}


def opened(name):
    ensemble, signature = read(json.dumps(MODELS[name]["model"]).encode())
    return TreeScorer(ensemble=ensemble, signature=signature)


def rows_of(name):
    if name == "truth values":
        return ROWS.set_axis(["0", "1", "2"], axis=1)
    return GAPS if name in ("missing below", "missing above", "value, by depth") else ROWS


@pytest.mark.parametrize(("name", "task"), TASKS.items())
def test_answers_and_path_dependent_shapley_values_are_those_of_catboost(name, task):
    scorer, told, rows = opened(name), MODELS[name], rows_of(name)
    assert scorer.signature.task is task
    assert scorer.signature.format is ModelFormat.CATBOOST_JSON
    assert scorer.signature.names == list(rows.columns)
    assert list(scorer.signature.classes) == told["classes"]
    assert scorer.signature.trees == 4
    encoded = scorer.encode(rows)
    margins = np.array(told["margins"]).reshape(len(rows), -1)
    assert scorer.ensemble.margins(encoded) == pytest.approx(margins, rel=1e-12, abs=1e-12)
    answers = np.array(told["answers"]).reshape(len(rows), -1)
    if name == "one against the rest":  # each by itself in CatBoost
        answers = answers / answers.sum(axis=1, keepdims=True)
    assert scorer.scores(rows) == pytest.approx(answers, rel=1e-9)

    values = np.array(told["shapley"]).reshape(6, -1, 4)  # the last of each is the base
    inside = scorer.inside()
    assert fits(inside.core, inside.players, path_dependent=True) is None
    tables = LeafTables.built(inside.core, inside.players)
    ours = tables.values(encoded[:6])
    assert tables.base == pytest.approx(margins.mean(axis=0), abs=1e-9)  # of the rows of training
    if "trees" in told["model"]:  # of which CatBoost's own values have another base than that mean
        for row, each in zip(encoded[:2], ours[:2], strict=True):
            assert each == pytest.approx(shapley(inside.core, inside.players, row), abs=1e-12)
        return
    assert ours.transpose(0, 2, 1) == pytest.approx(values[:, :, :3], rel=1e-9, abs=1e-9)
    assert tables.base == pytest.approx(values[0, :, 3], rel=1e-9, abs=1e-9)


def test_interventional_values_are_those_of_the_definition():
    for name in ("missing above", "three, by loss"):
        scorer = opened(name)
        inside, encoded = scorer.inside(), scorer.encode(rows_of(name))
        ours = LeafTables.built(inside.core, inside.players, encoded[6:20]).values(encoded[:2])
        for row, values in zip(encoded[:2], ours, strict=True):
            wanted = shapley(inside.core, inside.players, row, encoded[6:20])
            assert values == pytest.approx(wanted, abs=1e-12)


def test_what_the_file_lacks_is_said():
    assert "numbered from 0" in opened("truth values").signature.notes[0]
    assert opened("truth values").signature.classes == ("False", "True")
    assert not opened("truth values").signature.named
    assert opened("binary").signature.notes == ()
    assert "scaled to sum to 1" in opened("one against the rest").signature.notes[0]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("one-hot", "takes categories, of which its file has only hashes"),
        ("statistics of categories", "one of 0 and 1 for each category, or serve the model"),
        ("two values", "the loss 'RMSEWithUncertainty'"),
    ],
)
def test_what_is_no_sum_of_trees_over_numbers_is_refused(name, words):
    with pytest.raises(InvalidInput, match=words):
        opened(name)


def first(whole):
    return whole["oblivious_trees"][0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda whole: whole.pop("oblivious_trees"), "has no oblivious_trees"),
        (lambda whole: whole["oblivious_trees"].clear(), "no trees"),
        (lambda whole: first(whole)["leaf_values"].pop(), "leaf_values of tree 0 must have 8 values, got 7"),
        (lambda whole: first(whole)["leaf_weights"].pop(), "leaf_weights of tree 0 must have 8 values"),
        (lambda whole: first(whole)["leaf_weights"].__setitem__(0, -9), "negative"),
        (lambda whole: first(whole)["leaf_values"].__setitem__(0, 1e308), "may add up to"),
        (
            lambda whole: first(whole)["splits"].extend(first(whole)["splits"] * 5),
            "18 levels; CatBoost has at most 16",
        ),
        (
            lambda whole: first(whole)["splits"][0].update(float_feature_index=3),
            "by the number 3, which it lacks",
        ),
        (lambda whole: first(whole)["splits"][0].update(float_feature_index=[]), "no float_feature_index"),
        (
            lambda whole: first(whole)["splits"][0].update(border=float("nan")),
            "border must be a finite number",
        ),
        (lambda whole: first(whole)["splits"][0].update(border=1e300), "no finite number"),
        (
            lambda whole: first(whole)["splits"][0].update(split_type="OnlineCtr"),
            "something else than a number",
        ),
        (lambda whole: whole["features_info"]["float_features"].pop(0), "one feature for each column"),
        (
            lambda whole: whole["features_info"]["float_features"][0].update(flat_feature_index=1),
            "two features are column 1",
        ),
        (
            lambda whole: whole["features_info"]["float_features"][0].update(flat_feature_index=10**9),
            "flat_feature_index",
        ),
        (lambda whole: whole["features_info"]["float_features"][0].update(feature_id="b"), "one name"),
        (lambda whole: whole["features_info"].update(text_features=[{}]), "texts or embeddings"),
        (lambda whole: whole.update(scale_and_bias=[1]), "scale_and_bias must have 2 values"),
        (lambda whole: whole.update(scale_and_bias=[1, [0, 0]]), "bias must have 1 values"),
        (lambda whole: whole.update(scale_and_bias=["x", [0]]), "the scale must be a finite number"),
        (lambda whole: whole["model_info"]["class_params"].update(class_names=[0]), "number of classes"),
        (lambda whole: whole["model_info"]["class_params"].update(class_names=[[], {}]), "texts or numbers"),
        (lambda whole: whole.update(model_info=[]), "no model_info"),
    ],
)
def test_damage_is_refused_in_words(change, words):
    whole = deepcopy(MODELS["binary"]["model"])
    change(whole)
    with pytest.raises(InvalidInput, match=words):
        read(json.dumps(whole).encode())


@pytest.mark.parametrize("content", [b"[" * 100_000, b"{", b"\xff", b"[]", b'{"model_info": 1}'])
def test_what_is_no_such_json_is_refused(content):
    with pytest.raises(InvalidInput, match="CatBoost file"):
        read(content)


def test_a_bias_that_is_one_number_is_that_of_each_margin():
    whole = deepcopy(MODELS["value"]["model"])
    whole["scale_and_bias"] = [2, 0.5]
    ensemble, _ = read(json.dumps(whole).encode())
    plain = opened("value").ensemble
    encoded = ROWS.to_numpy()
    assert ensemble.margins(encoded) == pytest.approx(2 * (plain.margins(encoded) - plain.base) + 0.5)
