"""The structure of an ONNX model: trees or weights as its whole core, behind encoders that look at each column alone.

Nothing is believed without a look: a core counts only if it and the graph say the same of rows that are drawn around
its own thresholds, and of rows that the encoders make.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from onnx import helper

from engine.errors import InvalidInput
from engine.models.ensemble import Ensemble, Link
from engine.models.onnx_columns import Traced
from engine.models.onnx_graph import Graph, attributes
from engine.models.onnx_session import Session
from engine.models.onnx_trees import TREES, Sums, by_equality, ensembles, grown
from engine.models.scorer import Inside, Linear
from engine.models.signature import Task

Numbers = NDArray[np.float64]

LINEAR = frozenset({"LinearClassifier", "LinearRegressor", "MatMul", "Gemm"})
AFTER = frozenset(
    [
        "Abs",
        "Add",
        "Cast",
        "Concat",
        "Div",
        "Exp",
        "Flatten",
        "Gather",
        "Identity",
        "Max",
        "Mul",
        "Neg",
        "Normalizer",
        "Not",
        "Reciprocal",
        "ReduceSum",
        "Reshape",
        "Sigmoid",
        "Softmax",
        "Squeeze",
        "Sub",
        "Equal",
        "ArrayFeatureExtractor",
        "Unsqueeze",
    ]
)
"""Operators that may stand between a core and the scores: they do in the files that make probabilities of margins."""
SAME = 1e-5
PROBES = 256
LARGEST = float(np.finfo(np.float64).max)
LINKS = {
    Task.REGRESSION: (Link.IDENTITY, Link.EXPONENTIAL),
    Task.BINARY: (Link.LOGISTIC, Link.COMPLEMENT),
    Task.MULTICLASS: (Link.SOFTMAX, Link.IDENTITY, Link.ONE_VS_REST),
}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What of an open model its structure is asked for with."""

    graph: Graph
    traced: Traced
    scores: str
    task: Task
    classes: int
    feeds: Callable[[pd.DataFrame], dict[str, NDArray[Any]]]
    read: Callable[[NDArray[Any]], Numbers]
    """The tensor of scores as the model's scores."""


class Unknown(Exception):
    """Why the structure is not known."""


def inside(asked: Asked, probes: pd.DataFrame) -> tuple[Inside, int | None]:
    """The structure of a model, and how many trees it has, if any.

    Raises:
        Unknown: it is not known, or not what it seems to be; says why.
    """
    node, seen = _core(asked.graph, asked.scores)
    places = asked.traced.places.get(seen)
    if places is None or places.ndim != 1 or not len(places):
        raise Unknown("what its core looks at is not made of one column each")
    try:
        encode = _encoder(asked, seen, len(places))
        given = encode(probes)
        found, equal, trees = _known(asked, node, len(places), given.dtype)
        part, own = asked.graph.cut([asked.scores], {seen: helper.np_dtype_to_tensor_dtype(given.dtype)})
        if own:
            raise Unknown("its scores are not made of its core alone")
        rest = Session(part)
        for core in found:
            drawn = np.vstack([_typed(_drawn(core, len(places)), given.dtype), given])
            scores = asked.read(rest.run({seen: drawn}, len(drawn))[0])
            if _same(core.link.scores(core.margins(_seen(drawn, equal))), scores):
                return Inside(core=core, players=places, encode=_whole(encode, equal)), trees
    except InvalidInput as error:
        raise Unknown(str(error)) from None
    raise Unknown("its scores are not the sum that its core seems to be")


def _same(ours: Numbers, theirs: Numbers) -> bool:
    return ours.shape == theirs.shape and bool(
        (np.abs(ours - theirs) <= SAME * (1 + np.abs(theirs).max())).all()
    )


def _core(graph: Graph, scores: str) -> tuple[Any, str]:
    """The one node that decides, and the tensor that it looks at."""
    needed, found, seen = [scores], dict[int, Any](), set[str]()
    while needed:
        name = needed.pop()
        node = graph.makers.get(name)
        if name in seen or name in graph.weights:
            continue
        seen.add(name)
        if node is not None and (node.op_type in TREES or node.op_type in LINEAR):
            found[id(node)] = node
        elif node is not None and node.op_type in AFTER:
            needed += [name for name in node.input if name]
        else:
            raise Unknown("it does not end in trees or in weighted columns")
    if len(found) != 1:
        raise Unknown(
            "it asks several models" if found else "it does not end in trees or in weighted columns"
        )
    (node,) = found.values()
    return node, node.input[0]


def _encoder(asked: Asked, seen: str, width: int) -> Callable[[pd.DataFrame], NDArray[Any]]:
    """What makes the columns that the core sees of the user's."""
    if seen in {value.name for value in asked.graph.inputs}:
        return lambda rows: asked.feeds(rows)[seen]
    part, taken = asked.graph.cut([seen])
    session = Session(part)

    def encode(rows: pd.DataFrame) -> NDArray[Any]:
        feeds = {name: values for name, values in asked.feeds(rows).items() if name in taken}
        made = session.run(feeds, len(rows))[0]
        if made.shape != (len(rows), width) or made.dtype.kind not in "fiu":
            raise InvalidInput("the model makes other columns of these rows than it should")
        return made

    return encode


def _whole(
    encode: Callable[[pd.DataFrame], NDArray[Any]], equal: Sequence[int]
) -> Callable[[pd.DataFrame], Numbers]:
    return lambda rows: _seen(encode(rows), equal)


def _seen(made: NDArray[Any], equal: Sequence[int]) -> Numbers:
    """As an Ensemble sees columns: those split by equality keep codes, and what is no code becomes -1, which none is."""
    values: Numbers = made.astype(np.float64).clip(-LARGEST, LARGEST)  # infinite is beyond every threshold
    for column in equal:
        own = values[:, column]
        values[:, column] = np.where(np.isnan(own) | (own == np.floor(own)), own, -1.0)
    return values


def _known(
    asked: Asked, node: Any, width: int, kind: np.dtype[Any]
) -> tuple[Iterator[Ensemble | Linear], Sequence[int], int | None]:
    """What the core may compute, which columns its splits compare with codes, and how many trees it has."""
    links, classes = LINKS[asked.task], max(asked.classes, 1)
    if node.op_type in TREES:
        trees = grown(node)
        sums = Sums(trees=trees, features=width, single=kind != np.float64)
        return ensembles(sums, links, classes), by_equality(trees), trees.trees
    weights, intercept = _weights(asked.graph, node, width)
    return _linear(weights, intercept, links, classes), (), None


def _weights(graph: Graph, node: Any, width: int) -> tuple[Numbers, Numbers]:
    options = attributes(node)
    if node.op_type.startswith("Linear"):
        weights = np.asarray(options.get("coefficients", ()), np.float64)
        intercept = np.asarray(options.get("intercepts", ()), np.float64)
    else:
        matrix = graph.constant(node.input[1])
        if matrix is None or matrix.ndim not in (1, 2):
            raise Unknown("its weights do not stand in the file")
        matrix = matrix[:, None] if matrix.ndim == 1 else matrix
        weights = matrix.astype(np.float64) if options.get("transB", 0) else matrix.T.astype(np.float64)
        after = [user for user in graph.nodes if node.output[0] in user.input]
        names = node.input[2:]
        if node.op_type == "MatMul" and len(after) == 1 and after[0].op_type == "Add":
            names = [name for name in after[0].input if name != node.output[0]]
        added = graph.constant(names[0]) if names else None
        intercept = np.zeros(len(weights)) if added is None else added.astype(np.float64).ravel()
    if weights.size % width or not weights.size:
        raise Unknown("its weights are not one for each column")
    weights = weights.reshape(-1, width)
    if len(intercept) not in (0, 1, len(weights)):
        raise Unknown("its weights are not one for each column")
    return weights, np.broadcast_to(intercept if len(intercept) else np.zeros(1), len(weights)).copy()


def _linear(weights: Numbers, intercept: Numbers, links: Sequence[Link], classes: int) -> Iterator[Linear]:
    """What weights may be; of two classes some files keep those of one, some of both."""
    if len(weights) == classes and classes != 2:
        yield from (Linear(weights=weights, intercept=intercept, link=link) for link in links)
    elif classes == 2 and len(weights) <= 2:
        yield Linear(weights=weights[-1:], intercept=intercept[-1:], link=Link.LOGISTIC)
        if len(weights) == 2:
            yield Linear(
                weights=weights[1:] - weights[:1], intercept=intercept[1:] - intercept[:1], link=Link.LOGISTIC
            )


def _drawn(core: Ensemble | Linear, width: int) -> Numbers:
    """Rows around the thresholds of trees, on both sides of them and on them, with some values missing."""
    rng = np.random.default_rng(0)
    rows = 3 * rng.normal(size=(PROBES, width))
    if isinstance(core, Linear):
        return rows
    forest = core.forest
    inner = forest.left >= 0
    asked = forest.threshold.copy()
    by_set = inner & (forest.categories >= 0)
    asked[by_set] = forest.members[forest.bounds[forest.categories[by_set]]]
    order = np.flatnonzero(inner)[np.argsort(forest.feature[inner], kind="stable")]
    features, starts = np.unique(forest.feature[order], return_index=True)
    for feature, some in zip(features, np.split(asked[order], starts[1:]), strict=True):
        picked = rng.choice(some.clip(-1e30, 1e30), PROBES)
        near = np.stack([picked, np.nextafter(picked.astype(np.float32), -np.inf), picked + rows[:, feature]])
        rows[:, feature] = np.where(
            by_set[order][forest.feature[order] == feature].any(),
            picked + rng.integers(0, 2, PROBES),
            near[rng.integers(0, 3, PROBES), np.arange(PROBES)],
        )
    rows[rng.random(rows.shape) < 0.05] = np.nan
    return rows


def _typed(rows: Numbers, kind: np.dtype[Any]) -> NDArray[Any]:
    with np.errstate(over="ignore"):
        return rows.astype(kind) if kind.kind == "f" else np.nan_to_num(rows).clip(-1e9, 1e9).astype(kind)
