"""Kinds of models that are trained again: selections, models that take no weights, and what is never trained again."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    BaggingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_selection import SelectFromModel, SelectKBest, chi2, mutual_info_classif
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

from engine.errors import InvalidInput
from engine.mitigation.mitigate import mitigated
from engine.mitigation.splitting import divided
from engine.mitigation.unfitted import drawn
from engine.models.skops_file import opened
from tests.engine.test_mitigation import FEATURES, OPTIONS, PAID, RANDOM, ROWS, SEX, of
from tests.estimators import dumped


@pytest.mark.parametrize(
    "model",
    [
        RandomForestClassifier(20, min_samples_leaf=20, n_jobs=2, random_state=0, warm_start=True),
        HistGradientBoostingClassifier(max_iter=10, categorical_features="from_dtype"),
    ],
    ids=["forest", "boosting"],
)
def test_other_kinds_of_models_with_the_other_class_as_the_favourable_one(model, tmp_path):
    names = ["skill", "pay"] if isinstance(model, RandomForestClassifier) else FEATURES
    table = ROWS[names].astype({"town": "category"}) if "town" in names else ROWS[names]
    sex = np.where(RANDOM.random(len(ROWS)) < 0.2, "x", SEX).astype(object)  # three groups: two directions
    options = replace(OPTIONS, favorable="no", candidates=9)
    with threadpool_limits(1):  # on a busy machine threads wait for each other
        scorer = opened(dumped(model.fit(table, PAID), tmp_path))
        report, made = mitigated(scorer, ROWS, of(sex), options)
    assert report.favorable == "no"
    assert [each.group for each in report.mitigated.groups] == ["f", "m", "x"]
    assert report.mitigated.gap < report.retrained.gap - 0.05
    assert made.signature.classes == ("no", "yes")


def test_selections_are_trained_again_by_the_function_that_they_were_trained_by(tmp_path):
    numbers = ROWS[["skill", "pay"]] ** 2  # chi2 takes nothing below 0
    for score in (chi2, mutual_info_classif):
        model = make_pipeline(SelectKBest(score, k=1), LogisticRegression()).fit(numbers, PAID)
        scorer = opened(dumped(model, tmp_path))
        rows, few = numbers.assign(paid=ROWS["paid"]), replace(OPTIONS, candidates=3)
        first, second = (mitigated(scorer, rows, of(SEX), few)[1].estimator[0] for _ in range(2))
        assert np.array_equal(first.scores_, second.scores_)  # also where chance has a part in it
        assert first.get_params()["score_func"] is score
        if score is chi2:
            at = divided(2 * (SEX == "m") + (PAID == "yes"), 0.2, 0.3, 0).training
            assert first.scores_ == pytest.approx(chi2(numbers.iloc[at], PAID[at])[0])


def several() -> VotingClassifier:
    return VotingClassifier([("a", make_pipeline(PCA(1), LogisticRegression())), ("b", GaussianNB())])


@pytest.mark.parametrize(
    ("model", "coarse"),
    [
        (KNeighborsClassifier(30), True),
        (CalibratedClassifierCV(KNeighborsClassifier(30), cv=2), True),
        (LinearDiscriminantAnalysis(), True),
        (several(), True),
        (StackingClassifier([("a", LogisticRegression()), ("b", GaussianNB())], cv=2), False),
        (BaggingClassifier(DecisionTreeClassifier(max_depth=3), n_estimators=5), False),
        (MLPClassifier((4,), max_iter=40), False),
    ],
    ids=lambda value: "" if isinstance(value, bool) else type(value).__name__,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_models_that_cannot_be_told_what_rows_weigh_see_them_as_often(model, coarse, tmp_path):
    encode = make_column_transformer(
        (StandardScaler(), make_column_selector(dtype_include=float)), (OneHotEncoder(), ["town"])
    )
    with threadpool_limits(1):
        scorer = opened(dumped(make_pipeline(encode, model).fit(ROWS[FEATURES], PAID), tmp_path))
        report, made = mitigated(scorer, ROWS, of(SEX), OPTIONS)
    assert report.changed
    assert report.mitigated.gap < report.retrained.gap - 0.03
    kind = type(model).__name__
    assert any(note.startswith(f"{kind} cannot be told what rows weigh") for note in report.notes) is coarse
    assert type(made.estimator[-1]) is type(model)


def test_rows_are_drawn_as_often_as_they_weigh_by_hand():
    # of 4 rows that weigh 4 in all each one stands for 1: the third twice, the first not at all
    assert drawn(np.array([True, False, True, True]), np.array([0.0, 1, 2, 1])).tolist() == [1, 2, 2, 3]
    # 20.1 by 3 is 6.7: marks at 3.35, 10.05 and 16.75 miss the third, the only one that is decided favourably
    assert drawn(np.array([False, False, True]), np.array([10, 10, 0.1])).tolist() == [0, 1, 1, 2]
    assert drawn(np.array([True, False, True]), np.ones(3)).tolist() == [0, 1, 2]


def test_what_is_never_trained_again_is_refused_in_words(tmp_path):
    numbers = ROWS[["skill", "pay"]]

    def refused(model):
        scorer = opened(dumped(model.fit(numbers, PAID), tmp_path))
        with pytest.raises(InvalidInput) as error:
            mitigated(scorer, ROWS, of(SEX), OPTIONS)
        assert error.value.at == ("model_id",)
        return str(error.value)

    kept = FrozenEstimator(LogisticRegression().fit(numbers, PAID))
    assert "is never trained again (a FrozenEstimator)" in refused(CalibratedClassifierCV(kept))
    prefit = SelectFromModel(RandomForestClassifier(3).fit(numbers, PAID), prefit=True)
    assert "(selectfrommodel__prefit=True)" in refused(make_pipeline(prefit, LogisticRegression()))
    choosing = make_column_transformer((StandardScaler(), make_column_selector()))
    within = CalibratedClassifierCV(make_pipeline(choosing, LogisticRegression()), cv=2)
    assert "which columns go to 'standardscaler'" in refused(within)
