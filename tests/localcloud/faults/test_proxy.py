"""The proxy: what passes arrives as it was sent, and what suffers suffers as its rule says."""

import contextlib
import http.client
import socket
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

import pytest

from .conftest import Client, Origin, RulesFile, request, wait_until

Clients = Callable[..., Client]
DROPPED = (http.client.RemoteDisconnected, ConnectionError)


def paths(origin: Origin) -> list[str]:
    return [path for _, path, _, _ in origin.requests]


def talk(port: int, sent: bytes) -> bytes:
    """Send bytes as they are, and read to the connection's end."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(sent)
        return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def test_a_request_arrives_as_it_was_sent(proxy: int, origin: Origin) -> None:
    path = "/bigquery/v2/projects/p/jobs/a%2Fb%20c?alt=json&x=%C3%A9"
    headers = {"X-Spelled-Oddly": "a:  b", "Host": "somewhere:1", "Accept-Encoding": "identity"}
    assert request(proxy, "POST", path, b"\x00\xff body", headers) == (200, b"ok")
    ((method, found, arrived, body),) = origin.requests
    assert (method, found, body) == ("POST", path, b"\x00\xff body")
    assert dict(arrived) == {**headers, "Content-Length": "7"}


def test_an_answer_comes_back_as_it_was_given(proxy: int, origin: Origin) -> None:
    given = b"HTTP/1.1 207 Odd Reason\r\nX-Two: 1\r\nx-two: 2\r\ncontent-length: 3\r\n\r\nabc"
    origin.script = lambda handler: handler.wfile.write(given) and None
    assert talk(proxy, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") == given


def test_chunks_go_both_ways(proxy: int, origin: Origin) -> None:
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n"
    origin.script = lambda handler: handler.wfile.write(answer) and None
    head = b"POST /up HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert talk(proxy, head + b"5;x=y\r\nhe\r\nl\r\n2\r\nlo\r\n0\r\nT: 1\r\n\r\n") == answer
    assert origin.requests[0][3] == b"he\r\nllo"


def test_a_connection_goes_on_behind_chunks(proxy: int, origin: Origin) -> None:
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    origin.script = lambda handler: handler.wfile.write(answer) and None
    connection = http.client.HTTPConnection("127.0.0.1", proxy, timeout=5)
    for number in range(3):
        connection.request("POST", f"/{number}", iter([b"x", b"yz"]), encode_chunked=True)
        assert connection.getresponse().read() == b"abc"
    connection.close()
    assert [body for _, _, _, body in origin.requests] == [b"xyz"] * 3


def test_one_connection_carries_many_requests_of_every_kind(proxy: int, origin: Origin) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", proxy, timeout=10)
    for number in range(20):
        for method, body in (("GET", None), ("POST", b"x" * number), ("HEAD", None), ("DELETE", None)):
            connection.request(method, f"/{method}/{number}", body)
            response = connection.getresponse()
            assert (response.status, response.read()) == (200, b"" if method == "HEAD" else b"ok")
    connection.close()
    assert len(origin.requests) == 80


def test_a_large_body_streams_through_in_both_directions(proxy: int, origin: Origin) -> None:
    size = 30_000_000

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(size))
        handler.end_headers()
        handler.wfile.write(b"y" * size)

    origin.script = answer
    status, body = request(proxy, "PUT", "/", b"x" * size)
    assert (status, body == b"y" * size) == (200, True)
    assert origin.requests[0][3] == b"x" * size


def test_an_answer_without_a_length_ends_with_the_connection(proxy: int, origin: Origin) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")
        handler.close_connection = True

    origin.script = answer
    assert request(proxy, "GET", "/") == (200, b"until the end")


def test_a_client_that_waits_for_100_continue_gets_it(proxy: int, origin: Origin) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    with socket.create_connection(("127.0.0.1", proxy), timeout=10) as connection:
        connection.sendall(head)
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"hi")
        assert b"200 OK" in connection.recv(1000)
    assert origin.requests[0][3] == b"hi"


def test_an_answer_that_comes_before_the_body_is_passed_on(proxy: int, origin: Origin) -> None:
    origin.early = b"HTTP/1.1 413 Too Much\r\ncontent-length: 0\r\n\r\n"
    with socket.create_connection(("127.0.0.1", proxy), timeout=10) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf")
        assert connection.recv(1000) == origin.early
        # What would follow is the rest of a body, no request.
        assert connection.recv(1000) == b""


@pytest.mark.parametrize(
    "sent", [b"hello\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"a" * 300_000]
)
def test_what_is_no_request_is_dropped(proxy: int, origin: Origin, sent: bytes) -> None:
    with contextlib.suppress(ConnectionError):
        assert talk(proxy, sent) == b""
    assert request(proxy, "GET", "/still") == (200, b"ok")
    assert paths(origin) == ["/still"]


def test_a_server_that_is_gone_drops_the_request(proxy: int, origin: Origin, rules: RulesFile) -> None:
    origin.script = lambda handler: handler.connection.shutdown(socket.SHUT_RDWR)
    with pytest.raises(DROPPED):
        request(proxy, "GET", "/")
    origin.script = None
    assert request(proxy, "GET", "/") == (200, b"ok")


def test_an_error_had_no_effect_and_the_connection_goes_on(
    proxy: int, origin: Origin, rules: RulesFile
) -> None:
    rules.set({"part": "bigquery", "action": "error", "status": 500, "match": {"path": "/jobs"}, "times": 1})
    connection = http.client.HTTPConnection("127.0.0.1", proxy, timeout=10)
    statuses = []
    for path in ("/jobs", "/jobs", "/tables"):
        connection.request("POST", path, b"x" * 500_000)
        response = connection.getresponse()
        response.read()
        statuses.append(response.status)
    connection.close()
    assert statuses == [500, 200, 200]
    assert paths(origin) == ["/jobs", "/tables"]


@pytest.mark.parametrize(("action", "arrived"), [("drop_before", 0), ("drop_after", 1)])
def test_a_drop_gives_no_answer(
    proxy: int, origin: Origin, rules: RulesFile, action: str, arrived: int
) -> None:
    rules.set({"part": "bigquery", "action": action, "times": 1})
    with pytest.raises(DROPPED):
        request(proxy, "POST", "/jobs", b"x")
    assert paths(origin) == ["/jobs"] * arrived
    assert request(proxy, "POST", "/jobs", b"x") == (200, b"ok")


def test_a_delay_holds_up_only_its_own_request(proxy: int, origin: Origin, rules: RulesFile) -> None:
    rules.set({"part": "bigquery", "action": "delay", "seconds": 2, "match": {"path": "slow"}})
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", proxy), timeout=10) as slow:
        slow.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        assert request(proxy, "GET", "/quick") == (200, b"ok")
        assert time.monotonic() - began < 2
        assert slow.recv(1000).startswith(b"HTTP/1.1 200")
    assert time.monotonic() - began >= 2
    assert paths(origin) == ["/quick", "/slow"]


@pytest.mark.parametrize(("action", "arrived"), [("kill_client_before", 0), ("kill_client_after", 1)])
def test_a_kill_ends_whoever_asked_and_no_other(
    proxy: int, origin: Origin, rules: RulesFile, start_client: Clients, action: str, arrived: int
) -> None:
    guilty, bystander = start_client(proxy), start_client(proxy)
    rules.set({"part": "bigquery", "action": action, "match": {"path": "/jobs"}})
    guilty.ask("POST", "/jobs")
    assert guilty.process.wait(30) == -9
    # It is written down once it is done.
    wait_until(lambda: rules.fired() == [action, "killed"])
    assert rules.lines()[-1]["process"] == guilty.process.pid
    assert paths(origin) == ["/jobs"] * arrived
    bystander.ask("GET", "/tables")
    assert bystander.answer() == "200"


def test_rules_of_another_part_are_none_of_its_business(proxy: int, origin: Origin, rules: RulesFile) -> None:
    rules.set({"part": "airflow", "action": "error"}, {"part": "storage", "action": "drop_before"})
    assert request(proxy, "GET", "/") == (200, b"ok")
    assert rules.lines() == []
