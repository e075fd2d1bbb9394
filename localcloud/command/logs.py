"""`landfall logs`: what a part wrote."""

import sys
import time
from collections import deque
from pathlib import Path

from localcloud.command.terminal import harmless
from localcloud.launcher.cloud import BUCKETS, PROXIES
from localcloud.launcher.errors import CommandError, UsageError
from localcloud.launcher.parts import PARTS
from localcloud.launcher.place import Place

NAMES = (*PARTS, *PROXIES.values(), "database", "driver")


def logs(place: Place, part: str, lines: int, follow: bool) -> int:
    """Print the last lines of a log, and with `follow` what is added until interrupted."""
    if part not in NAMES:
        raise UsageError(f"there is no part {part!r}; the parts are {', '.join(NAMES)}.")
    log = find_driver_log(place) if part == "driver" else place.log(part)
    if log is None or not log.exists():
        what = "no Spark job has run yet" if part == "driver" else f"there is no {log}"
        raise CommandError(f"{part} has written nothing: {what}. `landfall up` starts the parts.")
    with log.open(errors="replace") as handle:
        # A log quotes the names of objects as they came.
        sys.stdout.writelines(map(harmless, deque(handle, maxlen=max(0, lines))))
        sys.stdout.flush()
        while follow:
            text = handle.read()
            sys.stdout.write(harmless(text))
            sys.stdout.flush()
            if not text:
                time.sleep(0.3)
    return 0


def find_driver_log(place: Place) -> Path | None:
    """The newest output of a Spark driver in the staging bucket, or None."""
    outputs = (place.buckets / BUCKETS["staging"]).rglob("driveroutput*")
    return max(outputs, key=lambda path: path.stat().st_mtime, default=None)
