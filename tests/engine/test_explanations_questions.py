"""What is known of a question before any row is read is refused at once, by one function for the API and the job."""

from dataclasses import replace

import pytest

from engine.errors import InvalidInput, camel
from engine.explanations.options import (
    AllowedChange,
    ExplanationKind,
    ExplanationOptions,
    FeatureGroup,
    Perturbation,
)
from engine.explanations.performance import Performance
from engine.explanations.questions import check
from engine.models.prediction import FeatureValue
from engine.models.signature import Feature, FeatureType, ModelFormat, Signature, Task

LOANS = Signature(
    format=ModelFormat.SKOPS,
    framework="a test",
    framework_version=None,
    kind="function",
    task=Task.BINARY,
    features=(
        Feature(name="age", type=FeatureType.NUMBER),
        Feature(name="hours", type=FeatureType.ANY),
        Feature(name="job", type=FeatureType.CATEGORY),
    ),
    classes=("no", "yes"),
)
PRICES = replace(LOANS, task=Task.REGRESSION, classes=())
ONNX, ELSEWHERE = (replace(LOANS, format=each) for each in (ModelFormat.ONNX, ModelFormat.ENDPOINT))
NUMBERS = {"age": True, "hours": True, "job": False}
SHAP, SHUFFLED, CHANGED = (
    ExplanationKind.SHAP,
    ExplanationKind.PERMUTATION,
    ExplanationKind.COUNTERFACTUAL,
)


def change(**limits: object) -> dict[str, object]:
    return {"changes": [AllowedChange(**limits)]}


def given(feature: str, value: str) -> dict[str, object]:
    return {"values": [FeatureValue(feature=feature, value=value)]}


PATHS = {"perturbation": Perturbation.PATH_DEPENDENT}
REFUSED = [
    (CHANGED, PRICES, {}, "wantedLow", "a regression: wantedLow, wantedHigh or both"),
    (CHANGED, PRICES, {"wanted": "yes"}, "wanted", "give wantedLow or wantedHigh"),
    (CHANGED, PRICES, {"wanted_low": 2.0, "wanted_high": 1.0}, "wantedLow", "above wantedHigh, got 2 and 1"),
    (CHANGED, LOANS, {"wanted_high": 1.0}, "wantedHigh", "gives classes"),
    (CHANGED, LOANS, {"wanted": "maybe"}, "wanted", "no class 'maybe'"),
    (CHANGED, LOANS, change(feature="agee"), "changes.0.feature", "did you mean 'age'?"),
    (CHANGED, LOANS, change(feature="age", low=2, high=1), "changes.0.low", "got 2 and 1 for 'age'"),
    (CHANGED, LOANS, change(feature="job", low=2), "changes.0.low", "'job' is no number"),
    (CHANGED, LOANS, change(feature="hours", categories=["a"]), "changes.0.categories", "is a number"),
    (SHUFFLED, PRICES, {"performance": Performance.ROC_AUC}, "performance", "these are: r2, mean"),
    (
        SHUFFLED,
        LOANS,
        {"groups": [FeatureGroup(name="time", features=["age", "hour"])]},
        "groups.0.features.1",
        "did you mean 'hours'?",
    ),
    (SHAP, LOANS, given("age", "old"), "values.0.value", "is a number for this model, got 'old'"),
    (SHAP, LOANS, given("hours", "many"), "values.0.value", "is a number in this dataset, got 'many'"),
    (SHAP, LOANS, given("ages", "1"), "values.0.feature", "did you mean 'age'?"),
    (SHAP, PRICES, {"explained_class": "yes"}, "explainedClass", "predicts a value and has no classes"),
    (SHAP, ONNX, PATHS, "perturbation", "an ONNX file does not say how many training rows"),
    (SHAP, ELSEWHERE, PATHS, "perturbation", "shows no trees"),
]


@pytest.mark.parametrize(("kind", "signature", "options", "at", "said"), REFUSED)
def test_what_cannot_be_asked_is_refused_in_the_names_of_the_api(kind, signature, options, at, said) -> None:
    with pytest.raises(InvalidInput) as refused:
        check(kind, ExplanationOptions(**options), signature, NUMBERS)
    assert ".".join(camel(str(part)) for part in refused.value.at) == at
    assert said in refused.value.worded(camel)


def test_what_fits_is_let_pass() -> None:
    for kind, signature, options in (
        (CHANGED, LOANS, change(feature="job", categories=["clerk"])),
        (CHANGED, LOANS, change(feature="hours", low=1)),
        (CHANGED, PRICES, {"wanted_low": 1.0}),
        (SHUFFLED, PRICES, {"performance": Performance.R2}),
        (SHAP, LOANS, given("hours", "40")),
        (SHAP, LOANS, PATHS),
        (SHAP, PRICES, {}),
    ):
        check(kind, ExplanationOptions(**options), signature, NUMBERS)
