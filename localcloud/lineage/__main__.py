"""Starts the local Data Lineage API."""

import argparse
from pathlib import Path

import uvicorn

from localcloud.lineage.app import build_app
from localcloud.lineage.event_file import trim


def main() -> None:
    """Serve on the loopback address until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m localcloud.lineage", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="port on the loopback address")
    parser.add_argument(
        "--events", type=Path, required=True, help="file of OpenLineage events, a line each; may come later"
    )
    parser.add_argument("--project", required=True, help="project that the events are of")
    parser.add_argument("--region", required=True, help="location that the events are in")
    given = parser.parse_args()
    given.events.parent.mkdir(parents=True, exist_ok=True)
    trim(given.events)
    uvicorn.run(
        build_app(given.project, given.region, given.events),
        host="127.0.0.1",
        port=given.port,
        access_log=False,
        timeout_graceful_shutdown=3,
    )


if __name__ == "__main__":
    main()
