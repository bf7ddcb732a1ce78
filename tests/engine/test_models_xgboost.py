"""XGBoost's JSON read by us answers as XGBoost does, and UBJ as JSON; `xgboost` itself is the judge."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xgboost as xgb

from engine.errors import InvalidInput
from engine.models import xgboost_ubj
from engine.models.probe import probe
from engine.models.signature import FeatureType, ModelFormat, Task
from engine.models.tree_scorer import TreeScorer
from engine.models.xgboost_json import read
from engine.values import ModelType

RNG = np.random.default_rng(7)
N = 400
X = RNG.normal(size=(N, 4))
X[RNG.random(X.shape) < 0.1] = np.nan
SIGNAL = np.nan_to_num(X[:, 0]) - np.nan_to_num(X[:, 1]) * np.nan_to_num(X[:, 2]) + RNG.normal(size=N) / 3
BINARY, THREE = (SIGNAL > 0).astype(int), np.digitize(SIGNAL, [-0.5, 0.5])
NAMES = ["a", "b", "c", "d"]
TABLE = pd.DataFrame(X, columns=NAMES)


def train(objective, label, table=TABLE, rounds=8, **params):
    params = {"objective": objective, "max_depth": 4, "nthread": 1, "seed": 1, **params}
    return xgb.train(params, xgb.DMatrix(table, label, enable_categorical=True), rounds)


def opened(booster):
    """From JSON, and the other form says the same of every model of these tests."""
    ensemble, signature = read(bytes(booster.save_raw("json")))
    binary, also = xgboost_ubj.read(bytes(booster.save_raw("ubj")))
    assert also == replace(signature, format=ModelFormat.XGBOOST_UBJ)
    for name in (
        "starts",
        "outputs",
        "left",
        "right",
        "feature",
        "missing_left",
        "categories",
        "members",
        "bounds",
    ):
        assert np.array_equal(getattr(binary.forest, name), getattr(ensemble.forest, name)), name
    assert np.array_equal(binary.forest.threshold, ensemble.forest.threshold)
    for name in ("value", "cover"):  # of which JSON has fewer digits than float32
        assert getattr(binary.forest, name) == pytest.approx(getattr(ensemble.forest, name), rel=1e-6)
    assert np.array_equal(binary.base, ensemble.base)
    return TreeScorer(ensemble=ensemble, signature=signature)


def agree(booster, table=TABLE, **options):
    """Margins and scores against the library, on its training rows; 1e-6 of float32's own sums."""
    scorer = opened(booster)
    matrix = xgb.DMatrix(table, enable_categorical=True)
    margins = booster.predict(matrix, output_margin=True, **options).reshape(len(table), -1)
    ours = scorer.ensemble.margins(scorer.encode(table))
    assert ours == pytest.approx(margins, rel=1e-6, abs=2e-6)
    return scorer, scorer.scores(table), booster.predict(matrix, **options)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"booster": "dart", "rate_drop": 0.5},
        {"num_parallel_tree": 3, "subsample": 0.5},
        {"tree_method": "exact", "gamma": 3.0},
        {"grow_policy": "lossguide", "max_leaves": 9, "max_depth": 0},
        {"base_score": 0.2},
        {"gamma": 1e9},
    ],
    ids=str,
)
def test_probabilities_of_two_classes(params):
    scorer, ours, theirs = agree(train("binary:logistic", BINARY, **params))
    assert ours[:, 1] == pytest.approx(theirs, rel=2e-6)
    assert ours.sum(axis=1) == pytest.approx(1)
    assert scorer.signature.task is Task.BINARY
    assert scorer.signature.classes == ("0", "1")
    assert scorer.signature.names == NAMES


@pytest.mark.parametrize(
    "params", [{}, {"booster": "dart", "rate_drop": 0.5}, {"num_parallel_tree": 2}], ids=str
)
def test_probabilities_of_three_classes(params):
    scorer, ours, theirs = agree(train("multi:softprob", THREE, num_class=3, **params))
    assert ours == pytest.approx(theirs, rel=3e-6)
    assert scorer.signature.classes == ("0", "1", "2")


@pytest.mark.parametrize(
    "objective",
    [
        "reg:squarederror",
        "reg:absoluteerror",
        "reg:pseudohubererror",
        "reg:squaredlogerror",
        "count:poisson",
        "reg:gamma",
        "reg:tweedie",
        "rank:pairwise",
    ],
)
def test_values(objective):
    label = BINARY if objective.startswith("rank") else np.exp(SIGNAL) + 0.1
    booster = train(objective, label) if not objective.startswith("rank") else _ranked(objective, label)
    scorer, ours, theirs = agree(booster)
    assert ours[:, 0] == pytest.approx(theirs, rel=3e-6, abs=2e-6)
    assert scorer.signature.task is Task.REGRESSION
    assert scorer.signature.classes == ()


def _ranked(objective, label):
    matrix = xgb.DMatrix(TABLE, label, qid=np.arange(N) // 40)
    return xgb.train({"objective": objective, "nthread": 1}, matrix, 5)


def test_training_that_stopped_early_uses_the_trees_that_the_classifier_uses():
    model = xgb.XGBClassifier(n_estimators=60, early_stopping_rounds=5, learning_rate=1.0, n_jobs=1)
    model.fit(TABLE[:200], BINARY[:200], eval_set=[(TABLE[200:], BINARY[200:])], verbose=False)
    scorer = opened(model.get_booster())
    assert scorer.scores(TABLE) == pytest.approx(model.predict_proba(TABLE), rel=3e-6)
    best = model.best_iteration + 1
    assert scorer.signature.trees == best < model.get_booster().num_boosted_rounds()
    assert f"the {best} trees up to its best iteration" in scorer.signature.notes[1]


def categories(*values):
    return pd.Categorical(RNG.choice(np.array(values), N))


@pytest.mark.parametrize("onehot", [1, 100])
def test_categorical_splits_by_text_by_number_and_unseen(onehot):
    table = TABLE[["a"]].assign(text=categories("x", "v", "y z", "w"), number=categories(10, 20, 35))
    label = (np.nan_to_num(table.a) > 0) ^ table.text.isin(["x", "w"]) ^ (table.number == 20)
    table.loc[::9, "text"] = None
    booster = train("binary:logistic", label, table, max_cat_to_onehot=onehot)
    scorer, _, theirs = agree(booster, table)
    assert scorer.signature.features[1].categories == ("v", "w", "x", "y z")
    assert scorer.signature.features[2].categories == ("10", "20", "35")
    assert [f.type for f in scorer.signature.features] == [
        FeatureType.NUMBER,
        FeatureType.CATEGORY,
        FeatureType.CATEGORY,
    ]
    plain = table.assign(
        text=table.text.astype(object).where(table.text.notna(), None), number=table.number.astype(float)
    )
    assert scorer.scores(plain)[:, 1] == pytest.approx(theirs, rel=2e-6)
    # The library refuses "zz" too, but its search misses some other categories and takes them for known ones.
    unseen = table.assign(text=pd.Categorical(["zz"] * N))
    with pytest.raises(xgb.core.XGBoostError, match="category not in the training set"):
        booster.predict(xgb.DMatrix(unseen, enable_categorical=True))
    with pytest.raises(InvalidInput, match="column 'text' holds 'zz', which was not there in training"):
        scorer.scores(unseen)
    assert [each.closed for each in scorer.signature.features] == [False, True, True]

    # XGBoost 2.1 writes NaN for the thresholds of these nodes, which nobody looks at, and of no others.
    whole = json.loads(bytes(booster.save_raw("json")))
    trees = whole["learner"]["gradient_booster"]["model"]["trees"]
    for tree in trees:
        for node in tree["categories_nodes"]:
            tree["split_conditions"][node] = float("nan")
    assert sum(len(tree["categories_nodes"]) for tree in trees) > 8
    ensemble, signature = read(json.dumps(whole).encode())
    again = TreeScorer(ensemble=ensemble, signature=signature)
    assert np.array_equal(again.scores(plain), scorer.scores(plain))
    number = trees[0]["split_type"].index(0)
    trees[0]["split_conditions"][number] = float("nan")
    with pytest.raises(InvalidInput, match="no finite number"):
        read(json.dumps(whole).encode())


def test_categories_by_code_where_the_file_has_no_texts(tmp_path):
    codes = RNG.integers(0, 40, N).astype(float)
    label = np.isin(codes, [1, 5, 6, 33, 39]).astype(int)
    matrix = xgb.DMatrix(codes[:, None], label, feature_types=["c"])
    booster = xgb.train({"objective": "binary:logistic", "max_cat_to_onehot": 1, "nthread": 1}, matrix, 4)
    scorer = opened(booster)
    wanted = np.array([*codes, 40, 1e9, np.nan, -1])
    theirs = booster.predict(xgb.DMatrix(wanted[:, None], feature_types=["c"]))
    assert scorer.scores(pd.DataFrame({"f0": wanted}))[:, 1] == pytest.approx(theirs, rel=2e-6)
    assert "categories of 'f0' (XGBoost" in " ".join(scorer.signature.notes)
    booster.save_model(tmp_path / "model.json")
    found = probe(tmp_path / "model.json", ModelType.CLASSIFICATION, ())
    assert found.tried.startswith("a made-up row is of class")
    assert [each.closed for each in found.signature.features] == [False]
    with pytest.raises(InvalidInput, match="column 'f0' holds 'red'; the model needs the code of a category"):
        scorer.scores(pd.DataFrame({"f0": ["red"]}))


def test_texts_that_xgboost_cuts_short_are_not_guessed():
    # It keeps as many bytes as a text has characters: of "üa" that is "ü".
    table = pd.DataFrame({"c": categories("üa", "b")})
    scorer = opened(train("binary:logistic", table.c == "b", table, rounds=2))
    assert scorer.signature.features[0].categories == ()
    with pytest.raises(InvalidInput, match="code of a category"):
        scorer.scores(table)


def test_names_of_features_are_whole_in_any_alphabet():
    names = ["Größe", "年齢", 'a "b" \\', "d"]
    assert opened(train("binary:logistic", BINARY, TABLE.set_axis(names, axis=1))).signature.names == names


def test_names_that_the_file_lacks_are_numbered_and_said_to_be_missing():
    booster = xgb.train({"nthread": 1}, xgb.DMatrix(X, SIGNAL), 2)
    signature = opened(booster).signature
    assert signature.names == ["f0", "f1", "f2", "f3"]
    assert not signature.named
    assert signature.framework_version == xgb.__version__


def test_a_text_that_is_no_number_and_a_column_that_is_not_there_are_named():
    scorer = opened(train("binary:logistic", BINARY))
    row = pd.DataFrame({"a": ["1.5", None], "b": [1, 2], "c": ["2", "3"], "d": [0.5, np.nan]})
    assert np.array_equal(scorer.encode(row), [[1.5, 1, 2, 0.5], [np.nan, 2, 3, np.nan]], equal_nan=True)
    with pytest.raises(InvalidInput, match="column 'c' holds 'many'; the model needs a number"):
        scorer.scores(row.assign(c=["2", "many"]))
    with pytest.raises(InvalidInput, match="no column 'd'"):
        scorer.scores(row.drop(columns="d"))


def _refused(booster_or_bytes, words):
    content = (
        booster_or_bytes if isinstance(booster_or_bytes, bytes) else bytes(booster_or_bytes.save_raw("json"))
    )
    with pytest.raises(InvalidInput, match=words):
        read(content)
    if content is not booster_or_bytes:
        with pytest.raises(InvalidInput, match=words):
            xgboost_ubj.read(bytes(booster_or_bytes.save_raw("ubj")))


def test_what_is_no_sum_of_trees_with_known_scores_is_refused():
    linear = xgb.train({"booster": "gblinear", "nthread": 1}, xgb.DMatrix(TABLE, SIGNAL), 1)
    _refused(linear, "'gblinear' is no sum of trees")
    _refused(train("binary:hinge", BINARY), "objective 'binary:hinge'")
    _refused(train("survival:cox", np.abs(SIGNAL)), "objective 'survival:cox'")
    _refused(train("reg:logistic", BINARY), "objective 'reg:logistic'")
    two = np.column_stack([SIGNAL, -SIGNAL])
    _refused(train("reg:squarederror", two, multi_strategy="multi_output_tree"), "several targets")
    _refused(train("reg:squarederror", two), "several targets")


def _changed(change):
    whole = json.loads(bytes(train("binary:logistic", BINARY, rounds=2).save_raw("json")))
    change(whole["learner"], whole["learner"]["gradient_booster"]["model"]["trees"][0])
    return json.dumps(whole).encode()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda learner, tree: tree["left_children"].__setitem__(0, 0), "reached exactly once"),
        (lambda learner, tree: tree["left_children"].__setitem__(0, 10**9), "no node of its tree"),
        (lambda learner, tree: tree["left_children"].__setitem__(0, 10**30), "whole numbers"),
        (lambda learner, tree: tree["left_children"].__setitem__(0, 1.5), "whole numbers"),
        (lambda learner, tree: tree["right_children"].pop(), "must have"),
        (lambda learner, tree: tree["split_indices"].__setitem__(0, 4), "not among the 4"),
        (lambda learner, tree: tree["split_indices"].__setitem__(1, 2**31 - 1), "no node"),
        (lambda learner, tree: tree["split_conditions"].__setitem__(0, float("nan")), "no finite number"),
        (lambda learner, tree: tree["split_conditions"].__setitem__(0, 1e300), "no finite number"),
        (lambda learner, tree: tree["split_conditions"].__setitem__(0, "x" * 10**6), "must be numbers"),
        (lambda learner, tree: tree["split_conditions"].__setitem__(0, None), "must be numbers"),
        (lambda learner, tree: tree["split_conditions"].__setitem__(0, [1]), "must be numbers"),
        (lambda learner, tree: tree.pop("default_left"), "has no default_left"),
        (lambda learner, tree: tree.update(split_type=[1] * len(tree["split_type"])), "different splits"),
        (lambda learner, tree: tree.update({k: [] for k in tree if k != "tree_param"}), "no nodes"),
        (lambda learner, tree: tree["tree_param"].update(size_leaf_vector="3"), "several values"),
        (
            lambda learner, tree: learner["learner_model_param"].update(num_feature="2000000000"),
            "num_feature",
        ),
        (lambda learner, tree: learner["learner_model_param"].update(base_score="[2E0]"), r"\[0, 1\]"),
        (lambda learner, tree: learner["learner_model_param"].update(base_score="[nan]"), "base_score"),
        (lambda learner, tree: learner["gradient_booster"]["model"].update(tree_info=[0, 1]), "margin 1"),
        (lambda learner, tree: learner["gradient_booster"]["model"].update(trees=[]), "no trees"),
        (lambda learner, tree: learner.update(feature_names=["a", "a", "b", "c"]), "one name"),
        (lambda learner, tree: learner.update(feature_names=["a"]), "4 features and 1 names"),
        (lambda learner, tree: learner.update(attributes={"best_iteration": "-1"}), "best_iteration"),
        (lambda learner, tree: learner.pop("objective"), "has no objective"),
    ],
)
def test_damage_is_refused_in_words(change, words):
    _refused(_changed(change), words)


@pytest.mark.parametrize(
    "content",
    [b"[" * 100_000, b'{"learner":' * 100_000, b"\xff\xfe{", b"[]", b"1" * 10_000, b'{"learner": 1}'],
)
def test_what_is_no_such_json_is_refused(content):
    _refused(content, "XGBoost file")
