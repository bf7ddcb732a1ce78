"""What a model takes and what it gives, as found in its file; the classes of the API and of the stored JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from types import MappingProxyType

from engine.values import Count, ModelType


class ModelFormat(StrEnum):
    """What a model file is."""

    SKOPS = "skops"
    """A scikit-learn estimator or pipeline, as `skops.io.dump` writes it."""
    ONNX = "onnx"
    XGBOOST_JSON = "xgboost_json"
    """As `Booster.save_model("model.json")` writes it."""
    XGBOOST_UBJ = "xgboost_ubj"
    """As `Booster.save_model("model.ubj")` writes it: the usual form since XGBoost 2.1."""
    LIGHTGBM_TEXT = "lightgbm_text"
    """As `Booster.save_model("model.txt")` writes it."""
    CATBOOST_JSON = "catboost_json"
    """As `save_model("model.json", format="json")` of CatBoost writes it."""
    ENDPOINT = "endpoint"
    """No file: the model is served elsewhere, and asked over the network."""


class Task(StrEnum):
    """What kind of answer a model gives."""

    BINARY = "binary"
    """One of two classes, with probabilities."""
    MULTICLASS = "multiclass"
    REGRESSION = "regression"


TASKS: Mapping[ModelType, tuple[Task, ...]] = MappingProxyType(
    {
        ModelType.CLASSIFICATION: (Task.BINARY, Task.MULTICLASS),
        ModelType.REGRESSION: (Task.REGRESSION,),
    }
)
"""What the file or endpoint of a kind of model must give; other kinds have neither."""


class FeatureType(StrEnum):
    """What a model expects in a column."""

    NUMBER = "number"
    CATEGORY = "category"
    """One of a set of texts or codes."""
    ANY = "any"
    """The file does not say."""


@dataclass(frozen=True, kw_only=True)
class Feature:
    """A column that a model looks at, in the words of whoever trained it."""

    name: str
    type: FeatureType
    categories: tuple[str, ...] = ()
    """Values it has seen in training, in their text form; empty where the file does not say."""
    closed: bool = False
    """Whether the model refuses rows with a value that training has not seen."""


@dataclass(frozen=True, kw_only=True)
class Signature:
    """What a model takes and what it gives."""

    format: ModelFormat
    framework: str
    """The library that trained it, such as "scikit-learn"."""
    framework_version: str | None
    """Null where the file does not say."""
    kind: str
    """What it is in that library's words, such as "Pipeline: ColumnTransformer, HistGradientBoostingClassifier"."""
    task: Task
    features: tuple[Feature, ...]
    classes: tuple[str, ...]
    """In the order of the probabilities, in their text form; empty for a regression. Of two, the second is the one that
    scores and explanations speak of."""
    trees: Count | None = None
    """How many trees, of an ensemble that we read ourselves."""
    named: bool = True
    """Whether the file carries the names of the features; where it does not, those registered for the model are used."""
    notes: tuple[str, ...] = ()
    """What a person should know of the file, such as names that it does not carry."""

    def refuses_unseen(self, feature: Feature) -> bool:
        """Whether a value of a feature that training has not seen is an error; signatures of old say so of none."""
        return feature.closed or (self.format is ModelFormat.XGBOOST_JSON and bool(feature.categories))

    @property
    def names(self) -> Sequence[str]:
        return [feature.name for feature in self.features]


def is_number(text: str) -> bool:
    """Whether a value in its text form is a finite number."""
    try:
        return isfinite(float(text))
    except ValueError:
        return False
