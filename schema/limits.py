"""What a query may cost before anything of it runs. Stock servers spend seconds on a hostile document."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLSyntaxError,
    IntValueNode,
    Node,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
)
from graphql.language import OperationDefinitionNode
from strawberry.extensions import MaxTokensLimiter, SchemaExtension

from resolvers.paging import LARGEST_PAGE, USUAL_PAGE

MOST_CHARACTERS = 64 * 1024
MOST_TOKENS = 4_000
MOST_VALUES = 20_000
DEEPEST = 15
MOST_FIELDS = 500
MOST_REPEATS = 50
MOST_SPREADS = 60
MOST_ALIASES = 30
MOST_DIRECTIVES = 50
MOST_ANSWERED = 50_000
LIST = 4
"""Members that a list without pages counts for, such as the findings of a report."""
INTROSPECTION_ALIAS = 10
"""Aliases that one inside an introspection counts for: each repeats a walk over the whole schema."""

LIMITS: Mapping[str, tuple[int, str]] = {
    "fields": (MOST_FIELDS, "fields, with its fragments opened up"),
    "depth": (DEEPEST, "levels, with its fragments opened up"),
    "aliases": (MOST_ALIASES, "aliases, with its fragments opened up"),
    "repeats": (MOST_REPEATS, "fields that stand twice beside each other"),
    "spreads": (MOST_SPREADS, "uses of fragments, with the fragments opened up"),
    "directives": (MOST_DIRECTIVES, "directives, with its fragments opened up"),
    "answered": (
        MOST_ANSWERED,
        f"values to answer with, if each list is as long as its `first` allows ({USUAL_PAGE} where none is"
        " given): ask for fewer rows, or for fewer lists below lists",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a part of a document would make us look at, fragments opened up, and answer with."""

    fields: int = 0
    aliases: int = 0
    repeats: int = 0
    spreads: int = 0
    directives: int = 0
    answered: int = 0
    depth: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            fields=self.fields + other.fields,
            aliases=self.aliases + other.aliases,
            repeats=self.repeats + other.repeats,
            spreads=self.spreads + other.spreads,
            directives=self.directives + other.directives,
            answered=self.answered + other.answered,
            depth=max(self.depth, other.depth),
        )


class CostLimiter(SchemaExtension):
    """Refuses a document or variables that are too large, before the checks that they would make slow."""

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        excess = _too_many_values(context.variables)
        if not excess and context.graphql_document is not None:
            lists = _lists(context.schema._schema)
            excess = excess_of(context.graphql_document, lists, context.variables or {})
        if excess:  # set before the yield: errors set after it are ignored, and the guard fails open
            context.pre_execution_errors = [GraphQLError(excess, extensions=_code())]
        yield


class TokenLimiter(MaxTokensLimiter):
    """Refuses a document of too many tokens, or nested too deeply, while it is parsed."""

    def __init__(self) -> None:
        super().__init__(max_token_count=MOST_TOKENS)

    def on_parse(self) -> Iterator[None]:
        yield
        for error in self.execution_context.pre_execution_errors or ():
            if isinstance(error, GraphQLSyntaxError) and error.message.endswith("Parsing aborted."):
                error.extensions = _code()


def excess_of(document: DocumentNode, lists: "Lists", variables: Mapping[str, Any]) -> str | None:
    """What is too much about a document, in words, or None. Its time is that of reading the document once."""
    fragments = [node for node in document.definitions if isinstance(node, FragmentDefinitionNode)]
    if len(fragments) > MOST_SPREADS:
        return f"the document has more than {MOST_SPREADS} fragments"
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    given = {**_defaults(operations), **variables}
    scales = _Scales({node.name.value: node for node in fragments}, lists, given)
    cost = Cost()
    for operation in operations:
        cost += scales.weigh(operation)
    for fragment in fragments:  # also those that nothing uses: validation reads them all
        if not scales.weighed(fragment):
            cost += scales.fragment(fragment.name.value)
    for part in fields(cost):
        most, what = LIMITS[part.name]
        if getattr(cost, part.name) > most:
            return f"the document has more than {most} {what}"
    return None


class _Scales:
    """Weighs parts of a document. Each fragment is weighed once, however often and deeply it is used."""

    def __init__(
        self, fragments: Mapping[str, FragmentDefinitionNode], lists: "Lists", variables: Mapping[str, Any]
    ) -> None:
        self._fragments, self._lists, self._variables = fragments, lists, variables
        self._known: dict[str, Cost] = {}

    def weighed(self, fragment: FragmentDefinitionNode) -> bool:
        return fragment.name.value in self._known

    def fragment(self, name: str) -> Cost:
        if name not in self._fragments:
            return Cost()  # for the validation to refuse, as are circles
        if name not in self._known:
            self._known[name] = Cost()
            self._known[name] = self.weigh(self._fragments[name])
        return self._known[name]

    def weigh(self, node: Node, beside: set[str] | None = None) -> Cost:
        """The cost of what a node selects; `beside` holds the names that stand beside its selections."""
        names = set() if beside is None else beside
        cost = Cost(directives=_directives(node))
        selections = getattr(node, "selection_set", None)
        for selection in selections.selections if selections else ():
            if isinstance(selection, FieldNode):
                cost += self._field(selection, names)
            elif isinstance(selection, FragmentSpreadNode):
                cost += Cost(spreads=1, directives=_directives(selection))
                cost += self.fragment(selection.name.value)
            else:
                cost += self.weigh(selection, names)
        return cost

    def _field(self, node: FieldNode, beside: set[str]) -> Cost:
        shown = (node.alias or node.name).value
        inside = self.weigh(node)
        introspects = node.name.value in (
            "__schema",
            "__type",
        )  # deep by nature: graphql's own rule bounds it
        repeated = shown in beside
        beside.add(shown)
        return Cost(
            fields=1 + inside.fields,
            aliases=((node.alias is not None) + inside.aliases) * (INTROSPECTION_ALIAS if introspects else 1),
            repeats=repeated + inside.repeats,
            spreads=inside.spreads,
            directives=inside.directives,
            answered=1 if introspects else 1 + self._times(node) * inside.answered,
            depth=1 if introspects else 1 + inside.depth,
        )

    def _times(self, node: FieldNode) -> int:
        """How often what stands below a field may be answered."""
        name = node.name.value
        if name in self._lists.plain:
            return LIST
        if name not in self._lists.paged:
            return 1
        first = next((each.value for each in node.arguments or () if each.name.value == "first"), None)
        if first is None:
            return USUAL_PAGE
        asked: Any = None
        if isinstance(first, IntValueNode):
            asked = int(first.value[:9])
        elif isinstance(first, VariableNode):
            asked = self._variables.get(first.name.value, USUAL_PAGE)
        return asked if isinstance(asked, int) and 0 <= asked <= LARGEST_PAGE else LARGEST_PAGE


@dataclass(frozen=True)
class Lists:
    """Names of the fields that lead to many: to pages of rows, and to all there are."""

    paged: frozenset[str]
    plain: frozenset[str]


@cache
def _lists(schema: GraphQLSchema) -> Lists:
    paged, plain = set(), set()
    for kind in schema.type_map.values():
        if not isinstance(kind, GraphQLObjectType) or kind.name.startswith("__"):
            continue
        for name, field in kind.fields.items():
            target = get_named_type(field.type)
            if target.name.endswith("Connection"):
                paged.add(name)
            elif (
                is_list_type(get_nullable_type(field.type))
                and not is_leaf_type(target)
                and not target.name.endswith("Edge")
            ):
                plain.add(name)
    return Lists(frozenset(paged), frozenset(plain))


def _defaults(operations: list[OperationDefinitionNode]) -> dict[str, Any]:
    """What variables are without being given, the largest where operations differ."""
    found: dict[str, Any] = {}
    for operation in operations:
        for variable in operation.variable_definitions or ():
            if isinstance(variable.default_value, IntValueNode):
                name = variable.variable.name.value
                found[name] = max(int(variable.default_value.value[:9]), found.get(name, 0))
    return found


def _directives(node: Node) -> int:
    variables = getattr(node, "variable_definitions", None) or ()
    return len(getattr(node, "directives", None) or ()) + sum(
        len(each.directives or ()) for each in variables
    )


def _too_many_values(variables: object) -> str | None:
    """Whether variables hold more values than any operation needs; looking ends where there are too many."""
    waiting, seen = [variables], 0
    while waiting:
        value: Any = waiting.pop()
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        seen += len(inner)
        if seen > MOST_VALUES:
            return (
                f"the variables hold more than {MOST_VALUES:,} values, lists, objects and what is in them counted:"
                " a value of a row for predict counts 3, and scoreDataset scores more rows"
            )
        waiting.extend(each for each in inner if isinstance(each, dict | list))
    return None


def _code() -> dict[str, Any]:
    return {"code": "LIMIT_EXCEEDED"}
