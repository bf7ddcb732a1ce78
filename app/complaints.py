"""What a person can act on, said in lines without a traceback; and the exit code that goes with it."""

from alembic.util import CommandError
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from auth.errors import Unauthenticated
from db.embedded import EmbeddedError
from db.errors import Conflict, NotFound
from engine.errors import EngineError


def complaints(error: Exception) -> tuple[int, list[str]]:
    """The exit code of a command that ended with this error, and what to say; nothing where the fault is ours."""
    match error:
        case ValidationError():
            return 2, [_of_setting("_".join(map(str, p["loc"])), p["msg"]) for p in error.errors()]
        case Conflict() | NotFound() | Unauthenticated() | EngineError() | EmbeddedError() | ValueError():
            return 1, [str(error)]
        case SQLAlchemyError() | CommandError() | OSError():
            return 1, [f"{_short(error)}; `fairmind doctor` looks for the cause"]
    return 1, []


def _of_setting(name: str, said: str) -> str:
    said = said.removeprefix("Value error, ")
    return f"{name.upper()}: {said}" if name else said


def _short(error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    return str(cause).strip().splitlines()[0] if str(cause).strip() else type(error).__name__
