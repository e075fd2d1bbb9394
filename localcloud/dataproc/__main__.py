"""Runs the local Dataproc until SIGTERM or SIGINT."""

import argparse
import logging
import os
import shlex
import signal
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyspark

from localcloud.faults.reader import Faults

from .class_archive import ClassArchive
from .clusters import Clusters
from .jobs import Jobs
from .operations import Operations
from .runner import Runner
from .server import Served, make_server
from .spark import Site
from .store import Store
from .timekeeper import Timekeeper

_log = logging.getLogger("localcloud.dataproc")


def main() -> int:
    """Serve on loopback; returns the exit code."""
    options = _options()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    state, buckets = options.state.resolve(), options.buckets.resolve()
    for folder in (state, buckets):
        folder.mkdir(parents=True, exist_ok=True)
    site = _site(buckets, options.spark_submit)
    archive = ClassArchive(site)
    store = Store(state / "dataproc.sqlite")
    faults = Faults(options.faults)
    jobs = Jobs(store, Runner(site, state / "jobs", archive.jvm_options), _now, faults)
    change_time = timedelta(seconds=options.seconds)
    clusters = Clusters(store, buckets, change_time, _now, jobs.end_of_cluster, faults)
    timekeeper = Timekeeper(clusters.advance, _now)
    served = Served(options.port, options.project, faults)
    server = make_server(served, clusters, jobs, Operations(store), timekeeper)
    jobs.recover()
    timekeeper.start()
    server.start()
    _log.info("Dataproc of project %s at port %s, state in %s", options.project, options.port, state)
    if options.warm_up and site.spark_submit is None:
        archive.make_in_background()
    stop.wait()
    server.stop(grace=0.5)
    archive.stop()
    jobs.stop()
    timekeeper.stop()
    store.close()
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m localcloud.dataproc", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    parser.add_argument("--state", type=Path, required=True, help="folder that is kept between runs")
    parser.add_argument("--buckets", type=Path, required=True, help="folder with one folder for each bucket")
    parser.add_argument("--project", required=True, help="the one project that is served")
    parser.add_argument(
        "--seconds", type=float, default=0.5, help="time to create or delete a cluster (default %(default)s)"
    )
    parser.add_argument(
        "--no-warm-up",
        dest="warm_up",
        action="store_false",
        help="do not make the archive of Spark's classes",
    )
    parser.add_argument(
        "--spark-submit",
        type=shlex.split,
        metavar="COMMAND",
        help="runs the jobs in place of the installed pyspark's spark-submit, with its arguments",
    )
    parser.add_argument("--faults", type=Path, metavar="FILE", help="rules of faults, read again on change")
    return parser.parse_args()


def _site(buckets: Path, spark_submit: Sequence[str] | None = None) -> Site:
    return Site(
        spark_home=Path(pyspark.__file__).parent,
        python=Path(sys.executable),
        cores=os.cpu_count() or 1,
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        buckets=buckets,
        spark_submit=tuple(spark_submit) if spark_submit else None,
    )


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    sys.exit(main())
