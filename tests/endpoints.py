"""Servers on this machine: one that serves a model in both scoring protocols, and ones that answer as they are told."""

import datetime
import ipaddress
import json
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pandas as pd
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Served = tuple[int, dict[str, str], bytes]
"""Status, headers and content."""
BUILT = {"FP64": float, "BYTES": object}


@dataclass
class Asked:
    """What a server was asked, in order."""

    url: str
    port: int
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)


@contextmanager
def serving(answer: Callable[[str, Any], Served], tls: ssl.SSLContext | None = None) -> Iterator[Asked]:
    """A server that answers each question with what `answer(path, content)` gives."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.paths.append(self.path)
            asked.headers.append({name.lower(): value for name, value in self.headers.items()})
            asked.bodies.append(content)
            status, headers, body = answer(self.path, content)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *said: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # a client that hangs up early is what some tests are about

    with Server(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        port = server.server_port
        asked = Asked(url=f"http{'s' if tls else ''}://127.0.0.1:{port}", port=port)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield asked
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def speaking(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """The port of a server that says whatever `talk` does with each connection, be it HTTP or not."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def loop() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:  # closed: the test is over
                    return
                with connection:
                    try:
                        talk(connection)
                    except OSError:
                        continue

        thread = Thread(target=loop, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def model_server(model: Any, table: pd.DataFrame) -> Callable[[str, Any], Served]:
    """Serves an estimator of scikit-learn at both protocols, as MLServer and `mlflow models serve` do.

    Args:
        table: rows it was trained on, for names and types of its columns.
    """

    def answer(path: str, content: Any) -> Served:
        if path == "/invocations":
            split = content["dataframe_split"]
            rows = typed(pd.DataFrame(split["data"], columns=split["columns"]), table)
            return reply({"predictions": model.predict_proba(rows).tolist()})
        assert path == "/v2/models/loan/infer", path
        tensors = {
            each["name"]: np.array(each["data"], BUILT[each["datatype"]]).reshape(each["shape"])
            for each in content["inputs"]
        }
        if "matrix" in tensors:
            rows = pd.DataFrame(tensors["matrix"], columns=list(table.columns))
        else:
            rows = pd.DataFrame({name: values[:, 0] for name, values in tensors.items()})
        found = model.predict_proba(typed(rows, table))
        labels = {"name": "predict", "datatype": "INT64", "shape": [len(rows), 1], "data": [0] * len(rows)}
        chances = {
            "name": "predict_proba",
            "datatype": "FP64",
            "shape": list(found.shape),
            "data": found.ravel().tolist(),
        }
        return reply({"model_name": "loan", "outputs": [labels, chances]})

    return answer


def typed(rows: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Columns in the order and types of the table."""
    return rows[list(table.columns)].astype(table.dtypes.to_dict())


def reply(content: Any) -> Served:
    return 200, {"Content-Type": "application/json"}, json.dumps(content).encode()


def certified(folder: Path, name: str) -> tuple[Path, ssl.SSLContext]:
    """A certificate that signs itself, for a name or an address: its file, and what serves with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    try:
        known: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        known = x509.DNSName(name)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([known]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / f"{name}.pem", folder / f"{name}.key"
    public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return public, context
