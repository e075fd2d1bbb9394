"""Files too large to commit, made here with known truth: wide, long, bombs, and one of several splits."""

from __future__ import annotations

import gzip
from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tests.spark_jobs.batches import Outcome, Place, stage

MIB = 1024 * 1024


def _pipeline(columns: list[dict[str, Any]], **format_: Any) -> dict[str, Any]:
    return {
        "version": 2,
        "dataset": "generated",
        "format": {
            "type": "csv",
            "delimiter": ",",
            "quote": '"',
            "encoding": "UTF-8",
            "header": True,
            "null_tokens": [""],
            "unknown_columns": "reject",
            "max_text_bytes": 1 << 34,
            **format_,
        },
        "columns": columns,
        "duplicate_keys": "keep_last",
    }


PLAIN = _pipeline(
    [
        {"name": "id", "type": "INT64", "required": True},
        {"name": "text", "type": "STRING", "required": False},
    ]
)


def _counts(outcome: Outcome) -> dict[str, list[Any]]:
    names = ("state", "reason", "rows_read", "rows_accepted", "rows_rejected")
    return {
        file["uri"].rpartition("/")[2]: [file[name] for name in names] for file in outcome.metrics["files"]
    }


def _table(outcome: Outcome, part: str) -> pa.Table:
    return pa.concat_tables(
        pq.ParquetFile(path).read() for path in sorted((outcome.folder / part).glob("*.parquet"))
    )


def test_a_field_of_10_mb_comes_back_whole_and_a_record_above_32_mib_is_torn(place: Place) -> None:
    long = 'ten "million" characters, and line\nbreaks ' * 250_000
    quoted = '"' + long.replace('"', '""') + '"'
    endless = "y" * (33 * MIB)
    text = f"id,text\n1,{quoted}\n2,x\n3,{endless}\n4,z\n5,last\n"
    outcome = stage(place, PLAIN, {"long.csv": text.encode()}, "long field").run()

    assert len(long) > 10_000_000
    assert [(row["_source_row"], row["text"]) for row in outcome.accepted()] == [
        (1, long),
        (2, "x"),
        (4, "z"),
        (5, "last"),
    ]
    (torn,) = outcome.rejected()
    assert (torn["source_row"], [reason["code"] for reason in torn["reasons"]]) == (3, ["record_too_long"])
    assert torn["raw"] == f"3,{endless}"[:1_000_000]
    assert (torn["text_offset"], torn["text_bytes"]) == (text.index("3,y"), len(endless) + 2)


def test_a_thousand_columns_each_land_under_their_own_name(place: Place) -> None:
    kinds = ("STRING", "INT64")
    columns = [{"name": f"c{n}", "type": kinds[n % 2], "required": n == 0} for n in range(1000)]
    shuffled = sorted(columns, key=lambda column: int(column["name"][1:]) * 7919 % 1000)
    place_of = {column["name"]: index for index, column in enumerate(shuffled)}

    def line(row: int) -> str:
        values = [str(row * 1000 + n) for n in range(1000)]
        return ",".join(values[int(column["name"][1:])] for column in shuffled)

    header = ",".join(column["name"] for column in shuffled)
    wide = line(3).split(",")
    wide[place_of["c501"]], wide[place_of["c7"]] = "five hundred", "seven"
    text = "\n".join([header, line(1), line(2), ",".join(wide), line(4) + ",", line(5)]) + "\n"
    outcome = stage(place, _pipeline(columns), {"wide.csv": text.encode()}, "wide").run()

    for row, found in zip((1, 2, 5), outcome.accepted(), strict=True):
        expected = [row * 1000 + n if n % 2 else str(row * 1000 + n) for n in range(1000)]
        assert list(found.values())[:1000] == expected
    third, fourth = outcome.rejected()
    assert [(reason["code"], reason["column"], reason["value"]) for reason in third["reasons"]] == [
        ("bad_type", "c7", "seven"),
        ("bad_type", "c501", "five hundred"),
    ]
    assert [reason["code"] for reason in fourth["reasons"]] == ["ragged_row"]


def test_100_000_fields_in_one_record_are_one_ragged_row(place: Place) -> None:
    text = "id,text\n1,a\n" + "," * 100_000 + "\n2,b\n"
    outcome = stage(place, PLAIN, {"commas.csv": text.encode()}, "commas").run()
    assert [row["id"] for row in outcome.accepted()] == [1, 2]
    (row,) = outcome.rejected()
    assert (row["source_row"], row["raw"], row["reasons"][0]["code"]) == (2, "," * 100_000, "ragged_row")


def test_a_gzip_bomb_is_refused_at_its_limit_and_holds_up_no_other_file(place: Place) -> None:
    bomb = gzip.compress(b"id,text\n" + b"1,a\n" * (16 * MIB), mtime=0)
    blank = gzip.compress(b"\0" * (64 * MIB), mtime=0)
    lines = gzip.compress(b"\n" * (64 * MIB), mtime=0)
    assert max(map(len, (bomb, blank, lines))) < 300_000
    contract = _pipeline(PLAIN["columns"], max_text_bytes=4 * MIB)
    batch = stage(
        place,
        contract,
        {"a.csv": b"id,text\n1,a\n", "bomb.csv.gz": bomb, "lines.csv.gz": lines, "nul.csv.gz": blank},
        "bomb",
    )
    outcome = batch.run()

    found = _counts(outcome)
    assert found["a.csv"] == ["loaded", None, 1, 1, 0]
    assert found["bomb.csv.gz"] == ["rejected", "too_large", 0, 0, 0]
    assert found["lines.csv.gz"][0] == found["nul.csv.gz"][0] == "rejected"
    assert [row["id"] for row in outcome.accepted()] == [1]


# A block of 1 MiB and a bit: quoted line breaks and delimiters everywhere, so that most places where a file
# could be cut lie within quotes, and four ways to be torn.
_RECORDS = [
    ('{n},"a, long\n""quoted""\ntext of many words, {pad}"', None),
    ("{n},plain {pad}", None),
    ('{n},"closed"too early, "{pad}', "bad_quote"),
    ('{n},"it\'s\n\n\n{pad}"', None),
    ("{n},5\" pipe and 'more', {pad}", "ragged_row"),
    ("x{n},{pad}", "bad_type"),
    ('{n},"""{pad}"""', None),
    ("", "blank"),
]
_BLOCK = [
    (text.format(n=n, pad="pad " * (n % 331)), broken) for n, (text, broken) in enumerate(_RECORDS * 220)
]


def test_a_file_of_several_splits_counts_every_row_once(place: Place) -> None:
    """Its last record is a quote that is never closed, many MiB before the end."""
    block = "".join(text + ("\r\n" if n % 3 else "\n") for n, (text, _) in enumerate(_BLOCK)).encode()
    times = 130 * MIB // len(block)
    swallowed = b'7,"never closed ' + b"so this is text\n" * (2 * MIB // 16)
    records = [broken for _, broken in _BLOCK if broken != "blank"]
    content = b"id,text\r\n" + block * times + swallowed
    outcome = stage(place, PLAIN, {"splits.csv": content}, "splits").run()

    rows = len(records) * times + 1
    codes = Counter({code: count * times for code, count in Counter(filter(None, records)).items()})
    codes["unterminated_quote"] = 1
    assert outcome.metrics["rejected_rows_by_reason"] == codes
    rejected = sum(codes.values())
    assert _counts(outcome) == {"splits.csv": ["loaded", None, rows, rows - rejected, rejected]}

    accepted, refused = _table(outcome, "accepted"), _table(outcome, "rejected")
    numbers = pa.chunked_array([*accepted["_source_row"].chunks, *refused["source_row"].chunks])
    assert pc.equal(numbers.sort(), pa.array(range(1, rows + 1), pa.int64())).to_pylist().count(False) == 0
    whole = [n for n, (_, broken) in enumerate(_BLOCK) if broken is None]
    in_order = accepted.sort_by("_source_row")
    assert in_order["id"].to_pylist() == whole * times
    one_block = in_order["text"].slice(0, len(whole)).to_pylist()
    assert in_order["text"].slice(len(whole) * (times - 1)).to_pylist() == one_block
    assert one_block[0] == 'a, long\n"quoted"\ntext of many words, '
    last = refused.sort_by("source_row").slice(refused.num_rows - 1).to_pylist()[0]
    assert last["source_row"] == rows
    assert last["text_offset"] == len(content) - len(swallowed)
