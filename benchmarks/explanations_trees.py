"""What exact Shapley values of trees cost, beside what a user of each library would call: CPU seconds, all in one run.

Run: `.venv/bin/python -m benchmarks.explanations_trees [--models XGBoost LightGBM]`.

Every contender runs in a process of its own on one thread, first once on ten rows, so that what libraries import or
compile when they are first used is not counted. Ours includes building its tables. What would take minutes is
measured on fewer rows and extrapolated linearly, except of ours; the table marks it with a tilde.
"""

import argparse
import os
import subprocess
import sys
from tempfile import TemporaryDirectory

import numpy as np

SECONDS = 30

MODELS = """
import warnings; warnings.simplefilter('ignore')
import pickle, time
import numpy as np
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingRegressor, RandomForestRegressor
rng = np.random.default_rng(0)
x = rng.normal(size=(20_000, 25)).astype(np.float32).astype(np.float64)
y = 2 * x[:, 0] + np.sin(3 * x[:, 1]) * x[:, 2] + (x[:, 3] > 0) * x[:, 4] + x[:, 5:15].sum(axis=1) / 10
y += x[:, 15] * x[:, 16] + rng.normal(size=len(y)) / 2
"""
FITTED = {
    "XGBoost, depth 6": "import xgboost\nmodel = xgboost.XGBRegressor(n_estimators=100, max_depth=6, base_score=0.0).fit(x, y)",
    "LightGBM, 31 leaves": "import lightgbm\nmodel = lightgbm.train({'verbose': -1}, lightgbm.Dataset(x, y), num_boost_round=100)",
    "HistGradientBoosting, depth 6": "model = HistGradientBoostingRegressor(max_iter=100, max_depth=6, early_stopping=False).fit(x, y)",
    "GradientBoosting, depth 6": "model = GradientBoostingRegressor(max_depth=6, max_features=0.3, subsample=0.5).fit(x, y)",
    "RandomForest, depth 8": "model = RandomForestRegressor(100, max_depth=8, max_features=0.3, n_jobs=2).fit(x, y)",
    "RandomForest, depth 10": "model = RandomForestRegressor(100, max_depth=10, max_features=0.3, n_jobs=2).fit(x, y)",
}
ENSEMBLE = """
from tests.trees import from_histograms, from_lightgbm, from_sklearn, from_xgboost
from engine.explanations.leaf_tables import LeafTables, fits
kind = type(model).__name__
if kind == 'XGBRegressor': ensemble = from_xgboost(model.get_booster(), np.zeros(1))
elif kind == 'Booster': ensemble = from_lightgbm(model)
elif kind == 'HistGradientBoostingRegressor': ensemble = from_histograms(model)
elif kind == 'GradientBoostingRegressor':
    ensemble = from_sklearn(model.estimators_[:, 0], columns=25, base=model.init_.constant_[0, 0], scale=model.learning_rate)
else: ensemble = from_sklearn(model.estimators_, columns=25, base=0.0, scale=1 / len(model.estimators_))
players = np.arange(25)
why = fits(ensemble, players)
if why: print('does not fit:', why); raise SystemExit
def explain(rows): return LeafTables.built(ensemble, players, background).values(rows)[:, :, 0]
"""
SHAP = """
import shap
explainer = shap.TreeExplainer(model) if background is None else shap.TreeExplainer(model, shap.maskers.Independent(background, len(background)))
def explain(rows): return explainer.shap_values(rows, check_additivity=False)
"""
NATIVE = {
    "XGBoost, depth 6": """
import xgboost
model.get_booster().set_param('nthread', 1)
def explain(rows): return model.get_booster().predict(xgboost.DMatrix(rows, nthread=1), pred_contribs=True)[:, :-1]
""",
    "LightGBM, 31 leaves": """
def explain(rows): return model.predict(rows, pred_contrib=True, num_threads=1)[:, :-1]
""",
}
TIMED = """
rows = np.tile(x, (-(-wanted // len(x)), 1))[:wanted]
explain(rows[:10])
used = 10
while True:  # ten times the rows, until it takes long enough to tell
    start = time.process_time()
    found = explain(rows[:used])
    spent = time.process_time() - start
    if used == wanted or not whole and spent > seconds / 10: break
    used = min(wanted, used * 10)
np.save(folder + '/' + saved, found[:10])
print('measured', spent * wanted / used, used)
"""


CONTENDERS = {"leaf tables": lambda model: ENSEMBLE, "native": NATIVE.get, "shap": lambda model: SHAP}
GAMES = ((0, 1_000), (0, 100_000), (100, 1_000), (20_000, 1_000))
"""Background rows, and rows explained; without a background the game is path-dependent."""


def python(code: str) -> str:
    """The last line that this code prints, in a process on one thread; of its error if it fails."""
    one = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "PYTHONPATH": "."}
    ran = subprocess.run(  # noqa: S603
        [sys.executable, "-c", MODELS + code], env=os.environ | one, capture_output=True, text=True
    )
    return (ran.stderr if ran.returncode else ran.stdout or "\n").strip().splitlines()[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--models", nargs="*", default=list(FITTED), help="some of them, by the start of the name"
    )
    wanted = parser.parse_args().models
    print(
        "| model | background | rows | leaf tables | native | shap | largest difference |\n|---|---|---|---|---|---|---|"
    )
    with TemporaryDirectory() as folder:
        for model in (name for name in FITTED if name.startswith(tuple(wanted))):
            python(f"{FITTED[model]}\npickle.dump(model, open('{folder}/model', 'wb'))\nprint('fitted')")
            for background, rows in GAMES:
                print(row(folder, model, background, rows), flush=True)


def row(folder: str, model: str, background: int, rows: int) -> str:
    """A line of the table."""
    seconds, cells, found = {}, [], {}
    for place, (name, code_of) in enumerate(CONTENDERS.items()):
        code = None if name == "native" and background else code_of(model)
        if code is None:
            cells.append("")
            continue
        told = python(
            f"folder, wanted, saved, seconds, whole = '{folder}', {rows}, 'values{place}', {SECONDS}, {place == 0}\n"
            f"model = pickle.load(open(folder + '/model', 'rb'))\n"
            f"background = x[:{background}] if {background} else None\n{code}{TIMED}"
        )
        if not told.startswith("measured "):
            cells.append(told)
            continue
        _, spent, used = told.split()
        seconds[name], found[name] = float(spent), np.load(f"{folder}/values{place}.npy")
        ours = seconds.get("leaf tables")
        times = f" ({seconds[name] / ours:,.0f} times)" if place and ours else ""
        cells.append(f"{'~' if int(used) < rows else ''}{seconds[name]:,.2f} s{times}")
    apart = max(
        (
            float(np.abs(values - found["leaf tables"]).max())
            for values in found.values()
            if "leaf tables" in found
        ),
        default=0.0,
    )
    return f"| {model} | {f'{background:,}' if background else 'path-dependent'} | {rows:,} | {' | '.join(cells)} | {apart:.0e} |"


if __name__ == "__main__":
    main()
