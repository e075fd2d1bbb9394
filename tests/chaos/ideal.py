"""A cloud that never fails, in memory: what scenarios must end in, for tests of the suite itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.chaos.checks import SUCCEEDED, SUPERSEDED
from tests.chaos.driver import TASK, Settled, Stored
from tests.chaos.found import Found
from tests.chaos.generator import make_scenario
from tests.chaos.oracle import LINEAGE, Oracle, Sent
from tests.chaos.scenario import FAST, IGNORED, LOADED, REJECTED, Put, Scenario

LANDING = "ideal-landing"
_CREATED = "2026-01-02T03:04:05.{:06}Z"


def send(scenario: Scenario) -> tuple[Sent, ...]:
    """What would have been sent, generations counted from 1."""
    sent: list[Sent] = []
    for number, step in enumerate(scenario.steps, start=1):
        name = getattr(step, "name", None)
        sent = [replace(file, gone=file.gone or file.put.name == name) for file in sent]
        if isinstance(step, Put):
            sent.append(Sent(Stored(f"gs://{LANDING}/{step.name}", number, _CREATED.format(number)), step))
    return tuple(sent)


def settle(scenario: Scenario, sent: Sequence[Sent]) -> Found:
    """What an exact pipeline leaves, one batch a dataset; what its sender took away was superseded."""
    oracle = Oracle(scenario.datasets, sent)
    files = [_file(oracle, file) for file in sent if file.put.fate != IGNORED]
    raw = {name: _raw(oracle, name, files) for name in scenario.datasets}
    rejected = [
        str(row["rejected_uri"]).partition("rejected/")[2] for row in files if row["state"] == REJECTED
    ]
    return Found(
        files=files,
        batches=[_batch(name, files) for name in sorted({str(row["dataset"]) for row in files})],
        raw=raw,
        trusted={name: _newest(oracle, name, raw[name]) for name in scenario.datasets},
        rejected_rows={name: _rejects(oracle, name, files) for name in scenario.datasets},
        landing=[file.put.name for file in sent if file.put.fate == IGNORED and not file.gone],
        rejected=[name + suffix for name in rejected for suffix in ("", ".error.json")],
        journals=dict.fromkeys(scenario.datasets),
    )


def _file(oracle: Oracle, sent: Sent) -> dict[str, str | None]:
    counts = oracle.counts(sent.dataset).get(sent.stored.identity)
    state, reason = (SUPERSEDED, SUPERSEDED) if sent.gone else (sent.put.fate, sent.put.reason)
    counted = counts if state == LOADED else None
    name = sent.put.name.removeprefix(f"{sent.dataset}/")
    copy = f"gs://ideal-rejected/{sent.dataset}/day/{sent.stored.generation}-digest-{name}"
    return {
        "dataset": sent.dataset,
        "batch_id": f"batch-of-{sent.dataset}",
        "source_uri": sent.stored.uri,
        "source_generation": str(sent.stored.generation),
        "state": state,
        "reason": reason,
        "archive_uri": None,
        "rejected_uri": copy if state == REJECTED else None,
        "rows_read": str(counted.read if counted else 0),
        "rows_accepted": str(counted.accepted if counted else 0),
        "rows_rejected": str(counted.rejected if counted else 0),
    }


def _batch(dataset: str, files: Sequence[Mapping[str, str | None]]) -> dict[str, str | None]:
    mine = [row for row in files if row["dataset"] == dataset]
    sums = {
        name: str(sum(int(row[name] or 0) for row in mine))
        for name in ("rows_read", "rows_accepted", "rows_rejected")
    }
    head = {"dataset": dataset, "batch_id": f"batch-of-{dataset}", "state": SUCCEEDED}
    return {**head, "detail": None, "replay": None, **sums}


def _raw(
    oracle: Oracle, dataset: str, files: Sequence[Mapping[str, str | None]]
) -> list[dict[str, str | None]]:
    loaded = {(row["source_uri"], row["source_generation"]) for row in files if row["state"] == LOADED}
    names = tuple(oracle.types(dataset))
    found = oracle.rows(f"SELECT {', '.join(f'CAST({n} AS VARCHAR)' for n in names)} FROM {dataset}_accepted")
    rows = [dict(zip(names, values, strict=True)) for values in found]
    return [
        {"_batch_id": f"batch-of-{dataset}", **row}
        for row in rows
        if (row["_source_uri"], row["_source_generation"]) in loaded
    ]


def _newest(
    oracle: Oracle, dataset: str, raw: Sequence[Mapping[str, str | None]]
) -> list[Mapping[str, str | None]]:
    newest: dict[tuple[str | None, ...], Mapping[str, str | None]] = {}
    for row in sorted(raw, key=lambda row: [int(row[name] or 0) for name in LINEAGE[1:]]):
        newest[tuple(row[name] for name in oracle.keys[dataset])] = row
    return list(newest.values())


def _rejects(
    oracle: Oracle, dataset: str, files: Sequence[Mapping[str, str | None]]
) -> list[dict[str, str | None]]:
    loaded = {(row["source_uri"], row["source_generation"]) for row in files if row["state"] == LOADED}
    found = oracle.rows(f"SELECT {', '.join(LINEAGE)} FROM {dataset}_judged WHERE NOT sound")
    return [
        {
            "batch_id": f"batch-of-{dataset}",
            "source_uri": uri,
            "source_generation": generation,
            "source_row": row,
        }
        for uri, generation, row in found
        if (uri, generation) in loaded
    ]


class IdealDriver:
    """A `Driver` over that cloud, which knows a scenario by the seed of its faults.

    `spoil` changes what the cloud holds in the end: it is told the seed.
    """

    engine = FAST
    kills = frozenset({TASK})
    landing_bucket = LANDING

    def __init__(self, spoil: Callable[[int, Found], Found] = lambda _, found: found) -> None:
        self.starts, self.is_up = 0, False
        self._spoil = spoil
        self._left: list[Sent] = []
        self._fired: dict[str, int] = {}
        self._found = Found()

    def start(self) -> None:
        self.starts, self.is_up = self.starts + 1, True

    def stop(self) -> None:
        self.is_up = False

    def begin(self, schedulers: int) -> None:
        self._found = Found()

    def set_faults(self, document: Mapping[str, Any]) -> None:
        scenario = make_scenario(document["seed"], FAST, kills=self.kills)
        sent = send(scenario)
        self._left = list(sent)
        self._found = self._spoil(scenario.seed, settle(scenario, sent))
        self._fired = {rule["id"]: 1 for rule in document["rules"]}

    def put(self, name: str, content: bytes) -> Stored:
        sent = self._left.pop(0)
        assert (sent.put.name, sent.put.content) == (name, content)
        return sent.stored

    def delete(self, name: str) -> bool:
        return True

    def fired(self) -> dict[str, int]:
        return self._fired

    def kill(self, what: str) -> bool:
        return True

    def revive(self) -> None: ...

    def replay(self, dataset: str, asked: str) -> None: ...

    def heal_and_settle(self, faults: Mapping[str, Any], timeout: float) -> Settled:
        return Settled(0.0)

    def query(self, sql: str) -> list[dict[str, Any]]:
        layer, name = sql.partition(" FROM ")[2].split()[0].split(".")
        if name == "rejected_rows":
            return list(map(dict, self._found.rejected_rows[sql.split("dataset = '")[1].split("'")[0]]))
        if layer == "ops":
            return list(map(dict, getattr(self._found, name)))
        return list(map(dict, getattr(self._found, layer)[name]))

    def landing(self) -> list[str]:
        return list(self._found.landing)

    def rejected(self) -> list[str]:
        return list(self._found.rejected)

    def journal(self, dataset: str) -> dict[str, Any] | None:
        return None

    def clusters(self) -> list[str]:
        return []

    def stray_processes(self) -> list[str]:
        return []

    def keep_evidence(self, folder: Path) -> None:
        (folder / "log").write_text("what explains it\n")
