"""Finalize events reach whoever subscribed, at least once, whatever the targets do."""

import json
import time
from collections.abc import Callable
from typing import Any

from .conftest import Receiver, StorageProcess

Receivers = Callable[[], Receiver]
Start = Callable[..., StorageProcess]


def deliveries(process: StorageProcess, name: str = "") -> list[dict[str, Any]]:
    query = f"?bucket=landing&name={name}&generation="
    found: list[dict[str, Any]] = process.call("GET", f"/_landfall/deliveries{query}").json
    return found


def settled(process: StorageProcess, number: int) -> list[dict[str, Any]]:
    """Wait until so many deliveries are done."""
    deadline = time.monotonic() + 30
    while sum(entry["state"] == "delivered" for entry in deliveries(process)) < number:
        assert time.monotonic() < deadline, json.dumps(deliveries(process), indent=1)
        time.sleep(0.02)
    return deliveries(process)


def test_event_tells_of_the_object_and_is_repeated_until_taken(
    start_storage: Start, receivers: Receivers
) -> None:
    receiver = receivers()
    receiver.script = [500, 500]
    process = start_storage(f"landing={receiver.url}")
    process.client().create_bucket("landing")
    blob = process.client().bucket("landing").blob("price_quote/é 1.csv")
    blob.upload_from_string("a,b\n", content_type="text/csv")
    events = receiver.wait_for(3)
    assert [event for event in events if event != events[0]] == []
    headers, resource = events[0]
    assert headers["ce-type"] == "google.cloud.storage.object.v1.finalized"
    assert headers["ce-source"] == "//storage.googleapis.com/projects/_/buckets/landing"
    assert headers["ce-subject"] == "objects/price_quote/%C3%A9%201.csv"
    assert (headers["ce-specversion"], headers["ce-bucket"]) == ("1.0", "landing")
    assert (headers["content-type"], headers["ce-time"]) == ("application/json", resource["timeCreated"])
    assert resource == {**blob._properties, "kind": "storage#object"}
    (entry,) = settled(process, 1)
    assert (entry["attempts"], entry["last_status"], entry["last_error"]) == (3, 204, None)
    assert (entry["name"], entry["generation"]) == (blob.name, blob.generation)
    assert entry["event_id"] == headers["ce-id"]
    assert entry["delivered_at"] > entry["created_at"]
    assert deliveries(process, "other") == []


def test_every_way_to_make_an_object_is_told_once_and_nothing_else(
    start_storage: Start, receivers: Receivers
) -> None:
    receiver = receivers()
    process = start_storage(f"landing={receiver.url}")
    client = process.client()
    bucket, other = client.create_bucket("landing"), client.create_bucket("other")
    blob = bucket.blob("simple")
    blob.upload_from_string("x")
    bucket.blob("resumable", chunk_size=262144).upload_from_string("x")
    bucket.blob("rewritten").rewrite(blob)
    bucket.blob("composed").compose([blob, blob])
    other.blob("unsubscribed").upload_from_string("x")
    blob.metadata = {"k": "v"}
    blob.patch()
    (process.buckets / "landing/found").write_text("x")
    assert bucket.get_blob("found").size == 1
    blob.delete()
    found = settled(process, 5)
    assert [entry["name"] for entry in found] == ["simple", "resumable", "rewritten", "composed", "found"]
    assert len(receiver.events) == 5


def test_a_target_that_hangs_holds_up_no_other(start_storage: Start, receivers: Receivers) -> None:
    slow, quick = receivers(), receivers()
    slow.gate.clear()
    process = start_storage(f"landing={slow.url}", f"landing={quick.url}", f"other={quick.url}")
    process.client().create_bucket("landing")
    process.client().create_bucket("other")
    for number in range(20):
        process.upload("landing", f"file-{number}", b"x")
    process.upload("other", "file", b"x")
    quick.wait_for(21)
    slow.wait_for_waiting(8)
    assert (slow.events, slow.waiting) == ([], 8)
    slow.gate.set()
    slow.wait_for(20)
    assert {body["name"] for _, body in slow.events} == {f"file-{number}" for number in range(20)}


def test_pending_events_survive_a_sudden_end(start_storage: Start, receivers: Receivers) -> None:
    receiver = receivers()
    receiver.script = [503] * 3
    process = start_storage(f"landing={receiver.url}")
    process.client().create_bucket("landing")
    process.upload("landing", "file", b"x")
    receiver.wait_for(1)
    process.kill()
    receiver.script = []
    process.start()
    (entry,) = settled(process, 1)
    assert len(receiver.events) >= 2
    assert {headers["ce-id"] for headers, _ in receiver.events} == {entry["event_id"]}
