"""The description of objects in a skops file, checked node by node before skops sees it, and written anew without
what prediction does not need.

A node that is not of a kind listed in NODES, or of a type that is not listed for its kind, is never handed on.
References between nodes (`__id__`) are dropped: skops would take whatever node came first under a number, and a
few kilobytes of them can stand for billions of objects.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.errors import InvalidInput
from engine.models import skops_types as types

MOST_NODES = 4_000_000
DEEPEST = 100
PROTOCOL = 2
_NEWEST = 2
_CHECK_ARRAY = "sklearn.utils.validation.check_array"

Node = dict[str, Any]
NOTHING: Node = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": "null"}


class Malformed(Exception):
    """The description is not one that skops writes."""


@dataclass
class Described:
    """What a file says that it holds."""

    allowed: frozenset[str]
    """Types beyond the usual that the organization allowed."""
    strangers: set[str] = field(default_factory=set)
    """Types that are not opened."""
    files: list[str] = field(default_factory=list)
    """Entries of the archive that it reads, as often as it does."""
    lists: set[str] = field(default_factory=set)
    """Those of them that must have a length: native code asks for it without looking whether there is one."""
    version: str | None = None
    """Of scikit-learn, as the outermost estimator states it."""
    nodes: int = 0

    def node(self, state: object, depth: int) -> Node:
        """One node without what is not needed."""
        self.nodes += 1
        if self.nodes > MOST_NODES or depth > DEEPEST:
            raise Malformed("it describes more objects than a model needs")
        if not isinstance(state, dict):
            raise Malformed("an object is not described as skops does it")
        loader, name = state.get("__loader__"), _name(state)
        if name in types.SCORES:
            return NOTHING | {"content": json.dumps(name.rpartition(".")[2])}
        if name.startswith(types.FORGOTTEN) or (loader == "PartialNode" and _wraps_check_array(state)):
            return NOTHING
        kind = NODES.get(loader) if isinstance(loader, str) else None
        if kind is None:
            self.strangers.add(_of_method(state, name))
            return NOTHING
        opened, rest = kind
        if (
            opened is not None
            and name not in opened
            and not (loader == "ObjectNode" and name in self.allowed)
        ):
            self.strangers.add(name)
            return NOTHING
        module, _, class_ = name.rpartition(".")
        return {
            "__class__": class_,
            "__module__": module,
            "__loader__": loader,
            **rest(self, state, depth + 1),
        }

    def nodes_of(self, states: object, depth: int) -> list[Node]:
        if not isinstance(states, list):
            raise Malformed("a list is not described as skops does it")
        return [self.node(state, depth) for state in states]

    def file(self, name: object) -> str:
        if not isinstance(name, str):
            raise Malformed("the name of an array is no text")
        self.files.append(name)
        return name


def described(content: bytes, allowed: frozenset[str]) -> tuple[Node, Described]:
    """The description as skops may read it, and what it says.

    Raises:
        InvalidInput: it is damaged, or no description of skops.
        Malformed: the same of a part of it.
    """
    try:
        state = json.loads(content)
    except (ValueError, RecursionError):
        raise Malformed("schema.json is no JSON") from None
    protocol = state.get("protocol") if isinstance(state, dict) else None
    if type(protocol) is not int or not 0 <= protocol <= _NEWEST:
        raise Malformed("schema.json states no protocol that FairMind knows")
    found = Described(allowed & types.VETTED.keys())
    root = found.node(state, 0)
    found.version = _version(state)
    return {**root, "protocol": PROTOCOL, "_skops_version": "0"}, found


def refusal(strangers: set[str]) -> InvalidInput:
    """What is said of types that are not opened."""
    asked = sorted(strangers & types.VETTED.keys())
    never = sorted(strangers - types.VETTED.keys())
    said = []
    if never:
        said.append(f"the file holds types that FairMind does not open: {_listed(never)}")
    if asked:
        said.append(
            f"the file holds types that an administrator may allow for your organization: {_listed(asked)} "
            f"({types.VETTED[asked[0]]})"
        )
    if any(name.startswith(("xgboost.", "lightgbm.")) for name in never):
        said.append("save boosters of XGBoost and LightGBM in their own format, or the pipeline as ONNX")
    if any(name.startswith("sklearn.model_selection._search.") for name in never):
        said.append("save what a search has found: its best_estimator_")
    return InvalidInput("; ".join(said))


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(name[:120] for name in names[:10]) + more


def _name(state: Node) -> str:
    module, class_ = state.get("__module__"), state.get("__class__")
    if not isinstance(module, str) or not isinstance(class_, str):
        raise Malformed("an object has no type")
    return f"{module}.{class_}"


def _of_method(state: Node, name: str) -> str:
    content = state.get("content")
    if state.get("__loader__") == "MethodNode" and isinstance(content, dict):
        return f"{name}.{content.get('func')} (a method)"
    return name


def _wraps_check_array(state: Node) -> bool:
    """HistGradientBoosting with categories wraps this one function: it turns numbers into float64, as we do."""
    match state:
        case {"content": {"func": {"__loader__": "FunctionNode", "__module__": module, "__class__": name}}}:
            return f"{module}.{name}" == _CHECK_ARRAY
    return False


def _version(state: Node) -> str | None:
    match state:
        case {"content": {"content": {"_sklearn_version": {"content": str(text)}}}} if len(text) < 40:
            return text.strip('"')
    return None


def _content(state: Node) -> Any:
    if "content" not in state:
        raise Malformed("an object has no content")
    return state["content"]


def _dict(found: Described, state: Node, depth: int) -> Node:
    content = _content(state)
    if not isinstance(content, dict):
        raise Malformed("a dictionary is not described as skops does it")
    return {
        "key_types": found.node(state.get("key_types"), depth),
        "content": {key: found.node(value, depth) for key, value in content.items()},
    }


def _list(found: Described, state: Node, depth: int) -> Node:
    return {"content": found.nodes_of(_content(state), depth)}


def _json(found: Described, state: Node, depth: int) -> Node:
    content = _content(state)
    if not isinstance(content, str):
        raise Malformed("a value is no JSON")
    return {"content": content, "is_json": True}


def _slice(found: Described, state: Node, depth: int) -> Node:
    match _content(state):
        case {"start": start, "stop": stop, "step": step} if all(
            isinstance(end, int | str | None) for end in (start, stop, step)
        ):
            return {"content": {"start": start, "stop": stop, "step": step}}
    raise Malformed("a slice is not described as skops does it")


def _array(found: Described, state: Node, depth: int) -> Node:
    if state.get("type") == "numpy":
        return {"type": "numpy", "file": found.file(state.get("file"))}
    return {
        "type": "json",
        "content": found.nodes_of(_content(state), depth),
        "shape": found.node(state.get("shape"), depth),
    }


def _sparse(found: Described, state: Node, depth: int) -> Node:
    return {"type": "scipy", "file": found.file(state.get("file"))}


def _wrapped(found: Described, state: Node, depth: int) -> Node:
    return {"content": found.node(_content(state), depth)}


def _object(found: Described, state: Node, depth: int) -> Node:
    content = state.get("content")
    return {} if content is None else {"content": found.node(content, depth)}


def _reduced(found: Described, state: Node, depth: int) -> Node:
    reduce = state.get("__reduce__")
    if not isinstance(reduce, dict):
        raise Malformed("an object is not described as skops does it")
    return {
        "__reduce__": {"args": found.node(reduce.get("args"), depth)},
        "content": found.node(_content(state), depth),
    }


def _tree(found: Described, state: Node, depth: int) -> Node:
    made = _reduced(found, state, depth)
    match made["content"]:
        case {"__loader__": "DictNode", "content": {"nodes": {"type": "numpy", "file": str(file)}}}:
            found.lists.add(file)
            return made
    raise Malformed("a tree has no nodes")


def _bare(found: Described, state: Node, depth: int) -> Node:
    return {}


NODES: Mapping[str, tuple[frozenset[str] | None, Callable[[Described, Node, int], Node]]] = {
    "JsonNode": (None, _json),
    "DictNode": (types.DICTS, _dict),
    "ListNode": (frozenset({"builtins.list"}), _list),
    "TupleNode": (frozenset({"builtins.tuple"}), _list),
    "SetNode": (frozenset({"builtins.set"}), _list),
    "SliceNode": (frozenset({"builtins.slice"}), _slice),
    "TypeNode": (types.TYPES, _bare),
    "FunctionNode": (types.FUNCTIONS, _bare),
    "NdArrayNode": (types.NUMBERS | {"numpy.ndarray"}, _array),
    "DTypeNode": (frozenset({"numpy.dtype"}), _wrapped),
    "SparseMatrixNode": (types.SPARSE, _sparse),
    "ObjectNode": (types.OPENED, _object),
    "TreeNode": (types.TREES, _tree),
    "LossNode": (types.LOSSES, _reduced),
}
"""Kinds of node that are handed on, and for each the types that it may make. Methods, partial functions, operators
and constructors called by name are no rows of it."""
