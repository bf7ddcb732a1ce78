"""Trains the models of catboost.json and writes what CatBoost says of them; needs catboost 1.2, which tests do not.

    python tests/data/make_catboost.py

The rows are drawn from a seed. The model "binary" is what `save_model(..., format="json")` writes, but for its spaces; in
the others, the settings of training and of output are left out.
"""

import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from catboost import CatBoostClassifier, CatBoostRegressor, Pool

DRAW = np.random.default_rng(7)
N = 60
ROWS = pd.DataFrame({"a": DRAW.normal(size=N), "b": DRAW.normal(size=N), "c": DRAW.normal(size=N)})
SIGNAL = ROWS.a - ROWS.b * ROWS.c
GAPS = ROWS.assign(a=ROWS.a.where(DRAW.random(N) < 0.8))
BINARY = (SIGNAL > 0).astype(int)
THREE = np.array(["low", "middle", "high"])[np.digitize(SIGNAL, [-0.5, 0.5])]
USUAL = {
    "iterations": 4,
    "depth": 3,
    "thread_count": 1,
    "verbose": 0,
    "allow_writing_files": False,
    "random_seed": 1,
}
WITH_TEXT = ROWS.assign(t=np.where(BINARY == 1, "x", "y"))


def classifier(rows, label, *, cats=None, **params):
    return CatBoostClassifier(**{**USUAL, **params}).fit(rows, label, cat_features=cats), rows


def regressor(rows, label, **params):
    return CatBoostRegressor(**{**USUAL, **params}).fit(rows, label), rows


MODELS = {
    "binary": classifier(ROWS, BINARY),
    "missing below": classifier(GAPS, BINARY, nan_mode="Min"),
    "missing above": classifier(GAPS, BINARY, nan_mode="Max"),
    "truth values": classifier(ROWS.to_numpy(), BINARY.astype(bool)),
    "chances": classifier(ROWS, BINARY * 0.5 + 0.2, loss_function="CrossEntropy"),
    "three": classifier(ROWS, THREE),
    "one against the rest": classifier(ROWS, THREE, loss_function="MultiClassOneVsAll"),
    "three, by loss": classifier(ROWS, THREE, grow_policy="Lossguide", max_leaves=5),
    "value": regressor(ROWS, SIGNAL + 5),
    "value, by depth": regressor(GAPS, SIGNAL + 5, grow_policy="Depthwise"),
    "count": regressor(ROWS, np.exp(SIGNAL), loss_function="Poisson"),
    "one-hot": classifier(WITH_TEXT, BINARY, cats=["t"], one_hot_max_size=10),
    "statistics of categories": classifier(
        WITH_TEXT.assign(t=DRAW.choice(list("uvwxyz"), N)), BINARY, cats=["t"], one_hot_max_size=2
    ),
    "two values": regressor(ROWS, SIGNAL, loss_function="RMSEWithUncertainty"),
}


def told(model, rows, *, whole):
    """The file, and what the library answers."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        model.save_model(str(path), format="json")
        written = json.loads(path.read_text())
    if not whole:
        about = written["model_info"]
        params = {"loss_function": about["params"]["loss_function"]}
        written["model_info"] = {"params": params, **{k: about[k] for k in ("class_params",) if k in about}}
    classes = isinstance(model, CatBoostClassifier)
    pool = Pool(rows, cat_features=["t"] if "t" in list(getattr(rows, "columns", [])) else None)
    return {
        "model": written,
        "margins": np.asarray(model.predict(pool, prediction_type="RawFormulaVal")).tolist(),
        "answers": np.asarray(model.predict_proba(pool) if classes else model.predict(pool)).tolist(),
        "classes": [str(name) for name in model.classes_] if classes else [],
        "shapley": model.get_feature_importance(pool, type="ShapValues")[:6].tolist(),
    }


def plain(rows):
    return rows.astype(object).where(rows.notna(), None).to_dict("list")


if __name__ == "__main__":
    out = {
        "rows": plain(ROWS),
        "gaps": plain(GAPS)["a"],
        "models": {name: told(*made, whole=name == "binary") for name, made in MODELS.items()},
    }
    Path(__file__).with_name("catboost.json").write_text(json.dumps(out) + "\n")
