"""Files of trees with seeded damage: each is refused in words, or still answers with numbers; nothing else happens."""

import json
import re
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb

from engine.errors import InvalidInput
from engine.models import catboost_json, lightgbm_text, xgboost_json, xgboost_ubj
from engine.models.tree_scorer import TreeScorer

ROUNDS = 500


def _boosters():
    rng = np.random.default_rng(3)
    n = 300
    table = pd.DataFrame(
        {"a": rng.normal(size=n), "b": rng.normal(size=n), "c": pd.Categorical(rng.choice(list("wxyz"), n))}
    )
    table.loc[::7, "a"] = np.nan
    label = ((table.a > 0) ^ table.c.isin(["w", "z"])).astype(int)
    matrix = xgb.DMatrix(table, label, enable_categorical=True)
    params = {"max_depth": 3, "max_cat_to_onehot": 1, "nthread": 1}
    two = xgb.train({"objective": "count:poisson", **params}, matrix, 3)
    dart = xgb.train(
        {"objective": "binary:logistic", "booster": "dart", "rate_drop": 0.5, **params}, matrix, 3
    )
    options = {"verbose": -1, "num_threads": 1, "num_leaves": 6, "min_data_per_group": 2, "cat_smooth": 1}
    light = lgb.train({"objective": "binary", **options}, lgb.Dataset(table, label), 3)
    poisson = lgb.train({"objective": "poisson", **options}, lgb.Dataset(table, label), 3)
    told = json.loads((Path(__file__).parents[1] / "data" / "catboost.json").read_text())["models"]
    return {
        "catboost": (catboost_json.read, json.dumps(told["missing below"]["model"]).encode()),
        "catboost_uneven": (catboost_json.read, json.dumps(told["three, by loss"]["model"]).encode()),
        "xgboost": (xgboost_json.read, bytes(two.save_raw("json"))),
        "xgboost_dart": (xgboost_json.read, bytes(dart.save_raw("json"))),
        "xgboost_ubj": (xgboost_ubj.read, bytes(dart.save_raw("ubj"))),
        "lightgbm": (lightgbm_text.read, light.model_to_string().encode()),
        "lightgbm_poisson": (lightgbm_text.read, poisson.model_to_string().encode()),
    }


BOOSTERS = _boosters()
NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
ODD = [
    b"-1",
    b"0",
    b"1",
    b"2",
    b"7",
    b"-7",
    b"99",
    b"2147483647",
    b"2147483648",
    b"-9223372036854775808",
    b"1e30",
]
ODD += [
    b"18446744073709551616",
    b"1e300",
    b"-1e300",
    b"1e400",
    b"0.5",
    b"nan",
    b"NaN",
    b"-Infinity",
    b"",
    b"9" * 400,
    b"x",
]


def _bytes(content, rng):
    """Some bytes changed, taken out or put in."""
    damaged = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        at = int(rng.integers(len(damaged)))
        kind = rng.integers(4)
        if kind == 0:
            damaged[at] = int(rng.integers(256))
        elif kind == 1:
            damaged[at] ^= 1 << int(rng.integers(8))
        elif kind == 2:
            del damaged[at : at + int(rng.integers(1, 40))]
        else:
            damaged[at:at] = damaged[at // 2 : at // 2 + int(rng.integers(1, 40))]
    return bytes(damaged)


def _numbers(content, rng):
    """One to three numbers changed into others."""
    places = list(NUMBER.finditer(content))
    chosen = sorted(rng.choice(len(places), int(rng.integers(1, 4)), replace=False), reverse=True)
    for place in chosen:
        start, end = places[place].span()
        other = (
            ODD[rng.integers(len(ODD))] if rng.random() < 0.7 else places[rng.integers(len(places))].group()
        )
        content = content[:start] + other + content[end:]
    return content


@pytest.mark.parametrize("damage", [_bytes, _numbers])
@pytest.mark.parametrize("kind", BOOSTERS)
def test_damaged_files_are_refused_or_answer_with_numbers(kind, damage):
    read, content = BOOSTERS[kind]
    rng = np.random.default_rng(11)
    outcomes = {"refused": 0, "answered": 0}
    for _ in range(ROUNDS):
        damaged = damage(content, rng)
        try:
            ensemble, signature = read(damaged)
            scorer = TreeScorer(ensemble=ensemble, signature=signature)
            row = {
                f.name: [f.categories[0], None] if f.categories else [0.5, np.nan] for f in signature.features
            }
            scores = scorer.scores(pd.DataFrame(row))
        except InvalidInput as error:
            assert 10 < len(str(error)) < 600  # noqa: PT017  # what is refused is refused in words
            outcomes["refused"] += 1
            continue
        assert np.isfinite(scores).all(), damaged
        assert len(scores) == 2
        outcomes["answered"] += 1
    assert min(outcomes.values()) > ROUNDS / 50, outcomes


def test_files_of_other_kinds_than_expected_are_refused():
    contents = [content for _, content in BOOSTERS.values()]
    for read in (xgboost_json.read, xgboost_ubj.read, lightgbm_text.read, catboost_json.read):
        others = [content for reader, content in BOOSTERS.values() if reader is not read]
        for content in [*others, b"", b"\x00" * 1_000, contents[0][:-1], json.dumps([1]).encode()]:
            with pytest.raises(InvalidInput):
                read(content)
