"""Every tenth row is broken in one of eight ways: the others are accepted, and each of these is told why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.spark_jobs.batches import Place, stage

ROWS, EVERY = 24_000, 10
PIPELINE: dict[str, Any] = {
    "version": 2,
    "dataset": "payments",
    "format": {
        "type": "csv",
        "delimiter": ";",
        "quote": '"',
        "encoding": "UTF-8",
        "header": True,
        "null_tokens": [""],
        "unknown_columns": "reject",
        "max_text_bytes": 1 << 30,
    },
    "columns": [
        {"name": "id", "type": "STRING", "required": True, "pattern": "P-[0-9]{6}"},
        {"name": "day", "type": "DATE", "required": True, "formats": ["%d/%m/%Y", "%Y-%m-%d"]},
        {
            "name": "amount",
            "type": "NUMERIC",
            "precision": 12,
            "scale": 2,
            "required": True,
            "decimal_separator": ",",
            "group_separator": ".",
            "minimum": "0",
        },
        {"name": "channel", "type": "STRING", "required": False, "valid_values": ["PIX", "TED"]},
        {"name": "note", "type": "STRING", "required": False},
    ],
    "duplicate_keys": "keep_last",
}

Reasons = list[tuple[str, str | None, str | None]]


@dataclass(frozen=True)
class Broken:
    """A broken record as the file holds it, the raw text that tells of it, and every reason against it."""

    content: bytes
    raw: str
    reasons: Reasons


def _fields(number: int) -> list[str]:
    day = f"{number % 28 + 1:02}/{number % 12 + 1:02}/2024" if number % 2 else f"2024-{number % 12 + 1:02}-29"
    note = ("", f'"two\nlines; and ""{number}"""', f"café {number}", "x" * (number % 50))[number % 4]
    return [
        f"P-{number:06}",
        day,
        f"1.{number % 1000:03},{number % 100:02}",
        ("PIX", "TED", "")[number % 3],
        note,
    ]


def _with(number: int, changes: dict[int, str], reasons: Reasons) -> Broken:
    text = ";".join(changes.get(index, field) for index, field in enumerate(_fields(number)))
    return Broken(text.encode(), text, reasons)


def _bad_type(number: int) -> Broken:
    return _with(
        number,
        {1: "30/02/2024", 2: "1.23,4"},
        [("bad_type", "day", "30/02/2024"), ("bad_type", "amount", "1.23,4")],
    )


def _missing(number: int) -> Broken:
    return _with(number, {0: "", 2: ""}, [("null_in_required", "id", ""), ("null_in_required", "amount", "")])


def _out_of_range(number: int) -> Broken:
    return _with(number, {2: "-0,01"}, [("out_of_range", "amount", "-0,01")])


def _not_in_set(number: int) -> Broken:
    return _with(
        number, {2: "abc", 3: "pix"}, [("bad_type", "amount", "abc"), ("not_in_set", "channel", "pix")]
    )


def _pattern(number: int) -> Broken:
    return _with(number, {0: f"Q-{number:06}"}, [("pattern_mismatch", "id", f"Q-{number:06}")])


def _ragged(number: int) -> Broken:
    text = f"P-{number:06};2024-01-01;1,00" + ";PIX;;" * (number // EVERY % 16 // 8)
    return Broken(text.encode(), text, [("ragged_row", None, None)])


def _bad_quote(number: int) -> Broken:
    text = f'P-{number:06};2024-01-01;1,00;PIX;"a" b; "c'
    return Broken(text.encode(), text, [("bad_quote", None, None)])


def _bad_encoding(number: int) -> Broken:
    start = f"P-{number:06};2024-01-01;1,00;TED;caf"
    return Broken(start.encode() + b"\xe9", f"{start}\ufffd", [("bad_encoding", "note", "caf\ufffd")])


WAYS: list[Callable[[int], Broken]] = [
    _bad_type,
    _missing,
    _out_of_range,
    _not_in_set,
    _pattern,
    _ragged,
    _bad_quote,
    _bad_encoding,
]


def test_nine_of_ten_rows_are_accepted_and_each_other_one_is_told_why(place: Place) -> None:
    broken = {number: WAYS[number // EVERY % len(WAYS)](number) for number in range(EVERY, ROWS + 1, EVERY)}
    lines = [
        broken[number].content if number in broken else ";".join(_fields(number)).encode()
        for number in range(1, ROWS + 1)
    ]
    header = ";".join(column["name"] for column in PIPELINE["columns"]).encode()
    content = b"\r\n".join([header, *lines, b""])

    outcome = stage(place, PIPELINE, {"broken.csv": content}, "broken rows").run()

    (file,) = outcome.metrics["files"]
    assert [file[name] for name in ("rows_read", "rows_accepted", "rows_rejected")] == [24_000, 21_600, 2_400]
    accepted = {row["_source_row"]: row["id"] for row in outcome.accepted()}
    assert accepted == {number: f"P-{number:06}" for number in range(1, ROWS + 1) if number not in broken}
    rejected = {row["source_row"]: row for row in outcome.rejected()}
    assert rejected.keys() == broken.keys()
    for number, row in rejected.items():
        reasons = [(reason["code"], reason["column"], reason["value"]) for reason in row["reasons"]]
        assert (row["raw"], reasons) == (broken[number].raw, broken[number].reasons), number
    codes = Counter(code for one in broken.values() for code in {code for code, _, _ in one.reasons})
    assert outcome.metrics["rejected_rows_by_reason"] == codes
