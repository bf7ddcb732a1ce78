"""One part of a table: a Parquet file on this machine, or one in a store. Values only; `engine.tables.opening` reads them."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

DENIED = (
    "the store does not let this server read there: its operator should look at AWS_ACCESS_KEY_ID,"
    " AWS_SECRET_ACCESS_KEY and the rights of that key"
)
AWAY = (
    "the store does not answer: try again later; if it stays so, its operator should look at AWS_ENDPOINT_URL"
    " and AWS_REGION"
)


@dataclass(frozen=True, kw_only=True)
class Store:
    """An S3-compatible store and how it lets us in; nothing of it is ever shown."""

    endpoint: str | None = field(default=None, repr=False)
    """Its address; without one it is Amazon's."""
    region: str | None = field(default=None, repr=False)
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    allow_http: str | None = field(default=None, repr=False)
    """"true" for an endpoint without TLS."""

    @property
    def options(self) -> dict[str, str]:
        """What is given, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class Remote:
    """A Parquet file in a store."""

    path: str
    """Bucket and key, with a slash between them."""
    bytes: int
    store: Store

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


Part = Path | Remote
"""Whatever takes one reads it where it lies."""
