"""Waiting for what other processes and tasks do, which tell nobody when they are done."""

import asyncio
from collections.abc import Callable

PATIENCE_S = 60
"""How long a test waits for what has to happen at all: many times as long as it takes, as machines may be busy."""


async def eventually(holds: Callable[[], object], seconds: float = PATIENCE_S) -> None:
    """Wait until something holds; it is an error when it does not in time."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 # as said above
            await asyncio.sleep(0.05)
