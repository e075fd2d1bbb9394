"""A ledger of so many batches and files, the same for the same seed but for the day that it ends on."""

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tests.functions.control_room.world import LANDING, World, batch, file, open_batch, rejected_row, steps

DATASETS = ("price_quote", "bill_of_materials", "comp_boss", "bank_statement")
_DAYS = 80
_TASKS = (
    "claim_batch",
    "create_cluster",
    "csv_to_parquet",
    "check_metrics",
    "delete_cluster",
    "load_raw",
    "load_rejected",
    "call_trusted",
)
_REASONS = (
    ("bad_type", "quote_date", "2013-99-07", "expected DATE as %Y-%m-%d"),
    (
        "bad_type",
        "cost",
        "abc",
        "expected BIGNUMERIC: at most 20 digits and 18 decimals, without an exponent",
    ),
    ("null_in_required", "supplier", None, "expected a value"),
    ("ragged_row", None, None, "expected 8 fields, found 7"),
)

Row = dict[str, Any]


@dataclass(frozen=True)
class Size:
    """How much there is of everything."""

    batches: int = 1000
    files: int = 10_000
    rejected: int = 5000
    quotes: int = 30_000
    pending: int = 200


@dataclass(frozen=True)
class Seeded:
    """What there is to ask for."""

    batches: list[Row]
    files: list[Row]
    rejected: list[Row]
    suppliers: list[str]


def fill(world: World, size: Size, seeded: Seeded) -> Iterator[str]:
    """Write all of it; says what is done."""
    world.record(*seeded.batches)
    yield f"{len(seeded.batches):,} batches"
    world.record_files(*seeded.files)
    yield f"{len(seeded.files):,} files"
    world.reject(*seeded.rejected)
    yield f"{len(seeded.rejected):,} rejected rows"
    world.write("trusted.price_quote", list(_quotes(size.quotes, seeded.suppliers)))
    yield f"{size.quotes:,} quotes"
    for number in range(size.pending):
        world.land(f"{DATASETS[number % len(DATASETS)]}/pending/{number:05}.csv", b"a,b\n1,2\n")
    for number, dataset in enumerate(DATASETS):
        world.open_journal(dataset, open_batch(dataset, 1_000_000 + number))
    yield f"{size.pending:,} pending files, {len(DATASETS)} open batches"


def make(size: Size, seed: int, now: datetime) -> Seeded:
    """The rows, oldest first; the newest batch was claimed before the hour of `now`."""
    chance = random.Random(seed)  # noqa: S311 only to be the same again
    end = now.replace(minute=0, second=0, microsecond=0)
    every = timedelta(days=_DAYS) / size.batches
    batches, files, rejected = [], [], []
    share = max(1, size.files // size.batches)
    for number in range(size.batches):
        claimed = end - every * (size.batches - number)
        made = _batch(DATASETS[number % len(DATASETS)], number, claimed, share, chance)
        mine = [_file(made, number * share + part, chance) for part in range(share)]
        batches.append(made)
        files += mine if made["state"] != "failed" else []
        wrong = chance.randrange(2 * size.rejected // size.batches + 1)
        if made["state"] == "succeeded":
            rejected += [_rejected(made, mine[row % share], row, chance) for row in range(wrong)]
    suppliers = [f"S-{number:04}" for number in range(60)]
    return Seeded(batches, files, rejected, suppliers)


def _batch(dataset: str, number: int, claimed: datetime, files: int, chance: random.Random) -> Row:
    state = chance.choices(("succeeded", "rejected", "failed", "divided"), (92, 4, 2, 2))[0]
    rejected = chance.randrange(10)
    return batch(
        dataset,
        number,
        batch_id=_hex(f"batch {number}"),
        state=state,
        detail=None
        if state == "succeeded"
        else "call_trusted: 503 Service Unavailable, the backend did not answer",
        claimed_at=claimed,
        recorded_at=claimed + timedelta(seconds=90),
        files=files,
        rows_read=100 * files,
        rows_accepted=100 * files - rejected,
        rows_rejected=rejected,
        steps=steps(claimed, _TASKS, seconds=chance.uniform(1, 20)),
    )


def _file(made: Row, number: int, chance: random.Random) -> Row:
    name = _hex(f"name {number // 3}")[:10]
    state = "loaded" if made["state"] in ("succeeded", "divided") else "rejected"
    return file(
        made["dataset"],
        1_790_000_000_000_000 + number,
        batch_id=made["batch_id"],
        source_uri=f"gs://{LANDING}/{made['dataset']}/{number % 50:02}/{name}-{number:05}.csv",
        crc32c=f"{number:06}==",
        md5=None,
        size=chance.randrange(1 << 20),
        state=state,
        reason=None if state == "loaded" else "too_many_rejected_rows",
        detail=None
        if state == "loaded"
        else "12 of 100 rows of the batch were rejected, at most 10 % may be",
        claimed_at=made["claimed_at"],
        recorded_at=made["recorded_at"],
        source_created_at=made["claimed_at"] - timedelta(seconds=30),
    )


def _rejected(made: Row, source: Row, row: int, chance: random.Random) -> Row:
    names = ("code", "column", "value", "detail")
    found = chance.sample(_REASONS, chance.randrange(1, 3))
    return rejected_row(
        made["dataset"],
        0,
        row,
        batch_id=made["batch_id"],
        source_uri=source["source_uri"],
        source_generation=source["source_generation"],
        ingested_at=made["claimed_at"],
        raw=f"TA-{chance.randrange(99999):05},S-0066,2013-99-07,0,0,Yes,{row},abc",
        reasons=[dict(zip(names, reason, strict=True)) for reason in found],
    )


def _quotes(count: int, suppliers: list[str]) -> Iterator[Row]:
    chance = random.Random(count)  # noqa: S311 only to be the same again
    first = date(2010, 1, 1)
    for number in range(count):
        yield {
            "tube_assembly_id": f"TA-{number // 4:05}",
            # A few suppliers have most quotes, as in reality.
            "supplier": suppliers[int(len(suppliers) * chance.random() ** 3)],
            "quote_date": first + timedelta(days=chance.randrange(2500)),
            "annual_usage": 0,
            "min_order_quantity": 0,
            "bracket_pricing": True,
            "quantity": 1 + number % 4,
            "cost": f"{chance.lognormvariate(2, 0.8):.12f}",
            "_batch_id": "0" * 32,
            "_source_uri": f"gs://{LANDING}/price_quote/quotes.csv",
            "_source_generation": 1,
            "_source_row": number,
            "_source_created_at": datetime(2026, 1, 1, tzinfo=UTC),
            "_ingested_at": datetime(2026, 1, 1, tzinfo=UTC),
        }


def _hex(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
