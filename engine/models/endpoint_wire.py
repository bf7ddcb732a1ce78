"""Rows as an endpoint is sent them, and its answers as scores. Nothing is believed of an answer, and no message quotes one."""

import json
from collections.abc import Callable, Mapping
from itertools import chain
from types import MappingProxyType
from typing import Any, NoReturn

import numpy as np
import pandas as pd

from engine.errors import InvalidInput
from engine.models.endpoint import Answers, DeclaredFeature, Endpoint, EndpointProtocol, Tensors
from engine.models.scorer import Numbers
from engine.models.signature import FeatureType
from engine.models.tree_scorer import category_text
from engine.models.values import is_code, spellings
from engine.tables.names import no_column, short

TOLERANCE = 1e-3
"""Of probabilities that should sum to 1: many servers compute with 32 bits."""
LISTS, LISTS_A_ROW = 10_000, 10
"""That an answer may hold, objects counted too."""
_USUAL_OUTPUTS: Mapping[Answers, tuple[str, ...]] = MappingProxyType(
    {
        Answers.PROBABILITIES: ("predict_proba", "probabilities", "output_probability"),
        Answers.LABELS: ("predict", "label", "output_label"),
        Answers.VALUES: ("predict", "variable"),
    }
)
"""Names that servers give the tensor that is meant, where they give several."""


def written(endpoint: Endpoint, rows: pd.DataFrame) -> bytes:
    """The question about these rows; what is missing is null.

    Raises:
        InvalidInput: a column is missing or holds what cannot be sent; says which.
    """
    columns = [_column(feature, rows) for feature in endpoint.features]
    return json.dumps(_ASKED[endpoint.protocol](endpoint, columns, len(rows)), allow_nan=False).encode()


def read(endpoint: Endpoint, content: bytes, rows: int) -> Numbers:
    """(rows, classes) probabilities or (rows, 1) values out of an answer.

    Raises:
        InvalidInput: it is none, or not of these rows; says what is wrong with it.
    """
    if (
        content.count(b"[") + content.count(b"{") > LISTS + LISTS_A_ROW * rows
    ):  # each takes 30 times its bytes
        raise InvalidInput(f"the endpoint answers with more lists than {rows:,} rows need")
    try:
        answer = json.loads(content, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise InvalidInput("the endpoint answers with what is no JSON") from None
    found, shape = _ANSWERED[endpoint.protocol](endpoint, answer)
    if not shape or shape[0] != rows or len(found) != np.prod(shape, dtype=object) or len(shape) > 2:
        raise InvalidInput(
            f"the endpoint does not answer each of {rows:,} rows: its answer has another shape"
        )
    wide = shape[1] if len(shape) == 2 else 1
    if endpoint.given is Answers.LABELS:
        return _of_labels(endpoint, found, wide)
    numbers = _numbers(found).reshape(rows, wide)
    return _of_values(numbers) if endpoint.given is Answers.VALUES else _probabilities(endpoint, numbers)


def _column(feature: DeclaredFeature, rows: pd.DataFrame) -> list[Any]:
    """Numbers or texts, as the feature is declared, with None for what is missing."""
    if feature.name not in rows.columns:
        raise no_column(feature.name, [str(name) for name in rows.columns], ())
    column = rows[feature.name]
    numeric = pd.api.types.is_numeric_dtype(column.dtype)
    if numeric and not np.isfinite(column.to_numpy(np.float64)[column.notna().to_numpy()]).all():
        raise InvalidInput(f"column {short(feature.name)} holds an infinite number, which cannot be sent")
    if not numeric and _is_number(feature):
        raise InvalidInput(f"column {short(feature.name)} holds texts; the model is declared to take numbers")
    values = [
        None if missing else value for value, missing in zip(column.tolist(), column.isna(), strict=True)
    ]
    if _is_text(feature):
        truths = spellings(feature.categories)
        texts = [None if value is None else category_text(value) for value in values]
        return [None if text is None else truths.get(text, text) for text in texts]
    return values


def _is_number(feature: DeclaredFeature) -> bool:
    codes = bool(feature.categories) and all(is_code(text) for text in feature.categories)
    return feature.type is FeatureType.NUMBER or (feature.type is FeatureType.CATEGORY and codes)


def _is_text(feature: DeclaredFeature) -> bool:
    return feature.type is FeatureType.CATEGORY and not _is_number(feature)


def _as_frame(endpoint: Endpoint, columns: list[list[Any]], rows: int) -> dict[str, Any]:
    names = [feature.name for feature in endpoint.features]
    return {"dataframe_split": {"columns": names, "data": list(zip(*columns, strict=True))}}


def _as_tensors(endpoint: Endpoint, columns: list[list[Any]], rows: int) -> dict[str, Any]:
    if endpoint.tensors is Tensors.MATRIX:
        flat = list(chain.from_iterable(zip(*columns, strict=True)))
        inputs = [_tensor(endpoint, endpoint.input_tensor, [rows, len(columns)], flat)]
        asked: dict[str, Any] = {"inputs": inputs}
    else:
        named = zip(endpoint.features, columns, strict=True)
        inputs = [_tensor(endpoint, feature.name, [rows, 1], values) for feature, values in named]
        asked = {"parameters": {"content_type": "pd"}, "inputs": inputs}  # MLServer then makes a frame of it
    name = endpoint.output_tensor
    return asked if name is None else {**asked, "outputs": [{"name": name}]}


def _tensor(endpoint: Endpoint, name: str, shape: list[int], values: list[Any]) -> dict[str, Any]:
    texts = any(isinstance(value, str) for value in values)
    kind = "BYTES" if texts else endpoint.numbers.name
    tensor = {"name": name, "shape": shape, "datatype": kind, "data": values}
    return {**tensor, "parameters": {"content_type": "str"}} if texts else tensor


Found = tuple[list[Any], tuple[int, ...]]
"""Single values, and the shape they have."""


def _of_frame(endpoint: Endpoint, answer: Any) -> Found:
    found = answer.get("predictions") if isinstance(answer, dict) else None
    if not isinstance(found, list):
        raise InvalidInput("the endpoint's answer has no list of `predictions`")
    if not found or not isinstance(found[0], list):
        return found, (len(found),)
    if not all(isinstance(row, list) and len(row) == len(found[0]) for row in found):
        raise InvalidInput("the endpoint answers with rows of different lengths")
    return list(chain.from_iterable(found)), (len(found), len(found[0]))


def _of_tensors(endpoint: Endpoint, answer: Any) -> Found:
    outputs = answer.get("outputs") if isinstance(answer, dict) else None
    if not isinstance(outputs, list) or not outputs or not all(isinstance(one, dict) for one in outputs):
        raise InvalidInput("the endpoint's answer has no list of `outputs`")
    output = _meant(endpoint, outputs)
    shape, values = output.get("shape"), output.get("data")
    if not isinstance(values, list) or not isinstance(shape, list) or not all(type(n) is int for n in shape):
        raise InvalidInput("the endpoint's answer has a tensor without shape or data; data must come as JSON")
    nested = 0
    while values and isinstance(values[0], list):  # the protocol lets data be nested as the shape is
        nested += 1
        wide = shape[nested] if nested < len(shape) else -1
        if not all(isinstance(each, list) and len(each) == wide for each in values):
            raise InvalidInput("the endpoint answers with a tensor whose data do not have its shape")
        values = list(chain.from_iterable(values))
    return values, tuple(shape)


def _meant(endpoint: Endpoint, outputs: list[dict[str, Any]]) -> dict[str, Any]:
    """The tensor to read: that of the name that was declared, the only one, or that of a usual name."""
    wanted = endpoint.output_tensor
    names = _USUAL_OUTPUTS[endpoint.given] if wanted is None else (wanted,)
    named = next((one for name in names for one in outputs if one.get("name") == name), None)
    if named is not None:
        return named
    if len(outputs) == 1 and wanted is None:
        return outputs[0]
    said = "and none of the name that is declared" if wanted else "say in outputTensor which is to be read"
    raise InvalidInput(f"the endpoint's answer has {len(outputs)} tensors; {said}")


_ASKED: Mapping[EndpointProtocol, Callable[[Endpoint, list[list[Any]], int], dict[str, Any]]] = (
    MappingProxyType({EndpointProtocol.MLFLOW: _as_frame, EndpointProtocol.KSERVE_V2: _as_tensors})
)
_ANSWERED: Mapping[EndpointProtocol, Callable[[Endpoint, Any], Found]] = MappingProxyType(
    {EndpointProtocol.MLFLOW: _of_frame, EndpointProtocol.KSERVE_V2: _of_tensors}
)


def _numbers(found: list[Any]) -> Numbers:
    if not all(type(value) is float or type(value) is int for value in found):
        raise InvalidInput("the endpoint answers with what is no number, where numbers are expected")
    try:
        numbers = np.array(found, np.float64)
    except OverflowError:
        numbers = np.array([np.inf])
    if not np.isfinite(numbers).all():
        raise InvalidInput("the endpoint answers with numbers that are not finite")
    return numbers


def _of_values(numbers: Numbers) -> Numbers:
    if numbers.shape[1] != 1:
        raise InvalidInput(f"the endpoint answers {numbers.shape[1]:,} values for each row; one is expected")
    return numbers


def _probabilities(endpoint: Endpoint, numbers: Numbers) -> Numbers:
    if numbers.shape[1] == 1 and len(endpoint.classes) == 2:
        numbers = np.hstack([1 - numbers, numbers])
    if numbers.shape[1] != len(endpoint.classes):
        raise InvalidInput(
            f"the endpoint answers {numbers.shape[1]:,} numbers for each row, and {len(endpoint.classes):,} classes are declared"
        )
    off = np.abs(numbers.sum(axis=1) - 1) > TOLERANCE
    if off.any() or ((numbers < -TOLERANCE) | (numbers > 1 + TOLERANCE)).any():
        raise InvalidInput(
            "the endpoint answers with numbers that are no probabilities: those of a row must lie in [0, 1] and sum to 1"
        )
    within = numbers.clip(0, 1)  # as far as they are off, it is rounding
    return np.asarray(within / within.sum(axis=1, keepdims=True), np.float64)


def _of_labels(endpoint: Endpoint, found: list[Any], wide: int) -> Numbers:
    """Probability 1 for the class that is answered."""
    places = {label: place for place, label in enumerate(endpoint.classes)}
    chosen = [
        places.get(category_text(label)) if not isinstance(label, list | dict) else None for label in found
    ]
    if wide != 1 or None in chosen:
        raise InvalidInput("the endpoint answers with a class that is not among those declared")
    return np.eye(len(places))[np.array(chosen, np.intp)]


def _no_number(text: str) -> NoReturn:
    raise ValueError(text)
