"""What the bench rests on: files whose truth is known, memory of a tree, tables, a line through points."""

import io
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import psutil
import pytest

from samples.__main__ import make_lines, take_size, write_sample
from tests.bench import contenders
from tests.bench.bench import ALMOST_EMPTY, check_room
from tests.bench.files import write_sources
from tests.bench.measurement import BenchError, Measured, measure
from tests.bench.report import (
    Spent,
    best,
    comparison_table,
    deviation,
    fit_line,
    profile_table,
    scaling_table,
)

MEBIBYTE = 2**20


def test_each_file_is_the_samples_own_with_its_rows_and_sum(tmp_path: Path) -> None:
    # The longest passes the rows that are written at once.
    sources = write_sources(tmp_path, [4_000_000, ALMOST_EMPTY, 50_000], seed=5)
    assert [source.size for source in sources] == [ALMOST_EMPTY, 50_000, 4_000_000]
    assert sources[0].rows == 1
    for source in sources:
        sample = io.BytesIO()
        write_sample("price_quote", take_size(make_lines("price_quote", 5), source.size), sample)
        assert source.path.read_bytes() == sample.getvalue()
        rows = sample.getvalue().decode().splitlines()[1:]
        truth = (len(sample.getvalue()), len(rows), sum(Decimal(row.split(",")[-1]) for row in rows))
        assert (source.length, source.rows, source.cost) == truth


def run(
    folder: Path, program: str, tick: Callable[[float, int], None] = lambda seconds, peak: None
) -> Measured:
    return measure([sys.executable, "-c", program], {}, folder, folder / "log", tick)


def test_memory_is_that_of_all_processes_at_once(tmp_path: Path) -> None:
    # It holds its memory until that is seen, a minute at most.
    child = (
        "import pathlib, time; held = bytearray(40 << 20); end = time.monotonic() + 60\n"
        "while time.monotonic() < end and not pathlib.Path('seen').exists(): time.sleep(0.01)"
    )
    parent = (
        "import subprocess, sys; held = bytearray(60 << 20); subprocess.run([sys.executable, '-c', {!r}])"
    )
    ticks: list[tuple[float, int]] = []

    def tick(seconds: float, peak: int) -> None:
        ticks.append((seconds, peak))
        if peak > 100 * MEBIBYTE:
            (tmp_path / "seen").touch()

    began = time.perf_counter()
    found = run(tmp_path, parent.format(child), tick)
    took = time.perf_counter() - began
    assert 100 * MEBIBYTE < found.peak < 160 * MEBIBYTE
    peaks = [peak for _, peak in ticks]
    assert peaks == sorted(peaks)
    assert peaks[-1] == found.peak
    assert 0 < ticks[-1][0] < found.seconds < took


def test_a_job_that_fails_names_its_log(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"expected exit code 0, found 3: read .*/log"):
        run(tmp_path, "print('why'); raise SystemExit(3)")
    assert (tmp_path / "log").read_text() == "why\n"


def test_no_process_outlives_a_run_that_is_broken_off(tmp_path: Path) -> None:
    program = "import subprocess; subprocess.run(['sleep', '60'])"
    others = psutil.Process().children(recursive=True)
    families: list[list[int]] = []

    def stop(seconds: float, peak: int) -> None:
        family = [child for child in psutil.Process().children(recursive=True) if child not in others]
        if "sleep" in [child.name() for child in family]:
            families.append([child.pid for child in family])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, program, stop)
    assert families[0]
    assert not any(psutil.pid_exists(pid) for pid in families[0])


def test_the_best_run_has_the_fewest_seconds_and_the_most_memory() -> None:
    assert best([Measured(3.0, 10), Measured(2.0, 30), Measured(2.5, 20)]) == Measured(2.0, 30)


def test_a_line_goes_through_points_on_it() -> None:
    assert fit_line([(0.25, 7.0), (0.5, 9.0), (1.0, 13.0), (2.0, 21.0)]) == pytest.approx((5.0, 8.0))


def test_start_up_alone_is_no_deviation() -> None:
    # Five seconds, and ten more for each unit.
    assert deviation(2000, 25, 1000, 15) == pytest.approx(25 / 30 - 1)
    assert deviation(2000, 25, 1000, 15, start_up=5) == pytest.approx(0)
    assert deviation(500, 11, 1000, 15, start_up=5) == pytest.approx(0.2)


def test_the_tables_are_markdown() -> None:
    naive, ours = [Measured(80.0, 900 * MEBIBYTE)], [Measured(22.0, 0), Measured(20.0, 1234 * MEBIBYTE)]
    assert comparison_table(10**9, {"naive": naive, "ours": ours}, "naive").splitlines() == [
        "| job | runs | seconds | MB/s | peak memory, MiB | time / naive |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        "| naive | 1 | 80.0 | 12.5 | 900 | 1.00 |",
        "| ours | 2 | 20.0 | 50.0 | 1,234 | 0.25 |",
    ]
    runs = {2 * 10**9: [Measured(39.0, MEBIBYTE)], 10**9: ours}
    assert scaling_table(runs, 10**9, start_up=4.0).splitlines()[2:] == [
        "| 1 | 2 | 20.0 | 50.0 | 1,234 | +0.0% | +0.0% |",
        "| 2 | 1 | 39.0 | 51.3 | 1 | -2.5% | +9.4% |",
    ]


def test_a_profile_is_sorted_by_the_seconds_asked_for() -> None:
    spent = [Spent("a.py", 1, "outer", 2, 1.0, 4.0), Spent("b.py", 7, "inner", 1000, 3.0, 3.0)]
    assert profile_table(spent, 4.0, "all", 1).splitlines()[2:] == ["| a.py:1 outer | 2 | 4.00 | 100% |"]
    assert profile_table(spent, 4.0, "own", 1).splitlines()[2:] == ["| b.py:7 inner | 1,000 | 3.00 | 75% |"]


def test_what_differs_from_the_generator_is_an_error() -> None:
    with pytest.raises(BenchError, match=r"expected .*'rows': 2.* found .*'rows': 1"):
        contenders.expect({"rows": 1}, {"rows": 2})


def test_room_is_asked_for_before_it_is_used(tmp_path: Path) -> None:
    check_room(tmp_path, 1)
    with pytest.raises(BenchError, match="ask for less with SIZE"):
        check_room(tmp_path, 10**18)


def test_a_job_of_ours_is_submitted_as_the_dag_submits_it(tmp_path: Path) -> None:
    (source,) = write_sources(tmp_path, [ALMOST_EMPTY], seed=1)
    command = contenders.ours({"spark.x": "1"}).command(source, tmp_path)
    main = command.index(str(tmp_path / "csv_to_parquet.py"))
    assert command[main - 2 : main] == ["--py-files", str(tmp_path / "landfall_spark.zip")]
    assert command[main + 1 :: 2] == ["--manifest", "--pipeline", "--output"]
    assert all(uri.startswith("file:///") for uri in command[main + 2 :: 2])
    assert {"spark.x=1", "spark.master=local[2]"} < set(command)
