"""The rendered replays at work on the local BigQuery: trusted ends as after a clean first arrival."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from google.api_core.exceptions import BadRequest

from tests.bigquery.world import (
    NOON,
    Row,
    Warehouse,
    arrow_schema,
    component,
    identity,
    in_order,
    quote,
    source,
)

LATER = NOON + timedelta(hours=1)


@pytest.fixture
def bq(started: Warehouse) -> Warehouse:
    """The warehouse, empty."""
    started.empty("price_quote", "comp_boss", "bank_statement")
    return started


def first(bq: Warehouse, *rows: Row, dataset: str = "price_quote") -> None:
    """Bring the rows of one batch into trusted, and record it as succeeded."""
    bq.arrive(dataset, rows)
    bq.record(dataset, rows[0]["_batch_id"], sorted({identity(row) for row in rows}))


def again(bq: Warehouse, files: Sequence[Row], *rows: Row, dataset: str = "price_quote") -> int:
    """Replay the files that `files` are rows of; they give `rows`, of batch `again`, now."""
    identities = sorted({identity(row) for row in files})
    if rows:
        bq.load(dataset, rows)
    merged = bq.replay(dataset, "again", len(rows), identities)
    bq.record(dataset, "again", identities, claimed=LATER)
    return merged


def test_a_row_that_was_read_wrongly_is_replaced(bq: Warehouse) -> None:
    wrong, other = quote("1", source("a")), quote("7", source("a", row=2), quantity=2)
    first(bq, wrong, other)
    mended = [
        row | {"cost": Decimal("2")} | source("again", row=row["_source_row"]) for row in (wrong, other)
    ]
    assert again(bq, [wrong], *mended) == 2
    assert in_order(bq.trusted("price_quote")) == in_order(mended)


def test_a_key_that_was_read_wrongly_goes_with_its_row(bq: Warehouse) -> None:
    wrong = quote("1", source("a"), quote_date=date(2024, 1, 12))
    first(bq, wrong)
    mended = quote("1", source("again"), quote_date=date(2024, 12, 1))
    assert again(bq, [wrong], mended) == 1
    assert bq.trusted("price_quote") == [mended]


def test_a_row_that_is_not_read_any_more_gives_way_to_that_of_an_older_file(bq: Warehouse) -> None:
    older, newer = quote("1", source("a", 1)), quote("2", source("b", 2, minutes=5))
    alone = quote("3", source("b", 2, row=2, minutes=5), quantity=2)
    first(bq, older)
    first(bq, newer, alone)
    assert again(bq, [newer]) == 0
    assert bq.trusted("price_quote") == [older]


def test_a_row_that_comes_to_light_does_not_hide_that_of_a_newer_file(bq: Warehouse) -> None:
    kept, newer = quote("1", source("a", 1), quantity=9), quote("2", source("b", 2, minutes=5))
    first(bq, kept)
    first(bq, newer)
    found = quote("3", source("again", 1, row=2))
    assert again(bq, [kept], kept | source("again", 1), found) == 1
    assert in_order(bq.trusted("price_quote")) == in_order([kept | source("again", 1), newer])


@pytest.mark.parametrize("state", ["rejected", "failed"])
def test_rows_of_a_batch_that_did_not_succeed_never_count(bq: Warehouse, state: str) -> None:
    newer = quote("2", source("b", 2, minutes=5))
    refused = quote("1", source("a", 1))
    bq.load("price_quote", [refused])
    bq.record("price_quote", "a", [identity(refused)], state)
    first(bq, newer)
    again(bq, [newer])
    assert bq.trusted("price_quote") == []


def test_of_a_file_that_was_replayed_before_only_the_last_reading_counts(bq: Warehouse) -> None:
    older, newer = quote("1", source("a", 1)), quote("2", source("b", 2, minutes=5))
    first(bq, older)
    first(bq, newer)
    once = source("once", 1, claimed=NOON + timedelta(minutes=1))
    bq.load("price_quote", [older | once | {"cost": Decimal("9")}])
    bq.replay("price_quote", "once", 1, [identity(older)])
    bq.record("price_quote", "once", [identity(older)], claimed=NOON + timedelta(minutes=1))
    again(bq, [newer])
    assert bq.trusted("price_quote") == [older | once | {"cost": Decimal("9")}]


def test_replaying_it_again_changes_nothing(bq: Warehouse) -> None:
    wrong = quote("1", source("a"))
    first(bq, wrong)
    mended = quote("2", source("again"), quantity=5)
    assert again(bq, [wrong], mended) == 1
    assert bq.replay("price_quote", "again", 1, [identity(wrong)]) == 1
    assert bq.trusted("price_quote") == [mended]


def test_a_late_call_does_not_bring_back_what_a_replay_replaced(bq: Warehouse) -> None:
    wrong, kept = quote("1", source("a", 1)), quote("2", source("a", 2), quantity=2)
    first(bq, wrong, kept)
    mended = quote("3", source("again", 1), quantity=5)
    again(bq, [wrong], mended)
    assert bq.call("price_quote", "a", 2) == 1, "the file that was not replayed still counts by batch a"
    assert in_order(bq.trusted("price_quote")) == in_order([kept, mended])


def test_a_late_call_of_a_replay_gives_way_to_a_later_one_file_by_file(bq: Warehouse) -> None:
    rows = [quote("1", source("a", number), quantity=number) for number in (1, 2)]
    first(bq, *rows)
    once = [row | {"_batch_id": "once", "_ingested_at": NOON + timedelta(minutes=1)} for row in rows]
    bq.load("price_quote", once)
    bq.replay("price_quote", "once", 2, list(map(identity, rows)))
    bq.record("price_quote", "once", list(map(identity, rows)), claimed=NOON + timedelta(minutes=1))
    again(bq, rows[:1])
    # Nothing was read from the file: who reads the ledger alone knows that the replay came later.
    assert bq.replay("price_quote", "once", 2, list(map(identity, rows))) == 1
    assert bq.trusted("price_quote") == once[1:]


@pytest.mark.parametrize("parts_succeeded", [False, True])
def test_a_late_call_of_a_divided_batch_is_refused(bq: Warehouse, parts_succeeded: bool) -> None:
    good, guilty = quote("1", source("parent", 1)), quote("2", source("parent", 2), quantity=2)
    bq.load("price_quote", [good, guilty])
    bq.record("price_quote", "parent", [], "divided")
    part = good | {"_batch_id": "part"}
    if parts_succeeded:
        first(bq, part)
        bq.record("price_quote", "guilty", [identity(guilty)], "rejected")
    with pytest.raises(BadRequest, match="expected a batch that is not closed, found it divided or rejected"):
        bq.call("price_quote", "parent", 2)
    counts = [part] if parts_succeeded else []
    assert bq.trusted("price_quote") == counts
    assert bq.run("SELECT * FROM raw.price_quote_live") == counts


def test_a_late_call_of_a_batch_that_was_given_up_is_refused(bq: Warehouse) -> None:
    row = quote("1", source("a"))
    bq.load("price_quote", [row])
    bq.record("price_quote", "a", [identity(row)], "rejected")
    with pytest.raises(BadRequest, match="its files went on in other batches, or were set aside"):
        bq.call("price_quote", "a", 1)
    assert bq.trusted("price_quote") == []


def test_a_batch_that_failed_is_called_again(bq: Warehouse) -> None:
    row = quote("1", source("a"))
    bq.load("price_quote", [row])
    bq.record("price_quote", "a", [identity(row)], "failed")
    assert bq.call("price_quote", "a", 1) == 1


def test_keys_that_a_replay_does_not_touch_are_left_as_they_are(bq: Warehouse) -> None:
    untouched, replayed = quote("1", source("a", 1), quantity=3), quote("2", source("b", 2))
    first(bq, untouched)
    first(bq, replayed)
    # Raw has it no more, as where its partition has expired: read from there it would be lost.
    bq.run("DELETE FROM raw.price_quote WHERE _batch_id = 'a'")
    again(bq, [replayed])
    assert bq.trusted("price_quote") == [untouched]


@pytest.mark.parametrize(
    ("expected", "files", "told"),
    [
        (2, ["gs://landing/1.csv#1"], "expected 2 rows, found 1; load the whole batch"),
        (1, ["gs://landing/1.csv#2"], "expected rows of the files in _identities, found 1 of others"),
        (1, [], "found 1 of others; call again with the identity of every file of the batch"),
    ],
)
def test_a_replay_of_other_rows_is_refused_and_trusted_is_untouched(
    bq: Warehouse, expected: int, files: list[str], told: str
) -> None:
    kept = quote("1", source("a"))
    first(bq, kept)
    bq.load("price_quote", [quote("2", source("again"))])
    with pytest.raises(BadRequest, match=r"batch again of 2026-11-21 in raw\.price_quote") as error:
        bq.replay("price_quote", "again", expected, files)
    assert told in str(error.value)
    assert bq.trusted("price_quote") == [kept]


def test_a_table_without_partitions_is_replayed_too(bq: Warehouse) -> None:
    old = component(source("a", 1), component_id="C-1", weight=Decimal("1"))
    new = component(source("b", 2, minutes=1), component_id="C-1", weight=Decimal("2"))
    only = component(source("b", 2, row=2, minutes=1), component_id="C-2")
    for rows in ([old], [new, only]):
        first(bq, *rows, dataset="comp_boss")
    other = component(source("again", 2, minutes=1), component_id="C-3")
    assert again(bq, [new], other, dataset="comp_boss") == 1
    assert in_order(bq.trusted("comp_boss")) == in_order([old, other])


def test_a_table_with_personal_columns_is_filled_and_replayed_without_the_dropped_one(bq: Warehouse) -> None:
    names = arrow_schema("bank_statement").names
    assert "telefone" not in names
    entry = dict.fromkeys(names) | {
        "documento": "1",
        "data_lancamento": date(2024, 5, 6),
        "cpf_cnpj": "0" * 64,
        "valor": Decimal("1234.56"),
    }
    first(bq, entry | source("a"), dataset="bank_statement")
    retokenised = entry | {"cpf_cnpj": "f" * 64} | source("again")
    assert again(bq, [entry | source("a")], retokenised, dataset="bank_statement") == 1
    assert bq.trusted("bank_statement") == [retokenised]


@dataclass
class History:
    """What happened, and what trusted must therefore hold: of each file the rows of its last good batch."""

    chance: random.Random
    batches: int = 0
    files: dict[str, Row] = field(default_factory=dict)
    live: dict[str, list[Row]] = field(default_factory=dict)
    calls: list[Callable[[Warehouse], int]] = field(default_factory=list)

    def claim(self) -> tuple[str, datetime]:
        """A new batch: its id and when it is claimed, each a good while after the one before."""
        self.batches += 1
        return f"batch{self.batches}", NOON + timedelta(hours=5 * self.batches)

    def new_files(self) -> list[str]:
        """One to three files more, their creation in no order."""
        known = len(self.files)
        for generation in range(known + 1, known + 1 + self.chance.randint(1, 3)):
            lineage = source("", generation, minutes=self.chance.randint(0, 4))
            self.files[identity(lineage)] = lineage
        return list(self.files)[known:]

    def some_files(self) -> list[str]:
        """Some of the files that there have been, whatever became of them."""
        return self.chance.sample(list(self.files), self.chance.randint(1, min(3, len(self.files))))

    def read(self, files: Sequence[str], batch: str, claimed: datetime) -> list[Row]:
        """What a batch reads from the files: few keys over many months, some files without a sound row."""
        rows = []
        for file in files:
            for number in range(1, self.chance.randint(1, 7)):
                lineage = {"_batch_id": batch, "_ingested_at": claimed, "_source_row": number}
                key = {
                    "quote_date": date(2024, self.chance.randint(1, 3), 1),
                    "quantity": self.chance.randint(1, 2),
                }
                cost = f"{self.chance.randint(-(10**30), 10**30)}e-18"
                rows.append(quote(cost, self.files[file] | lineage, **key))
        return rows

    def succeed(self, files: Sequence[str], rows: Sequence[Row]) -> None:
        for file in files:
            self.live[file] = [row for row in rows if identity(row) == file]

    def expected(self) -> list[Row]:
        """The oracle: of each key the live row that sorts last."""
        return list(newest([row for rows in self.live.values() for row in rows]).values())


def newest(rows: Sequence[Row]) -> Mapping[tuple[object, ...], Row]:
    order = ("_source_created_at", "_source_generation", "_source_row")
    by_age = sorted(rows, key=lambda row: [row[name] for name in order])
    return {(row["quote_date"], row["quantity"]): row for row in by_age}


def drop(bq: Warehouse, history: History) -> None:
    batch, claimed = history.claim()
    files = history.new_files()
    rows = history.read(files, batch, claimed)
    bq.load("price_quote", rows)
    history.calls.append(lambda bq: bq.call("price_quote", batch, len(rows), claimed.date()))
    history.calls[-1](bq)
    bq.record("price_quote", batch, files, claimed=claimed)
    history.succeed(files, rows)


def replay(bq: Warehouse, history: History) -> None:
    batch, claimed = history.claim()
    files = history.some_files()
    rows = history.read(files, batch, claimed)
    if rows:
        bq.load("price_quote", rows)
    history.calls.append(lambda bq: bq.replay("price_quote", batch, len(rows), files, claimed.date()))
    told = history.calls[-1](bq)
    bq.record("price_quote", batch, files, claimed=claimed)
    history.succeed(files, rows)
    assert told == sum(row["_batch_id"] == batch for row in history.expected())


def refuse(bq: Warehouse, history: History) -> None:
    """A batch, of new files or a replay, whose rows are in raw although it did not succeed."""
    batch, claimed = history.claim()
    files = history.chance.choice([history.new_files, history.some_files])()
    rows = history.read(files, batch, claimed)
    bq.load("price_quote", rows)
    bq.record("price_quote", batch, files, history.chance.choice(["rejected", "failed"]), claimed)


def call_late(bq: Warehouse, history: History) -> None:
    """A call that was made before comes again, as of a task that was believed to be dead."""
    history.chance.choice(history.calls)(bq)


@pytest.mark.parametrize("seed", [0, 5, 6])
def test_any_history_of_drops_and_replays_ends_as_a_clean_first_arrival(bq: Warehouse, seed: int) -> None:
    history = History(random.Random(seed))  # noqa: S311 - a history that can be repeated
    drop(bq, history)
    events: list[Callable[[Warehouse, History], None]] = [drop, refuse, replay, replay, call_late, call_late]
    for event in history.chance.choices(events, k=12):
        event(bq, history)
        assert in_order(bq.trusted("price_quote")) == in_order(history.expected())
    replayed = bq.trusted("price_quote")
    live = [row for rows in history.live.values() for row in rows]
    assert in_order(bq.run("SELECT * FROM raw.price_quote_live")) == in_order(live)

    bq.empty("price_quote")
    for number, rows in enumerate(filter(None, history.live.values())):
        bq.arrive(
            "price_quote", [row | {"_batch_id": f"clean{number}", "_ingested_at": NOON} for row in rows]
        )
    assert without_batch(bq.trusted("price_quote")) == without_batch(replayed)


def without_batch(rows: Sequence[Row]) -> list[Row]:
    return in_order(
        [{name: row[name] for name in row if name not in ("_batch_id", "_ingested_at")} for row in rows]
    )
