"""Column types shared by the tables."""

import json
import re
from enum import StrEnum
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter
from sqlalchemy import DateTime, Dialect, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field

T = TypeVar("T")
Choice = TypeVar("Choice", bound=StrEnum)

_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
"""A NUL in JSON text; after an odd number of backslashes it is their text, and no NUL."""


def without_nul(text: str) -> str:
    """The text with U+FFFD for each NUL, which PostgreSQL keeps nowhere."""
    return text.replace("\0", "\ufffd")


def as_json(value: object) -> str:
    """JSON text as PostgreSQL takes it: with U+FFFD for each NUL, which may come from somebody's rows."""
    text = json.dumps(value)
    return _NUL.sub(r"\1\\ufffd", text) if "\\u0000" in text else text


class Stored(TypeDecorator[T], Generic[T]):
    """A frozen dataclass kept as JSONB: written whole, read back as the same class.

    NaN is refused, because PostgreSQL would; the engine says None with a reason instead.
    """

    impl = JSONB
    cache_ok = True

    def __init__(self, kind: type[T]) -> None:
        super().__init__(none_as_null=True)
        self.kind = kind
        self._adapter = TypeAdapter(kind)

    def process_bind_param(self, value: T | None, dialect: Dialect) -> Any:
        return None if value is None else self._adapter.dump_python(value, mode="json")

    def process_result_value(self, value: Any, dialect: Dialect) -> T | None:
        return None if value is None else self._adapter.validate_python(value)


class Chosen(TypeDecorator[Choice], Generic[Choice]):
    """A StrEnum kept as its own text, so that a new member needs no migration."""

    impl = String
    cache_ok = True

    def __init__(self, kind: type[Choice]) -> None:
        super().__init__(40)
        self.kind = kind

    def process_bind_param(self, value: Choice | None, dialect: Dialect) -> Any:
        return None if value is None else self.kind(value).value

    def process_result_value(self, value: Any, dialect: Dialect) -> Choice | None:
        return None if value is None else self.kind(value)


def kept(kind: Any, **options: Any) -> Any:
    """A field whose column type is said here, because SQLModel cannot guess it."""
    return Field(sa_type=kind, **options)


MOMENT = DateTime(timezone=True)

LARGE = {"info": {"large": True}}
"""Marks a column that may hold megabytes, as `sa_column_kwargs`: a row is loaded without it (`Owned`)."""
