"""How much longer a request takes through the proxy: `python -m tests.localcloud.faults.measure_proxy`."""

import http.client
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.localcloud.storage.conftest import free_port

from .conftest import is_open, wait_until

REQUESTS = 3000
LARGE = 200_000_000
SERVER = """
import sys, uvicorn
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
"""


def main() -> None:
    """Print the median of a small request, and the time of a large one, without and with the proxy."""
    direct, proxied = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        proxy = ["-m", "localcloud.faults.proxy", "--part", "bigquery", "--port", str(proxied)]
        proxy += ["--target", f"http://127.0.0.1:{direct}", "--faults", str(Path(folder) / "faults.json")]
        with running(["-c", SERVER, str(direct)], direct), running(proxy, proxied):
            for name, port in (("direct", direct), ("proxied", proxied)):
                small, large = measure(port)
                print(f"{name:<8} {small * 1000:.3f} ms for 2 kB, {large:.2f} s for {LARGE // 1_000_000} MB")


@contextmanager
def running(arguments: list[str], port: int) -> Iterator[None]:
    with subprocess.Popen([sys.executable, *arguments]) as process:
        try:
            wait_until(lambda: is_open(port))
            yield
        finally:
            process.kill()


def measure(port: int) -> tuple[float, float]:
    """Median seconds of a request with 2 kB on a kept connection, and seconds of one large one."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    small = [timed(connection, b"x" * 2000) for _ in range(REQUESTS)]
    large = timed(connection, b"x" * LARGE)
    connection.close()
    return statistics.median(small), large


def timed(connection: http.client.HTTPConnection, body: bytes) -> float:
    began = time.perf_counter()
    connection.request("POST", "/", body)
    assert connection.getresponse().read() == b"ok"
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
