"""A line of a server to another one, with bounds that end a test soon."""

import socket

from jobs.hosts import Bounds, Outbound
from jobs.outbound import Line

QUICK = Bounds(connect_s=2, silence_s=2, seconds=5, head_bytes=4_000, body_bytes=100_000, pauses=())


def line(url, *hosts, bounds=QUICK, **more):
    outbound = Outbound(hosts=frozenset(hosts), bounds=bounds, **more)
    return Line(target=outbound.target(url), outbound=outbound)


def near(port, **more):
    """To a server of this machine, whose port is listed."""
    return line(f"http://127.0.0.1:{port}", f"127.0.0.1:{port}", **more)


def resolving(monkeypatch, *answers):
    """Have names lead to these addresses, one list for each time that one is looked up; gives what was looked up."""
    seen, left = [], list(answers)

    def looked_up(host, port, **_):
        seen.append(host)
        found = left.pop(0) if len(left) > 1 else left[0]
        return [
            (socket.AF_INET6 if ":" in each else socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port))
            for each in found
        ]

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    return seen
