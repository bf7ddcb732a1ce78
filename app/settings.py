"""The environment, read once. docs/settings.md lists every name with its default and meaning."""

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from db.embedded import default_folder
from engine.errors import InvalidInput
from engine.tables.part import Store
from engine.tables.parts import ORGANIZATION, S3, Lake
from engine.tables.prefixes import prefix
from jobs.hosts import Outbound, Token, entry, token

SHORTEST_SECRET = 32


class Environment(StrEnum):
    DEVELOPMENT = "development"
    TEST = "test"
    PRODUCTION = "production"


class Settings(BaseSettings):
    """What an operator may set, by environment variable or in a file `.env`."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True)

    environment: Environment = Environment.DEVELOPMENT
    debug: bool = False
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)

    database_url: SecretStr | None = None
    database_pool_size: int = Field(default=5, ge=1, le=200)
    database_max_connections: int = Field(default=20, ge=1, le=1000)
    database_direct_url: SecretStr | None = None

    supabase_url: str | None = None
    supabase_service_key: SecretStr | None = None

    jwt_secret_key: SecretStr | None = None
    jwt_algorithm: str = Field(default="HS256", pattern="^HS(256|384|512)$")
    jwt_expiration_hours: float = Field(default=24, gt=0, le=24 * 365)

    allowed_origins: Annotated[tuple[str, ...], NoDecode] = ()
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = ("localhost", "127.0.0.1", "[::1]")

    data_path: Path | None = None
    model_storage_path: str | None = None
    dataset_storage_path: str | None = None
    max_file_size: int = Field(default=100 * 1024 * 1024, ge=1)

    dataset_roots: Annotated[tuple[str, ...], NoDecode] = ()
    dask_scheduler: str | None = None

    outbound_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    outbound_tokens: SecretStr | None = None
    outbound_ca: Path | None = None

    aws_endpoint_url: str | None = None
    aws_region: str | None = None
    aws_access_key_id: SecretStr | None = None
    aws_secret_access_key: SecretStr | None = None

    worker_processes: int = Field(default=2, ge=1, le=64)
    worker_connections: int = Field(default=1000, ge=1)
    enable_metrics: bool = False
    metrics_port: int = Field(default=9090, ge=1, le=65535)
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    redis_url: SecretStr | None = None

    @field_validator("database_url", "database_direct_url", mode="before")
    @classmethod
    def _plain(cls, value: object) -> object:
        """Addresses as all our drivers read them, however a provider spells the scheme."""
        return (
            re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql://", value) if isinstance(value, str) else value
        )

    @field_validator("allowed_origins", "allowed_hosts", "dataset_roots", "outbound_hosts", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        """Lists are written with commas, as people expect of an environment variable."""
        return (
            tuple(part.strip() for part in value.split(",") if part.strip())
            if isinstance(value, str)
            else value
        )

    @field_validator("log_level", "environment", mode="before")
    @classmethod
    def _spelt(cls, value: object, info: ValidationInfo) -> object:
        """However somebody writes `Info` or `PRODUCTION`."""
        if not isinstance(value, str):
            return value
        return value.upper() if info.field_name == "log_level" else value.lower()

    @field_validator("allowed_origins")
    @classmethod
    def _origins(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for origin in given:
            if not re.fullmatch(r"\*|https?://[^/\s*]+/?", origin):
                raise ValueError(f"an origin is written like https://app.example, got {origin!r}")
        return tuple(origin.rstrip("/") for origin in given)

    @field_validator("allowed_hosts")
    @classmethod
    def _hosts(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for host in given:
            if not re.fullmatch(r"\*|(\*\.)?[^*/:\s]+|\[[0-9a-fA-F:]+\]", host):
                raise ValueError(
                    f"a host is written like app.example or *.example, without a port, got {host!r}"
                )
        return given

    @field_validator("dataset_roots")
    @classmethod
    def _roots(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for root in given:
            if root.startswith(S3):
                try:
                    prefix(root.replace(ORGANIZATION, str(UUID(int=0))))
                except InvalidInput as error:
                    raise ValueError(f"{error}; got the root {root!r}") from None
            elif not root.startswith("/") or not root.strip("/"):
                raise ValueError(
                    f"a root of datasets is the absolute path of a folder, or s3://bucket/prefix, got {root!r}"
                )
        return given

    @field_validator("outbound_hosts")
    @classmethod
    def _outbound(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        with _in_words():
            return tuple(map(entry, given))

    @field_validator("outbound_tokens")
    @classmethod
    def _tokens(cls, given: SecretStr | None) -> SecretStr | None:
        with _in_words():
            _told(given)
        return given

    @field_validator("outbound_ca")
    @classmethod
    def _certificates(cls, given: Path | None) -> Path | None:
        if given is not None:
            try:
                ssl.create_default_context(cafile=given)
            except OSError:  # of which an error of TLS is one
                raise ValueError(f"no file of certificates (PEM) can be read at {given}") from None
        return given

    @field_validator("dask_scheduler")
    @classmethod
    def _scheduler(cls, given: str | None) -> str | None:
        if given is not None and not re.fullmatch(r"(tcp|tls|ucx|ws|wss)://[^\s/]+", given):
            raise ValueError(f"a scheduler is written like tcp://scheduler.example:8786, got {given!r}")
        return given

    @model_validator(mode="after")
    def _tokens_of_hosts(self) -> Self:
        for host in _told(self.outbound_tokens):
            if host not in self.outbound_hosts:
                raise ValueError(
                    f"OUTBOUND_TOKENS has a token for {host!r}, which OUTBOUND_HOSTS does not list"
                )
        return self

    @model_validator(mode="after")
    def _safe_in_production(self) -> Self:
        secret = self.jwt_secret_key.get_secret_value() if self.jwt_secret_key else ""
        if self.environment is Environment.PRODUCTION and len(secret.encode()) < SHORTEST_SECRET:
            raise ValueError(
                f"in production JWT_SECRET_KEY must have {SHORTEST_SECRET} bytes or more;"
                " make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
            )
        return self

    @property
    def production(self) -> bool:
        return self.environment is Environment.PRODUCTION

    @property
    def data(self) -> Path:
        """The folder of everything that is kept on this machine."""
        return self.data_path or default_folder("main")

    @property
    def datasets(self) -> str:
        return self.dataset_storage_path or str(self.data / "datasets")

    @property
    def storage_options(self) -> dict[str, str]:
        """What an S3-compatible store needs to know, under the names that `Blobs` understands."""
        given = {
            "endpoint": self.aws_endpoint_url,
            "region": self.aws_region,
            "access_key_id": _open(self.aws_access_key_id),
            "secret_access_key": _open(self.aws_secret_access_key),
            "allow_http": "true" if (self.aws_endpoint_url or "").startswith("http://") else None,
        }
        return {name: value for name, value in given.items() if value is not None}

    @property
    def lake(self) -> Lake:
        """Where datasets by reference may lie, with what opens the store."""
        return Lake(roots=self.dataset_roots, store=Store(**self.storage_options))

    @property
    def outbound(self) -> Outbound:
        """Where this server may call."""
        return Outbound(
            hosts=frozenset(self.outbound_hosts),
            tokens=_told(self.outbound_tokens),
            ca=None if self.outbound_ca is None else str(self.outbound_ca),
        )

    @property
    def models(self) -> str:
        return self.model_storage_path or str(self.data / "models")


def _open(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None


def _told(tokens: SecretStr | None) -> dict[str, Token]:
    """What each host is told."""
    return dict(token(part.strip()) for part in (_open(tokens) or "").split(",") if part.strip())


@contextmanager
def _in_words() -> Iterator[None]:
    """What the engine refuses, as pydantic takes it."""
    try:
        yield
    except InvalidInput as error:
        raise ValueError(str(error)) from None


@cache
def settings() -> Settings:
    """The settings of this process."""
    return Settings()
