"""One task: ranges of files in, two Parquet files and counts out. Runs in a Spark worker.

The same task writes the same bytes under the same names, so it may run again at any time.
"""

from __future__ import annotations

import functools
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import pyarrow as pa

from landfall_spark import duplicates, failures, rejects, storage, tables, unknown
from landfall_spark.errors import TaskError
from landfall_spark.header import Layout
from landfall_spark.judge import Judged, judge
from landfall_spark.manifest import Manifest, SourceFile
from landfall_spark.metrics import FileCounts
from landfall_spark.parquet import Writer
from landfall_spark.pipeline import Pipeline
from landfall_spark.records import Block, read_blocks
from landfall_spark.refusal import Refusal, Unreadable
from landfall_spark.survey import Split, Survey, open_split, survey
from landfall_spark.token_key import TokenKey

ACCEPTED, REJECTED = "accepted", "rejected"
# Made and deleted by the driver.
REPEATS = "repeats"


@dataclass(frozen=True)
class Batch:
    """What is to be turned, how, and where to; the same for all tasks."""

    manifest: Manifest
    contract: Pipeline
    output: str
    # By the file's place in the manifest; a refused file has none.
    layouts: Mapping[int, Layout]
    # The column in raw of each unknown name, where the contract says `evolve`.
    new_columns: Mapping[str, str]


@dataclass(frozen=True)
class Range:
    """Bytes of a large file, between two cuts. `file` is its place in the manifest."""

    file: int
    start: int
    stop: int


@dataclass(frozen=True)
class Task:
    """Ranges of files. `repeats` is the folder that names rows with repeated keys; None: not looked for."""

    number: int
    splits: tuple[Split, ...]
    repeats: str | None = None


@dataclass
class Done:
    """What a task did. `counts` and `refusals` are by the file's place in the manifest, `quality` by rule."""

    number: int
    counts: dict[int, FileCounts] = field(default_factory=dict)
    refusals: dict[int, Refusal] = field(default_factory=dict)
    quality: Counter[str] = field(default_factory=Counter)
    # Of ACCEPTED and REJECTED those that the task has rows for.
    kinds: tuple[str, ...] = ()

    @property
    def part(self) -> str:
        """The name of the files that the task wrote."""
        return part_name(self.number)


class _RefusedError(Exception):
    """A file turned out unreadable while it was read."""

    def __init__(self, index: int, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.index = index
        self.refusal = refusal


def survey_range(range_: Range, batch: Batch) -> Survey:
    """Survey a range of a large file."""
    file = batch.manifest.files[range_.file]
    with failures.noted(batch.output, f"range-{range_.file:05}-{range_.start}", [file]):
        try:
            read = storage.read_range(file.archive_uri, range_.start, range_.stop)
            return survey(read, batch.contract.format)
        except Exception as problem:
            place = f"{file.uri}#{file.generation}, bytes {range_.start} to {range_.stop}"
            raise _failed(place, [file], problem) from None


def part_name(number: int) -> str:
    """Return the name of the files that the task of this number writes."""
    return f"part-{number:05}.parquet"


def run(task: Task, batch: Batch, key: TokenKey | None) -> Done:
    """Run a task. A file that cannot be read to its end is refused, and the task begins again without it.

    TaskError hides what another error says: an error of Arrow may quote the value that it is about.
    """
    pa.set_cpu_count(1)
    pa.set_io_thread_count(2)
    files = [batch.manifest.files[index] for index in sorted({split.file for split in task.splits})]
    with failures.noted(batch.output, f"task-{task.number:05}", files):
        try:
            return _run(_Attempt(task, batch, key))
        finally:
            pa.default_memory_pool().release_unused()


def _run(attempt: _Attempt) -> Done:
    try:
        while True:
            try:
                return attempt.run()
            except _RefusedError as problem:
                attempt = attempt.without(problem)
    except Exception as problem:
        raise attempt.failed(problem) from None


class _Attempt:
    """One pass over a task's ranges."""

    def __init__(
        self,
        task: Task,
        batch: Batch,
        key: TokenKey | None,
        refusals: Mapping[int, Refusal] = MappingProxyType({}),
    ) -> None:
        self._task, self._batch, self._key = task, batch, key
        self._accepted, self._rejected = (
            Writer(f"{batch.output}/{kind}/{part_name(task.number)}") for kind in (ACCEPTED, REJECTED)
        )
        self._done = Done(task.number, refusals=dict(refusals))
        self._place, self._at = "the task's start", list[SourceFile]()

    def run(self) -> Done:
        """Turn the ranges of all files but the refused ones."""
        if self._task.repeats or self._done.refusals:
            # What this attempt writes may be less than what is there.
            for writer in (self._accepted, self._rejected):
                storage.delete(writer.uri)
        for split in self._task.splits:
            if split.file not in self._done.refusals:
                self._turn(split)
        # Rows of any file may be what cannot be written.
        self._at = []
        written = {ACCEPTED: self._accepted.close(), REJECTED: self._rejected.close()}
        self._done.kinds = tuple(kind for kind, there in written.items() if there)
        self._count_written()
        return self._done

    def without(self, problem: _RefusedError) -> _Attempt:
        """Return the attempt that leaves out one more file."""
        refusals = {**self._done.refusals, problem.index: problem.refusal}
        return _Attempt(self._task, self._batch, self._key, refusals)

    def failed(self, problem: Exception) -> TaskError:
        """Return the error that says where another came up."""
        return _failed(self._place, self._at, problem)

    def _turn(self, split: Split) -> None:
        file, layout = self._batch.manifest.files[split.file], self._batch.layouts[split.file]
        count = self._done.counts.setdefault(split.file, FileCounts())
        self._place, self._at = f"{file.uri}#{file.generation}, from row {split.first_row}", [file]
        try:
            for block in _read(file, split, layout, self._batch.contract):
                last_row = _last_row(block)
                self._judge(block, file, layout, count)
                count.numbered = max(count.numbered, last_row)
                self._place = f"{file.uri}#{file.generation}, after row {last_row}"
        except Unreadable as problem:
            raise _RefusedError(split.file, problem.refusal) from None

    def _judge(self, block: Block, file: SourceFile, layout: Layout, count: FileCounts) -> None:
        contract, manifest = self._batch.contract, self._batch.manifest
        judged = judge(block, layout, contract, self._key)
        if self._task.repeats:
            judged = self._reject_repeats(judged, block, file)
        self._done.quality.update({rule: int(mask.sum()) for rule, mask in judged.found.items()})
        count.accepted += len(judged.accepted_index)
        columns = {
            **dict(zip(judged.accepted.schema.names, judged.accepted.columns, strict=True)),
            **unknown.columns(block, judged.accepted_index, layout, contract.format, self._batch.new_columns),
        }
        numbers = block.rows[judged.accepted_index]
        self._accepted.write(tables.accepted_rows(columns, numbers, manifest, file))
        for rejected in rejects.gather(judged, block, layout, contract):
            count.rejected += len(rejected)
            count.reasons.update(code for row in rejected for code in row.codes)
            self._rejected.write(tables.rejected_rows(rejected, manifest, file))

    def _reject_repeats(self, judged: Judged, block: Block, file: SourceFile) -> Judged:
        rows = block.rows[judged.accepted_index]
        if not len(rows):
            return judged
        folder, place = str(self._task.repeats), (file.uri, file.generation)
        return rejects.reject_repeats(judged, rows, duplicates.repeated(folder, *place, rows[0], rows[-1]))

    def _count_written(self) -> None:
        files = self._batch.manifest.files
        counts = {
            (files[index].uri, files[index].generation): one for index, one in self._done.counts.items()
        }
        for writer, prefix in ((self._accepted, "_source"), (self._rejected, "source")):
            for identity, rows in writer.count_rows(prefix).items():
                counts[identity].written += rows


def _read(file: SourceFile, split: Split, layout: Layout, contract: Pipeline) -> Iterator[Block]:
    read = functools.partial(storage.read_range, file.archive_uri)
    text = open_split(read, split, file.archive_uri, contract.format)
    return read_blocks(text, layout, contract.format, split.first_row, split.offset)


def _failed(place: str, files: Sequence[SourceFile], problem: Exception) -> TaskError:
    """Say of which type an error is and where it came up, but not its text."""
    frame = traceback.extract_tb(problem.__traceback__)[-1]
    return TaskError(
        f"{place}: expected to read and write its rows, found {type(problem).__name__} "
        f"({Path(frame.filename).name}, line {frame.lineno}); run the job again, and report it if it stays",
        files,
        is_outside=storage.is_outage(problem),
    )


def _last_row(block: Block) -> int:
    numbers = [int(block.rows[-1])] if len(block.rows) else []
    return max([*numbers, *(torn.row for torn in block.torn)])
