"""Run a command and measure it: seconds, and the peak memory of all its processes together."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

SAMPLE_SECONDS = 0.2
LIMIT_SECONDS = 900


class BenchError(Exception):
    """The bench cannot go on; the message says why, and where to look."""


@dataclass(frozen=True)
class Measured:
    """One run: seconds from start to end of the process, and bytes of memory at the peak."""

    seconds: float
    peak: int


def measure(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    log: Path,
    tick: Callable[[float, int], None],
) -> Measured:
    """Run `command` in `folder` with its output in `log`; call `tick(seconds, bytes)` some times a second.

    BenchError: it failed, or took longer than `LIMIT_SECONDS`. No process of it outlives the call.
    """
    # What earlier runs wrote is on the disk before this one begins.
    os.sync()
    with log.open("wb") as output:
        start = time.perf_counter()
        process = psutil.Popen(
            command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        peak = 0
        try:
            while True:
                try:
                    code = process.wait(timeout=SAMPLE_SECONDS)
                    break
                except psutil.TimeoutExpired:
                    peak = max(peak, tree_memory(process))
                    seconds = time.perf_counter() - start
                    tick(seconds, peak)
                    if seconds > LIMIT_SECONDS:
                        raise BenchError(
                            f"expected an end within {LIMIT_SECONDS} s, found none: read {log}"
                        ) from None
            seconds = time.perf_counter() - start
        finally:
            _end(process)
    if code:
        raise BenchError(f"expected exit code 0, found {code}: read {log}")
    return Measured(seconds, peak)


def tree_memory(process: psutil.Process) -> int:
    """Bytes of a process and all its descendants, a page that n of them share counted as an nth each.

    Where the system does not tell shares (PSS), resident bytes are summed.
    """
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    return sum(_memory(member) for member in family)


def _memory(process: psutil.Process) -> int:
    try:
        found = process.memory_full_info()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0
    return int(getattr(found, "pss", found.rss))


def _end(process: psutil.Process) -> None:
    try:
        family = [*process.children(recursive=True), process]
    except psutil.NoSuchProcess:
        return
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(family, timeout=10)
