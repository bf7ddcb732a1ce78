"""Which column of the user's each value of a tensor is made of, found by walking an ONNX graph.

A tensor is known by the columns behind the values of one row: an array of their places in the shape that a row has.
To follow another operator that looks at each value alone: add it to EACH; one that moves values about: a row of MOVES.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.models.onnx_graph import Graph, attributes

Places = NDArray[np.intp]

ALIKE = frozenset({"Identity", "Cast", "Imputer"})
"""These give the user's own values on, or these with what was missing filled in."""
EACH = ALIKE | frozenset(
    [
        "Abs",
        "Add",
        "Binarizer",
        "Ceil",
        "Clip",
        "Div",
        "Equal",
        "Erf",
        "Exp",
        "Floor",
        "Greater",
        "GreaterOrEqual",
        "IsNaN",
        "LabelEncoder",
        "Less",
        "LessOrEqual",
        "Log",
        "Max",
        "Min",
        "Mul",
        "Neg",
        "Not",
        "Or",
        "And",
        "Pow",
        "Reciprocal",
        "Relu",
        "Round",
        "Scaler",
        "Sigmoid",
        "Sign",
        "Sqrt",
        "Sub",
        "Sum",
        "Tanh",
        "Where",
    ]
)
"""Element by element, of one tensor and of constants; of several tensors where these are of the same columns."""
OVER = frozenset({"ArgMax", "ArgMin", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"})
MOST_VALUES = 1_000_000
"""Of a row."""


@dataclass
class Traced:
    """What is known of the tensors of a graph and of the user's columns."""

    places: dict[str, Places]
    """For each tensor that is followed: the column behind each value of a row."""
    raw: set[str]
    """Tensors that hold the user's own values, or these with what was missing filled in."""
    categories: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    """Values that an encoder knows, by the place of the column."""
    closed: set[int] = field(default_factory=set)
    """Columns where onnxruntime refuses other values."""


def trace(graph: Graph, inputs: Mapping[str, Places]) -> Traced:
    """Follow the user's columns as far as each value is made of one of them.

    Args:
        inputs: for each input the places of its columns, in the shape of a row.
    """
    traced = Traced(dict(inputs), set(inputs))
    for node in graph.nodes:
        try:
            _follow(graph, node, traced)
        except (ValueError, IndexError, TypeError, KeyError):
            continue  # shapes that do not fit: it is not known what this makes
    return traced


def _follow(graph: Graph, node: Any, traced: Traced) -> None:
    known = [traced.places[name] for name in node.input if name in traced.places]
    unknown = [
        name for name in node.input if name and name not in traced.places and name not in graph.weights
    ]
    if (
        not known
        or unknown
        or any(len(attribute.graphs) or attribute.HasField("g") for attribute in node.attribute)
    ):
        return
    options = attributes(node)
    raw = all(name in traced.raw for name in node.input if name in traced.places)
    if node.op_type == "Split":
        _split(graph, node, options, known[0], traced)
        return
    move = MOVES.get(node.op_type)
    if node.op_type in EACH:
        made, raw = _each(graph, node, known), raw and node.op_type in ALIKE
    elif node.op_type in OVER:
        made, raw = _over(graph, node, options, known[0]), False
    elif node.op_type == "OneHotEncoder":
        categories = _categories(options, "cats_strings", "cats_int64s")
        made, raw = np.repeat(known[0][..., None], len(categories), axis=-1), False
    elif move is not None and (len(known) == 1 or node.op_type in ("Concat", "FeatureVectorizer")):
        if len(known) != len(node.input) and node.op_type == "Concat":
            return  # with a constant, which is of no column
        made = move(graph, node, options, known)
    else:
        return
    if made.size > MOST_VALUES:
        return
    _note(node, options, known[0], traced)
    traced.places[node.output[0]] = made
    if raw:
        traced.raw.add(node.output[0])


def _note(node: Any, options: Mapping[str, Any], places: Places, traced: Traced) -> None:
    """Keep what an encoder says of the values of the user's own columns."""
    if node.input[0] not in traced.raw:
        return
    if node.op_type == "OneHotEncoder":
        found = _categories(options, "cats_strings", "cats_int64s")
        if not options.get("zeros", 1):
            traced.closed.update(places.ravel().tolist())
    elif node.op_type == "LabelEncoder":
        found = _categories(options, "keys_strings", "keys_int64s")
    else:
        return
    for place in places.ravel().tolist():
        traced.categories.setdefault(place, found)


def _categories(options: Mapping[str, Any], texts: str, numbers: str) -> tuple[Any, ...]:
    if len(options.get(texts, ())):
        return tuple(text.decode(errors="replace") for text in options[texts])
    return tuple(int(number) for number in options.get(numbers, ()))


def _each(graph: Graph, node: Any, known: list[Places]) -> Places:
    # a constant has one value for each of the row's or one for all; what it holds for single rows is not followed
    shapes = [tuple(graph.weights[name].dims) for name in node.input if name in graph.weights]
    rank = max(places.ndim for places in known)
    if any(len(shape) > rank and shape[-rank - 1] != 1 for shape in shapes):
        raise ValueError
    wide = np.broadcast_arrays(*known, *(np.empty(shape[-rank:] if rank else ()) for shape in shapes))
    made = [np.asarray(places, np.intp) for places in wide[: len(known)]]
    if any(places.shape != made[0].shape or (places != made[0]).any() for places in made):
        raise ValueError
    return made[0]


def _axis(axis: int, rank: int) -> int:
    """The axis of a row, of one that counts the rows as the first; `rank` is of a row."""
    axis = axis - 1 if axis >= 0 else axis + rank
    if not 0 <= axis < rank:
        raise ValueError
    return axis


def _numbers(graph: Graph, node: Any, place: int, options: Mapping[str, Any], name: str) -> list[int]:
    """Whole numbers that an operator takes as an attribute in older versions, and as a tensor since."""
    if name in options:
        return [int(number) for number in np.ravel(options[name]).tolist()]
    found = graph.constant(node.input[place])
    if found is None:
        raise ValueError
    return [int(number) for number in found.ravel().tolist()]


def _over(graph: Graph, node: Any, options: Mapping[str, Any], places: Places) -> Places:
    if node.op_type.startswith("Arg"):
        axes = [options.get("axis", 0)]
    else:
        axes = _numbers(graph, node, 1, options, "axes")
    (axis,) = (_axis(axis, places.ndim) for axis in axes)
    first = np.take(places, [0], axis=axis)
    if (places != first).any():
        raise ValueError
    return first if options.get("keepdims", 1) else first.squeeze(axis)


def _concat(graph: Graph, node: Any, options: Mapping[str, Any], known: list[Places]) -> Places:
    return np.concatenate(known, axis=_axis(options["axis"], known[0].ndim))


def _side_by_side(graph: Graph, node: Any, options: Mapping[str, Any], known: list[Places]) -> Places:
    return np.concatenate([places.ravel() for places in known])


def _gather(graph: Graph, node: Any, options: Mapping[str, Any], known: list[Places]) -> Places:
    taken = graph.constant(node.input[1])
    if taken is None:
        raise ValueError
    return np.take(known[0], taken.astype(int), axis=_axis(options.get("axis", 0), known[0].ndim))


def _extract(graph: Graph, node: Any, options: Mapping[str, Any], known: list[Places]) -> Places:
    taken = graph.constant(node.input[1])
    if taken is None:
        raise ValueError
    return np.take(known[0], taken.astype(int).ravel(), axis=-1)


def _reshape(graph: Graph, node: Any, options: Mapping[str, Any], known: list[Places]) -> Places:
    first, *shape = _numbers(graph, node, 1, options, "shape")
    if first not in (-1, 0) or (first == 0 and options.get("allowzero", 0)):
        raise ValueError
    if first == -1 and np.prod(shape, dtype=int) != known[0].size:  # else rows would run into each other
        raise ValueError
    return known[0].reshape(shape)


def _flatten(graph: Graph, node: Any, options: Mapping[str, Any], known: list[Places]) -> Places:
    if options.get("axis", 1) != 1:
        raise ValueError
    return known[0].ravel()


def _squeeze(graph: Graph, node: Any, options: Mapping[str, Any], known: list[Places]) -> Places:
    axes = _numbers(graph, node, 1, options, "axes")
    return np.squeeze(known[0], tuple(_axis(axis, known[0].ndim) for axis in axes))


def _unsqueeze(graph: Graph, node: Any, options: Mapping[str, Any], known: list[Places]) -> Places:
    axes = _numbers(graph, node, 1, options, "axes")
    return np.expand_dims(known[0], tuple(_axis(axis, known[0].ndim + len(axes)) for axis in axes))


def _split(graph: Graph, node: Any, options: Mapping[str, Any], places: Places, traced: Traced) -> None:
    axis = _axis(options.get("axis", 0), places.ndim)
    if "split" in options or len(node.input) > 1:
        sizes = _numbers(graph, node, 1, options, "split")
    else:
        sizes = [places.shape[axis] // len(node.output)] * len(node.output)
    if sum(sizes) != places.shape[axis] or len(sizes) != len(node.output):
        raise ValueError
    for name, part in zip(node.output, np.split(places, np.cumsum(sizes)[:-1], axis=axis), strict=True):
        traced.places[name] = part
        if node.input[0] in traced.raw:
            traced.raw.add(name)


MOVES: Mapping[str, Callable[[Graph, Any, Mapping[str, Any], list[Places]], Places]] = MappingProxyType(
    {
        "ArrayFeatureExtractor": _extract,
        "Concat": _concat,
        "FeatureVectorizer": _side_by_side,
        "Flatten": _flatten,
        "Gather": _gather,
        "Reshape": _reshape,
        "Squeeze": _squeeze,
        "Unsqueeze": _unsqueeze,
    }
)
"""Operators that move the values of a row about."""
