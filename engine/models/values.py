"""Values of features in their text form: numbers, truth values and categories, and which of them a model takes.

A dataset holds truth values as 0 and 1 and shows them as false and true; a model may know them as False and True, as
0 and 1, or as texts of these. All of them are one value each, wherever one is given or compared.
"""

from collections.abc import Mapping, Sequence

from engine.errors import InvalidInput
from engine.models.signature import Feature, FeatureType, ModelFormat, Signature, Task, is_number
from engine.tables.names import SHOWN_NAMES, short

SHOWN_CLASSES = 20
_TRUTHS = {"false": False, "0": False, "0.0": False, "true": True, "1": True, "1.0": True}
_SPELT = ("False", "false", "FALSE", "0", "0.0"), ("True", "true", "TRUE", "1", "1.0")
_OF_CODES = ModelFormat.XGBOOST_JSON, ModelFormat.XGBOOST_UBJ, ModelFormat.LIGHTGBM_TEXT
"""Files whose categories are codes where they carry no texts of them."""
_MISSING = ("", "nan", "na", "n/a", "null", "none")


def truth(text: str) -> bool | None:
    """The truth value that a text stands for, be it written as a word or as 0 and 1; None where it is none."""
    return _TRUTHS.get(text.casefold())


def spellings(categories: Sequence[str]) -> Mapping[str, str]:
    """How truth values may be written, with the category that each stands for; empty where categories are others."""
    meant = {truth(category): category for category in categories}
    if None in meant or len(meant) < len(categories):
        return {}
    return {text: meant[value] for value in (False, True) if value in meant for text in _SPELT[value]}


def class_spellings(classes: Sequence[str]) -> Mapping[str, str]:
    """How labels may write the classes of a model: these, and of truth values the others, "no" and "yes" included."""
    meant = spellings(classes)
    words = {
        spelt: meant[str(value)]
        for value, word in ((False, "no"), (True, "yes"))
        if str(value) in meant
        for spelt in (word, word.capitalize(), word.upper())
    }
    return {**words, **meant, **{name: name for name in classes}}


def class_meant(classes: Sequence[str], label: str | None) -> str | None:
    """The class of a model that a label of a dataset is, which may spell a truth value otherwise; None where it is none."""
    return None if label is None else class_spellings(classes).get(label)


def place_of(signature: Signature, name: str, at: tuple[str | int, ...]) -> int:
    """Place of a class among the scores; of truth values, however they are spelt.

    Raises:
        InvalidInput: the model has no such class.
    """
    if signature.task is Task.REGRESSION:
        raise InvalidInput(f"this model predicts a value and has no classes, got the class {name!r}", at=at)
    meant = class_meant(signature.classes, name)
    if meant is None:
        known = ", ".join(map(repr, signature.classes[:SHOWN_CLASSES]))
        raise InvalidInput(f"the model has no class {name!r}; it has {known}", at=at)
    return signature.classes.index(meant)


def is_code(text: str) -> bool:
    """Whether a category is a number in its usual form, so that it was one in training ("007" was not)."""
    return is_number(text) and text in (repr(float(text)), f"{float(text):.0f}")


def takes_numbers(feature: Feature) -> bool:
    """Whether a feature is a number, a code or a truth value, which rows hold as numbers."""
    if feature.type is FeatureType.NUMBER or spellings(feature.categories):
        return True
    return bool(feature.categories) and all(is_code(category) for category in feature.categories)


def number(feature: Feature, text: str) -> float | None:
    """What a text is to a feature that takes numbers; None where it is none."""
    if is_number(text):
        return float(text)
    found = truth(text)
    if found is None or not (feature.type is not FeatureType.CATEGORY or spellings(feature.categories)):
        return None
    return float(found)


def unseen(feature: Feature, text: str) -> bool:
    """Whether training has not seen a value, as far as the signature says what it has seen."""
    known = spellings(feature.categories) or {_plain(category) for category in feature.categories}
    return bool(known) and text not in known and _plain(text) not in known


def refuse(
    signature: Signature, feature: Feature, text: str, at: tuple[str | int, ...], where: str = ""
) -> None:
    """Refuse a value that a person gives and the model does not take.

    Args:
        where: said behind the value, such as " in row 3".

    Raises:
        InvalidInput: it is no number where one is needed, or new to a model that takes none such; says what would do.
    """
    bare = feature.type is FeatureType.CATEGORY and not feature.categories and signature.format in _OF_CODES
    needs = bare or (takes_numbers(feature) and not spellings(feature.categories))
    if needs and number(feature, text) is None:
        held = "the code of a category" if bare else "a number"
        empty = "; what is missing is null" if text.strip().casefold() in _MISSING else ""
        raise InvalidInput(
            f"{short(feature.name)} is {held} for this model, got {short(text)}{where}{empty}", at=at
        )
    if signature.refuses_unseen(feature) and unseen(feature, text):
        raise InvalidInput(
            f"{short(feature.name)} holds {short(text)}{where}, which was not there in training, and the model"
            f" refuses such values; it knows {some(feature.categories)}",
            at=at,
        )


def some(categories: Sequence[str]) -> str:
    """The categories that a model knows, or the first of them."""
    more = f" and {len(categories) - SHOWN_NAMES:,} more" if len(categories) > SHOWN_NAMES else ""
    return ", ".join(map(short, categories[:SHOWN_NAMES])) + more


def _plain(text: str) -> str:
    return f"{float(text):.17g}" if is_number(text) else text
