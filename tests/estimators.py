"""Small scikit-learn estimators of every kind that is opened, fitted on rows with numbers, texts and categories."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import skops.io
from sklearn import ensemble as many
from sklearn import linear_model as linear
from sklearn import preprocessing as pre
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor, make_column_selector, make_column_transformer
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA, IncrementalPCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.kernel_approximation import RBFSampler
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.svm import SVC, LinearSVC, LinearSVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from threadpoolctl import threadpool_limits

ROWS = 240
RNG = np.random.default_rng(0)
TABLE = pd.DataFrame(
    {
        "age": np.round(RNG.normal(40, 10, ROWS), 1),
        "debt": np.round(RNG.exponential(3, ROWS), 2),
        "city": RNG.choice(["Oslo", "Rome", "Bern"], ROWS),
        "grade": RNG.integers(1, 5, ROWS).astype(float),
    }
)
"""Rows as scorers take them: numbers as float64, texts as object."""
TABLE["city"] = TABLE["city"].astype(object)
NUMBERS = TABLE[["age", "debt"]]
GAPS = TABLE.copy()
GAPS.loc[::7, "age"] = np.nan
GAPS.loc[::11, "city"] = None
CODED = TABLE.assign(city=TABLE["city"].astype("category"))
VALUE = TABLE["age"].to_numpy() / 10 + (TABLE["city"] == "Rome").to_numpy() * 2 + RNG.normal(0, 0.3, ROWS)
YES = np.where(VALUE > 4.5, "yes", "no").astype(object)
THREE = np.digitize(VALUE, [4, 5])
COUNT = RNG.poisson(np.exp(VALUE / 4))

Case = tuple[Callable[[], Any], pd.DataFrame, Any]


def by_column(**options: Any) -> Any:
    """What pipelines of people look like: numbers filled and scaled, texts one-hot."""
    numeric = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), pre.StandardScaler())
    return make_column_transformer(
        (numeric, make_column_selector(dtype_include=np.number)),
        (pre.OneHotEncoder(handle_unknown="ignore", **options), ["city"]),
    )


def ordinal() -> Any:
    encoder = pre.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return make_column_transformer((encoder, ["city"]), remainder="passthrough")


def forest(kind: type, **options: Any) -> Callable[[], Any]:
    return lambda: kind(n_estimators=7, random_state=0, **options)


def histogram(kind: type, **options: Any) -> Callable[[], Any]:
    return lambda: kind(max_iter=8, random_state=np.random.RandomState(3), **options)


HGC, HGR = many.HistGradientBoostingClassifier, many.HistGradientBoostingRegressor
GBC, GBR = many.GradientBoostingClassifier, many.GradientBoostingRegressor

KNOWN: dict[str, Case] = {
    "tree": (lambda: DecisionTreeClassifier(random_state=0), NUMBERS, YES),
    "tree of three classes": (lambda: DecisionTreeClassifier(max_depth=4, random_state=0), NUMBERS, THREE),
    "tree of values": (lambda: DecisionTreeRegressor(random_state=0), NUMBERS, VALUE),
    "tree with gaps": (
        lambda: DecisionTreeRegressor(max_depth=5, random_state=0),
        GAPS[["age", "debt"]],
        VALUE,
    ),
    "forest": (forest(many.RandomForestClassifier), NUMBERS, YES),
    "forest of three classes": (forest(many.RandomForestClassifier), NUMBERS, THREE),
    "forest with gaps": (forest(many.RandomForestClassifier), GAPS[["age", "debt"]], YES),
    "forest of values": (forest(many.RandomForestRegressor), NUMBERS, VALUE),
    "extra trees": (forest(many.ExtraTreesClassifier), NUMBERS, THREE),
    "extra trees of values": (forest(many.ExtraTreesRegressor), NUMBERS, VALUE),
    "boosting": (forest(GBC), NUMBERS, YES),
    "boosting of three classes": (forest(GBC), NUMBERS, THREE),
    "exponential boosting": (forest(GBC, loss="exponential"), NUMBERS, YES),
    "boosting from zero": (forest(GBC, init="zero"), NUMBERS, YES),
    "boosting of values": (forest(GBR, loss="huber"), NUMBERS, VALUE),
    "boosting of quantiles": (forest(GBR, loss="quantile"), NUMBERS, VALUE),
    "histogram": (histogram(HGC), NUMBERS, YES),
    "histogram of three classes": (histogram(HGC), GAPS[["age", "debt"]], THREE),
    "histogram of values": (histogram(HGR), NUMBERS, VALUE),
    "histogram of counts": (histogram(HGR, loss="poisson"), NUMBERS, COUNT),
    "histogram of gamma": (histogram(HGR, loss="gamma"), NUMBERS, COUNT + 1),
    "histogram of absolute errors": (histogram(HGR, loss="absolute_error"), NUMBERS, VALUE),
    "histogram of quantiles": (histogram(HGR, loss="quantile", quantile=0.8), NUMBERS, VALUE),
    "histogram with categories": (
        histogram(HGC, categorical_features="from_dtype"),
        CODED.assign(grade=CODED["grade"].astype("category")),
        YES,
    ),
    "histogram behind ordinals": (
        lambda: make_pipeline(ordinal(), HGC(max_iter=8, categorical_features=[0])),
        TABLE,
        THREE,
    ),
    "histogram behind encoders": (
        lambda: make_pipeline(by_column(sparse_output=False), HGC(max_iter=8)),
        GAPS,
        YES,
    ),
    "forest behind encoders": (
        lambda: make_pipeline(by_column(), many.RandomForestClassifier(7, random_state=0)),
        GAPS,
        YES,
    ),
    "logistic": (lambda: linear.LogisticRegression(max_iter=2000), NUMBERS, YES),
    "logistic of three classes": (lambda: linear.LogisticRegression(max_iter=2000), NUMBERS, THREE),
    "logistic behind encoders": (
        lambda: make_pipeline(by_column(drop="first"), linear.LogisticRegression()),
        GAPS,
        YES,
    ),
    "logistic of descent": (lambda: linear.SGDClassifier(loss="log_loss", random_state=0), NUMBERS, YES),
    "logistic of descent, three classes": (
        lambda: make_pipeline(pre.StandardScaler(), linear.SGDClassifier(loss="log_loss", random_state=0)),
        NUMBERS,
        THREE,
    ),
    "discriminant": (LinearDiscriminantAnalysis, NUMBERS, THREE),
    "least squares": (linear.LinearRegression, NUMBERS, VALUE),
    "ridge": (lambda: linear.Ridge(fit_intercept=False), NUMBERS, VALUE),
    "lasso": (lambda: linear.Lasso(0.1), NUMBERS, VALUE),
    "elastic net": (lambda: linear.ElasticNet(0.1), NUMBERS, VALUE),
    "descent": (
        lambda: make_pipeline(pre.StandardScaler(), linear.SGDRegressor(random_state=0)),
        NUMBERS,
        VALUE,
    ),
    "support vectors of values": (lambda: LinearSVR(max_iter=100000), NUMBERS / 10, VALUE),
    "poisson": (linear.PoissonRegressor, NUMBERS, COUNT),
    "tweedie": (lambda: linear.TweedieRegressor(power=0, link="identity"), NUMBERS, VALUE),
    "bins, splines and powers": (
        lambda: make_pipeline(
            make_union(
                pre.KBinsDiscretizer(4, quantile_method="averaged_inverted_cdf"),
                pre.SplineTransformer(),
                pre.PolynomialFeatures(1),
            ),
            SelectKBest(f_regression, k=8),
            linear.Ridge(),
        ),
        NUMBERS,
        VALUE,
    ),
    "scalers": (
        lambda: make_pipeline(
            make_column_transformer(
                (pre.QuantileTransformer(n_quantiles=20), ["debt"]),
                (make_pipeline(pre.RobustScaler(), pre.PowerTransformer()), ["age"]),
                (pre.FunctionTransformer(np.log1p), ["debt"]),
                (pre.MinMaxScaler(), ["grade"]),
            ),
            linear.LinearRegression(),
        ),
        TABLE,
        VALUE,
    ),
    "target encoder": (
        lambda: make_pipeline(
            make_column_transformer((pre.TargetEncoder(random_state=0), ["city"]), remainder="passthrough"),
            linear.LogisticRegression(max_iter=2000),
        ),
        TABLE,
        YES,
    ),
}
"""Estimators whose structure is known: with what they are trained on."""

UNKNOWN: dict[str, Case] = {
    "rarer maps": (
        lambda: make_pipeline(
            pre.StandardScaler(),
            make_union(
                IncrementalPCA(1),
                RBFSampler(n_components=3, random_state=0),
                pre.FunctionTransformer(np.sin),
                pre.FunctionTransformer(np.arcsinh),
                pre.FunctionTransformer(np.floor),
            ),
            linear.Ridge(),
        ),
        NUMBERS,
        VALUE,
    ),
    "partial least squares": (lambda: PLSRegression(1), NUMBERS, VALUE),
    "components": (lambda: make_pipeline(PCA(1), linear.LinearRegression()), NUMBERS, VALUE),
    "interactions": (
        lambda: make_pipeline(pre.PolynomialFeatures(2), linear.LinearRegression()),
        NUMBERS,
        VALUE,
    ),
    "neighbours fill": (lambda: make_pipeline(KNNImputer(), linear.Ridge()), GAPS[["age", "debt"]], VALUE),
    "neighbours": (KNeighborsClassifier, NUMBERS, YES),
    "neighbours of values": (
        lambda: KNeighborsRegressor(algorithm="ball_tree", metric="manhattan", weights="distance"),
        NUMBERS,
        VALUE,
    ),
    "support vectors": (SVC, NUMBERS, THREE),
    "support vectors behind encoders": (lambda: make_pipeline(by_column(), SVC(kernel="linear")), GAPS, YES),
    "linear support vectors": (lambda: LinearSVC(max_iter=100000), NUMBERS / 10, YES),
    "ridge votes": (linear.RidgeClassifier, NUMBERS, THREE),
    "calibrated": (lambda: CalibratedClassifierCV(GaussianNB(), cv=3), NUMBERS, THREE),
    "calibrated by steps": (
        lambda: CalibratedClassifierCV(GaussianNB(), cv=3, method="isotonic"),
        NUMBERS,
        THREE,
    ),
    "network": (lambda: MLPClassifier((5,), max_iter=8, early_stopping=True, random_state=0), NUMBERS, YES),
    "bayes": (GaussianNB, NUMBERS, YES),
    "dummy": (DummyClassifier, NUMBERS, YES),
    "ada": (forest(many.AdaBoostClassifier), NUMBERS, YES),
    "bagging": (forest(many.BaggingClassifier), NUMBERS, YES),
    "voting": (
        lambda: many.VotingClassifier(
            [
                ("a", make_pipeline(by_column(), linear.LogisticRegression())),
                ("b", make_pipeline(ordinal(), DecisionTreeClassifier(max_depth=3))),
            ],
            voting="soft",
        ),
        TABLE,
        YES,
    ),
    "stacking": (
        lambda: many.StackingRegressor([("a", linear.Ridge()), ("b", DecisionTreeRegressor(max_depth=3))]),
        NUMBERS,
        VALUE,
    ),
    "logarithm of the target": (
        lambda: TransformedTargetRegressor(linear.Ridge(), func=np.log1p, inverse_func=np.expm1),
        NUMBERS,
        VALUE,
    ),
    "boosting after another": (forest(GBR, init=linear.LinearRegression()), NUMBERS, VALUE),
}
"""Estimators that are opened and score, and whose structure is not known or mixes columns."""


def fitted(case: Case) -> Any:
    make, table, target = case
    with warnings.catch_warnings(), threadpool_limits(1):  # on a busy machine threads wait for each other
        warnings.simplefilter("ignore")  # few iterations are enough here
        return make().fit(table, target)


def dumped(model: Any, folder: Path, name: str = "model.skops") -> Path:
    path = folder / name
    skops.io.dump(model, path)
    return path


def as_rows(table: pd.DataFrame) -> pd.DataFrame:
    """The table as scorers take it, whatever types it had in training."""
    numeric = {name: pd.api.types.is_numeric_dtype(table[name].to_numpy()) for name in table}
    return pd.DataFrame(
        {name: table[name].astype(float if is_number else object) for name, is_number in numeric.items()}
    )
