"""Faults of events on their way to a function: lost, doubled, late, or overtaken by another."""

from starlette.concurrency import run_in_threadpool

from localcloud.faults.reader import Faults
from localcloud.faults.rules import EVENTS
from localcloud.storage.outbox import Delivery, Outbox


class EventFaults:
    """Decides once for each delivery of one target, before its first attempt."""

    def __init__(self, faults: Faults, outbox: Outbox) -> None:
        self._faults = faults
        self._outbox = outbox
        self._judged: set[int] = set()
        self._held: set[int] = set()

    async def lets_through(self, delivery: Delivery) -> bool:
        """Whether the event may be sent now; if not, it is lost or due again later, and its row says so."""
        if delivery.attempts or delivery.id in self._judged:
            return True
        self._judged.add(delivery.id)
        name = f"{delivery.resource['bucket']}/{delivery.resource['name']}"
        rule = self._faults.choose("events", "POST", name, EVENTS)
        if rule is None:
            return True
        if rule.action == "lose":
            await run_in_threadpool(self._outbox.lose, delivery)
            return False
        if rule.action == "duplicate":
            self._judged |= await run_in_threadpool(self._outbox.repeat, delivery, rule.copies, rule.seconds)
            return True
        if rule.action == "reorder":
            self._held.add(delivery.id)
        await run_in_threadpool(self._outbox.postpone, delivery, rule.seconds)
        return False

    async def delivered(self, delivery: Delivery) -> None:
        """An event arrived: those that it should overtake may follow."""
        self._judged.discard(delivery.id)
        self._held.discard(delivery.id)
        if self._held:
            await run_in_threadpool(self._outbox.hurry, self._held)
            self._held = set()
