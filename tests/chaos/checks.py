"""What must hold of a cloud at rest: ledger, raw and trusted as the oracle says, and nothing left over.

Each check answers with sentences, none when all is well.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.chaos.found import Found
from tests.chaos.oracle import LINEAGE, Counts, Oracle, Sent
from tests.chaos.scenario import IGNORED, LOADED, REJECTED, Scenario

SUPERSEDED, DIVIDED, SUCCEEDED, FAILED = "superseded", "divided", "succeeded", "failed"
_SHOWN = 3  # examples in a sentence
Row = Mapping[str, Any]


def find_problems(scenario: Scenario, sent: Sequence[Sent], found: Found) -> list[str]:
    """Everything that is not as it must be."""
    oracle = Oracle(scenario.datasets, sent)
    return [
        *_fates(sent, found),
        *_counts(oracle, sent, found),
        *_batches(found),
        *_raw(oracle, found),
        *_rejected_rows(oracle, found),
        *_trusted(oracle, found),
        *_landing(sent, found),
        *_rejected_bucket(found),
        *_nothing_left(found),
    ]


def identity(row: Row) -> str:
    return f"{row['source_uri']}#{row['source_generation']}"


def final_rows(found: Found) -> list[Row]:
    """The rows of ops.files that say what became of a file: not those of a divided batch or of a replay."""
    replays = {row["batch_id"] for row in found.batches if row["replay"]}
    return [row for row in found.files if row["state"] != DIVIDED and row["batch_id"] not in replays]


def _fates(sent: Sequence[Sent], found: Found) -> Iterator[str]:
    """Every generation has the one fate that it must have; one that its sender took away, at most one."""
    fates: dict[str, list[Row]] = {}
    for row in final_rows(found):
        fates.setdefault(identity(row), []).append(row)
    for file in (file for file in sent if file.put.fate != IGNORED):
        rows = fates.pop(file.stored.identity, [])
        said = [(row["state"], row["reason"]) for row in rows]
        allowed = [(file.put.fate, file.put.reason)]
        if file.gone:
            allowed.append((SUPERSEDED, SUPERSEDED))
        if not (len(said) == 1 or (file.gone and not said)) or not set(said) <= set(allowed):
            yield (
                f"{file.stored.identity}: expected one row in ops.files, of {allowed}"
                f"{' (or none, for its sender took it away)' if file.gone else ''}, found {said}"
            )
    for strange in fates:
        yield f"{strange}: is in ops.files, but nobody sent it"
    yield from _repeated("ops.files", ((row["batch_id"], identity(row)) for row in found.files))


def _counts(oracle: Oracle, sent: Sequence[Sent], found: Found) -> Iterator[str]:
    """The ledger counts the rows of a loaded file as an independent parser does; of a rejected one none."""
    expected = {file.stored.identity: Counts(0, 0) for file in sent if file.put.fate in (LOADED, REJECTED)}
    for dataset in oracle.columns:
        expected |= oracle.counts(dataset)
    for row in found.files:
        if row["state"] not in (LOADED, REJECTED):
            continue
        ours = expected.get(identity(row), Counts(0, 0)) if row["state"] == LOADED else Counts(0, 0)
        said = tuple(int(row[f"rows_{what}"] or 0) for what in ("read", "accepted", "rejected"))
        if said != (ours.read, ours.accepted, ours.rejected):
            yield (
                f"{identity(row)}, batch {row['batch_id']}: expected {ours.read} rows read, "
                f"{ours.accepted} accepted, {ours.rejected} rejected, found {said}"
            )


def _batches(found: Found) -> Iterator[str]:
    """Every batch has one row, is at its end, agrees with that end of its files, and its counts add up."""
    yield from _repeated("ops.batches", (row["batch_id"] for row in found.batches))
    batches = {row["batch_id"]: row for row in found.batches}
    for row in found.batches:
        ends = (SUCCEEDED, REJECTED, DIVIDED, *((FAILED,) if row["replay"] else ()))
        if row["state"] not in ends:
            yield f"batch {row['batch_id']}: expected one of {ends}, found {row['state']}: {row['detail']}"
        if row["state"] == SUCCEEDED:
            yield from _sums(row, [file for file in found.files if file["batch_id"] == row["batch_id"]])
    for file in found.files:
        batch = batches.get(file["batch_id"], {"state": "no row in ops.batches"})
        if file["state"] in (LOADED, SUPERSEDED) and batch["state"] != SUCCEEDED:
            yield (
                f"{identity(file)}: is {file['state']} by batch {file['batch_id']}, "
                f"which is not {SUCCEEDED} but {batch['state']}"
            )


def _sums(batch: Row, files: Sequence[Row]) -> Iterator[str]:
    for what in ("rows_read", "rows_accepted", "rows_rejected"):
        total = sum(int(file[what] or 0) for file in files)
        if int(batch[what] or 0) != total:
            yield f"batch {batch['batch_id']}: expected {what} {total} as its files say, found {batch[what]}"


def _raw(oracle: Oracle, found: Found) -> Iterator[str]:
    """Raw has the rows of a loaded file once for each batch that loaded it, and no row twice in a batch."""
    batches = {row["batch_id"]: row["state"] for row in found.batches}
    for dataset, rows in found.raw.items():
        types = {"_batch_id": "VARCHAR"} | oracle.types(dataset)
        oracle.tell(
            f"{dataset}_raw", [row for row in rows if batches.get(row["_batch_id"]) == SUCCEEDED], types
        )
        _tell_loaded(oracle, f"{dataset}_loaded", dataset, found.files)
        expected = (
            f"SELECT _batch_id, a.* EXCLUDE (created_at) FROM {dataset}_accepted AS a "
            f"JOIN {dataset}_loaded USING (_source_uri, _source_generation)"
        )
        names = ", ".join(types)
        yield from _differences(
            oracle,
            f"raw.{dataset}",
            f"SELECT {names} FROM ({expected})",
            f"SELECT {names} FROM {dataset}_raw",
        )
        places = ((row["_batch_id"], *(row[name] for name in LINEAGE)) for row in rows)
        yield from _repeated(f"raw.{dataset}", places)
        unknown = {row["_batch_id"] for row in rows} - set(batches)
        if unknown:
            yield f"raw.{dataset}: has rows of batches that ops.batches does not know: {sorted(unknown)}"


def _rejected_rows(oracle: Oracle, found: Found) -> Iterator[str]:
    """Every row that breaks the contract is in ops.rejected_rows once for each batch that read it."""
    succeeded = {row["batch_id"] for row in found.batches if row["state"] == SUCCEEDED}
    types = {"batch_id": "VARCHAR", **dict(zip(LINEAGE, ("VARCHAR", "BIGINT", "BIGINT"), strict=True))}
    for dataset, rows in found.rejected_rows.items():
        told = [
            {"batch_id": row["batch_id"], **{name: row[name.removeprefix("_")] for name in LINEAGE}}
            for row in rows
            if row["batch_id"] in succeeded
        ]
        oracle.tell(f"{dataset}_rejects", told, types)
        expected = (
            "SELECT _batch_id, _source_uri, _source_generation, CAST(_source_row AS BIGINT) "
            f"FROM (SELECT * REPLACE (CAST(_source_generation AS BIGINT) AS _source_generation) "
            f"FROM {dataset}_judged WHERE NOT sound) JOIN {dataset}_loaded "
            "USING (_source_uri, _source_generation)"
        )
        yield from _differences(
            oracle,
            f"ops.rejected_rows of {dataset}",
            expected,
            f"SELECT {', '.join(types)} FROM {dataset}_rejects",
        )


def _trusted(oracle: Oracle, found: Found) -> Iterator[str]:
    """Trusted has for each key the newest row of all files that are loaded, and no other."""
    for dataset, rows in found.trusted.items():
        types = oracle.types(dataset)
        oracle.tell(f"{dataset}_trusted", rows, types)
        names, key = ", ".join(types), ", ".join(oracle.keys[dataset])
        expected = (
            f"SELECT {names} FROM {dataset}_accepted AS a "
            f"SEMI JOIN {dataset}_loaded USING (_source_uri, _source_generation) QUALIFY ROW_NUMBER() OVER "
            f"(PARTITION BY {key} ORDER BY created_at DESC, _source_generation DESC, _source_row DESC) = 1"
        )
        yield from _differences(
            oracle, f"trusted.{dataset}", expected, f"SELECT {names} FROM {dataset}_trusted"
        )


def _landing(sent: Sequence[Sent], found: Found) -> Iterator[str]:
    """What still lies in landing is no file of a dataset, and all that is none is still there."""
    strays = {file.put.name for file in sent if file.put.fate == IGNORED and not file.gone}
    for name in sorted(set(found.landing) - strays):
        yield f"landing: {name} is still there, and nothing explains it"
    for name in sorted(strays - set(found.landing)):
        yield f"landing: {name} is gone, although it is no file of a dataset"


def _rejected_bucket(found: Found) -> Iterator[str]:
    """The rejected bucket has the original of each rejected file and a report beside it, and nothing else."""
    replays = {row["batch_id"] for row in found.batches if row["replay"]}
    expected = set()
    for row in (row for row in found.files if row["state"] == REJECTED):
        copy = str(row["rejected_uri"]).removeprefix("gs://").partition("/")[2]
        report = f"{copy}.{row['batch_id']}" if row["batch_id"] in replays else copy
        expected |= {copy, f"{report}.error.json"}
    for name in sorted(expected ^ set(found.rejected)):
        yield f"rejected bucket: {name} is {'missing' if name in expected else 'there, but no rejected file'}"


def _nothing_left(found: Found) -> Iterator[str]:
    for dataset, journal in found.journals.items():
        if journal is not None and journal.get("batches"):
            yield f"journal of {dataset}: still open: {[batch['batch_id'] for batch in journal['batches']]}"
    for cluster in found.clusters:
        yield f"cluster {cluster} is left"
    for process in found.processes:
        yield f"process is left: {process}"


def _tell_loaded(oracle: Oracle, table: str, dataset: str, files: Sequence[Row]) -> None:
    loaded = [
        {
            "_batch_id": row["batch_id"],
            "_source_uri": row["source_uri"],
            "_source_generation": str(row["source_generation"]),
        }
        for row in files
        if row["dataset"] == dataset and row["state"] == LOADED
    ]
    kinds = {"_batch_id": "VARCHAR", "_source_uri": "VARCHAR", "_source_generation": "BIGINT"}
    oracle.tell(table, loaded, kinds)


def _differences(oracle: Oracle, where: str, expected: str, found: str) -> Iterator[str]:
    for what, one, other in (("lacks", expected, found), ("has too many:", found, expected)):
        rows = oracle.rows(f"({one}) EXCEPT ALL ({other}) ORDER BY ALL")
        if rows:
            examples = "; ".join(map(repr, rows[:_SHOWN]))
            yield f"{where} {what} {len(rows)} rows, such as {examples}"


def _repeated(where: str, places: Iterator[Any]) -> Iterator[str]:
    twice = [place for place, times in Counter(places).items() if times > 1]
    if twice:
        yield f"{where}: {len(twice)} rows are there more than once, such as {twice[:_SHOWN]}"
