"""Seeded rows and files of the datasets: few keys, so that files correct each other; some broken. Pure."""

import csv
import gzip
import io
from collections.abc import Callable, Mapping, Sequence
from random import Random

Row = dict[str, str]
KEYS = 25  # how many keys, or first parts of one, a scenario's rows share
_MOST_ROWS = 30
_DAYS = ("2013-12-31", "2014-01-01", "2014-02-28", "2015-06-15")
_SUPPLIERS = ("S-0066", "S-0041")
_TEXTS = ("Boss", "Saddle", "a, b", 'say "x"', "two\nlines", "ação", "9999", "NA", "")

HEADERS: Mapping[str, tuple[str, ...]] = {
    "bill_of_materials": (
        "tube_assembly_id",
        *(f"{word}_{n}" for n in range(1, 9) for word in ("component_id", "quantity")),
    ),
    "comp_boss": (
        "component_id",
        "component_type_id",
        "type",
        "connection_type_id",
        "outside_shape",
        "base_type",
        "height_over_tube",
        "bolt_pattern_long",
        "bolt_pattern_wide",
        "groove",
        "base_diameter",
        "shoulder_diameter",
        "unique_feature",
        "orientation",
        "weight",
    ),
    "price_quote": (
        "tube_assembly_id",
        "supplier",
        "quote_date",
        "annual_usage",
        "min_order_quantity",
        "bracket_pricing",
        "quantity",
        "cost",
    ),
}


def make_rows(random: Random, dataset: str, tag: str) -> list[Row]:
    """Some sound rows, 1 to 30; a key may be there more than once."""
    return [_MAKERS[dataset](random, tag) for _ in range(random.randint(1, _MOST_ROWS))]


def correct(random: Random, dataset: str, tag: str, rows: Sequence[Row]) -> list[Row]:
    """Other values for some of the rows' keys, as a sender corrects them."""
    fixed = random.sample(rows, random.randint(1, len(rows)))
    new = [_MAKERS[dataset](random, tag) for _ in fixed]
    key = KEY_COLUMNS[dataset]
    return [other | {name: row[name] for name in key} for row, other in zip(fixed, new, strict=True)]


def spoil(random: Random, dataset: str, rows: Sequence[Row]) -> list[Row]:
    """The rows, a few of which break the contract: a value of another type, or none where one is required."""
    spoilt = [dict(row) for row in rows]
    for row in random.sample(spoilt, random.randint(1, max(1, len(spoilt) // 4))):
        column, value = random.choice(_SPOILERS[dataset])
        row[column] = value
    return spoilt


def write(random: Random, dataset: str, rows: Sequence[Row], ragged: int = 0) -> bytes:
    """A file of the rows in one of the spellings that mean the same; `ragged` of them have a field too many.

    Columns come in any order, fields with or without quotes, lines with LF or CRLF, with or without a byte
    order mark.
    """
    names = list(HEADERS[dataset])
    if random.random() < 0.3:
        random.shuffle(names)
    text = io.StringIO(newline="")
    writer = csv.writer(
        text, _Quoted if random.random() < 0.5 else csv.excel, lineterminator=_line_end(random)
    )
    writer.writerow(names)
    torn = set(random.sample(range(len(rows)), min(ragged, len(rows))))
    for number, row in enumerate(rows):
        writer.writerow([row[name] for name in names] + (["surplus"] if number in torn else []))
    mark = "\ufeff" if random.random() < 0.2 else ""
    return (mark + text.getvalue()).encode()


class _Quoted(csv.excel):
    quoting = csv.QUOTE_ALL


def _line_end(random: Random) -> str:
    return random.choice(("\n", "\r\n"))


def pack(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def broken_file(random: Random, dataset: str) -> tuple[bytes, str]:
    """A file that nobody can read, and the code of the reason."""
    header = ",".join(HEADERS[dataset])
    return random.choice(
        (
            (b"", "empty_file"),
            (f"not_the_{header}\n1,2\n".encode(), "header_mismatch"),
            (f"{header}\n".encode() + b"\x00" * 600, "not_text"),
        )
    )


def broken_archive(content: bytes) -> tuple[bytes, str]:
    """A .gz that ends too early, and the code of the reason."""
    return pack(content)[:-9], "unreadable"


def _bill(random: Random, tag: str) -> Row:
    row = {"tube_assembly_id": f"{tag}TA-{random.randint(1, KEYS):05}"}
    for n in range(1, 9):
        there = random.random() < 0.5
        row[f"component_id_{n}"] = f"C-{random.randint(1, 2048):04}" if there else "NA"
        row[f"quantity_{n}"] = str(random.randint(1, 6)) if there else random.choice(("NA", ""))
    return row


def _boss(random: Random, tag: str) -> Row:
    row = dict.fromkeys(HEADERS["comp_boss"], "NA")
    row["component_id"] = f"{tag}C-{random.randint(1, KEYS):04}"
    for name in ("component_type_id", "type", "connection_type_id", "outside_shape", "base_type"):
        row[name] = random.choice(_TEXTS)
    for name in ("height_over_tube", "bolt_pattern_long", "base_diameter", "weight"):
        row[name] = _decimal(random, 9) if random.random() < 0.7 else "NA"
    for name in ("groove", "unique_feature", "orientation"):
        row[name] = random.choice(("Yes", "No", "NA"))
    return row


def _quote(random: Random, tag: str) -> Row:
    return {
        "tube_assembly_id": f"{tag}TA-{random.randint(1, KEYS // 4):05}",
        "supplier": random.choice(_SUPPLIERS),
        "quote_date": random.choice(_DAYS),
        "annual_usage": "0",
        "min_order_quantity": random.choice(("0", "1")),
        "bracket_pricing": random.choice(("Yes", "No")),
        "quantity": random.choice(("1", "25")),
        "cost": _decimal(random, 18),
    }


def _decimal(random: Random, most: int) -> str:
    digits = random.randint(0, most)
    whole = str(random.randint(0, 9999))
    return f"{whole}.{random.randrange(10**digits):0{digits}}" if digits else whole


_MAKERS: Mapping[str, Callable[[Random, str], Row]] = {
    "bill_of_materials": _bill,
    "comp_boss": _boss,
    "price_quote": _quote,
}
KEY_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "bill_of_materials": HEADERS["bill_of_materials"][:1],
    "comp_boss": HEADERS["comp_boss"][:1],
    "price_quote": HEADERS["price_quote"][:7],
}
_SPOILERS: Mapping[str, Sequence[tuple[str, str]]] = {
    "bill_of_materials": (("quantity_1", "2.5"), ("quantity_8", "two"), ("tube_assembly_id", "NA")),
    "comp_boss": (("weight", "0,5"), ("groove", "maybe"), ("component_id", ""), ("weight", "0.1234567891")),
    "price_quote": (
        ("cost", "free"),
        ("quote_date", "2014-02-30"),
        ("quote_date", "31/12/2014"),
        ("supplier", "NA"),
        ("quantity", "9223372036854775808"),
    ),
}
