"""The load: events sent at times that are fixed beforehand, whether or not earlier ones were answered.

A latency counts from the moment at which an event was due, so a function that falls behind cannot hide it.
"""

import asyncio
import json
import random
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count


@dataclass
class Load:
    """What came of the events: latencies in seconds, and answers by status (0: the connection broke)."""

    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0


def events(host: str, datasets: int) -> Iterator[bytes]:
    """Whole HTTP requests, as Eventarc sends them: objects of as many datasets, in turn."""
    head = (
        "POST / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: APIs-Google; (+https://developers.google.com/webmasters)\r\n"
        "Authorization: Bearer {token}\r\ntraceparent: 00-{trace:032x}-00f067aa0ba902b7-01\r\n"
        "ce-id: {id}\r\nce-specversion: 1.0\r\nce-type: google.cloud.storage.object.v1.finalized\r\n"
        "ce-source: //storage.googleapis.com/projects/_/buckets/landing\r\nce-subject: objects/{name}\r\n"
        "ce-time: 2026-11-21T01:26:00.123Z\r\nce-bucket: landing\r\n"
        "Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    for number in count(1):
        name = f"dataset_{number % datasets:03}/2026/11/21/part-{number:08}.csv"
        link = f"https://www.googleapis.com/storage/v1/b/landing/o/{name.replace('/', '%2F')}"
        body = json.dumps(
            {
                "kind": "storage#object",
                "id": f"landing/{name}/{1763688362123456 + number}",
                "selfLink": link,
                "mediaLink": f"{link}?generation={1763688362123456 + number}&alt=media",
                "name": name,
                "bucket": "landing",
                "generation": str(1763688362123456 + number),
                "metageneration": "1",
                "contentType": "text/csv",
                "timeCreated": "2026-11-21T01:26:00.123Z",
                "updated": "2026-11-21T01:26:00.123Z",
                "storageClass": "STANDARD",
                "timeStorageClassUpdated": "2026-11-21T01:26:00.123Z",
                "size": "1655248",
                "md5Hash": "1B2M2Y8AsgTpgAmY7PhCfg==",
                "crc32c": "AAAAAA==",
                "etag": "CMDx8Z3/24gDEAE=",
            }
        )
        yield head.format(
            host=host, token="x" * 900, trace=number, id=number, name=name, length=len(body), body=body
        ).encode()


def arrivals(rate: float, seconds: float, seed: int) -> Iterator[float]:
    """When events are due, in seconds from the start: independent, `rate` a second on average."""
    source = random.Random(seed)  # noqa: S311 a load, not a secret
    moment = source.expovariate(rate)
    while moment < seconds:
        yield moment
        moment += source.expovariate(rate)


class Sender:
    """Sends events, as many at a time as the platform sends to one instance; the others wait for their turn.

    A connection is opened for an event that finds none idle, and is kept. One that is opened and says nothing
    would hold up a thread of the server, which no front end does.
    """

    def __init__(self, host: str, port: int, requests: Iterator[bytes], most: int) -> None:
        self.load = Load()
        self.on_done: Callable[[], None] = lambda: None
        self._host, self._port, self._requests, self._most = host, port, requests, most
        self._idle: list[Connection] = []
        self._waiting: deque[float] = deque()
        self._under_way = 0
        self._opening: set[asyncio.Task[None]] = set()

    def offer(self, due: float) -> None:
        """Send an event that was due at this moment, now or as soon as its turn comes."""
        if self._under_way == self._most:
            self._waiting.append(due)
            return
        self._under_way += 1
        if self._idle:
            self._idle.pop().send(next(self._requests), due)
        else:
            task = asyncio.ensure_future(self._open(due))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _open(self, due: float) -> None:
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: Connection(self), self._host, self._port
            )
        except OSError:
            self.done(due, 0, None)
        else:
            connection.send(next(self._requests), due)

    def done(self, due: float, status: int, connection: "Connection | None") -> None:
        """Take note of an answer, and use the connection again if it is still there."""
        self._under_way -= 1
        self.load.statuses[status] += 1
        self.load.latencies.append(time.perf_counter() - due)
        if connection is not None:
            self._idle.append(connection)
        if self._waiting:
            self.offer(self._waiting.popleft())
        self.on_done()

    def closed(self, connection: "Connection") -> None:
        """Forget an idle connection that the server closed."""
        self._idle.remove(connection)

    async def drain(self, limit: float) -> None:
        """Wait until every event is answered, `limit` seconds at most; the rest counts as broken."""
        deadline = time.perf_counter() + limit
        while (self._under_way or self._waiting) and time.perf_counter() < deadline:
            await asyncio.sleep(0.005)
        if lost := self._under_way + len(self._waiting):
            self.load.statuses[0] += lost


class Connection(asyncio.Protocol):
    """One connection to the function, with one request on its way at a time."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._due: float | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def send(self, request: bytes, due: float) -> None:
        self._due, self._received = due, b""
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if end and self._due is not None and len(body) >= int(length or 0):
            due, self._due = self._due, None
            self._sender.done(due, int(head.split(b" ", 2)[1]), self)

    def connection_lost(self, error: Exception | None) -> None:
        if self._due is None:
            self._sender.closed(self)
        else:
            due, self._due = self._due, None
            self._sender.done(due, 0, None)


async def offer_steadily(sender: Sender, rate: float, seconds: float, seed: int) -> Load:
    """Offer `rate` events a second for `seconds`."""
    start = time.perf_counter()
    for moment in arrivals(rate, seconds, seed):
        await asyncio.sleep(max(0.0, start + moment - time.perf_counter()))
        sender.offer(start + moment)
    await sender.drain(30)
    sender.load.seconds = time.perf_counter() - start
    return sender.load


async def saturate(sender: Sender, at_once: int, seconds: float) -> Load:
    """Keep so many events on their way for `seconds`: what the function can do at most."""
    start = time.perf_counter()

    def offer_next() -> None:
        if (now := time.perf_counter()) < start + seconds:
            sender.offer(now)

    sender.on_done = offer_next
    for _ in range(at_once):
        offer_next()
    await asyncio.sleep(seconds)
    await sender.drain(30)
    sender.load.seconds = time.perf_counter() - start
    return sender.load
