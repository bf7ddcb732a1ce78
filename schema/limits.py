"""What a query may cost before anything of it runs. Stock servers spend seconds on a hostile document."""

from collections.abc import Iterator
from dataclasses import dataclass

from graphql import DocumentNode, FieldNode, FragmentDefinitionNode, FragmentSpreadNode, GraphQLError, Node
from graphql.language import OperationDefinitionNode
from strawberry.extensions import MaxTokensLimiter, SchemaExtension

MOST_TOKENS = 4_000
DEEPEST = 15
MOST_FIELDS = 500
MOST_ALIASES = 30
MOST_DIRECTIVES = 50
MOST_ERRORS = 5


@dataclass
class Cost:
    """What a document would make us look at, fragments opened up."""

    fields: int = 0
    aliases: int = 0
    directives: int = 0
    depth: int = 0


class CostLimiter(SchemaExtension):
    """Refuses a document that is too large, before the validation that it would make slow."""

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        if context.graphql_document is not None:
            excess = excess_of(context.graphql_document)
            if excess:  # set before the yield: errors set after it are ignored, and the guard fails open
                context.pre_execution_errors = [GraphQLError(excess, extensions={"code": "LIMIT_EXCEEDED"})]
        yield
        if context.pre_execution_errors and len(context.pre_execution_errors) > MOST_ERRORS:
            del context.pre_execution_errors[MOST_ERRORS:]


class TokenLimiter(MaxTokensLimiter):
    """Refuses a document of too many tokens while it is parsed."""

    def __init__(self) -> None:
        super().__init__(max_token_count=MOST_TOKENS)


def excess_of(document: DocumentNode) -> str | None:
    """What is too much about a document, in words, or None."""
    fragments = {
        node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
    }
    cost = Cost()
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode):
            _weigh(node, fragments, cost, 0, ())
        if _over(cost):
            break
    for fragment in fragments.values():  # also those that nothing uses: validation reads them all
        if not _over(cost):
            _weigh(fragment, {}, cost, 0, ())
    return _over(cost)


def _weigh(
    node: Node,
    fragments: dict[str, FragmentDefinitionNode],
    cost: Cost,
    depth: int,
    within: tuple[str, ...],
) -> None:
    if _over(cost):
        return
    cost.directives += len(getattr(node, "directives", None) or ())
    if isinstance(node, FieldNode):
        if node.name.value.startswith("__"):
            return  # introspection is deep by nature, bounded by the tokens, and switched off for strangers
        cost.fields += 1
        cost.aliases += node.alias is not None
        depth += 1
        cost.depth = max(cost.depth, depth)
    if isinstance(node, FragmentSpreadNode):
        name = node.name.value
        if name in fragments and name not in within:  # a circle is for the validation to refuse
            _weigh(fragments[name], fragments, cost, depth, (*within, name))
        return
    selections = getattr(node, "selection_set", None)
    for selection in selections.selections if selections else ():
        _weigh(selection, fragments, cost, depth, within)


def _over(cost: Cost) -> str | None:
    for what, is_, most in (
        ("fields", cost.fields, MOST_FIELDS),
        ("levels", cost.depth, DEEPEST),
        ("aliases", cost.aliases, MOST_ALIASES),
        ("directives", cost.directives, MOST_DIRECTIVES),
    ):
        if is_ > most:
            return f"the document has more than {most} {what}, with its fragments opened up"
    return None
