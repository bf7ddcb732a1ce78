"""What an ONNX graph takes and gives, as its inputs and outputs say: columns of numbers or texts, classes or a value."""

import json
import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from engine.errors import InvalidInput
from engine.models.found import MAX_FEATURES, names
from engine.models.onnx_graph import CONSTANT, Graph, attributes
from engine.tables.names import short

FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE)
NUMBERS = (*FLOATS, TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL)
LABELS = (TensorProto.INT64, TensorProto.INT32, TensorProto.STRING)
ON = ("Identity", "Cast", "Reshape", "Flatten", "Squeeze", "Unsqueeze")
"""Hand on the values they are given."""
_MUTE = frozenset({*ON, CONSTANT, "ZipMap", "Shape", "Gather", "ArrayFeatureExtractor"})
SHOWN_OPERATORS = 6


@dataclass(frozen=True, kw_only=True)
class Taken:
    """One input of the graph, and which columns of the user's it holds."""

    name: str
    type: int
    places: NDArray[np.intp]
    """In the shape of a row: (columns,), or () where a row is a single value."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """Tensors that answer."""

    scores: str | None
    labels: str | None
    classes: Sequence[tuple[str, ...]]
    """Names of classes that stand in the graph, the nearest to its answers first."""
    decides: bool
    """Whether the graph says that it chooses between classes."""
    likely: bool
    """Whether a score alone is a probability, as it comes from a sigmoid."""


def taken(graph: Graph, registered: Sequence[str]) -> tuple[list[Taken], list[str], bool]:
    """The inputs, the names of all their columns, and whether these stand in the file.

    Raises:
        InvalidInput: an input is no table of numbers or texts; says which.
    """
    if not graph.inputs:
        raise InvalidInput("the ONNX model takes no inputs, so it says the same of every row")
    found, columns, alone = [], list[str](), len(graph.inputs) == 1
    for value in graph.inputs:
        width, single = _width(value, len(registered) if alone else 0)
        if len(columns) + width > MAX_FEATURES:
            raise InvalidInput(f"the ONNX model takes more than {MAX_FEATURES} columns")
        places = np.arange(len(columns), len(columns) + width, dtype=np.intp)
        found.append(
            Taken(
                name=value.name,
                type=value.type.tensor_type.elem_type,
                places=places.reshape(()) if single else places,
            )
        )
        inner = [f"x{i}" for i in range(width)] if alone else [f"{value.name}_{i}" for i in range(width)]
        columns += [value.name] if width == 1 else inner
    wide = [value.places.size > 1 for value in found]
    written = _written(graph, len(columns)) if any(wide) or alone else None
    return found, names(written or columns, len(columns)), bool(written) or not (any(wide) or alone)


def _width(value: Any, registered: int) -> tuple[int, bool]:
    """How many columns an input has, and whether a row of it is a single value."""
    where = f"the input {short(value.name)} of the ONNX model"
    if value.type.WhichOneof("value") != "tensor_type":
        raise InvalidInput(f"{where} is no tensor; models of rows of numbers and texts are read")
    tensor = value.type.tensor_type
    if tensor.elem_type not in (*NUMBERS, TensorProto.STRING):
        kinds = "float, double, int64, int32, bool and string"
        raise InvalidInput(f"{where} has another type than those that are read: {kinds}")
    shape = list(tensor.shape.dim)
    if not tensor.HasField("shape") or len(shape) not in (1, 2):
        raise InvalidInput(f"{where} has {len(shape)} dimensions; rows of columns have two")
    if shape[0].HasField("dim_value") and shape[0].dim_value > 0:
        raise InvalidInput(
            f"{where} takes exactly {shape[0].dim_value} rows; export the model with a first dimension that is open"
        )
    if len(shape) == 1:
        return 1, True
    width = shape[1].dim_value if shape[1].HasField("dim_value") else registered
    if width <= 0:
        raise InvalidInput(
            f"{where} does not say how many columns it has; register the names of the features with the model"
        )
    return width, False


def _written(graph: Graph, count: int) -> list[str] | None:
    """Names of columns in the metadata of the file, as a list in JSON or between commas."""
    for entry in graph.model.metadata_props:
        if entry.key in ("feature_names", "names"):
            try:
                found = json.loads(entry.value)
            except (ValueError, RecursionError):
                found = [name.strip() for name in entry.value.split(",")]
            if isinstance(found, list) and len(found) == count and len(set(map(str, found))) == count:
                return [str(name) for name in found]
    return None


def given(graph: Graph) -> Given:
    """Which tensors answer, and what is known of classes.

    Raises:
        InvalidInput: no output is one that is read.
    """
    scores: list[str] = []
    labels: list[str] = []
    decides = False
    for value in graph.model.graph.output:
        node = graph.origin(value.name, ("Identity",))
        kind = value.type.tensor_type.elem_type
        if node is not None and node.op_type == "ZipMap":
            scores.insert(0, node.input[0])  # as a tensor it takes a tenth of the time that dictionaries do
            decides = True
        elif value.type.WhichOneof("value") != "tensor_type":
            continue
        elif kind in FLOATS:
            at = 0 if "prob" in value.name.lower() and not decides else len(scores)
            scores.insert(at, value.name)
        elif kind in LABELS:
            labels.append(value.name)
    if not scores and not labels:
        raise InvalidInput(
            "no output of the ONNX model is one that is read: probabilities, a value, or a class"
        )
    near = _classes(graph, labels, scores)
    origin = graph.origin(scores[0], ON) if scores else None
    return Given(
        scores=scores[0] if scores else None,
        labels=labels[0] if labels else None,
        classes=near,
        decides=decides or bool(labels) or bool(near),
        likely=origin is not None and origin.op_type == "Sigmoid",
    )


def _classes(graph: Graph, labels: Sequence[str], scores: Sequence[str]) -> list[tuple[str, ...]]:
    """Names of classes on the way to the labels, and on the way to the scores."""
    found, seen = list[tuple[str, ...]](), set[str]()
    for value in graph.model.graph.output:  # a ZipMap stands behind the tensor that is asked for
        node = graph.origin(value.name, ("Identity",))
        if node is not None and node.op_type == "ZipMap":
            found.append(_labels(node))
    wanted = deque([*((name, True) for name in labels), *((name, False) for name in scores)])
    while wanted:
        name, of_label = wanted.popleft()
        node = graph.makers.get(name)
        if name in seen or node is None:
            continue
        seen.add(name)
        if of_label and node.op_type == "ArrayFeatureExtractor":
            listed = graph.constant(node.input[0])
            if listed is not None and listed.size > 1:
                found.append(tuple(_text(value) for value in listed.ravel().tolist()))
        found.append(_labels(node))
        wanted.extend((before, of_label) for before in node.input)
    return [names for names in dict.fromkeys(found) if len(names) > 1 and len(set(names)) == len(names)]


def _labels(node: Any) -> tuple[str, ...]:
    options = attributes(node)
    for name in ("classlabels_strings", "classlabels_int64s", "classlabels_ints"):
        if len(options.get(name, ())):
            return tuple(_text(value) for value in options[name])
    return ()


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def kind(graph: Graph) -> str:
    """What the model is in the words of ONNX: its operators, without those that only hand on."""
    found = list(dict.fromkeys(node.op_type for node in graph.nodes if node.op_type not in _MUTE))
    shown = ", ".join(re.sub(r"\W", "", name)[:40] for name in found[:SHOWN_OPERATORS])
    more = len(found) - SHOWN_OPERATORS
    return (shown or "Identity") + (f" and {more} more" if more > 0 else "")
