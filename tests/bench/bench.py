"""The order of the runs, and what comes of them: tables, a line, and build/bench/spark.json."""

import json
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import psutil

from tests.bench import contenders
from tests.bench.contenders import Contender
from tests.bench.files import Source, warm, write_sources
from tests.bench.measurement import BenchError, Measured, measure
from tests.bench.progress import Progress
from tests.bench.report import (
    GIGABYTE,
    MEBIBYTE,
    MEGABYTE,
    best,
    comparison_table,
    fit_line,
    name_length,
    scaling_table,
)

# A header and one row: what is left of a job when there is nothing to do.
ALMOST_EMPTY = 165
# Of the size that all jobs read; ours reads them all.
SCALES = (0.25, 0.5, 1, 2)
# Sources, and the output of one job at a time, which is never larger than what it read.
ROOM = sum(SCALES) + max(SCALES)


class Bench:
    """One run of the bench on files of `size` bytes and its multiples."""

    def __init__(self, folder: Path, size: int, seed: int) -> None:
        self._folder, self._size, self._seed = folder, size, seed
        self._progress = Progress()
        self._runs: dict[tuple[str, int], list[Measured]] = {}

    def run(self) -> None:
        """Make the files, run the jobs, print what was found. BenchError: one failed, or was wrong."""
        check_room(self._folder, int(ROOM * self._size))
        naive, inferred, duckdb, polars = contenders.others(
            contenders.make_polars_environment(self._folder / "polars-venv")
        )
        ours = contenders.ours()
        self._describe_machine()
        empty, *sources = self._make_sources()
        unit = sources[SCALES.index(1)]

        compared = [(naive, unit), (ours, unit), (duckdb, unit), (polars, unit)]
        scaled = [(ours, source) for source in sources if source is not unit]
        # Far apart and in opposite orders, so that a disturbance does not meet the same job twice.
        first = [(ours, empty), *compared, (inferred, unit), *scaled]
        second = [*reversed(scaled), *reversed(compared), (ours, empty)]
        for contender, source in [*first, *second]:
            self._measure(contender, source)
        self._report(ours, [naive, inferred, ours, duckdb, polars], empty, sources, unit)

    def _describe_machine(self) -> None:
        memory = psutil.virtual_memory().total / 2**30
        self._progress.say(
            f"{contenders.CORES} of {os.cpu_count()} cores, {memory:.0f} GiB of memory, "
            f"load {os.getloadavg()[0]:.1f} before the first run"
        )

    def _make_sources(self) -> list[Source]:
        start = time.perf_counter()
        sizes = [ALMOST_EMPTY, *(round(self._size * scale) for scale in SCALES)]
        self._progress.show(f"price_quote, seed {self._seed}, {max(sizes) / GIGABYTE:g} GB", 0, 0)
        sources = write_sources(self._folder, sizes, self._seed)
        names = ", ".join(f"{source.size / GIGABYTE:g}" for source in sources[1:])
        self._progress.say(
            f"price_quote, seed {self._seed}: files of {names} GB in {time.perf_counter() - start:.0f} s; "
            f"{sources[-1].rows:,} rows in the longest, SUM(cost) {sources[-1].cost}"
        )
        return sources

    def _measure(self, contender: Contender, source: Source) -> None:
        runs = self._runs.setdefault((contender.title, source.length), [])
        label = f"{contender.title}, {name_length(source.length)}, run {len(runs) + 1}"
        runs.append(run_once(self._folder, contender, source, label, self._progress))
        seconds, peak = runs[-1].seconds, runs[-1].peak / MEBIBYTE
        rate = source.length / MEGABYTE / seconds
        self._progress.say(f"{label}: {seconds:.1f} s, {rate:.1f} MB/s, {peak:,.0f} MiB, rows as generated")

    def _report(
        self,
        ours: Contender,
        compared: Sequence[Contender],
        empty: Source,
        sources: Sequence[Source],
        unit: Source,
    ) -> None:
        runs = {job.title: self._runs[job.title, unit.length] for job in compared}
        scaling = {source.length: self._runs[ours.title, source.length] for source in sources}
        start_up = best(self._runs[ours.title, empty.length]).seconds
        fixed, slope = fit_line(
            (length / GIGABYTE, best(measured).seconds) for length, measured in scaling.items()
        )
        ratio = best(runs[ours.title]).seconds / best(runs[compared[0].title]).seconds
        self._write(start_up, ratio)
        for text in (
            f"\nEvery job, one file of {name_length(unit.length)} and {unit.rows:,} rows:\n",
            comparison_table(unit.length, runs, compared[0].title),
            "\nOurs, by size of the file:\n",
            scaling_table(scaling, unit.length, start_up),
            f"\nStart-up (a file of one row): {start_up:.1f} s. "
            f"Fitted line: seconds = {fixed:.1f} + {slope:.1f} × GB.",
            "COUNT(*) and SUM(cost) of every Parquet of ours are the generator's, exactly.\n",
            f"full / naive = {ratio:.2f}",
        ):
            self._progress.say(text)

    def _write(self, start_up: float, ratio: float) -> None:
        runs = [
            {"job": title, "bytes": length, "runs": [asdict(run) for run in measured]}
            for (title, length), measured in self._runs.items()
        ]
        content = {"seed": self._seed, "start_up_seconds": start_up, "full_by_naive": ratio, "jobs": runs}
        (self._folder / "spark.json").write_text(json.dumps(content, indent=2) + "\n")


def run_once(folder: Path, contender: Contender, source: Source, label: str, progress: Progress) -> Measured:
    """Run a job on a warm page cache in an empty folder, check what it wrote, and delete it."""
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    warm(source.path)
    measured = measure(
        contender.command(source, work),
        contenders.environment(work),
        work,
        folder / "last.log",
        lambda seconds, peak: progress.show(label, seconds, peak),
    )
    progress.show(f"{label}: checking", measured.seconds, measured.peak)
    contender.check(source, work)
    shutil.rmtree(work)
    return measured


def check_room(folder: Path, needed: int) -> None:
    """BenchError where fewer than `needed` bytes are free."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise BenchError(
            f"expected {needed / GIGABYTE:.1f} GB free in {folder}, found {free / GIGABYTE:.1f} GB; "
            "free some, or ask for less with SIZE"
        )
