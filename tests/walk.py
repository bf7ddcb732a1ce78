"""Walks over the published schema, so that what is new there is tested without being named here.

An *entrance* is a field of Query, Mutation or Subscription; an *edge* leads from a row to other rows, or shows
a column with a permission of its own. Both print `@requires`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    get_named_type,
    is_leaf_type,
    is_required_argument,
    is_required_input_field,
)

from schema import create_schema

LIVE = create_schema(open_to_strangers=True)
SDL: GraphQLSchema = build_schema(LIVE.as_str())
ROOTS = ("Query", "Mutation", "Subscription")
STRUCTURE = ("Connection", "Edge")
"""Ends of the names of Relay's own types, which hold rows that were reached already."""

FEW = 3
"""Rows of each page on a way of several lists: what lies below a page is paid for once for each row."""

MEANT: dict[str, dict[str, Any]] = {
    "EndpointInput": {
        "url": "https://models.example",
        "protocol": "MLFLOW",
        "task": "BINARY",
        "features": [{"name": "race"}],
        "classes": ["no", "yes"],
    }
}
"""Values for inputs whose fields must fit together, which those made up by their types alone do not."""

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Door:
    """A field of an object type, and what it asks for."""

    parent: str
    name: str
    requires: str | None

    @property
    def field(self) -> GraphQLField:
        return _object(self.parent).fields[self.name]

    @property
    def target(self) -> str:
        return get_named_type(self.field.type).name

    @property
    def at_root(self) -> bool:
        return self.parent in ROOTS

    def __str__(self) -> str:
        return f"{self.parent}.{self.name}"


def _object(name: str) -> GraphQLObjectType:
    found = SDL.type_map[name]
    assert isinstance(found, GraphQLObjectType)
    return found


def doors() -> list[Door]:
    """Every field of every object type, except what belongs to GraphQL itself."""
    return [
        Door(kind.name, name, _requires(field))
        for kind in SDL.type_map.values()
        if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__")
        for name, field in kind.fields.items()
    ]


def entrances() -> list[Door]:
    return [door for door in doors() if door.at_root]


def edges() -> list[Door]:
    """Fields below the roots that say what they require."""
    return [door for door in doors() if not door.at_root and door.requires]


def kinds() -> list[str]:
    """Every kind of row that has an id."""
    return [kind.name for kind in SDL.get_possible_types(_node())]


def _node() -> GraphQLInterfaceType:
    node = SDL.type_map["Node"]
    assert isinstance(node, GraphQLInterfaceType)
    return node


def _requires(field: GraphQLField) -> str | None:
    for directive in (field.ast_node and field.ast_node.directives) or ():
        if directive.name.value == "requires":
            return directive.arguments[0].value.value
    return None


def leads_to_rows(door: Door) -> bool:
    """Whether a field leads to rows: one, a list or a page of them."""
    target = door.target
    rows = {"Node", "Job", *kinds()}
    return target in rows or any(target == row + end for row in rows for end in STRUCTURE)


def ways_to(kind: str, *, without: str | None = None) -> tuple[Door, ...] | None:
    """The shortest way from Query to rows of a kind by lists, through no door that requires `without`; None if all do."""
    waiting: list[tuple[tuple[Door, ...], str]] = [((), "Query")]
    seen: set[str] = set()
    while waiting:
        way, at = waiting.pop(0)
        if at == kind:
            return way
        for door in doors():
            open_ = door.requires != without and not any(
                is_required_argument(argument) for argument in door.field.args.values()
            )
            if door.parent == at and leads_to_rows(door) and open_ and row_of(door) not in seen:
                seen.add(row_of(door))
                waiting.append(((*way, door), row_of(door)))
    return None


def row_of(door: Door) -> str:
    """Kind of the rows behind a door."""
    return door.target.removesuffix("Connection")


def document(way: tuple[Door, ...], selection: str) -> str:
    """A query that goes a way from Query and selects this at its end."""
    for door in reversed(way):
        inner = f"__typename {selection}"
        paged = door.target.endswith("Connection")
        selection = (
            f"{door.name}(first: {FEW}) {{ edges {{ node {{ {inner} }} }} }}"
            if paged
            else f"{door.name} {{ {inner} }}"
        )
    return f"{{ {selection} }}"


def everything(kind: str, within: tuple[str, ...] = ()) -> str:
    """A selection of all that a type shows without leading to other rows."""
    shown = _object(kind)
    parts = []
    for name, field in shown.fields.items():
        target = get_named_type(field.type)
        if is_leaf_type(target):
            parts.append(name)
        elif not leads_to_rows(Door(kind, name, None)) and target.name not in within:
            parts.append(f"{name}{_given(field)} {{ {everything(target.name, (*within, kind))} }}")
    return " ".join(parts)


def _given(field: GraphQLField) -> str:
    """The required arguments of a field below the roots, in parentheses if it takes any; so far all are choices."""
    required = {name: one.type for name, one in field.args.items() if is_required_argument(one)}
    given = [f"{name}: {next(iter(get_named_type(kind).values))}" for name, kind in required.items()]
    return f"({', '.join(given)})" if given else ""


def selection_of(door: Door) -> str:
    """What a door is given and what to select of whatever is behind it, in braces if it takes any."""
    target = get_named_type(door.field.type)
    given = "" if door.at_root else _given(door.field)
    if is_leaf_type(target):
        return given
    if door.target.endswith("Connection"):
        return f"{{ totalCount edges {{ cursor node {{ {everything(row_of(door))} }} }} }}"
    if isinstance(target, GraphQLInterfaceType):
        return "{ __typename id }"
    return f"{given} {{ {everything(target.name)} }}"


def use_of(door: Door) -> str:
    """A field without arguments, and all that is behind it; little of each page."""
    few = f"(first: {FEW})" if door.target.endswith("Connection") else ""
    return f"{door.name}{few} {selection_of(door)}"


def id_places(door: Door) -> list[Place]:
    """Where a field takes ids: names of arguments and of the fields of inputs below them."""
    return [
        place for name, argument in door.field.args.items() for place in _id_places(argument.type, (name,))
    ]


def kind_at(door: Door, place: Place) -> str:
    """Kind of row that an argument names, by the argument's name or by the field's."""
    name = str(place[-1]).removesuffix("Id")
    if name == "owner":
        return "User"
    if name in ("a", "b"):  # two that are compared
        return "Model" if door.name == "compareModels" else "Analysis"
    if door.name == "cancelModelUpload":
        return "Artifact"
    if name != "id":
        return name.capitalize()
    return next((kind for kind in kinds() if door.name.lower().endswith(kind.lower())), "Analysis")


def _id_places(kind: GraphQLInputType, at: Place) -> Iterator[Place]:
    if isinstance(kind, GraphQLNonNull):
        yield from _id_places(kind.of_type, at)
    elif isinstance(kind, GraphQLList):
        yield from _id_places(kind.of_type, (*at, 0))
    elif isinstance(kind, GraphQLInputObjectType):
        for name, field in kind.fields.items():
            yield from _id_places(field.type, (*at, name))
    elif kind.name == "ID":
        yield at


def arguments(door: Door, ids: dict[Place, str]) -> dict[str, Any]:
    """Values for the required arguments, and for whatever leads to these ids; little of each page."""
    few = {"first": FEW} if "first" in door.field.args else {}
    return few | {
        name: _value(argument.type, (name,), ids)
        for name, argument in door.field.args.items()
        if is_required_argument(argument) or any(place[0] == name for place in ids)
    }


def _value(kind: GraphQLInputType, at: Place, ids: dict[Place, str]) -> Any:
    if isinstance(kind, GraphQLNonNull):
        return _value(kind.of_type, at, ids)
    if isinstance(kind, GraphQLList):
        return [_value(kind.of_type, (*at, 0), ids)]
    if kind.name in MEANT:
        return MEANT[kind.name]
    if isinstance(kind, GraphQLInputObjectType):
        return {
            name: _value(field.type, (*at, name), ids)
            for name, field in kind.fields.items()
            if is_required_input_field(field) or any(place[: len(at) + 1] == (*at, name) for place in ids)
        }
    if isinstance(kind, GraphQLEnumType):
        return next(iter(kind.values))
    plain: dict[str, Any] = {"String": at[-1] if at[-1] else at[-2], "Boolean": True, "Int": 1, "Float": 0.5}
    plain |= {"Count": 1, "ID": ids.get(at, ""), "Upload": None}
    return plain[kind.name]


@cache
def operation(door: Door, sibling: str = "") -> str:
    """A document that enters by one field, every argument from a variable of its own name."""
    taken = door.field.args.items()
    declared = ", ".join(f"${name}: {_variable(argument)}" for name, argument in taken)
    passed = ", ".join(f"{name}: ${name}" for name, _ in taken)
    head = f"({declared})" if declared else ""
    call = f"{door.name}({passed})" if passed else door.name
    return f"{door.parent.lower()} {head} {{ {sibling} {call} {selection_of(door)} }}"


def _variable(argument: GraphQLArgument) -> str:
    """The type of a variable that may be left out where the argument has a default."""
    return str(argument.type) if is_required_argument(argument) else str(argument.type).removesuffix("!")
