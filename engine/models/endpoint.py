"""A model that is asked over the network, as whoever registers it describes it; a class of the API and of the stored JSON.

The engine itself knows no network: what scores (`endpoint_scorer`) is handed a call.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from engine.errors import InvalidInput
from engine.models.signature import Feature, FeatureType, ModelFormat, Signature, Task

MOST_FEATURES = 2_000
MOST_CLASSES = 1_000
LONGEST = 500
"""Characters of a name."""
LONGEST_URL = 2_000
DOTS = (".", "..")
"""Words of a path that servers take for "here" and "above", so that another place would be asked than is written."""


class EndpointProtocol(StrEnum):
    """How an endpoint is asked."""

    KSERVE_V2 = "kserve_v2"
    """The Open Inference Protocol: `POST /v2/models/NAME/infer`, as KServe, MLServer, Triton and Seldon speak it."""
    MLFLOW = "mlflow"
    """`POST /invocations` with `dataframe_split`, as `mlflow models serve` and Databricks speak it."""


class Tensors(StrEnum):
    """What rows are sent as, in the Open Inference Protocol."""

    COLUMNS = "columns"
    """One tensor for each feature, by its name: of numbers, or BYTES for texts."""
    MATRIX = "matrix"
    """One tensor of rows and features; all features must be numbers."""


class Numbers(StrEnum):
    """What numbers are sent as, in the Open Inference Protocol."""

    FP64 = "fp64"
    FP32 = "fp32"
    """For servers that take nothing else, as Triton does of many models."""


class Answers(StrEnum):
    """What an endpoint answers for each row."""

    PROBABILITIES = "probabilities"
    """One for each class, or of two classes that of the second alone."""
    LABELS = "labels"
    """The class that is predicted, which then counts as probability 1."""
    VALUES = "values"
    """The predicted value of a regression."""


@dataclass(frozen=True, kw_only=True)
class DeclaredFeature:
    """A column that the model looks at."""

    name: str
    type: FeatureType = FeatureType.NUMBER
    """What it is sent as: NUMBER, CATEGORY as text unless all its categories are numbers, ANY as the dataset has it."""
    categories: Sequence[str] = ()
    """Values it was trained on, where they are known."""

    def __post_init__(self) -> None:
        if not all(len(text) <= LONGEST and "\0" not in text for text in self.categories):
            raise InvalidInput(f"a category may have {LONGEST} characters and no NUL", at=("categories",))


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where and how a model is asked that is served elsewhere. What lets us in there is the operator's to set, and not stored."""

    url: str
    """Its address before what the protocol adds, such as https://models.example/loan."""
    protocol: EndpointProtocol
    model_name: str | None = None
    """Its name there; needed for KSERVE_V2."""
    model_version: str | None = None
    """Its version there, for KSERVE_V2; without one the server chooses."""
    task: Task
    features: Sequence[DeclaredFeature]
    """In the order in which it takes them."""
    classes: Sequence[str] = ()
    """In the order of its probabilities, in their text form; none for a regression."""
    answers: Answers | None = None
    """Without it, probabilities, or values of a regression."""
    tensors: Tensors = Tensors.COLUMNS
    """For KSERVE_V2."""
    numbers: Numbers = Numbers.FP64
    """For KSERVE_V2."""
    input_tensor: str = "input-0"
    """Name of the one tensor of a MATRIX."""
    output_tensor: str | None = None
    """Name of the tensor that is read, where KSERVE_V2 gives several; it is asked for by name."""

    def __post_init__(self) -> None:
        for at in ("url", "model_name", "model_version", "input_tensor", "output_tensor"):
            text, longest = getattr(self, at), LONGEST_URL if at == "url" else LONGEST
            if text is not None and not (1 <= len(text) <= longest and text.isprintable()):
                raise InvalidInput(f"{at} must be 1 to {longest:,} printable characters", at=(at,))
        self._check_what_it_takes()
        self._check_what_it_gives()

    def _check_what_it_takes(self) -> None:
        if self.protocol is EndpointProtocol.KSERVE_V2 and self.model_name is None:
            raise InvalidInput("KSERVE_V2 needs the name of the model there", at=("model_name",))
        if self.protocol is EndpointProtocol.MLFLOW:
            for at in ("model_name", "model_version", "output_tensor"):
                if getattr(self, at) is not None:
                    raise InvalidInput(f"{at} is of KSERVE_V2; MLFLOW has none", at=(at,))
        if self.url.rstrip("/").endswith(("/invocations", "/infer", "/v2")):
            raise InvalidInput("url is the address before what the protocol adds to it", at=("url",))
        _check_names("features", [feature.name for feature in self.features], 1, MOST_FEATURES)
        if self.tensors is Tensors.MATRIX:
            for i, feature in enumerate(self.features):
                if feature.type is FeatureType.CATEGORY:
                    raise InvalidInput(
                        f"a MATRIX holds numbers, and {feature.name!r} is a {feature.type}; take COLUMNS",
                        at=("features", i, "type"),
                    )

    def _check_what_it_gives(self) -> None:
        few, most = _CLASSES[self.task]
        _check_names("classes", self.classes, few, most)
        if (self.given is Answers.VALUES) != (self.task is Task.REGRESSION):
            raise InvalidInput(f"a {self.task} model does not answer {self.given}", at=("answers",))

    @property
    def given(self) -> Answers:
        """What it answers, said or understood."""
        if self.answers is not None:
            return self.answers
        return Answers.VALUES if self.task is Task.REGRESSION else Answers.PROBABILITIES

    def refuse_dots(self) -> None:
        """Refuse names that lead elsewhere in a path: when it is registered and when it is asked, not when it is read.

        Raises:
            InvalidInput: says which.
        """
        for at in ("model_name", "model_version"):
            if getattr(self, at) in DOTS:
                raise InvalidInput(f"{at} may not be '.' or '..', which lead elsewhere in a path", at=(at,))

    @property
    def path(self) -> str:
        """What the protocol adds to the address."""
        self.refuse_dots()
        if self.protocol is EndpointProtocol.MLFLOW:
            return "/invocations"
        name, version = (quote(text or "", safe="") for text in (self.model_name, self.model_version))
        return f"/v2/models/{name}{f'/versions/{version}' if version else ''}/infer"

    @property
    def signature(self) -> Signature:
        """As that of a file, but declared."""
        notes = ["Features and classes are as they were declared: an endpoint does not say what it takes."]
        if self.given is Answers.LABELS:
            notes.append("It answers classes without probabilities: the class it gives has probability 1.")
        return Signature(
            format=ModelFormat.ENDPOINT,
            framework=_FRAMEWORKS[self.protocol],
            framework_version=None,
            kind="Endpoint",
            task=self.task,
            features=tuple(
                Feature(name=feature.name, type=feature.type, categories=tuple(feature.categories))
                for feature in self.features
            ),
            classes=tuple(self.classes),
            notes=tuple(notes),
        )


_CLASSES = {Task.BINARY: (2, 2), Task.MULTICLASS: (2, MOST_CLASSES), Task.REGRESSION: (0, 0)}
_FRAMEWORKS = {
    EndpointProtocol.KSERVE_V2: "Open Inference Protocol",
    EndpointProtocol.MLFLOW: "MLflow scoring protocol",
}


def _check_names(at: str, names: Sequence[str], few: int, most: int) -> None:
    allowed = f"{few}" if few == most else f"{few:,} to {most:,}"
    if not few <= len(names) <= most:
        raise InvalidInput(f"{at} must be {allowed}, got {len(names):,}", at=(at,))
    seen: set[str] = set()
    for i, name in enumerate(names):
        if not (1 <= len(name) <= LONGEST and name.isprintable()):
            raise InvalidInput(f"a name must be 1 to {LONGEST} printable characters", at=(at, i))
        if name in seen:
            raise InvalidInput(f"{name!r} is given twice", at=(at, i))
        seen.add(name)
