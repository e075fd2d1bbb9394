"""A week of a small installation in the ledger: what succeeded, what was refused, what waits."""

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any

from tests.bigquery.world import NOON
from tests.functions.control_room.world import (
    Row,
    World,
    batch,
    file,
    open_batch,
    rejected_row,
)


def _number(name: str) -> int:
    """A batch's number, whose digits look like the hash that they are in the cloud."""
    return int(hashlib.md5(name.encode(), usedforsecurity=False).hexdigest(), 16)


#: The batches that have a story, by number.
LOADED, REFUSED, BROKEN, FAILED, RUNNING = map(_number, ("loaded", "refused", "broken", "failed", "running"))
#: The generations of their files.
GENERATION = 1795256700123456
#: How long each step of a batch takes in the cloud, in seconds, and after which other step it begins.
_STEPS: Mapping[str, tuple[str, float]] = {
    "claim_batch": ("", 1.9),
    "create_cluster": ("claim_batch", 88.4),
    "csv_to_parquet": ("create_cluster", 41.7),
    "check_metrics": ("csv_to_parquet", 0.6),
    "delete_cluster": ("csv_to_parquet", 27.3),
    "load_raw": ("check_metrics", 5.2),
    "load_rejected": ("check_metrics", 3.8),
    "call_trusted": ("load_raw", 6.4),
}
_WHY_REFUSED = (
    "Expected at most 10 % of the rows to be rejected (maxRejectedShare), found 62.5 %: 250 of 400."
)
_WHY_UNREADABLE = (
    "Expected the 15 columns of the contract in the header, found 3: id, name, weight. Missing: component_id."
)


def tell(world: World, now: datetime) -> None:
    """Write the week that ends at `now`."""
    past = (NOON - now) / timedelta(minutes=1)
    # What `batch` and `file` count back from noon, so that it is before `now`.
    _tell_history(world, past)
    _tell_loaded(world, past)
    _tell_refused(world, past)
    _tell_broken(world, past)
    _tell_failed(world, past)
    world.open_journal("price_quote", open_batch("price_quote", RUNNING, minutes_ago=past + 2))
    world.land("comp_boss/catalogue_2026-11.csv", b"component_id\n" * 40)


def _tell_history(world: World, past: float) -> None:
    datasets = ("price_quote", "bill_of_materials", "comp_boss", "bank_statement")
    random = Random(1)  # noqa: S311 the same week each time
    batches, files = [], []
    for index in range(80):
        dataset, ago = datasets[index % 4], past + 300 + index * 117 + random.randrange(40)
        number, rows = _number(f"history {index}"), random.randrange(200, 4200)
        known = {"rows_read": rows, "rows_accepted": rows}
        fields = {**known, "rows_merged": rows, "bytes": rows * 54}
        batches.append(_batch(dataset, number, ago, slow=random.uniform(0.8, 1.3), **fields))
        files.append(_file(dataset, number, f"export_{index:03}.csv", ago, size=rows * 54, **known))
    world.record(*batches)
    world.record_files(*files)


def _tell_loaded(world: World, past: float) -> None:
    known = {"rows_read": 3240, "rows_accepted": 3234, "rows_rejected": 6}
    fields = {**known, "rows_merged": 3180, "files": 3, "bytes": 177_408, "quality": [_rule()]}
    world.record(_batch("price_quote", LOADED, past + 95, **fields))
    counts = {
        "2026/quotes_S-0066.csv": (1800, 1796),
        "2026/quotes_S-0026.csv": (1200, 1200),
        "2026/quotes_S-0041.csv": (240, 238),
    }
    for name, (read, accepted) in counts.items():
        fields = {
            "rows_read": read,
            "rows_accepted": accepted,
            "rows_rejected": read - accepted,
            "size": read * 55,
        }
        world.record_files(_file("price_quote", LOADED, name, past + 95, **fields))
    world.reject(*(_rejected(LOADED, past + 95, "2026/quotes_S-0066.csv", *found) for found in _FAULTS[:4]))
    world.reject(*(_rejected(LOADED, past + 95, "2026/quotes_S-0041.csv", *found) for found in _FAULTS[4:]))


def _tell_refused(world: World, past: float) -> None:
    known = {"rows_read": 400, "rows_accepted": 150, "rows_rejected": 250}
    fields = {"detail": _WHY_REFUSED, "rows_merged": None, "until": "delete_cluster", "files_rejected": 1}
    world.record(_batch("price_quote", REFUSED, past + 40, state="rejected", **known, **fields))
    name = "2026/quotes_S-0072.csv"
    why = {"state": "rejected", "reason": "too_many_rejected_rows", "detail": _WHY_REFUSED}
    at = f"gs://room-rejected/price_quote/{GENERATION}/quotes_S-0072.csv"
    world.record_files(_file("price_quote", REFUSED, name, past + 40, rejected_uri=at, **why, **known))
    day = ("bad_type", "quote_date", _DAY)
    rows = [
        _rejected(REFUSED, past + 40, name, 4 + row, (*day, f"{row % 28 + 1:02}/07/2013"), _line(row))
        for row in range(250)
    ]
    world.reject(*rows)


def _line(row: int) -> str:
    return f"TA-{row % 90 + 20:05},S-0072,{row % 28 + 1:02}/07/2013,0,0,Yes,{1 + row % 25},{11.5 + row / 8}"


def _tell_broken(world: World, past: float) -> None:
    nothing = {"rows_read": 0, "rows_accepted": 0, "rows_rejected": 0}
    fields = {"files": 2, "files_rejected": 1, "rows_read": 61, "rows_accepted": 61, "rows_merged": 61}
    world.record(_batch("comp_boss", BROKEN, past + 170, **fields))
    good = {"rows_read": 61, "rows_accepted": 61, "rows_rejected": 0}
    why = {"state": "rejected", "reason": "header_mismatch", "detail": _WHY_UNREADABLE}
    world.record_files(
        _file("comp_boss", BROKEN, "bosses.csv", past + 170, **good),
        _file("comp_boss", BROKEN, "weights.csv", past + 170, **why, **nothing),
    )


def _tell_failed(world: World, past: float) -> None:
    detail = "The Spark job failed three times; the last time a worker was lost."
    nothing = dict.fromkeys(("rows_read", "rows_accepted", "rows_rejected", "rows_merged"))
    row = _batch(
        "bank_statement", FAILED, past + 230, state="failed", detail=detail, until="csv_to_parquet", **nothing
    )
    row["steps"][-1]["state"] = "failed"
    world.record(row)


def _batch(dataset: str, number: int, ago: float, slow: float = 1.0, until: str = "", **fields: Any) -> Row:
    claimed = NOON - timedelta(minutes=ago)
    steps = _steps(claimed, slow, until)
    ended = max(step["finished_at"] for step in steps)
    seconds = (ended - claimed).total_seconds()
    usual = {
        "recorded_at": ended + timedelta(seconds=2),
        "steps": steps,
        "vcpu_seconds": 12 * seconds,
        "estimated_cost_usd": round(0.00016 * seconds, 4),
    }
    return batch(dataset, number, ago, **{**usual, **fields})


def _file(dataset: str, number: int, name: str, ago: float, **fields: Any) -> Row:
    content = hashlib.md5(f"{dataset}/{name}".encode(), usedforsecurity=False).digest()
    claimed = NOON - timedelta(minutes=ago)
    usual = {
        "source_generation": GENERATION,
        "recorded_at": claimed + timedelta(seconds=178),
        "archive_uri": f"gs://room-archive/{dataset}/{claimed:%Y-%m-%d}/{GENERATION}/{name}",
        "md5": b64encode(content).decode(),
        "crc32c": b64encode(content[:4]).decode(),
    }
    return file(dataset, number, name, ago, **{**usual, **fields})


def _steps(claimed: datetime, slow: float, until: str) -> list[Row]:
    """The steps in the order in which they began; after `until` there is none."""
    ends: dict[str, datetime] = {"": claimed}
    found = []
    for task, (after, usual) in _STEPS.items():
        seconds = round(usual * slow, 3)
        began = ends[after] + timedelta(seconds=0.4)
        ends[task] = began + timedelta(seconds=seconds)
        found.append({"task": task, "started_at": began, "finished_at": ends[task], "seconds": seconds})
        if task == until:
            break
    return [{**step, "state": "success"} for step in found]


def _rule() -> Row:
    return {
        "rule": "cost_is_positive",
        "metric": "invalidValues",
        "columns": ["cost"],
        "severity": "warn",
        "found": 0,
        "total": 3234,
        "operator": "mustBe",
        "threshold": [0],
        "unit": "rows",
        "passed": True,
    }


def _rejected(
    number: int, ago: float, name: str, row: int, reason: tuple[str, str | None, str, str | None], raw: str
) -> Row:
    code, column, detail, value = reason
    reasons = [{"code": code, "column": column, "value": value, "detail": detail}]
    uri = f"gs://room-landing/price_quote/{name}"
    return rejected_row(
        "price_quote",
        number,
        row,
        ago,
        source_uri=uri,
        source_generation=GENERATION,
        reasons=reasons,
        raw=raw,
    )


_NUMBER = "expected BIGNUMERIC: at most 20 digits and 18 decimals, without an exponent"
_DAY = "expected DATE as %Y-%m-%d"
_WHOLE = "expected INT64: digits, within 64 bits"
_FIELDS = "expected 8 fields, found 7"
_VALUE = "expected a value, found none"
_FLAG = "expected BOOL: Yes or No"
_FAULTS: tuple[tuple[int, tuple[str, str | None, str, str | None], str], ...] = (
    (17, ("bad_type", "cost", _NUMBER, "21,90"), 'TA-00021,S-0066,2013-07-07,0,0,Yes,1,"21,90"'),
    (212, ("bad_type", "quote_date", _DAY, "2013-02-30"), "TA-00087,S-0066,2013-02-30,0,0,Yes,5,8.12"),
    (640, ("null_in_required", "supplier", _VALUE, None), "TA-00310,,2013-05-19,25,0,No,10,4.66"),
    (1288, ("ragged_row", None, _FIELDS, None), "TA-00554,S-0066,2014-01-04,0,0,Yes,2"),
    (9, ("bad_type", "bracket_pricing", _FLAG, "Y"), "TA-00702,S-0041,2012-11-30,0,20,Y,25,3.33"),
    (101, ("bad_type", "quantity", _WHOLE, "ten"), "TA-00702,S-0041,2012-11-30,0,20,No,ten,3.33"),
)
