"""Every way into the API and every way on inside it says what it asks for. Nothing is open by being forgotten."""

import graphql
from starlette.routing import Mount, Route, WebSocketRoute
from strawberry.types.field import StrawberryField

from app.server import create
from auth.permissions import Open, Permission
from schema.fields import Lock
from tests.walk import LIVE, ROOTS, STRUCTURE, doors, edges, entrances, kinds, leads_to_rows

OPEN = {
    "Mutation.signIn": Open.ANYONE,  # how else would anybody come in
    "Query.me": Open.SIGNED_IN,  # oneself
    "Query.organization": Open.SIGNED_IN,  # one's own
    "Query.node": Open.SIGNED_IN,  # each kind of row then asks for its own permission
    "Subscription.progress": Open.SIGNED_IN,  # each kind of work then asks for the permission to read it
    "Subscription.activity": Open.SIGNED_IN,  # shows only what the viewer may read
}
WITHOUT_LOCK = {"SignedIn.viewer"}  # oneself, to who has just given the password
SENSITIVE = {"Dataset.preview": Permission.DATASET_PREVIEW}
ROUTES = {
    "/": "leads to the page, outside production only",
    "/graphql": "each field has its own lock",
    "/uploads/{ticket}": "the ticket in the address is the permission",
    "/health": "says only that the process lives",
    "/ready": "says only whether the database answers",
    "/static/dashboard": "the pages themselves, without data",
}


def lock(parent: str, name: str) -> Lock | None:
    """The lock on a field of the schema as it runs."""
    kind = LIVE._schema.type_map[parent]
    assert isinstance(kind, graphql.GraphQLObjectType)
    field = kind.fields[name].extensions["strawberry-definition"]
    assert isinstance(field, StrawberryField)
    locks = [extension for extension in field.extensions if isinstance(extension, Lock)]
    assert len(locks) <= 1
    return locks[0] if locks else None


def test_every_entrance_has_a_lock_that_the_schema_shows():
    for door in entrances():
        found = lock(door.parent, door.name)
        assert found is not None, f"{door} is open to everybody"
        assert found.door.value == door.requires, door


def test_every_field_that_leads_to_rows_has_a_lock_that_the_schema_shows():
    for door in doors():
        if not leads_to_rows(door) or door.parent.endswith(STRUCTURE) or str(door) in WITHOUT_LOCK:
            continue
        found = lock(door.parent, door.name)
        assert found is not None, f"{door} leads on without asking"
        assert found.door.value == door.requires, door


def test_sensitive_columns_have_a_permission_of_their_own():
    for name, permission in SENSITIVE.items():
        found = lock(*name.split("."))
        assert found is not None
        assert found.door is permission


def test_what_asks_for_no_permission_is_named_here_with_a_reason():
    locks = {str(door): lock(door.parent, door.name) for door in doors()}
    found = {name: one.door for name, one in locks.items() if one and isinstance(one.door, Open)}
    assert found == OPEN
    unlocked = {
        str(door)
        for door in doors()
        if leads_to_rows(door)
        and not door.parent.endswith(STRUCTURE)
        and lock(door.parent, door.name) is None
    }
    assert unlocked == WITHOUT_LOCK


def test_only_the_pages_of_lists_are_exempt_from_locks():
    """A type that is called SomethingConnection or SomethingEdge is one of Relay's, of a kind of row."""
    structural = {door.parent for door in doors() if door.parent.endswith(STRUCTURE)}
    assert structural <= {kind + end for kind in kinds() for end in STRUCTURE}


def test_denied_edges_and_entrances_can_be_null():
    for door in [*edges(), *entrances()]:
        if door.parent != "Subscription":  # an event that is denied ends the stream
            assert not isinstance(door.field.type, graphql.GraphQLNonNull), door


def test_every_permission_of_the_schema_exists_and_every_permission_opens_something():
    shown = {door.requires for door in doors() if door.requires} - {one.value for one in Open}
    assert shown == {permission.value for permission in Permission}


def test_every_route_is_named_here_with_a_reason(settings):
    application = create(settings)
    found = {route.path for route in application.routes if isinstance(route, Route | WebSocketRoute | Mount)}
    assert found == ROUTES.keys()
    assert len(application.routes) == len(ROUTES) + 1  # /graphql, over HTTP and over WebSocket


def test_the_roots_hold_nothing_but_entrances():
    assert {door.parent for door in entrances()} == set(ROOTS)
