"""How errors look from outside: a code for what the client can act on, silence for the rest."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import structlog
from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    OperationType,
    get_named_type,
)
from strawberry.exceptions import MissingQueryError
from strawberry.extensions import MaskErrors
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.utils.str_converters import to_camel_case

from auth.errors import Forbidden, Unauthenticated
from db.errors import Busy, Conflict, Full, Limited, NotFound
from engine.errors import InvalidInput, camel, cut

CODES: Mapping[type[BaseException], str] = MappingProxyType(
    {
        InvalidInput: "BAD_INPUT",
        NotFound: "NOT_FOUND",
        Conflict: "CONFLICT",
        Limited: "LIMIT_EXCEEDED",
        Full: "LIMIT_EXCEEDED",
        Busy: "LIMIT_EXCEEDED",
        Forbidden: "FORBIDDEN",
        Unauthenticated: "UNAUTHENTICATED",
    }
)

WRONG_REQUESTS = (GraphQLError, CannotGetOperationTypeError, InvalidOperationTypeError, MissingQueryError)
MOST_ERRORS = 5
"""Of those that a wrong query has: one is enough to go on with, thousands help nobody."""

_SUGGESTION = re.compile(r" Did you mean .*\?$", re.DOTALL)

log = structlog.get_logger()


class PublicErrors(MaskErrors):
    """Errors we raise on purpose keep their words and gain a code; any other is masked, and logged."""

    def _process_errors(self, errors: list[GraphQLError]) -> list[GraphQLError]:
        """Nothing was executed when an error has no path; each list after one too many has the same error."""
        kept = [error for error in errors if error.path is not None and not _of_limit(error)]
        kept += [error for error in errors if error.path is None or _of_limit(error)][:MOST_ERRORS]
        return super()._process_errors(kept)

    def anonymise_error(self, error: GraphQLError) -> GraphQLError:
        cause = error.original_error
        if cause is None or isinstance(cause, WRONG_REQUESTS):  # the query itself is wrong: graphql's words
            return _coded(error, error.message, {"code": "BAD_INPUT", **(error.extensions or {})})
        code = CODES.get(type(cause))
        if code is None:
            return self._masked(error, cause)
        extensions: dict[str, Any] = {"code": code}
        said = str(cause)
        if isinstance(cause, InvalidInput):
            said = cause.worded(camel)
            if cause.at:
                extensions["argument"] = self._argument(error, cause.at)
        return _coded(error, said, extensions)

    def _masked(self, error: GraphQLError, cause: BaseException) -> GraphQLError:
        request_id = getattr(self.execution_context.context, "request_id", "unknown")
        path = ".".join(str(part) for part in error.path or ())
        log.error("unexpected error", request_id=request_id, path=path, exc_info=cause)
        said = f"something went wrong on our side; it has been logged under {request_id}"
        return _coded(error, said, {"code": "INTERNAL", "requestId": request_id})

    def _argument(self, error: GraphQLError, at: tuple[str | int, ...]) -> str:
        """Path of the argument that is at fault, as the client wrote it: `input.options.confidence`."""
        names = tuple(to_camel_case(part) if isinstance(part, str) else part for part in at)
        return ".".join(str(part) for part in (*self._above(error, str(names[0])), *names))

    def _above(self, error: GraphQLError, name: str) -> tuple[str, ...]:
        node = error.nodes[0] if error.nodes else None
        parent = self._parent(error)
        if not isinstance(node, FieldNode) or parent is None or node.name.value not in parent.fields:
            return ()
        arguments = parent.fields[node.name.value].args
        return _leading_to(name, {key: argument.type for key, argument in arguments.items()}, 0) or ()

    def _parent(self, error: GraphQLError) -> GraphQLObjectType | GraphQLInterfaceType | None:
        """Type that the failing field belongs to, found by walking its path from the root."""
        schema = self.execution_context.schema._schema
        operation = OperationType(self.execution_context.operation_type.value)
        kind: Any = schema.get_root_type(operation)
        names = [part for part in error.path or () if isinstance(part, str)]
        for name in names[:-1]:
            field = getattr(kind, "fields", {}).get(name)
            kind = get_named_type(field.type) if field else None
        return kind if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType) else None


class DiscreetErrors(PublicErrors):
    """The same in production, where strangers are not told what a misspelt name could have been."""

    def anonymise_error(self, error: GraphQLError) -> GraphQLError:
        shown = super().anonymise_error(error)
        if self.execution_context.context.claims is None:
            return _coded(shown, _SUGGESTION.sub("", shown.message), dict(shown.extensions or {}))
        return shown


def _of_limit(error: GraphQLError) -> bool:
    return (error.extensions or {}).get("code") == "LIMIT_EXCEEDED"


def _leading_to(name: str, fields: Mapping[str, Any], depth: int) -> tuple[str, ...] | None:
    """Names of the input objects that lead to the field `name`, nearest first."""
    if name in fields:
        return ()
    if depth > 4:
        return None
    for key, kind in fields.items():
        inner = get_named_type(kind)
        if isinstance(inner, GraphQLInputObjectType):
            below = {name: field.type for name, field in inner.fields.items()}
            found = _leading_to(name, below, depth + 1)
            if found is not None:
                return (key, *found)
    return None


def _coded(error: GraphQLError, message: str, extensions: dict[str, Any]) -> GraphQLError:
    return GraphQLError(
        cut(message),
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        extensions=extensions,
    )
