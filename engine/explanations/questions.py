"""Whether a question fits a model and a dataset, as far as that is known before any row is read.

One place for those who take a question in and for those who answer it. The API knows it too, so nothing heavy here.
"""

from collections.abc import Collection, Mapping

from engine.errors import InvalidInput
from engine.explanations.options import (
    AllowedChange,
    ExplanationKind,
    ExplanationOptions,
    Perturbation,
)
from engine.explanations.performance import checked
from engine.models.signature import FeatureType, ModelFormat, Signature, Task
from engine.models.values import number, place_of, refuse, truth
from engine.tables.names import no_column, short

OF_SHAPLEY = (
    ExplanationKind.SHAP,
    ExplanationKind.GLOBAL,
    ExplanationKind.AGREEMENT,
    ExplanationKind.GAP,
)
WITHOUT_COUNTS = {
    ModelFormat.ONNX: "an ONNX file does not say how many training rows took each branch of a tree, which path-dependent"
    " values need",
    ModelFormat.ENDPOINT: "a model that is served elsewhere shows no trees, which path-dependent values need",
}


def check(
    kind: ExplanationKind,
    options: ExplanationOptions,
    signature: Signature,
    numbers: Mapping[str, bool],
    truths: Collection[str] = (),
) -> None:
    """Refuse what could only fail later; `options.check` is asked first.

    Args:
        numbers: for the dataset's columns, whether they hold numbers, or truth values.
        truths: the columns that hold truth values.

    Raises:
        InvalidInput: the question does not fit; `at` names the option.
    """
    if options.explained_class is not None:
        place_of(signature, options.explained_class, ("explained_class",))
    _check_values(options, signature, numbers)
    if options.perturbation is Perturbation.PATH_DEPENDENT and kind in OF_SHAPLEY:
        why = WITHOUT_COUNTS.get(signature.format)
        if why is not None:
            raise InvalidInput(why, at=("perturbation",))
    if kind is ExplanationKind.PERMUTATION or (kind is ExplanationKind.AGREEMENT and options.label):
        checked(options.performance, signature.task)
        for i, group in enumerate(options.groups):
            for j, name in enumerate(group.features):
                _known(name, signature, ("groups", i, "features", j))
    if kind is ExplanationKind.COUNTERFACTUAL:
        _check_wish(options, signature)
        _check_changes(options, signature, numbers, truths)


def _known(name: str, signature: Signature, at: tuple[str | int, ...]) -> None:
    if name not in signature.names:
        raise no_column(name, list(signature.names), at, "model", "feature")


def _check_values(options: ExplanationOptions, signature: Signature, numbers: Mapping[str, bool]) -> None:
    features = {feature.name: feature for feature in signature.features}
    seen: set[str] = set()
    for i, each in enumerate(options.values):
        at = ("values", i)
        _known(each.feature, signature, (*at, "feature"))
        if each.feature in seen:
            raise InvalidInput(f"{each.feature!r} is given twice", at=(*at, "feature"))
        seen.add(each.feature)
        if each.value is None:
            continue
        feature, where = features[each.feature], (*at, "value")
        refuse(signature, feature, each.value, where)
        if (
            feature.type is FeatureType.ANY
            and numbers.get(each.feature)
            and number(feature, each.value) is None
        ):
            said = f"{short(each.feature)} is a number in this dataset, got {short(each.value)}"
            raise InvalidInput(said, at=where)


def _check_wish(options: ExplanationOptions, signature: Signature) -> None:
    ends = ("wanted_low", "wanted_high")
    low, high = options.wanted_low, options.wanted_high
    given = next((end for end in ends if getattr(options, end) is not None), None)
    if signature.task is not Task.REGRESSION:
        if given is not None:
            raise InvalidInput("this model gives classes: say which one is wanted", at=(given,))
        if options.wanted is not None:
            place_of(signature, options.wanted, ("wanted",))
        return
    if options.wanted is not None:
        said = "this model predicts a value: give wanted_low or wanted_high"
        raise InvalidInput(said, at=("wanted",), named=ends)
    if given is None:
        said = "say which value is wanted of a regression: wanted_low, wanted_high or both"
        raise InvalidInput(said, at=("wanted_low",), named=ends)
    if low is not None and high is not None and low > high:
        said = f"wanted_low may not lie above wanted_high, got {low:g} and {high:g}"
        raise InvalidInput(said, at=("wanted_low",), named=ends)


def _check_changes(
    options: ExplanationOptions,
    signature: Signature,
    numbers: Mapping[str, bool],
    truths: Collection[str],
) -> None:
    seen: set[str] = set()
    for i, each in enumerate(options.changes):
        at = ("changes", i)
        _known(each.feature, signature, (*at, "feature"))
        if each.feature in seen:
            raise InvalidInput(f"changes name {each.feature!r} twice", at=(*at, "feature"))
        seen.add(each.feature)
        if each.feature in truths and each.categories:
            if any(truth(category) is None for category in each.categories):
                said = f"{each.feature!r} holds true and false alone"
                raise InvalidInput(said, at=(*at, "categories"))
            continue
        _check_change(each, numbers.get(each.feature), at)


def _check_change(asked: AllowedChange, number: bool | None, at: tuple[str | int, ...]) -> None:
    if asked.categories and number:
        said = f"{asked.feature!r} is a number: give low and high, not categories"
        raise InvalidInput(said, at=(*at, "categories"))
    if (asked.low is not None or asked.high is not None) and number is False:
        said = f"{asked.feature!r} is no number: give categories, not low and high"
        raise InvalidInput(said, at=(*at, "low" if asked.low is not None else "high"))
    if asked.low is not None and asked.high is not None and asked.low > asked.high:
        said = f"low may not lie above high, got {asked.low:g} and {asked.high:g} for {asked.feature!r}"
        raise InvalidInput(said, at=(*at, "low"))
