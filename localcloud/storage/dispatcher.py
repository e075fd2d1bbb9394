"""Sends the outbox: at least once, a target's slowness or failure never holding up another's."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import httpx
from starlette.concurrency import run_in_threadpool

from localcloud.faults.events import EventFaults
from localcloud.faults.reader import Faults
from localcloud.storage.events import finalized
from localcloud.storage.outbox import Delivery, Outbox, Outcome, Subscription

CONCURRENCY = 8
TIMEOUT_SECONDS = 60.0

_log = logging.getLogger("uvicorn.error")


@asynccontextmanager
async def dispatching(outbox: Outbox, faults: Faults) -> AsyncIterator[None]:
    """Send deliveries while the block runs; attempts under way at its end are made again after a restart."""
    loop = asyncio.get_running_loop()
    lanes = [_Lane(outbox, target, EventFaults(faults, outbox)) for target in outbox.subscriptions]
    outbox.on_new = partial(loop.call_soon_threadsafe, _wake, lanes)
    running = [asyncio.create_task(lane.run()) for lane in lanes]
    try:
        yield
    finally:
        outbox.on_new = lambda: None
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _wake(lanes: list["_Lane"]) -> None:
    for lane in lanes:
        lane.wake.set()


class _Lane:
    """One target's deliveries, at most CONCURRENCY at once."""

    def __init__(self, outbox: Outbox, target: Subscription, faults: EventFaults) -> None:
        self.wake = asyncio.Event()
        self._outbox = outbox
        self._target = target
        self._faults = faults
        self._under_way: dict[int, asyncio.Task[None]] = {}

    async def run(self) -> None:
        limits = httpx.Limits(max_connections=CONCURRENCY)
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, limits=limits, trust_env=False) as client:
            try:
                while True:
                    self.wake.clear()
                    delay = await self._start_due(client)
                    await self._sleep(delay)
            finally:
                for task in self._under_way.values():
                    task.cancel()

    async def _start_due(self, client: httpx.AsyncClient) -> float | None:
        # Those under way are still pending rows, so they are asked for as well and skipped.
        ready, delay = await run_in_threadpool(
            self._outbox.due, self._target, CONCURRENCY + len(self._under_way)
        )
        for delivery in ready:
            if delivery.id not in self._under_way and len(self._under_way) < CONCURRENCY:
                task = asyncio.create_task(self._attempt(client, delivery))
                self._under_way[delivery.id] = task
        return None if len(self._under_way) == CONCURRENCY else delay

    async def _sleep(self, delay: float | None) -> None:
        try:
            await asyncio.wait_for(self.wake.wait(), delay)
        except TimeoutError:
            return

    async def _attempt(self, client: httpx.AsyncClient, delivery: Delivery) -> None:
        try:
            if not await self._faults.lets_through(delivery):
                return
            outcome = await _post(client, self._target.url, delivery)
            if not outcome.is_success:
                _log.warning(
                    "event %s of gs://%s/%s not delivered to %s: expected 2xx, found %s; trying again",
                    *(delivery.event_id, delivery.resource["bucket"], delivery.resource["name"]),
                    *(self._target.url, outcome.status or outcome.error),
                )
            await run_in_threadpool(self._outbox.record, delivery, outcome)
            if outcome.is_success:
                await self._faults.delivered(delivery)
        finally:
            del self._under_way[delivery.id]
            self.wake.set()


async def _post(client: httpx.AsyncClient, url: str, delivery: Delivery) -> Outcome:
    headers, body = finalized(delivery.resource, delivery.event_id)
    try:
        response = await client.post(url, headers=headers, content=body)
    except httpx.HTTPError as error:
        return Outcome(None, f"{type(error).__name__}: {error}")
    text = None if response.is_success else response.text[:500]
    return Outcome(response.status_code, text)
