"""An ONNX file taken apart and checked before onnxruntime sees it, and parts cut out of it.

onnxruntime is given only what is written anew from what was checked here: one graph of the operators of ONNX itself,
whose tensors hold as much as they claim.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from engine.errors import InvalidInput
from engine.tables.names import short

DOMAINS = {"": "", "ai.onnx": "", "ai.onnx.ml": "ai.onnx.ml"}
"""Of operators that onnxruntime itself has, and the one name of each."""
MOST_NODES = 100_000
DEEPEST = 2
"""How often an If, a Loop or a Scan may stand in another one."""
LARGEST_DIM = 2**31
RANDOM = frozenset(
    {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
)
CONSTANT = "Constant"
SAVE_WHOLE = 'save the model again as one file, with onnx.save(model, "model.onnx")'


@dataclass(frozen=True, eq=False)
class Graph:
    """A model that is checked, with what is asked of its graph again and again."""

    model: Any
    """An onnx.ModelProto."""

    @property
    def nodes(self) -> Sequence[Any]:
        return list(self.model.graph.node)

    @cached_property
    def makers(self) -> Mapping[str, Any]:
        """The node that makes each tensor."""
        return {name: node for node in self.model.graph.node for name in node.output if name}

    @cached_property
    def weights(self) -> Mapping[str, Any]:
        """Tensors that stand in the file."""
        constants = {
            node.output[0]: attribute.t
            for node in self.model.graph.node
            if node.op_type == CONSTANT and len(node.output)
            for attribute in node.attribute
            if attribute.name == "value"
        }
        return {tensor.name: tensor for tensor in self.model.graph.initializer} | constants

    @cached_property
    def inputs(self) -> Sequence[Any]:
        """What a person gives: inputs without a value in the file."""
        return [value for value in self.model.graph.input if value.name not in self.weights]

    def constant(self, name: str) -> NDArray[Any] | None:
        """The value of a tensor that stands in the file."""
        tensor = self.weights.get(name)
        return None if tensor is None else np.asarray(numpy_helper.to_array(tensor))

    def origin(self, name: str, through: Sequence[str]) -> Any:
        """The node that a tensor comes from, past nodes of some types that hand on what they are given."""
        node = self.makers.get(name)
        while node is not None and node.op_type in through and len(node.input):
            node = self.makers.get(node.input[0])
        return node

    def cut(self, outputs: Sequence[str], inputs: Mapping[str, int] | None = None) -> tuple[bytes, set[str]]:
        """The part of the graph that makes some tensors.

        Args:
            outputs: the tensors.
            inputs: tensors that it begins with instead of the model's own inputs, with their element types.

        Returns:
            The part as a model, and which inputs of the model itself it still takes.
        """
        given = inputs or {}
        kept, wanted, needed = set(), set(outputs), list(outputs)
        while needed:
            name = needed.pop()
            node = None if name in given else self.makers.get(name)
            if node is None or id(node) in kept:
                continue
            kept.add(id(node))
            new = set(_reads(node)) - wanted
            wanted |= new
            needed += new
        graph = self.model.graph
        taken = [value for value in self.inputs if value.name in wanted and value.name not in given]
        typed = {value.name: value for value in graph.output}
        part = helper.make_graph(
            [node for node in graph.node if id(node) in kept],
            "graph",
            [*taken, *(helper.make_tensor_value_info(name, kind, None) for name, kind in given.items())],
            [typed.get(name, onnx.ValueInfoProto(name=name)) for name in outputs],
            [tensor for tensor in graph.initializer if tensor.name in wanted],
        )
        whole = onnx.ModelProto(ir_version=self.model.ir_version, opset_import=self.model.opset_import)
        whole.graph.CopyFrom(part)
        return whole.SerializeToString(), {value.name for value in taken}


def attributes(node: Any) -> dict[str, Any]:
    """The attributes of a node by name: numbers, bytes, tensors, or sequences of them."""
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def parsed(content: bytes) -> Graph:
    """An ONNX file, checked.

    Raises:
        InvalidInput: it is damaged, or holds what is not read; says what.
    """
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except Exception:  # noqa: BLE001  # the parser's own error is not of any public class
        raise InvalidInput("the ONNX file is damaged or incomplete, or is none; export it again") from None
    model.DiscardUnknownFields()
    model.ClearField("training_info")
    if not model.graph.node or not model.graph.output:
        raise InvalidInput("the ONNX file has no graph that makes anything of its inputs; export it again")
    if model.functions:
        names = ", ".join(short(str(function.name)) for function in model.functions[:5])
        raise InvalidInput(
            f"the ONNX file defines operators of its own ({names}), which are not read; export the model without, "
            "or inline them with onnx.inliner.inline_local_functions"
        )
    said = (model.producer_name, model.producer_version)
    _texts((*said, *(text for entry in model.metadata_props for text in (entry.key, entry.value))))
    _texts(imported.domain for imported in model.opset_import)
    _graph(model.graph, 0, _Count())
    versions = {
        DOMAINS[imported.domain]: imported.version
        for imported in model.opset_import
        if imported.domain in DOMAINS
    }
    del model.opset_import[:]
    model.opset_import.extend(helper.make_opsetid(domain, version) for domain, version in versions.items())
    return Graph(model)


class _Count:
    nodes = 0


def _graph(graph: Any, depth: int, count: _Count) -> None:
    if depth > DEEPEST:
        raise InvalidInput(f"the ONNX file nests graphs in graphs more than {DEEPEST} times")
    _texts(value.name for value in (*graph.input, *graph.output, *graph.initializer))
    if len(graph.sparse_initializer):
        raise InvalidInput("the ONNX file has sparse tensors, which are not read; export the model without")
    for tensor in graph.initializer:
        _tensor(tensor)
    count.nodes += len(graph.node)
    if count.nodes > MOST_NODES:
        raise InvalidInput(f"the ONNX file has more than {MOST_NODES} nodes")
    for node in graph.node:
        _texts(
            (node.op_type, node.domain, *node.input, *node.output, *(each.name for each in node.attribute))
        )
        if node.domain not in DOMAINS:
            raise InvalidInput(
                f"the ONNX file needs the operator {short(node.op_type)} of {short(node.domain)}; only those of "
                "ai.onnx and ai.onnx.ml are run"
            )
        if node.op_type in RANDOM:
            raise InvalidInput(
                f"the ONNX model draws numbers at random ({node.op_type}), so its answers are no one's"
            )
        for attribute in node.attribute:
            _attribute(attribute, depth, count)


def _texts(names: Iterable[object]) -> None:
    """See that names are texts: what is no UTF-8 comes out of the parser as bytes."""
    if not all(isinstance(name, str) for name in names):
        raise InvalidInput("the ONNX file is damaged: one of its names is no text")


def _attribute(attribute: Any, depth: int, count: _Count) -> None:
    if attribute.HasField("sparse_tensor") or len(attribute.sparse_tensors):
        raise InvalidInput("the ONNX file has sparse tensors, which are not read; export the model without")
    if attribute.ref_attr_name:
        raise InvalidInput("the ONNX file is damaged: a node takes an attribute from outside of its graph")
    for tensor in (*([attribute.t] if attribute.HasField("t") else []), *attribute.tensors):
        _tensor(tensor)
    for graph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
        _graph(graph, depth + 1, count)


def _tensor(tensor: Any) -> None:
    """See that a tensor holds what it claims."""
    if tensor.data_location == TensorProto.EXTERNAL or len(tensor.external_data):
        raise InvalidInput(f"the ONNX file keeps weights in another file, which is not read; {SAVE_WHOLE}")
    name = short(tensor.name or "without a name")
    if any(not 0 <= dim < LARGEST_DIM for dim in tensor.dims):
        raise InvalidInput(f"the ONNX file is damaged: the tensor {name} has a size that can not be")
    claimed = math.prod(tensor.dims)
    if claimed > _held(tensor):
        raise InvalidInput(
            f"the ONNX file is damaged: the tensor {name} claims {claimed} values and has {_held(tensor)}"
        )


def _held(tensor: Any) -> int:
    """How many values of its type a tensor has at most."""
    if tensor.data_type == TensorProto.STRING:
        return len(tensor.string_data)
    if tensor.data_type not in helper.get_all_tensor_dtypes():
        raise InvalidInput(f"the ONNX file is damaged: a tensor has the unknown type {tensor.data_type}")
    packed = 4 if TensorProto.DataType.Name(tensor.data_type).endswith(("INT4", "INT2", "4E2M1")) else 1
    if tensor.raw_data:
        size = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type)).itemsize
        return len(tensor.raw_data) // size * packed
    fields = (tensor.float_data, tensor.int32_data, tensor.int64_data, tensor.double_data, tensor.uint64_data)
    return max(len(field) for field in fields) * packed


def _reads(node: Any) -> Iterator[str]:
    """Tensors that a node takes, also inside the graphs that it holds; some of these may be theirs alone."""
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        for graph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
            yield from (value.name for value in graph.output)
            for inner in graph.node:
                yield from _reads(inner)
