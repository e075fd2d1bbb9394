"""The checks have teeth: each way to be wrong is seen, and an exact pipeline is not blamed."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.checks import find_problems
from tests.chaos.driver import Stored
from tests.chaos.found import Found
from tests.chaos.generator import make_scenario
from tests.chaos.ideal import send, settle
from tests.chaos.oracle import Oracle, Sent
from tests.chaos.scenario import Put, Scenario

DATASET = "comp_boss"
HEADER = (
    b"component_id,component_type_id,type,connection_type_id,outside_shape,base_type,height_over_tube,"
    b"bolt_pattern_long,bolt_pattern_wide,groove,base_diameter,shoulder_diameter,unique_feature,"
    b"orientation,weight\n"
)


def _put(name: str, *lines: bytes) -> Put:
    return Put(0.0, f"{DATASET}/t-{name}.csv", HEADER + b"".join(line + b"\n" for line in lines), "new")


FIRST = _put(
    "first",
    b't-1,NA,Boss,B-1,Round,"two\nlines",1.50,NA,NA,Yes,,2,No,NA,0.25',
    b"t-2,NA,Boss,B-1,Round,Saddle,0.1234567891,NA,NA,Yes,NA,NA,No,NA,0.25",
    b"t-3,too,few",
    b"NA,NA,Boss,B-1,Round,Saddle,1,NA,NA,Yes,NA,NA,No,NA,0.25",
    b"t-4,NA,Boss,B-1,Round,Saddle,1,NA,NA,Yes,NA,NA,No,NA,1",
)
SECOND = _put(
    "second",
    b"t-4,NA,Stud,B-1,Round,Saddle,2,NA,NA,No,NA,NA,No,NA,2",
    b"t-4,NA,Stud,B-1,Round,Saddle,3,NA,NA,No,NA,NA,No,NA,3",
)
BROKEN = replace(_put("broken"), content=b"", fate="rejected", reason="empty_file")
STRAY = Put(0.0, f"{DATASET}/t-notes.txt", b"notes", "stray", "ignored")
SCENARIO = Scenario(0, "fast", "t-", (DATASET,), (FIRST, SECOND, BROKEN, STRAY), {}, {}, 1)


@pytest.fixture
def world() -> tuple[tuple[Sent, ...], Found]:
    sent = send(SCENARIO)
    return sent, settle(SCENARIO, sent)


def test_the_oracle_reads_and_types_by_the_contract() -> None:
    oracle = Oracle((DATASET,), send(SCENARIO))
    rows = oracle.rows(
        "SELECT component_id, base_type, height_over_tube::VARCHAR, groove, base_diameter, _source_row "
        f"FROM {DATASET}_accepted ORDER BY _source_uri, _source_row"
    )
    assert rows == [
        ("t-1", "two\nlines", "1.500000000", True, None, 1),
        ("t-4", "Saddle", "1.000000000", True, None, 5),
        ("t-4", "Saddle", "2.000000000", False, None, 1),
        ("t-4", "Saddle", "3.000000000", False, None, 2),
    ]
    counts = {uri.rpartition("/")[2]: count for uri, count in oracle.counts(DATASET).items()}
    assert {uri: (count.read, count.accepted, count.rejected) for uri, count in counts.items()} == {
        "t-first.csv#1": (5, 2, 3),
        "t-second.csv#2": (2, 2, 0),
    }


def test_the_newest_row_of_a_key_is_expected(world: tuple[tuple[Sent, ...], Found]) -> None:
    _, found = world
    weights = {row["component_id"]: row["weight"] for row in found.trusted[DATASET]}
    assert weights == {"t-1": "0.250000000", "t-4": "3.000000000"}


@pytest.mark.parametrize("seed", range(1, 9))
def test_what_an_exact_pipeline_leaves_is_in_order(seed: int) -> None:
    scenario = make_scenario(seed, "fast")
    sent = send(scenario)
    assert find_problems(scenario, sent, settle(scenario, sent)) == []


def _first(rows: Any, **other: Any) -> list[dict[str, Any]]:
    return [{**rows[0], **other}, *rows[1:]]


def _all(rows: Any, **other: Any) -> list[dict[str, Any]]:
    return [{**row, **other} for row in rows]


def _swap_winner(found: Found) -> Found:
    loser = next(row for row in found.raw[DATASET] if row["weight"] == "1.000000000")
    trusted = [row if row["component_id"] != "t-4" else loser for row in found.trusted[DATASET]]
    return replace(found, trusted={DATASET: trusted})


WRONGS: dict[str, tuple[Callable[[Found], Found], str]] = {
    "a batch loaded twice": (
        lambda found: replace(found, raw={DATASET: [*found.raw[DATASET], *found.raw[DATASET]]}),
        "rows are there more than once",
    ),
    "one row loaded twice": (
        lambda found: replace(found, raw={DATASET: [*found.raw[DATASET], found.raw[DATASET][0]]}),
        "has too many: 1 rows",
    ),
    "a file loaded by two batches": (
        lambda found: replace(
            found,
            files=[*found.files, {**found.files[0], "batch_id": "other"}],
            batches=[*found.batches, {**found.batches[0], "batch_id": "other"}],
        ),
        "expected one row in ops.files",
    ),
    "a lost file": (lambda found: replace(found, files=found.files[1:]), "expected one row in ops.files"),
    "a file that nobody sent": (
        lambda found: replace(found, files=_first(found.files, source_generation="99")),
        "nobody sent it",
    ),
    "a file called superseded that nobody took away": (
        lambda found: replace(found, files=_first(found.files, state="superseded", reason="superseded")),
        "found [('superseded', 'superseded')]",
    ),
    "an innocent file rejected": (
        lambda found: replace(found, files=_first(found.files, state="rejected", reason="failed_repeatedly")),
        "found [('rejected', 'failed_repeatedly')]",
    ),
    "rows lost on the way to raw": (
        lambda found: replace(found, raw={DATASET: found.raw[DATASET][1:]}),
        "raw.comp_boss lacks 1 rows",
    ),
    "a row of raw with another value": (
        lambda found: replace(found, raw={DATASET: _first(found.raw[DATASET], weight="7")}),
        "raw.comp_boss lacks 1 rows",
    ),
    "raw of a batch that the ledger lacks": (
        lambda found: replace(found, raw={DATASET: _all(found.raw[DATASET], _batch_id="unknown")}),
        "ops.batches does not know",
    ),
    "the wrong winner": (_swap_winner, "trusted.comp_boss lacks 1 rows"),
    "a key lost in trusted": (
        lambda found: replace(found, trusted={DATASET: found.trusted[DATASET][1:]}),
        "trusted.comp_boss lacks 1 rows",
    ),
    "a key twice in trusted": (
        lambda found: replace(found, trusted={DATASET: [*found.trusted[DATASET], found.trusted[DATASET][0]]}),
        "trusted.comp_boss has too many: 1 rows",
    ),
    "a wrong count in the ledger": (
        lambda found: replace(found, files=_first(found.files, rows_rejected="2", rows_read="4")),
        "expected 5 rows read, 2 accepted, 3 rejected",
    ),
    "counts of a batch that do not add up": (
        lambda found: replace(found, batches=_first(found.batches, rows_accepted="3")),
        "expected rows_accepted 4 as its files say",
    ),
    "a rejected row lost": (
        lambda found: replace(found, rejected_rows={DATASET: found.rejected_rows[DATASET][1:]}),
        "ops.rejected_rows of comp_boss lacks 1 rows",
    ),
    "a rejected row twice": (
        lambda found: replace(found, rejected_rows={DATASET: list(found.rejected_rows[DATASET]) * 2}),
        "ops.rejected_rows of comp_boss has too many: 3 rows",
    ),
    "a batch that failed for good": (
        lambda found: replace(found, batches=_all(found.batches, state="failed")),
        "found failed",
    ),
    "two rows of a batch": (
        lambda found: replace(found, batches=[*found.batches, *found.batches]),
        "ops.batches: 1 rows are there more than once",
    ),
    "a file left in landing": (
        lambda found: replace(found, landing=[*found.landing, FIRST.name]),
        "nothing explains it",
    ),
    "a stray object taken": (lambda found: replace(found, landing=[]), "no file of a dataset"),
    "no report beside a rejected file": (
        lambda found: replace(found, rejected=found.rejected[:1]),
        ".error.json is missing",
    ),
    "a copy in the rejected bucket that nobody rejected": (
        lambda found: replace(found, rejected=[*found.rejected, f"{DATASET}/day/9-digest-t-first.csv"]),
        "there, but no rejected file",
    ),
    "an open journal": (
        lambda found: replace(found, journals={DATASET: {"batches": [{"batch_id": "b"}]}}),
        "still open: ['b']",
    ),
    "a cluster": (
        lambda found: replace(found, clusters=["lf-comp-boss-1"]),
        "cluster lf-comp-boss-1 is left",
    ),
    "a process": (lambda found: replace(found, processes=["123 java"]), "process is left: 123 java"),
}


@pytest.mark.parametrize("wrong", WRONGS)
def test_what_is_wrong_is_seen(wrong: str, world: tuple[tuple[Sent, ...], Found]) -> None:
    sent, found = world
    break_it, sentence = WRONGS[wrong]
    assert find_problems(SCENARIO, sent, found) == []
    problems = find_problems(SCENARIO, sent, break_it(found))
    assert any(sentence in problem for problem in problems), problems


def test_what_its_sender_took_away_may_be_loaded_superseded_or_never_seen() -> None:
    sent = (replace(send(SCENARIO)[0], gone=True), *send(SCENARIO)[1:])
    loaded = settle(SCENARIO, send(SCENARIO))
    superseded = settle(SCENARIO, sent)
    unseen = replace(superseded, files=superseded.files[1:])
    for found in (loaded, superseded, unseen):
        assert find_problems(SCENARIO, sent, found) == []
    twice = replace(superseded, files=[*superseded.files, {**loaded.files[0], "batch_id": "other"}])
    assert any("expected one row" in problem for problem in find_problems(SCENARIO, sent, twice))


def test_a_later_generation_wins_among_files_of_one_moment() -> None:
    moment = "2026-01-02T03:04:05Z"
    stored = [Stored(f"gs://ideal-landing/{put.name}", n, moment) for n, put in ((7, SECOND), (8, FIRST))]
    sent = tuple(Sent(one, put) for one, put in zip(stored, (SECOND, FIRST), strict=True))
    scenario = replace(SCENARIO, steps=(SECOND, FIRST))
    found = settle(scenario, sent)
    assert find_problems(scenario, sent, found) == []
    assert {row["weight"] for row in found.trusted[DATASET] if row["component_id"] == "t-4"} == {
        "1.000000000"
    }
