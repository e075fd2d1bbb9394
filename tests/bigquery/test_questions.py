"""What the commands ask BigQuery, resolved by Google's own front end against the rendered schemas."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from localcloud.command import file_ledger, ledger, replay
from localcloud.command.datasets import read_datasets
from localcloud.command.wanted import Content, parse_names, same_content
from localcloud.deployment.bigquery import BigQuery, Value, kind_of

DATASETS = read_datasets(Path(__file__).parents[2] / "bigquery" / "datasets")
AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
BATCH = "ab" * 16
URI = "gs://landing/price_quote/a.csv"
CONTENT = Content(5, "mnG7TA==", "XUFAKrxLKna5cZ2REBfFkg==")


class Resolving(BigQuery):
    """Resolves each question, and answers those for the span of a batch."""

    def __init__(self, front_end: Any) -> None:
        self._front_end = front_end
        self.asked = 0

    def ask(self, sql: str, parameters: Mapping[str, Value] | None = None) -> Iterator[Any]:
        kinds = {name: kind_of(value) for name, value in (parameters or {}).items()}
        self._front_end.analyse(sql, kinds)
        self.asked += 1
        return iter([{"lowest": date(2026, 1, 1), "highest": date(2026, 2, 1)}] if "AS lowest" in sql else [])


def _find(it: BigQuery, given: str) -> None:
    for wanted in parse_names(given):
        file_ledger.find_files(it, *wanted.condition(), 20, AT)


def _find_twins(it: BigQuery, content: Content) -> None:
    file_ledger.list_twins(it, "price_quote", *same_content(content), 9, AT)


QUESTIONS: dict[str, Callable[[BigQuery], object]] = {
    "batch of a file": lambda it: ledger.find_batch_of(it, URI, 7, AT),
    "replay": lambda it: ledger.find_replay(it, "price_quote", BATCH, AT),
    "batch": lambda it: ledger.find_batch(it, BATCH),
    "batches": lambda it: ledger.list_batch_ids(it, "price_quote"),
    "files of a batch": lambda it: ledger.list_batch_files(it, BATCH, AT),
    "last batches": lambda it: ledger.list_last_batches(it, AT),
    "batches by id": lambda it: ledger.find_batches(it, [BATCH, "cd" * 16]),
    "files by name": lambda it: _find(it, "price_quote/a.csv"),
    "files by address": lambda it: _find(it, URI),
    "files by generation": lambda it: _find(it, f"{URI}#7"),
    "files by content": lambda it: file_ledger.find_files(it, *same_content(CONTENT), 20, AT),
    "readings of a file": lambda it: file_ledger.list_readings(it, URI, 7, AT),
    "batches of a file": lambda it: file_ledger.list_batches_of(it, "price_quote", [BATCH], AT),
    "files of the same content": lambda it: _find_twins(it, CONTENT),
    "files of the same content, without md5": lambda it: _find_twins(it, replace(CONTENT, md5=None)),
    "files": lambda it: ledger.list_files(it, 1000, AT),
    "rows of trusted": lambda it: ledger.count_trusted(it, DATASETS.values()),
    "what can be replayed": lambda it: (replay._batches(it, "abcd"), replay._files(it, "a.csv")),
}


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_a_question_to_the_ledger_resolves(question: Callable[[BigQuery], object], front_end: Any) -> None:
    resolving = Resolving(front_end)
    question(resolving)
    assert resolving.asked


@pytest.mark.parametrize("batch", ["", BATCH])
@pytest.mark.parametrize("name", DATASETS)
def test_a_question_for_rejected_rows_resolves(name: str, batch: str, front_end: Any) -> None:
    resolving = Resolving(front_end)
    list(ledger.list_rejected(resolving, DATASETS[name], batch))
    ledger.count_rejected(resolving, DATASETS[name], batch)
    assert resolving.asked == 2


@pytest.mark.parametrize("name", DATASETS)
def test_a_question_for_the_rows_of_a_batch_resolves(name: str, front_end: Any) -> None:
    resolving = Resolving(front_end)
    assert ledger.count_missing(resolving, DATASETS[name], BATCH, AT) == {}
    assert ledger.count_in_raw(resolving, DATASETS[name], BATCH, AT) == {}
    assert resolving.asked == (3 if DATASETS[name].partition else 2)
