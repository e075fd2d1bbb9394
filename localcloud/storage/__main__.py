"""Starts the local Cloud Storage."""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn

from localcloud.faults.middleware import DroppableProtocol
from localcloud.storage.app import build_app
from localcloud.storage.cloud import Settings, open_cloud
from localcloud.storage.outbox import Subscription


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve on the loopback address until SIGTERM or SIGINT."""
    settings = parse_arguments(arguments)
    uvicorn.run(
        build_app(open_cloud(settings)),
        host="127.0.0.1",
        port=settings.port,
        http=DroppableProtocol if settings.faults else "auto",
        access_log=False,
        timeout_graceful_shutdown=3,
    )


def parse_arguments(arguments: Sequence[str] | None = None) -> Settings:
    """Read the command line; a mistake ends the process with status 2."""
    parser = argparse.ArgumentParser(prog="python -m localcloud.storage", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="port on the loopback address")
    parser.add_argument("--buckets", type=Path, required=True, help="folder that holds a folder a bucket")
    parser.add_argument("--state", type=Path, required=True, help="SQLite file for everything but contents")
    parser.add_argument("--project", required=True, help="project that owns the buckets")
    parser.add_argument(
        "--subscribe",
        action="append",
        default=[],
        metavar="BUCKET=URL",
        help="where to POST the finalize events of a bucket; may be repeated",
    )
    parser.add_argument(
        "--faults", type=Path, metavar="FILE", help="fail on purpose, by the rules in this file"
    )
    given = parser.parse_args(arguments)
    seen: Counter[str] = Counter()
    subscriptions = []
    for text in given.subscribe:
        bucket, _, url = text.partition("=")
        if not bucket or urlsplit(url).scheme not in ("http", "https"):
            parser.error(f"--subscribe: expected BUCKET=http://HOST:PORT/, found {text!r}")
        subscriptions.append(Subscription(bucket, seen[bucket], url))
        seen[bucket] += 1
    return Settings(given.port, given.buckets, given.state, given.project, tuple(subscriptions), given.faults)


if __name__ == "__main__":
    main()
