"""What the bench of the function rests on: a load that hides nothing, and an Airflow that counts."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.function.load import Load, Sender, arrivals, events, offer_steadily, saturate
from tests.bench.function.report import Found, header, percentile, row
from tests.bench.function.stand_in import Airflow

# The port of the discard service, which hardly anything has run for decades.
NOBODY = 9
OPTIONS = "--seconds 1 --saturation 1 --datasets 3 --rate 50"


class Server(asyncio.Protocol):
    """Answers each request after `delay` seconds, one at a time on all connections together."""

    free_at = 0.0
    delay = 0.02
    most = 0
    connections: set["Server"] = set()  # noqa: RUF012 shared on purpose

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self.transport = transport
        Server.connections.add(self)
        Server.most = max(Server.most, len(Server.connections))

    def connection_lost(self, error: Exception | None) -> None:
        Server.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        Server.free_at = max(Server.free_at, loop.time()) + self.delay
        loop.call_at(Server.free_at, self.answer)

    def answer(self) -> None:
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    Server.free_at, Server.most = 0.0, 0
    yield
    Server.connections.clear()


async def load(delay: float, rate: float | None, seconds: float, most: int) -> Load:
    Server.delay = delay
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        sender = Sender("127.0.0.1", port, events("x", 3), most)
        if rate is None:
            return await saturate(sender, most, seconds)
        return await offer_steadily(sender, rate, seconds, seed=1)


def test_a_server_that_falls_behind_shows_in_the_latency() -> None:
    # 100 events a second, each 20 ms of work: after a second it is a second behind, however few wait in it.
    found = asyncio.run(load(0.02, 100, 1.0, most=4))
    offered = len(list(arrivals(100, 1.0, seed=1)))
    assert found.statuses == {200: offered}
    assert Server.most <= 4
    assert max(found.latencies) > 0.02 * offered - 1.0 - 0.1
    assert found.seconds > 0.02 * offered - 0.1


def test_saturation_keeps_so_many_on_their_way() -> None:
    found = asyncio.run(load(0.01, None, 1.0, most=5))
    assert Server.most == 5
    # How many it really is, is up to the machine: each answer within the time brings another event.
    assert 5 < found.statuses[200] <= 110
    assert percentile(found.latencies, 0.5) >= 0.03, "each waits for the four before it"


def test_a_broken_connection_is_an_error() -> None:
    async def nobody() -> Load:
        return await offer_steadily(Sender("127.0.0.1", NOBODY, events("x", 1), 2), 50, 0.2, seed=1)

    found = asyncio.run(nobody())
    assert set(found.statuses) == {0}
    assert Found(1, 50, found, 0, 0).errors == len(found.latencies) > 0


def test_arrivals_are_at_the_rate_and_the_same_for_a_seed() -> None:
    moments = list(arrivals(300, 20, seed=3))
    assert moments == sorted(moments) == list(arrivals(300, 20, seed=3))
    assert 5600 < len(moments) < 6400


def test_airflow_counts_posts_and_runs() -> None:
    airflow = Airflow(0)
    head = b"POST /api/v2/dags/ingest_a/dagRuns HTTP/1.1\r\n"
    body = b'{"dag_run_id": "a__1"}'
    assert [airflow.answer(head, body)[0] for _ in range(3)] == [200, 409, 409]
    assert airflow.answer(b"GET /counts HTTP/1.1\r\n", b"") == (200, {"posts": 3, "runs": 1})


def test_the_table_has_a_cell_for_each_column() -> None:
    found = Load([0.001 * n for n in range(1, 101)], seconds=2.0)
    found.statuses[200] = 100
    line = row(Found(5, 300, found, 5, 5))
    assert [len(text.split("|")) for text in (*header().splitlines(), line)] == [13, 13, 13]
    assert line.endswith("| 50 | 50.0 | 99.0 | 100.0 | 5 | 5 | 0 |")


def test_the_bench_runs() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.function", *OPTIONS.split()],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "at 50 events/s: p99" in done.stdout.splitlines()[-1]
