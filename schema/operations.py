"""What happens around every operation, whichever way it came."""

from collections.abc import Iterator

from graphql.validation import NoSchemaIntrospectionCustomRule
from strawberry.extensions import SchemaExtension


class FreshContext(SchemaExtension):
    """Gives each operation its own loaders and its own look at who asks; a socket's context lives on."""

    def on_operation(self) -> Iterator[None]:
        self.execution_context.context = self.execution_context.context.fresh()
        yield


class IntrospectionForPeople(SchemaExtension):
    """In production the schema is shown to those who send a valid token, not to strangers."""

    def on_operation(self) -> Iterator[None]:
        if self.execution_context.context.claims is None:
            rules = self.execution_context.validation_rules
            self.execution_context.validation_rules = (*rules, NoSchemaIntrospectionCustomRule)
        yield
