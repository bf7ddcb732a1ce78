"""What an answer may hold, counted while it is put together: how long a list really is, no document says."""

from collections.abc import Sized
from typing import Any

from graphql import GraphQLError
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

MOST_VALUES = 200_000
"""Some seconds of work; a report of a thousand groups has fewer."""


class Frugal(StrawberryGraphQLCoreExecutionContext):
    """Puts an answer together until its lists hold too many values; then every further list is refused."""

    answered = 0

    def complete_list_value(
        self, return_type: Any, nodes: Any, info: Any, path: Any, result: Any, *more: Any
    ) -> Any:
        """Count the members of a list, each with what is asked of it, before any is looked at."""
        if isinstance(result, Sized):
            self.answered += len(result) * max(1, sum(_asked(each) for each in nodes))
        if self.answered > MOST_VALUES:
            said = f"the answer would hold more than {MOST_VALUES} values: ask for fewer rows, or for less of each"
            raise GraphQLError(said, extensions={"code": "LIMIT_EXCEEDED"})
        return super().complete_list_value(return_type, nodes, info, path, result, *more)


def _asked(details: Any) -> int:
    """How many fields stand below a list in the document."""
    selected = details.node.selection_set
    return len(selected.selections) if selected else 0
