"""PUT /uploads/{ticket}: a file streamed to the address that `requestDatasetUpload` or `requestModelUpload` handed out."""

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from app.graphql import refused
from auth.errors import Forbidden, Unauthenticated
from db.errors import Busy, Conflict, Full, Limited
from engine.errors import InvalidInput
from resolvers.context import Context, House
from resolvers.ids import global_id
from resolvers.receiving import receive
from schema.errors import CODES

STATUS: dict[type[Exception], int] = {
    InvalidInput: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    Conflict: 409,
    Limited: 413,
    Busy: 503,
    Full: 507,
}


async def put(request: Request) -> Response:
    """Take the body in; the ticket in the address is the permission, and it is looked up again now."""
    house: House = request.app.state.house
    context = Context(house=house, request_id=request.scope["state"]["request_id"])
    try:
        row = await receive(context, request.path_params["ticket"], request.stream())
    except tuple(STATUS) as error:
        return refused(STATUS[type(error)], str(error), CODES[type(error)])
    except ClientDisconnect:
        return refused(400, "the file did not come whole; send it again", "BAD_INPUT")
    content = {
        "id": global_id(type(row).__name__, row.id),
        "sha256": row.sha256,
        "bytes": row.bytes,
        "status": row.status,
    }
    return JSONResponse(content, 201)
