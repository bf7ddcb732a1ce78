"""What explanations of any model cost beside the library a user would call: CPU seconds, all in one run.

Run: `.venv/bin/python -m benchmarks.explanations [--only lime permutation]`. Trees: `benchmarks.explanations_trees`.

Both sides of a comparison explain the same rows of the same scikit-learn model, opened from a skops file for ours, on one
thread and first once, so that what is imported or compiled at first use is not counted. Each line says what both found too:
equal values, or how far each is from the exact ones.
"""

import argparse
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import shap
import skops.io
from lime.lime_tabular import LimeTabularExplainer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from engine.explanations import linear as closed_form
from engine.explanations.case import Case
from engine.explanations.enumeration import shapley
from engine.explanations.explain import explain
from engine.explanations.options import ExplanationKind, ExplanationOptions
from engine.explanations.report import Explained
from engine.explanations.ways import way_for
from engine.models.formats import opened, recognise
from engine.models.scorer import Linear

FEATURES = 25
NAMES = [f"x{i}" for i in range(FEATURES)]
SEED = np.random.default_rng(0)
X = pd.DataFrame(SEED.normal(size=(120_000, FEATURES)), columns=NAMES)
CHANCE = 1 / (1 + np.exp(-(2 * X.x0 - X.x1 * X.x2 + np.sin(3 * X.x3) + X.iloc[:, 4:12].sum(axis=1) / 3)))
Y = (SEED.uniform(size=len(X)) < CHANCE).astype(int)
TRAINING, OTHERS = slice(0, 20_000), slice(20_000, None)


def spent(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of the second call, and what it gave."""
    work()
    start = time.process_time()
    found = work()
    return time.process_time() - start, found


def case(model: Any, rows: pd.DataFrame, background: pd.DataFrame, **options: Any) -> Case:
    """The question, to the model as it comes out of a file."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.skops"
        skops.io.dump(model, path)
        scorer = opened(path, recognise(path))
    rows = rows.reset_index(drop=True)
    asked = ExplanationOptions(**options)
    return Case(
        scorer=scorer,
        options=asked,
        background=background.reset_index(drop=True),
        of_rows=len(background),
        rows=rows,
        ids=list(range(len(rows))),
    )


def fresh(of: Case) -> Case:
    """The same with nothing known yet."""
    return Case(**{name: getattr(of, name) for name in Case.__dataclass_fields__})


def line(what: str, ours: float, theirs: float, found: str) -> None:
    print(f"| {what} | {ours:.3g} | {theirs:.3g} | {theirs / ours:.1f} | {found} |", flush=True)


def linear() -> None:
    """100,000 rows of a logistic regression."""
    model = LogisticRegression(max_iter=1000).fit(X[TRAINING], Y[TRAINING])
    rows, background = X[OTHERS], X[TRAINING]
    of = case(model, rows, background)

    def from_table() -> Any:
        asked = fresh(of)
        _, explainer, _ = way_for(asked)
        return explainer.attributions(rows, asked.answers).values

    inside = of.inside
    assert inside is not None
    assert isinstance(inside.core, Linear)
    core, players, table = inside.core, inside.players, rows.to_numpy()

    def from_arrays() -> Any:
        return closed_form.values(players, core, table, background.to_numpy(), FEATURES)[:, :, 0]

    def their_values() -> Any:
        masker = shap.maskers.Independent(background.to_numpy(), max_samples=len(background))
        return shap.LinearExplainer(model, masker).shap_values(table)

    def their_report() -> Any:
        masker = shap.maskers.Independent(background, max_samples=len(background))
        said = shap.LinearExplainer(model, masker)(rows)
        return said.values, model.decision_function(rows)

    for what, ours, theirs in (
        ("arrays, values: shap LinearExplainer.shap_values", from_arrays, their_values),
        ("a table, values and outputs: shap LinearExplainer(...)", from_table, lambda: their_report()[0]),
    ):
        (our_s, our_v), (their_s, their_v) = spent(ours), spent(theirs)
        line(f"linear, 100,000 rows of {what}", our_s, their_s, f"apart {np.abs(our_v - their_v).max():.0e}")


def black_box() -> None:
    """One row of a neural network with 12 features, at equal evaluations, against exact values."""
    names, background = NAMES[:12], X[TRAINING].iloc[:100, :12]
    model = MLPClassifier((32,), max_iter=60, random_state=0).fit(X[TRAINING][names], Y[TRAINING])
    rows = X[OTHERS].iloc[:5, :12]
    of = case(model, rows, background, budget=100_000, max_features=12)
    exact = np.array([_exact(model, row, background) for row in rows.to_numpy()])

    def predict(x: Any) -> Any:
        return model.predict_proba(pd.DataFrame(x, columns=names))[:, 1]

    def ours() -> Any:
        report: Explained = explain(ExplanationKind.SHAP, fresh(of))
        found = [{each.feature: each.attribution for each in row.attributions} for row in report.rows]
        return np.array([[each[name] for name in names] for each in found])

    def permutations() -> Any:
        masker = shap.maskers.Independent(background.to_numpy(), max_samples=100)
        return shap.PermutationExplainer(predict, masker, seed=0)(
            rows.to_numpy(), max_evals=1_000, silent=True
        ).values

    def kernel() -> Any:
        explainer = shap.KernelExplainer(predict, background.to_numpy())
        return explainer.shap_values(rows.to_numpy(), nsamples=1_000, l1_reg=0, silent=True)

    our_s, our_v = spent(ours)
    for name, theirs in (("PermutationExplainer", permutations), ("KernelExplainer", kernel)):
        their_s, their_v = spent(theirs)
        off = [np.abs(values - exact).mean() / np.abs(exact).mean() for values in (our_v, their_v)]
        line(
            f"neural network, 5 rows, 100,000 evaluations each: shap {name}",
            our_s,
            their_s,
            f"mean error {off[0]:.2%} against {off[1]:.2%}",
        )


def _exact(model: Any, row: Any, background: pd.DataFrame) -> Any:
    """By the definition, over all 4,096 coalitions."""
    players, base = len(row), background.to_numpy()
    known = (np.arange(2**players)[:, None] >> np.arange(players) & 1).astype(bool)
    worths = []
    for some in np.array_split(known, 64):
        mixed = np.where(some[:, None, :], row, base).reshape(-1, players)
        scores = model.predict_proba(pd.DataFrame(mixed, columns=background.columns))[:, 1]
        worths.append(scores.reshape(len(some), len(base)).mean(axis=1))
    return shapley(np.concatenate(worths), players)


def lime() -> None:
    """One row and 1,000 rows of a boosted model, 10 features shown; both read the background once."""
    model = HistGradientBoostingClassifier(max_iter=50).fit(X[TRAINING], Y[TRAINING])
    background = X[TRAINING].iloc[:5_000]
    table = background.to_numpy()

    def predict(x: Any) -> Any:
        return model.predict_proba(pd.DataFrame(x, columns=NAMES))

    for rows in (1, 1_000):
        measured = min(rows, 20)
        of = case(model, X[OTHERS].iloc[:rows], background, repeats=2)
        our_s, report = spent(lambda of=of: explain(ExplanationKind.LIME, fresh(of)))
        ready_s, theirs = spent(lambda: LimeTabularExplainer(table, feature_names=NAMES, random_state=0))
        their_s, said = spent(
            lambda measured=measured, theirs=theirs: [
                theirs.explain_instance(row, predict, num_features=10)
                for row in X[OTHERS].iloc[:measured].to_numpy()
            ]
        )
        shared = np.mean(
            [
                len({NAMES[j] for j, _ in one.local_exp[1]} & {each.feature for each in row.attributions})
                / 10
                for one, row in zip(said, report.rows, strict=False)
            ]
        )
        note = f"of 10 features {shared:.0%} are shared; ours draws two seeds"
        line(f"LIME, {rows:,} rows: lime", our_s, ready_s + their_s * rows / measured, note)


def permutation() -> None:
    """10,000 rows, 5 shuffles, ROC AUC."""
    for model in (
        LogisticRegression(max_iter=1000).fit(X[TRAINING], Y[TRAINING]),
        HistGradientBoostingClassifier(max_iter=50).fit(X[TRAINING], Y[TRAINING]),
    ):
        rows, labels = X[OTHERS].iloc[:10_000], Y[OTHERS].iloc[:10_000]
        of = case(model, rows, rows.iloc[:1], label="y", max_features=FEATURES)
        asked = Case(
            **{name: getattr(of, name) for name in Case.__dataclass_fields__}
            | {"labels": labels.reset_index(drop=True).rename("y")}
        )
        our_s, report = spent(lambda asked=asked: explain(ExplanationKind.PERMUTATION, fresh(asked)))
        their_s, said = spent(
            lambda model=model, rows=rows, labels=labels: permutation_importance(
                model, rows, labels, scoring="roc_auc", n_repeats=5, random_state=0
            )
        )
        ours = {each.feature: each.importance for each in report.importances}
        alike = np.corrcoef([ours[name] for name in NAMES], said.importances_mean)[0, 1]
        what = f"permutation, 10,000 rows, {type(model).__name__}: scikit-learn"
        line(what, our_s, their_s, f"correlation {alike:.4f}; ours with intervals")


PARTS = {"linear": linear, "black-box": black_box, "lime": lime, "permutation": permutation}


if __name__ == "__main__":
    if os.environ.get("OMP_NUM_THREADS") != "1":  # read when libraries are loaded: once more, with one thread
        one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
        os.execve(  # noqa: S606  # itself
            sys.executable, [sys.executable, "-m", "benchmarks.explanations", *sys.argv[1:]], os.environ | one
        )
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    warnings.simplefilter("ignore")
    print(
        "| what, and beside whom | ours, CPU s | theirs, CPU s | times | what both found |\n|---|---|---|---|---|"
    )
    for part in parser.parse_args().only:
        PARTS[part]()
