"""What a failing job leaves behind: which files it was at, and whether they can be to blame.

A worker's error reaches the driver as text alone, and one that is killed says nothing. So a task that fails
notes its files beside its output, and one that is tried again notes them before it begins.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa
from pyspark.taskcontext import TaskContext

from landfall_spark import storage
from landfall_spark.errors import FileError, SurroundingsError, TaskError
from landfall_spark.manifest import SourceFile

FOLDER, REPORT = "failures", "failure.json"
BATCH, SURROUNDINGS = "batch", "surroundings"
_KILLED = "expected the task to end, found that it was tried again and left no word"


@contextlib.contextmanager
def noted(output: str, name: str, files: Sequence[SourceFile]) -> Iterator[None]:
    """Note which files a task was at if it fails or is killed; once it succeeds there is no note."""
    note = f"{output}/{FOLDER}/{name}.json"
    again = _is_tried_again()
    if again:
        _write(note, BATCH, files, _KILLED)
    try:
        yield
    except TaskError as problem:
        _write(note, _fault_of(problem), problem.files or files, str(problem))
        raise
    if again:
        storage.delete(note)


def report(output: str, problem: Exception) -> None:
    """Write failure.json, as far as the driver's error and the tasks' notes know what failed."""
    notes = list(_read(f"{output}/{FOLDER}"))
    if isinstance(problem, FileError | SurroundingsError):
        files = problem.files if isinstance(problem, FileError) else ()
        _write(f"{output}/{REPORT}", _fault_of(problem), files, str(problem))
    elif notes:
        guilty = [note for note in notes if note["fault"] == BATCH]
        # One that names files says more than one that only met an outage.
        first = (guilty or notes)[0]
        named = {(file["uri"], file["generation"]): file for note in guilty for file in note["files"]}
        _put(f"{output}/{REPORT}", {**first, "files": list(named.values())})


def _is_tried_again() -> bool:
    context = TaskContext.get()
    return context is not None and context.attemptNumber() > 0


def _fault_of(problem: Exception) -> str:
    outside = isinstance(problem, SurroundingsError) or (
        isinstance(problem, TaskError) and problem.is_outside
    )
    return SURROUNDINGS if outside else BATCH


def _write(uri: str, fault: str, files: Iterable[SourceFile], error: str) -> None:
    named = [{"uri": file.uri, "generation": file.generation} for file in files]
    _put(uri, {"fault": fault, "files": named if fault == BATCH else [], "error": error})


def _put(uri: str, content: dict[str, Any]) -> None:
    # What cannot be noted must not hide what failed.
    with contextlib.suppress(OSError, pa.ArrowException):
        storage.write_text(uri, json.dumps(content, ensure_ascii=False) + "\n")


def _read(folder: str) -> Iterator[dict[str, Any]]:
    with contextlib.suppress(OSError, pa.ArrowException, SurroundingsError):
        for name in storage.list_names(folder):
            yield json.loads(storage.read_text(f"{folder}/{name}", SurroundingsError))
