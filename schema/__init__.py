"""The public API: which rows and values are visible, under which names, to whom."""

from collections.abc import Sequence
from typing import Any

import strawberry
from graphql import GraphQLError
from strawberry.extensions import SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.exceptions import InvalidOperationTypeError
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.graphql import OperationType

from schema.values import SCALARS  # isort: skip  # the values first: faces refer to them
from schema.budget import Frugal
from schema.errors import DiscreetErrors, PublicErrors
from schema.limits import CostLimiter, TokenLimiter
from schema.mutation import Mutation
from schema.operations import FreshContext, IntrospectionForPeople, OneOperation
from schema.query import Query
from schema.subscription import Subscription

STREAMED = "a subscription needs a stream: send `accept: text/event-stream`, or ask over a WebSocket"

EXTENSIONS: list[type[SchemaExtension]] = [TokenLimiter, CostLimiter, OneOperation, FreshContext]


class Schema(strawberry.Schema):
    """Ours answers so many requests at once, and logs unexpected errors where it masks them, nothing else."""

    async def execute(self, *request: Any, **named: Any) -> ExecutionResult:
        """A request that finds no seat waits, holding nothing; streams and sockets have limits of their own.

        A subscription has many answers and is no request: strawberry would let it in and stumble over it.
        """
        allowed = set(named.pop("allowed_operation_types", None) or OperationType)
        named["allowed_operation_types"] = allowed - {OperationType.SUBSCRIPTION}
        try:
            async with named["context_value"].house.seats:
                return await super().execute(*request, **named)
        except InvalidOperationTypeError as error:
            if error.operation_type is not OperationType.SUBSCRIPTION:
                raise
            return ExecutionResult(
                data=None, errors=[GraphQLError(STREAMED, extensions={"code": "BAD_INPUT"})]
            )

    def process_errors(
        self, errors: Sequence[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Strawberry would log every refused input with a traceback."""


def create_schema(*, open_to_strangers: bool) -> Schema:
    """The schema; whether strangers may ask for its description is the operator's choice."""
    return Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        extensions=[PublicErrors, *EXTENSIONS]
        if open_to_strangers
        else [DiscreetErrors, *EXTENSIONS, IntrospectionForPeople],
        config=StrawberryConfig(scalar_map=SCALARS),
        execution_context_class=Frugal,
    )


schema = create_schema(open_to_strangers=True)
