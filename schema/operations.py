"""What happens around every operation, whichever way it came."""

from collections.abc import Iterator

from graphql import GraphQLError, OperationDefinitionNode
from graphql.validation import NoSchemaIntrospectionCustomRule
from strawberry.extensions import SchemaExtension


class FreshContext(SchemaExtension):
    """Gives each operation its own loaders and its own look at who asks; a socket's context lives on."""

    def on_operation(self) -> Iterator[None]:
        self.execution_context.context = self.execution_context.context.fresh()
        yield


class OneOperation(SchemaExtension):
    """Refuses several operations when none is named, as the specification says; strawberry runs the first."""

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        document = context.graphql_document
        if document is not None and context._provided_operation_name is None:
            operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
            if len(operations) > 1 and not context.pre_execution_errors:
                said = "the document has several operations: say by `operationName` which one is meant"
                context.pre_execution_errors = [GraphQLError(said, nodes=operations[1])]
        yield


class IntrospectionForPeople(SchemaExtension):
    """In production the schema is shown to those who send a valid token, not to strangers."""

    def on_operation(self) -> Iterator[None]:
        if self.execution_context.context.claims is None:
            rules = self.execution_context.validation_rules
            self.execution_context.validation_rules = (*rules, NoSchemaIntrospectionCustomRule)
        yield
