"""What an operator's dashboard may scrape, where ENABLE_METRICS says so."""

from prometheus_client import Counter, Gauge, Histogram, start_http_server

from db.notify import Hub

REQUESTS = Counter("fairmind_requests_total", "HTTP requests answered.", ["method", "path", "status"])
SECONDS = Histogram("fairmind_request_seconds", "Time to answer an HTTP request.", ["path"])
FOLLOWERS = Gauge("fairmind_followers", "Subscriptions that are being followed.")

PATHS = {"/graphql", "/uploads", "/health", "/ready", "/static"}


def known(path: str) -> str:
    """The first part of a path, which is as much as may be kept: an upload's address is a secret.

    Paths that we do not know are one kind, so that nobody can make many, or leave a secret there.
    """
    first = "/" + path.split("/", 2)[1]
    return first if first in PATHS else "other"


def counted(method: str, path: str, status: int, seconds: float) -> None:
    """Count one answer to a path as `known` gives it."""
    verb = method if method in {"GET", "POST", "PUT", "HEAD", "OPTIONS"} else "other"
    REQUESTS.labels(verb, path, str(status)).inc()
    SECONDS.labels(path).observe(seconds)


def serve(port: int, hub: Hub) -> None:
    """Answer scrapes on a port of their own, on the loopback address."""
    FOLLOWERS.set_function(lambda: hub.waiters)
    start_http_server(port, addr="127.0.0.1")
