"""LightGBM's text read by us answers as LightGBM does; `lightgbm` itself is the judge."""

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest

from engine.errors import InvalidInput
from engine.models.lightgbm_text import read
from engine.models.signature import FeatureType, Task
from engine.models.tree_scorer import TreeScorer

RNG = np.random.default_rng(7)
N = 400
X = RNG.normal(size=(N, 4))
X[RNG.random(X.shape) < 0.1] = np.nan
X[RNG.random(X.shape) < 0.1] = 0
SIGNAL = np.nan_to_num(X[:, 0]) - np.nan_to_num(X[:, 1]) * np.nan_to_num(X[:, 2]) + RNG.normal(size=N) / 3
BINARY, THREE = (SIGNAL > 0).astype(int), np.digitize(SIGNAL, [-0.5, 0.5])
TABLE = pd.DataFrame(X, columns=["a", "b", "c", "d"])
FOREST = {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}


def train(objective, label, table=TABLE, rounds=8, data=None, **params):
    params = {"objective": objective, "verbose": -1, "num_leaves": 9, "num_threads": 1, "seed": 1, **params}
    return lgb.train(params, lgb.Dataset(table, label, **(data or {})), rounds)


def opened(booster):
    ensemble, signature = read(booster.model_to_string().encode())
    return TreeScorer(ensemble=ensemble, signature=signature)


def agree(booster, table=TABLE, sigmoid=1.0):
    """Margins against the library, which has no sigmoid in them, nor the mean over the trees of a forest."""
    scorer = opened(booster)
    margins = booster.predict(table, raw_score=True).reshape(len(table), -1)
    ours = scorer.ensemble.margins(scorer.encode(table))
    if "\naverage_output\n" in booster.model_to_string():
        margins /= booster.current_iteration()
    assert ours == pytest.approx(sigmoid * margins, rel=1e-12, abs=1e-12)
    return scorer, scorer.scores(table), booster.predict(table)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"boosting": "dart", "drop_rate": 0.5},
        FOREST,
        {"use_missing": False},
        {"zero_as_missing": True},
        {"extra_trees": True},
        {"min_data_in_leaf": 300},
    ],
    ids=str,
)
def test_probabilities_of_two_classes(params):
    scorer, ours, theirs = agree(train("binary", BINARY, **params))
    assert ours[:, 1] == pytest.approx(theirs, rel=1e-12)
    assert ours.sum(axis=1) == pytest.approx(1)
    assert scorer.signature.task is Task.BINARY
    assert scorer.signature.classes == ("0", "1")
    assert scorer.signature.names == ["a", "b", "c", "d"]


def test_rows_with_zero_and_missing_where_training_had_none():
    # Then NaN is read as 0, and 0 is no missing value.
    whole = TABLE.fillna(0.5)
    scorer, _, _ = agree(train("binary", BINARY, whole), TABLE)
    assert scorer.ensemble.zeros_missing == []
    zero = opened(train("binary", BINARY, zero_as_missing=True))
    assert zero.ensemble.zeros_missing == [0, 1, 2, 3]


def test_a_sigmoid_of_its_own_scales_the_margin():
    _, ours, theirs = agree(train("binary", BINARY, sigmoid=2.5), sigmoid=2.5)
    assert ours[:, 1] == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parametrize("params", [{}, FOREST, {"boosting": "dart"}], ids=str)
def test_probabilities_of_three_classes(params):
    scorer, ours, theirs = agree(train("multiclass", THREE, num_class=3, **params))
    assert ours == pytest.approx(theirs, rel=1e-11)
    assert scorer.signature.classes == ("0", "1", "2")


def test_one_class_against_the_rest_is_scaled_to_sum_to_one():
    scorer, ours, theirs = agree(train("multiclassova", THREE, num_class=3))
    assert ours == pytest.approx(theirs / theirs.sum(axis=1, keepdims=True), rel=1e-11)
    assert "scaled to sum to 1" in scorer.signature.notes[-1]


@pytest.mark.parametrize(
    "objective",
    ["regression", "regression_l1", "huber", "fair", "quantile", "mape", "poisson", "gamma", "tweedie"],
)
@pytest.mark.parametrize("params", [{}, FOREST], ids=str)
def test_values(objective, params):
    scorer, ours, theirs = agree(train(objective, np.exp(SIGNAL) + 0.1, **params))
    assert ours[:, 0] == pytest.approx(theirs, rel=1e-12)
    assert scorer.signature.task is Task.REGRESSION


def test_rankings_are_scores_without_a_scale():
    booster = train("lambdarank", BINARY, data={"group": [40] * 10})
    _, ours, theirs = agree(booster)
    assert ours[:, 0] == pytest.approx(theirs, rel=1e-12)


def test_training_that_stopped_early_is_cut_in_the_file_already():
    data = lgb.Dataset(TABLE[:200], BINARY[:200])
    params = {"objective": "binary", "verbose": -1, "learning_rate": 1.0, "num_threads": 1}
    stop = [lgb.early_stopping(3, verbose=False)]
    booster = lgb.train(
        params, data, 60, [lgb.Dataset(TABLE[200:], BINARY[200:], reference=data)], callbacks=stop
    )
    scorer, ours, theirs = agree(booster)
    assert ours[:, 1] == pytest.approx(theirs, rel=1e-12)
    assert scorer.signature.trees == booster.best_iteration < 60


def test_trees_that_are_a_single_leaf_or_part_only_missing_values():
    one = train("binary", BINARY, TABLE.fillna(0) * 0, rounds=2)
    scorer, ours, theirs = agree(one)
    assert ours[:, 1] == pytest.approx(theirs, rel=1e-12)
    assert scorer.ensemble.forest.left.tolist() == [-1]
    missing = train("binary", BINARY, TABLE * 0, rounds=2)
    assert "\nthreshold=inf" in missing.model_to_string()
    rows = TABLE.copy()
    rows.iloc[0] = np.inf
    rows.iloc[1] = -np.inf
    agree(missing, rows)
    agree(train("binary", BINARY), rows)


def categories(*values):
    return pd.Categorical(RNG.choice(np.array(values), N))


@pytest.mark.parametrize("onehot", [1, 100])
def test_categorical_splits_by_text_by_number_by_truth_and_unseen(onehot):
    table = TABLE[["a"]].assign(
        text=categories("x", "ü", "y z", "w"), number=categories(10, 20, 35), truth=categories(True, False)
    )
    label = (
        (np.nan_to_num(table.a) > 0)
        ^ table.text.isin(["x", "ü"])
        ^ (table.number == 20)
        ^ table.truth.astype(bool)
    )
    table.loc[::9, "text"] = None
    booster = train(
        "binary",
        label,
        table,
        20,
        max_cat_to_onehot=onehot,
        min_data_per_group=2,
        cat_smooth=1,
        min_data_in_leaf=2,
    )
    scorer, _, theirs = agree_on_categories(booster, table)
    features = scorer.signature.features
    assert [f.categories for f in features[1:]] == [
        ("w", "x", "y z", "ü"),
        ("10", "20", "35"),
        ("False", "True"),
    ]
    assert [f.type for f in features] == [FeatureType.NUMBER] + [FeatureType.CATEGORY] * 3
    assert "'text', 'number', 'truth', in this order" in " ".join(scorer.signature.notes)
    missing = table.text.isna()
    plain = table.assign(
        text=table.text.astype(object).where(~missing, None),
        number=table.number.astype(float),
        truth=table.truth.astype(int),
    )
    assert scorer.scores(plain)[:, 1] == pytest.approx(theirs, rel=1e-12)
    unseen = table.assign(text=pd.Categorical(["new"] * N))
    assert scorer.scores(unseen)[:, 1] == pytest.approx(booster.predict(unseen), rel=1e-12)
    with pytest.raises(
        InvalidInput, match="column 'text' holds numbers; the model needs texts there such as 'w'"
    ):
        scorer.scores(table.assign(text=1.0))


def agree_on_categories(booster, table):
    scorer = opened(booster)
    theirs = booster.predict(table)
    assert scorer.scores(table)[:, 1] == pytest.approx(theirs, rel=1e-12)
    assert scorer.ensemble.sets
    return scorer, None, theirs


def test_categories_by_code_where_the_file_has_no_texts():
    codes = RNG.integers(0, 70, N).astype(float)
    label = np.isin(codes, [1, 5, 6, 33, 39, 64, 69]).astype(int)
    booster = train(
        "binary",
        label,
        codes[:, None],
        data={"categorical_feature": [0]},
        min_data_per_group=2,
        min_data_in_leaf=2,
    )
    scorer = opened(booster)
    wanted = np.array([*codes, 70, 1e9, np.nan, -1, 33.5])
    theirs = booster.predict(wanted[:, None])
    assert scorer.scores(pd.DataFrame({"Column_0": wanted}))[:, 1] == pytest.approx(theirs, rel=1e-12)
    assert not scorer.signature.named
    assert "must hold their codes" in " ".join(scorer.signature.notes)


def test_texts_that_may_belong_to_other_columns_are_not_guessed():
    # An ordered category is a number to LightGBM, but its texts stand in the same list.
    table = pd.DataFrame(
        {"size": pd.Categorical(RNG.choice(["l", "s"], N), ordered=True), "c": categories("x", "y", "z")}
    )
    booster = train("binary", (table.c == "x").astype(int), table, min_data_per_group=2, cat_smooth=1)
    signature = opened(booster).signature
    assert [feature.categories for feature in signature.features] == [(), ()]


def _refused(text, words):
    with pytest.raises(InvalidInput, match=words):
        read(text.encode() if isinstance(text, str) else text)


def test_what_is_no_sum_of_trees_with_known_scores_is_refused():
    _refused(train("regression", np.abs(SIGNAL), linear_tree=True).model_to_string(), "linear_tree")
    _refused(
        train("regression", np.abs(SIGNAL), reg_sqrt=True).model_to_string(), "objective 'regression sqrt'"
    )
    _refused(train("cross_entropy", BINARY).model_to_string(), "objective 'cross_entropy'")
    custom = train(lambda scores, data: (scores - data.get_label(), np.ones(N)), SIGNAL)
    _refused(custom.model_to_string(), "objective")


WHOLE = train("binary", BINARY, rounds=2).model_to_string()


def _line(key, change):
    """The file with the first line of a key changed."""
    at = WHOLE.index(f"\n{key}=") + len(key) + 2
    end = WHOLE.index("\n", at)
    return WHOLE[:at] + change(WHOLE[at:end]) + WHOLE[end:]


def _first(value):
    return lambda line: " ".join([value, *line.split(" ")[1:]])


@pytest.mark.parametrize(
    ("key", "change", "words"),
    [
        ("version", lambda line: "v9", "version 'v9'"),
        ("left_child", _first("0"), "reached exactly once"),
        ("left_child", _first("99"), "no split of it"),
        ("left_child", _first("-99"), "no node of its tree"),
        ("left_child", _first(str(-(2**63))), "no node of its tree"),
        ("left_child", _first("1" * 5_000), "whole numbers"),
        ("left_child", _first("x"), "whole numbers"),
        ("right_child", lambda line: line + " 1", "must have 8 values, got 9"),
        ("split_feature", _first("4"), "not among the 4"),
        ("threshold", _first("nan"), "no finite number"),
        ("leaf_value", _first("nan"), "no finite number"),
        ("leaf_value", _first("1e308"), "add up to"),
        ("decision_type", _first("14"), "decision_type"),
        ("decision_type", _first("1"), "no num_cat|num_cat must"),
        ("num_leaves", lambda line: "1000000000", "num_leaves"),
        ("max_feature_idx", lambda line: "2000000000", "max_feature_idx"),
        ("num_tree_per_iteration", lambda line: "2", "num_tree_per_iteration"),
        ("feature_names", lambda line: "a b c", "4 features and 3 names"),
        ("feature_infos", lambda line: "none", "1 feature_infos"),
        ("tree_sizes", lambda line: line + " 5", "3 trees"),
        ("objective", lambda line: "binary sigmoid:0", "sigmoid"),
        ("objective", lambda line: "binary sigmoid:1 sqrt", "objective"),
    ],
)
def test_damage_is_refused_in_words(key, change, words):
    _refused(_line(key, change), words)


@pytest.mark.parametrize(
    "content",
    [
        b"tree\n",
        b"tree\n" * 10_000,
        b"tree\nversion=v4\nend of trees\n",
        WHOLE.encode()[:2_000],
        b"tree\n\xff\n",
    ],
)
def test_what_is_no_such_text_is_refused(content):
    _refused(content, "LightGBM")
