"""Run the metadata server: `python -m localcloud.metadata --port P --airflow-url URL --project ID`."""

import argparse
import signal
import threading

from localcloud.metadata.airflow_token import AirflowTokens
from localcloud.metadata.server import MetadataServer


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m localcloud.metadata", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    parser.add_argument("--airflow-url", required=True, help="base URL of the local Airflow's api-server")
    parser.add_argument("--project", required=True, help="project id to answer with")
    arguments = parser.parse_args()

    server = MetadataServer(arguments.port, arguments.project, AirflowTokens(arguments.airflow_url))
    for number in (signal.SIGTERM, signal.SIGINT):
        # shutdown() waits for the loop that this very thread runs.
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"metadata server of {arguments.project} on http://127.0.0.1:{arguments.port}", flush=True)
    with server:
        server.serve_forever(poll_interval=0.2)


if __name__ == "__main__":
    main()
