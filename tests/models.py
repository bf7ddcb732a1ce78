"""Files of models, trained a moment ago and written by their own libraries, which say what the answers should be.

By one thread: threads of OpenMP wait for each other in circles on a busy machine, and an event loop may be waiting for them.
"""

import io
from functools import cache
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import skops.io
import xgboost
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder
from threadpoolctl import threadpool_limits

FEATURES = ["age", "income"]


@cache
def people() -> pd.DataFrame:
    """Some loans: who repaid follows from age and income, and a little from the group."""
    draw = np.random.default_rng(7)
    rows = pd.DataFrame(
        {
            "age": draw.integers(18, 80, 400),
            "income": draw.integers(10, 100, 400),
            "group": draw.choice(["a", "b"], 400),
        }
    )
    chance = 1 / (1 + np.exp(-(rows.income - 50) / 15 - (rows.group == "a") * 0.5))
    rows["repaid"] = (draw.uniform(size=400) < chance).astype(int)
    return rows


def csv() -> str:
    return people().to_csv(index=False)


@cache
def _classifier() -> Any:
    return xgboost.XGBClassifier(n_estimators=20, max_depth=3, n_jobs=1).fit(
        people()[FEATURES], people().repaid
    )


def classifier() -> bytes:
    """Whether a loan is repaid, by age and income; as XGBoost writes it."""
    return bytes(_classifier().get_booster().save_raw("json"))


def chances(rows: pd.DataFrame) -> list[float]:
    """What that model says in its own library."""
    found: list[float] = _classifier().predict_proba(rows[FEATURES])[:, 1].tolist()
    return found


@cache
def regression() -> bytes:
    """Income by age, as LightGBM writes it."""
    model = lightgbm.LGBMRegressor(n_estimators=5, verbose=-1, n_jobs=1).fit(
        people()[["age"]], people().income
    )
    return bytes(model.booster_.model_to_string().encode())


@cache
def pipeline() -> tuple[bytes, Any]:
    """A pipeline with a category, as skops writes it, and itself."""
    encoded = ColumnTransformer(
        [("group", OneHotEncoder(handle_unknown="ignore"), ["group"])], remainder="passthrough"
    )
    model = Pipeline([("encode", encoded), ("model", HistGradientBoostingClassifier(max_iter=20))])
    with threadpool_limits(1):
        model.fit(people()[["group", *FEATURES]], people().repaid)
    out = io.BytesIO()
    skops.io.dump(model, out)
    return out.getvalue(), model


@cache
def linear() -> tuple[bytes, Any]:
    """A logistic regression for which the group counts as much as an income of 20, as skops writes it, and itself."""
    encoded = ColumnTransformer([("group", OneHotEncoder(), ["group"])], remainder="passthrough")
    model = Pipeline([("encode", encoded), ("model", LogisticRegression(max_iter=1000))])
    rows, noise = people(), np.random.default_rng(5).normal(0, 10, len(people()))
    with threadpool_limits(1):
        model.fit(
            rows[["group", *FEATURES]], (rows.income + 20 * (rows.group == "a") + noise > 60).astype(int)
        )
    out = io.BytesIO()
    skops.io.dump(model, out)
    return out.getvalue(), model
