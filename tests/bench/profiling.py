"""Where the time of our job goes: Python's own profiler in every task, as PySpark offers it."""

import pstats
from collections.abc import Iterable
from pathlib import Path

from tests.bench import contenders
from tests.bench.bench import check_room, run_once
from tests.bench.files import write_sources
from tests.bench.progress import Progress
from tests.bench.report import Spent, profile_table

LINES = 15


def run(folder: Path, size: int, seed: int) -> None:
    """Run our job alone on a file of `size` bytes, and print in which functions its tasks spent their time.

    Profiling makes calls dearer: the shares are what to read, not the seconds.
    """
    check_room(folder, 2 * size)
    progress = Progress()
    (source,) = write_sources(folder, [size], seed)
    # The driver writes there as its process ends, a file for each of Spark's jobs.
    dump = folder / "profile"
    for path in dump.glob("*.pstats"):
        path.unlink()
    contender = contenders.ours({"spark.python.profile": "true", "spark.python.profile.dump": str(dump)})
    measured = run_once(folder, contender, source, "profiled", progress)
    progress.say(
        f"{source.length:,} bytes, {source.rows:,} rows: {measured.seconds:.1f} s, profiler included"
    )
    spent = _read(sorted(dump.glob("*.pstats")))
    total = sum(one.own for one in spent)
    package = {path.name for path in (contenders.ROOT / "spark_jobs/landfall_spark").glob("*.py")}
    progress.say(f"All tasks together: {total:.1f} s.\n\nThe package's functions, and what they call:\n")
    progress.say(profile_table([one for one in spent if one.file in package], total, "all", LINES))
    progress.say("\nAll functions, without what they call:\n")
    progress.say(profile_table(spent, total, "own", LINES))


def _read(paths: Iterable[Path]) -> list[Spent]:
    found = pstats.Stats(*map(str, paths)).stats  # type: ignore[attr-defined]
    return [
        Spent(file, line, name, calls, own, everything)
        for (file, line, name), (_, calls, own, everything, _) in found.items()
    ]
