"""A stand-in for Airflow's API that answers after a fixed delay, and counts.

    python -m tests.bench.function.stand_in --port P --delay SECONDS

POST …/dagRuns makes a run (200) or finds it (409), GET /auth/token gives a token, GET /counts says how many
POSTs there were and how many runs they made.
"""

import argparse
import asyncio
import base64
import json
import re
import time

_POST = re.compile(rb"POST /api/v2/dags/[^/]+/dagRuns HTTP/1.1\r\n")
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)\r\n", re.IGNORECASE)


class Airflow:
    """The runs that were asked for."""

    def __init__(self, delay: float) -> None:
        self.delay = delay
        self.posts = 0
        self.runs: set[str] = set()

    def answer(self, head: bytes, body: bytes) -> tuple[int, dict[str, object]]:
        """The status and the document that a request is answered with."""
        if head.startswith(b"GET /auth/token "):
            return 201, {"access_token": make_token()}
        if head.startswith(b"GET /counts "):
            return 200, {"posts": self.posts, "runs": len(self.runs)}
        if not _POST.match(head):
            return 404, {"detail": "no such route"}
        self.posts += 1
        run_id = json.loads(body)["dag_run_id"]
        if run_id in self.runs:
            return 409, {"detail": "exists"}
        self.runs.add(run_id)
        return 200, {"dag_run_id": run_id}


class Conversation(asyncio.Protocol):
    """One connection: request after request, each answered `delay` seconds after it came."""

    def __init__(self, airflow: Airflow) -> None:
        self._airflow = airflow
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, rest = self._received.partition(b"\r\n\r\n")
        found = _LENGTH.search(head + b"\r\n")
        length = int(found[1]) if found else 0
        if not end or len(rest) < length:
            return
        self._received = rest[length:]
        status, document = self._airflow.answer(head + b"\r\n", rest[:length])
        text = json.dumps(document).encode()
        whole = b"HTTP/1.1 %d Answer\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
        # Measured from the request, whatever else this loop has to do.
        asyncio.get_running_loop().call_later(
            self._airflow.delay, self._transport.write, whole % (status, len(text), text)
        )


def make_token() -> str:
    """A token that looks like Airflow's, and holds for a day."""
    claims = base64.urlsafe_b64encode(json.dumps({"sub": "x", "exp": time.time() + 86_400}).encode())
    return f"e30.{claims.rstrip(b'=').decode()}.sig"


async def serve(port: int, delay: float) -> None:
    """Serve on loopback until cancelled."""
    airflow = Airflow(delay)
    server = await asyncio.get_running_loop().create_server(lambda: Conversation(airflow), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--delay", type=float, required=True, help="seconds before every answer")
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.port, arguments.delay))
