"""Agreement of explanations: full where they must agree, and said in words where they do not."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from engine.explanations.explain import explain
from engine.explanations.options import ExplanationKind, ExplanationOptions
from tests.scorers import Made, case

NAMES = ["a", "b", "c", "d"]
ROWS = pd.DataFrame(np.random.default_rng(0).choice([-2.0, 2.0], size=(40, 4)), columns=NAMES)


def steep(rows: pd.DataFrame) -> np.ndarray:
    return rows[NAMES].to_numpy() @ np.array([8.0, 4.0, 2.0, 1.0])


def test_a_sum_of_two_valued_features_is_explained_alike_by_all() -> None:
    """Shapley values and LIME's weights of a sum are proportional, and so are the losses' roots; ranks are equal."""
    scorer = Made(function=steep, names=NAMES)
    asked = case(scorer, ROWS.head(3), ROWS, ExplanationOptions(max_features=4, label="y"))
    report = explain(
        ExplanationKind.AGREEMENT, replace(asked, labels=pd.Series(steep(ROWS.head(3)), name="y"))
    )
    shap_lime = report.agreement[0]
    assert (shap_lime.rank_correlation, shap_lime.same_sign, shap_lime.shared_top) == pytest.approx((1, 1, 1))
    assert [(each.first, each.second) for each in report.agreement] == [
        (ExplanationKind.SHAP, ExplanationKind.LIME),
        (ExplanationKind.SHAP, ExplanationKind.PERMUTATION),
        (ExplanationKind.LIME, ExplanationKind.PERMUTATION),
    ]
    assert report.agreement[1].same_sign is None  # permutation has no direction
    assert report.summary.startswith("Shapley values and LIME agree: rank correlation 1.00, and 100%")


def test_without_labels_permutation_is_left_out_and_it_says_so() -> None:
    report = explain(ExplanationKind.AGREEMENT, case(Made(function=steep, names=NAMES), ROWS.head(1), ROWS))
    assert len(report.agreement) == 1
    assert any("Permutation importance was left out" in note for note in report.notes)


def test_a_model_that_looks_at_nothing_cannot_be_ranked() -> None:
    flat = Made(function=lambda rows: np.zeros(len(rows)), names=NAMES)
    found = explain(ExplanationKind.AGREEMENT, case(flat, ROWS.head(1), ROWS)).agreement[0]
    assert found.rank_correlation is None
    assert found.same_sign is None
    assert found.reason == "one of both gives all features the same size"
