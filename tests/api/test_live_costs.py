"""What followers cost: bounded memory, few queries, one connection to listen on, and nothing once they leave."""

import asyncio
import tracemalloc
from contextlib import AsyncExitStack, aclosing
from uuid import UUID, uuid4

import orjson
import psycopg
import pytest
import websockets
from sqlalchemy import event as sqlalchemy_event

import db.tables as t
from db.events import record
from db.notify import tell
from resolvers.ids import key
from tests.live import PROGRESS, socket, sse
from tests.waiting import PATIENCE_S, eventually

CANCEL = "mutation ($id: ID!) { cancelDataset(id: $id) { status } }"


async def dataset(api) -> str:
    return (await api.upload()).json()["id"]  # without a worker it waits, and so do its followers


async def write(application, person, id: str, count: int, message: str = "Reading") -> None:
    """As a worker would: events of one piece of work, then a notice."""
    house = application.state.house
    async with house.database.write(person.scope) as session:
        row = await session.get_one(t.Dataset, key(t.Dataset, id))
        for i in range(count):
            row.stage, row.message = "reading", f"{message} {i}"
            await record(session, t.Subject.DATASET, row)
    await tell(house.database, person.organization_id)


def many(url: str, dataset: UUID, count: int) -> None:
    """A great many events of 10 kB at once."""
    with psycopg.connect(url) as owner:
        (organization,) = owner.execute(
            "UPDATE organization SET last_event = last_event + %s FROM dataset"
            " WHERE dataset.id = %s AND organization.id = dataset.organization_id RETURNING organization.id",
            [count, dataset],
        ).fetchone()
        owner.execute(
            "INSERT INTO event (organization_id, number, subject, subject_id, status, stage, fraction, message,"
            " created_at) SELECT id, last_event - %s + i, 'dataset', %s, 'queued', 'reading', 0,"
            " repeat('x', 10000), now() FROM organization, generate_series(1, %s) i WHERE id = %s",
            [count, dataset, count, organization],
        )


def free(application) -> bool:
    house = application.state.house
    return house.hub.waiters == 0 and house.database.engine.pool.checkedout() == 0


def others() -> set[str]:
    """Names of what runs besides the test, where it has to do with a stream."""
    running = {str(task.get_coro()) for task in asyncio.all_tasks() - {asyncio.current_task()}}
    return {
        name
        for name in running
        if any(word in name for word in ("operation", "drain", "heartbeat", "merged"))
    }


@pytest.mark.parametrize("manner", ["completes", "closes", "vanishes"])
async def test_a_socket_that_leaves_frees_everything(api, application, address, people, manner):
    id = await dataset(api)
    async with socket(address, people["viewer"].token) as opened:
        streams = [opened.operate(PROGRESS, id=id) for _ in range(5)]
        for stream in streams:
            await anext(stream)
        await eventually(lambda: application.state.house.hub.waiters == 5)
        if manner == "completes":
            for stream in streams:
                await stream.aclose()
            await eventually(lambda: free(application))
        elif manner == "closes":
            await opened.connection.close()
        else:
            opened.connection.transport.abort()
        await eventually(lambda: free(application))
    await eventually(lambda: not others())


@pytest.mark.parametrize("waiting", [True, False])
async def test_a_client_of_server_sent_events_that_leaves_frees_everything(
    api, application, address, people, waiting
):
    id = await dataset(api)
    async with aclosing(sse(address, people["viewer"].token, PROGRESS, id=id)) as frames:
        await anext(frames)
        await eventually(lambda: application.state.house.hub.waiters == 1)
        if not waiting:
            await write(application, people["analyst"], id, 50)
            await anext(frames)
    await eventually(lambda: free(application))
    await eventually(lambda: not others())


async def test_a_follower_that_does_not_read_costs_bounded_memory_and_misses_nothing(
    api, application, address, people, url
):
    id, url_of_database = await dataset(api), url
    async with AsyncExitStack() as stack:
        url = address.replace("http", "ws") + "/graphql"
        connection = await stack.enter_async_context(
            websockets.connect(
                url, subprotocols=["graphql-transport-ws"], compression=None, max_queue=1, ping_interval=None
            )
        )
        token = people["viewer"].token
        await connection.send(
            orjson.dumps(
                {"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}
            ).decode()
        )
        await connection.recv()
        asked = "subscription ($id: ID!) { progress(id: $id) { number message } }"
        payload = {"query": asked, "variables": {"id": id}}
        await connection.send(orjson.dumps({"id": "1", "type": "subscribe", "payload": payload}).decode())
        first = orjson.loads(await connection.recv())["payload"]["data"]["progress"]["number"]

        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        await asyncio.to_thread(many, url_of_database, key(t.Dataset, id), 2000)
        await tell(application.state.house.database, people["viewer"].organization_id)
        await asyncio.sleep(5)
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert after - before < 4 << 20  # the events have 20 MB

        numbers = [first]
        async with asyncio.timeout(PATIENCE_S):
            while numbers[-1] < first + 2000:
                told = orjson.loads(await connection.recv())["payload"]["data"]["progress"]
                numbers.append(told["number"])
    assert numbers == list(range(first, first + 2001))


async def test_a_hundred_followers_at_once_all_hear_everything(api, application, address, people):
    id = await dataset(api)

    async def follow(opened):
        return [payload["data"]["progress"]["number"] async for payload in opened.operate(PROGRESS, id=id)]

    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(socket(address, people["viewer"].token)) for _ in range(10)]
        following = [asyncio.create_task(follow(one)) for one in opened for _ in range(10)]
        await eventually(lambda: application.state.house.hub.waiters == 100)
        await write(application, people["analyst"], id, 5)
        await api("analyst", CANCEL, id=id)
        async with asyncio.timeout(PATIENCE_S):
            heard = await asyncio.gather(*following)
    assert heard == [list(range(1, 8))] * 100


async def test_two_hundred_idle_followers_ask_the_database_next_to_nothing(api, application, people, url):
    """They wait together: one query in three seconds tells for all of them whether there is news."""
    house = application.state.house
    asked = []
    sqlalchemy_event.listen(
        house.database.engine.sync_engine, "before_cursor_execute", lambda *a: asked.append(a[2])
    )
    async with AsyncExitStack() as stack:
        flags = [stack.enter_context(house.hub.waiter(people["viewer"].organization_id)) for _ in range(200)]
        await asyncio.sleep(4)  # the hub looks once, and knows them from then on
        for flag in flags:
            flag.clear()
        asked.clear()
        await asyncio.sleep(6.5)
        assert not any(flag.is_set() for flag in flags)
        assert asked == []


def listeners(url: str) -> list[int]:
    """Backends that listen for events, of this database."""
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            " AND query LIKE '%LISTEN%' OR datname = current_database() AND query LIKE '%last_event FROM organization%'"
        )
        return [pid for (pid,) in found if pid != connection.info.backend_pid]


async def test_a_process_listens_on_one_connection(api, address, people, url):
    id = await dataset(api)
    async with socket(address, people["viewer"].token) as opened:
        streams = [opened.operate(PROGRESS, id=id) for _ in range(10)]
        for stream in streams:
            await anext(stream)
        assert len(listeners(url)) == 1
        for stream in streams:
            await stream.aclose()


async def test_events_whose_notice_is_lost_arrive_within_seconds(
    api, application, address, people, url, monkeypatch
):
    async def unheard(database, organization_id):
        """A worker that dies between its commit and its notice."""

    id = await dataset(api)
    async with socket(address, people["viewer"].token) as opened:
        stream = opened.operate(PROGRESS, id=id)
        await anext(stream)
        await asyncio.sleep(4)  # now it idles
        monkeypatch.setattr("tests.api.test_live_costs.tell", unheard)
        await write(application, people["analyst"], id, 2)
        told = [await asyncio.wait_for(anext(stream), PATIENCE_S) for _ in range(2)]
        assert [payload["data"]["progress"]["number"] for payload in told] == [2, 3]
        await stream.aclose()


async def test_listening_that_is_cut_off_begins_again(api, application, address, people, url):
    id = await dataset(api)
    async with socket(address, people["viewer"].token) as opened:
        stream = opened.operate(PROGRESS, id=id)
        await anext(stream)
        await eventually(lambda: len(listeners(url)) == 1)
        (before,) = listeners(url)
        with psycopg.connect(url) as owner:
            owner.execute("SELECT pg_terminate_backend(%s)", [before])
        await write(application, people["analyst"], id, 1)
        assert (await asyncio.wait_for(anext(stream), PATIENCE_S))["data"]["progress"]["number"] == 2
        await eventually(lambda: [pid for pid in listeners(url) if pid != before])
        await stream.aclose()


async def test_activity_of_one_organization_does_not_wake_another(api, application, people):
    hub = application.state.house.hub
    with hub.waiter(people["stranger"].organization_id) as theirs, hub.waiter(uuid4()) as nobodys:
        await asyncio.sleep(3.5)
        theirs.clear()
        nobodys.clear()
        await tell(application.state.house.database, people["viewer"].organization_id)
        await asyncio.sleep(0.3)
        assert not theirs.is_set()
        assert not nobodys.is_set()
