"""Run the local Secret Manager: `python -m localcloud.secrets --port P --keys DIR --project ID`."""

import argparse
import signal
import threading
from pathlib import Path

from localcloud.secrets.server import SecretServer


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m localcloud.secrets", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    parser.add_argument("--keys", type=Path, required=True, help="folder with <secret>/<version> files")
    parser.add_argument("--project", required=True, help="the one project that is served")
    arguments = parser.parse_args()

    server = SecretServer(arguments.port, arguments.project, arguments.keys)
    for number in (signal.SIGTERM, signal.SIGINT):
        # shutdown() waits for the loop that this very thread runs.
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"Secret Manager of {arguments.project} on http://127.0.0.1:{arguments.port}", flush=True)
    with server:
        server.serve_forever(poll_interval=0.2)


if __name__ == "__main__":
    main()
