"""The HTTP process: told to stop, it ends what has no end of its own, and says nothing of it."""

import asyncio
import signal

import pytest

from app.serving import Streams
from tests.app.conftest import answering
from tests.live import ACTIVITY, socket, sse
from tests.waiting import PATIENCE_S


async def heard(address, token):
    return [frame.event async for frame in sse(address, token, ACTIVITY)]


async def on_socket(address, token):
    async with socket(address, token) as opened:
        async for _ in opened.operate(ACTIVITY):
            raise AssertionError
        return opened.connection.close_code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_server_with_followers_stops_and_they_may_come_back(started, people, port, tmp_path, number):
    log = tmp_path / "log"
    server = started(["-m", "app", "http"], log, PORT=str(port), ENABLE_METRICS="false")
    address, token = f"http://127.0.0.1:{port}", people["viewer"].token
    await asyncio.to_thread(answering, f"{address}/ready")
    following = [asyncio.create_task(follow(address, token)) for follow in (heard, on_socket) for _ in "ab"]
    await asyncio.sleep(1)  # nothing tells that a stream without events is open
    server.send_signal(number)
    await asyncio.to_thread(server.wait, PATIENCE_S)  # the followers would stay for ever
    # a proper end, but no `complete`: the work they follow goes on
    assert await asyncio.gather(*following) == [[], [], 1012, 1012]
    assert "error" not in log.read_text().lower(), log.read_text()


async def test_a_request_that_is_cut_off_while_the_server_stops_is_answered_so():
    begun = asyncio.Event()

    async def slow(scope, receive, send):
        begun.set()
        await asyncio.Event().wait()

    said = []

    async def send(message):
        said.append(message)

    streams = Streams(slow)
    request = asyncio.create_task(streams({"type": "http"}, None, send))
    await begun.wait()
    streams.end()
    await asyncio.sleep(0)
    assert not said  # it has some time
    request.cancel()  # as uvicorn does then
    await request
    assert said[0]["status"] == 503
