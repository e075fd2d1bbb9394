"""Events that are lost, doubled, late or out of order on their way to a function."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.localcloud.storage.conftest import Receiver, StorageProcess, receivers  # noqa: F401 a fixture

from .conftest import RulesFile, wait_until

Start = Callable[..., StorageProcess]


@pytest.fixture
def receiver(receivers: Callable[[], Receiver]) -> Iterator[Receiver]:  # noqa: F811
    yield receivers()


@pytest.fixture
def storage(start_storage: Start, receiver: Receiver) -> StorageProcess:
    process = start_storage(f"landing={receiver.url}")
    process.client().create_bucket("landing")
    return process


def names(receiver: Receiver) -> list[str]:
    return [resource["name"] for _, resource in receiver.events]


def event(action: str, path: str, **more: Any) -> dict[str, Any]:
    return {"part": "events", "action": action, "match": {"path": path}, **more}


def deliveries(storage: StorageProcess) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = storage.call("GET", "/_landfall/deliveries").json
    return found


def states(storage: StorageProcess) -> list[str]:
    return [entry["state"] for entry in deliveries(storage)]


def is_held(entry: dict[str, Any]) -> bool:
    """Whether a delivery was put off; one that is new is due as soon as it is there."""
    return bool(entry["next_attempt_at"] > entry["created_at"])


def test_a_lost_event_never_comes_and_is_told_as_lost(
    storage: StorageProcess, receiver: Receiver, rules: RulesFile
) -> None:
    rules.set(event("lose", "^landing/gone$"))
    for name in ("gone", "there"):
        storage.upload("landing", name, b"x")
    wait_until(lambda: sorted(states(storage)) == ["delivered", "lost"])
    rules.path.unlink()
    storage.kill()
    storage.start()
    storage.upload("landing", "later", b"x")
    receiver.wait_for(2)
    assert names(receiver) == ["there", "later"]


def test_a_duplicate_is_the_same_event_again(
    storage: StorageProcess, receiver: Receiver, rules: RulesFile
) -> None:
    rules.set(event("duplicate", "", copies=2, seconds=0.05))
    storage.upload("landing", "a", b"x")
    events = receiver.wait_for(3)
    wait_until(lambda: states(storage) == ["delivered"] * 3)
    assert len({headers["ce-id"] for headers, _ in events}) == 1
    assert [resource for _, resource in events] == [events[0][1]] * 3
    assert rules.fired() == ["duplicate"]


def test_a_delayed_event_comes_late_and_once(
    storage: StorageProcess, receiver: Receiver, rules: RulesFile
) -> None:
    rules.set(event("delay", "slow", seconds=2))
    began = time.monotonic()
    storage.upload("landing", "slow", b"x")
    storage.upload("landing", "quick", b"x")
    receiver.wait_for(2)
    assert time.monotonic() - began >= 2
    wait_until(lambda: states(storage) == ["delivered"] * 2)
    assert names(receiver) == ["quick", "slow"]
    assert rules.fired() == ["delay"]


def test_a_reordered_event_waits_for_the_next_one_and_no_longer(
    storage: StorageProcess, receiver: Receiver, rules: RulesFile
) -> None:
    rules.set(event("reorder", "first", seconds=30))
    storage.upload("landing", "first", b"x")
    wait_until(lambda: [is_held(entry) for entry in deliveries(storage)] == [True])
    assert rules.fired() == ["reorder"]
    began = time.monotonic()
    storage.upload("landing", "second", b"x")
    receiver.wait_for(2)
    assert time.monotonic() - began < 10
    assert names(receiver) == ["second", "first"]


def test_a_reordered_event_that_nothing_overtakes_comes_in_the_end(
    storage: StorageProcess, receiver: Receiver, rules: RulesFile
) -> None:
    rules.set(event("reorder", "", seconds=0.3))
    storage.upload("landing", "alone", b"x")
    assert len(receiver.wait_for(1)) == 1
