"""How the public API is tied to what stands behind it: faces, and the locks on the doors between them."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import strawberry
from sqlmodel import SQLModel
from strawberry.extensions import FieldExtension
from strawberry.schema_directive import Location
from strawberry.types.field import StrawberryField

from auth.permissions import Open, Permission
from schema.docs import describe

Face = TypeVar("Face", bound=type)
Door = Permission | Open


@strawberry.schema_directive(locations=[Location.FIELD_DEFINITION], name="requires")
class Requires:
    """What the viewer must be allowed in order to use this field: a permission, or `signed_in`, or `anyone`."""

    permission: str


class Lock(FieldExtension):
    """Refuses before anything is done; what is refused is null with FORBIDDEN at its path."""

    def __init__(self, door: Door) -> None:
        self.door = door

    def apply(self, field: StrawberryField) -> None:
        shown = Requires(permission=self.door.value)
        if shown not in field.directives:  # a face that inherits the field applies its lock again
            field.directives = [*field.directives, shown]

    async def resolve_async(
        self, next_: Callable[..., Any], source: Any, info: strawberry.Info, **arguments: Any
    ) -> Any:
        if self.door is not Open.ANYONE:
            viewer = await info.context.identify()
            if isinstance(self.door, Permission):
                viewer.require(self.door)
        result = next_(source, info, **arguments)
        return result if inspect.isasyncgen(result) else await result

    def resolve(self, next_: Callable[..., Any], source: Any, info: strawberry.Info, **arguments: Any) -> Any:
        raise TypeError("locked fields have asynchronous resolvers")


def face(row: type[SQLModel]) -> Callable[[Face], Face]:
    """Let a class name the public columns of `row`; resolvers return the rows themselves."""

    def tie(cls: Face) -> Face:
        cls.is_type_of = classmethod(lambda _, value, info: isinstance(value, row))  # type: ignore[attr-defined]
        shown = strawberry.type(cls, description=inspect.getdoc(row))
        describe(shown)
        return shown

    return tie


def door(resolver: Callable[..., Any], *, allow: Door) -> Any:
    """A way in or a way on: a field of Query or Mutation, or one that leads from a row to others.

    `allow` has no default: nothing is open by being forgotten. Any, because the resolver returns rows and the
    annotation names their public face.
    """
    return strawberry.field(resolver=resolver, description=_about(resolver), extensions=[Lock(allow)])


def stream(resolver: Callable[..., Any], *, allow: Door) -> Any:
    """A field of Subscription; the permission is asked for again before each event."""
    return strawberry.subscription(resolver=resolver, description=_about(resolver), extensions=[Lock(allow)])


def computed(resolver: Callable[..., Any]) -> Any:
    """A value worked out from the row itself, open to whoever was allowed to reach the row."""
    return strawberry.field(resolver=resolver, description=_about(resolver))


def _about(resolver: Callable[..., Any]) -> str | None:
    return inspect.getdoc(resolver)
