"""A seeded share of what `make fuzz-function` sends, through the real function and its framework."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_no_request_is_too_odd() -> None:
    # A process of its own: the framework leaves the function's flat modules in the one that loads it.
    done = subprocess.run(
        [sys.executable, "-m", "tests.functions.fuzz", "--count", "6000", "--seed", "2", "--jobs", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    last = done.stdout.rpartition("\n6,000 requests")[2]
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    counts = {
        outcome: int(number.replace(",", "")) for number, outcome in re.findall(r"([\d,]+) ([a-z ]+)", last)
    }
    for outcome in ("triggered", "joined", "ignored", "refused", "deferred", "no event"):
        assert counts[outcome] > 20, f"the share is too small to say anything of {outcome!r}: {last}"
