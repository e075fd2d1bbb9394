"""Rows for the three datasets of the star, made up or read from files."""

import csv
import random
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from tests.bigquery.marts.oracle import Trusted
from tests.bigquery.world import Row, Warehouse, arrow_schema, component, quote, source

DATASETS = ("price_quote", "bill_of_materials", "comp_boss")
BATCH = "ab" * 16

#: A component and how many of it.
Part = tuple[str | None, int | None]


def made_up(seed: int) -> Trusted:
    """Quotes of some suppliers for assemblies with a bill of materials, with an empty one and with none."""
    some = random.Random(seed)  # noqa: S311 made up, no secret
    suppliers = [f"S-{number:04}" for number in range(1, 8)]
    assemblies = [f"TA-{number:05}" for number in range(1, 30)]
    keys = {
        (
            some.choice(assemblies[:20]),
            some.choice(suppliers),
            date(2011, 11, 5) + timedelta(days=some.randrange(500)),
            some.choice((1, 5, 25)),
        )
        for _ in range(300)
    }
    quotes = [
        quote(
            str(Decimal(some.randrange(10**20)).scaleb(-some.choice((2, 9, 15, 18)))),
            source(BATCH, row=row),
            tube_assembly_id=assembly,
            supplier=supplier,
            quote_date=day,
            quantity=quantity,
            bracket_pricing=some.random() < 0.5,
        )
        for row, (assembly, supplier, day, quantity) in enumerate(sorted(keys), start=1)
    ]
    # Two that share a place, and days at both ends of a year that has a 29th of February.
    quotes += [
        quote(
            "12345678901234567890.000000000000000001",
            source(BATCH, row=1000 + row),
            tube_assembly_id=f"TA-9000{row}",
            supplier=f"S-900{row}",
            quote_date=date(2012, 12, 31),
        )
        for row in (1, 2)
    ]
    # The first is empty; the last ten were never quoted, and as many that were have none.
    bills = [
        bill(assembly, _parts(some) if assembly != assemblies[0] else {}, row)
        for row, assembly in enumerate(assemblies[:10] + assemblies[20:], start=1)
    ]
    bills += [
        bill("TA-00100", {3: (None, 2), 8: ("C-0001", None)}, 100),
        bill("TA-00101", {1: ("C-0001", 1), 2: ("C-0001", 4), 3: (None, 1), 4: (None, 1)}, 101),
        bill("TA-00102", {1: ("9999", 1)}, 102),
    ]
    components = [
        component(
            source(BATCH, row=row),
            component_id=name,
            type=some.choice(("Boss", "Stud", None)),
            weight=Decimal("0.045") if row % 2 else None,
            groove=some.choice((True, False, None)),
        )
        # The last is in no bill of materials.
        for row, name in enumerate(("C-0001", "C-0002", "C-0003", "C-7777"), start=1)
    ]
    return Trusted(quotes, bills, components)


def _parts(some: random.Random) -> dict[int, Part]:
    names = some.sample(["C-0001", "C-0002", "C-0003", "C-0004", "C-0005"], some.randrange(1, 6))
    return {position: (name, some.randrange(1, 9)) for position, name in enumerate(names, start=1)}


def bill(assembly: str, parts: Mapping[int, Part], row: int = 1) -> Row:
    """A bill of materials with these components and quantities at these positions."""
    found: Row = {"tube_assembly_id": assembly}
    for position in range(1, 9):
        found[f"component_id_{position}"], found[f"quantity_{position}"] = parts.get(position, (None, None))
    return found | source(BATCH, row=row)


def read(folder: Path, batch: str = BATCH, generation: int = 1, minutes: int = 0) -> Trusted:
    """The rows of three files, `price_quote.csv` and so on, as one drop of them would give."""
    tables = []
    for dataset in DATASETS:
        schema = arrow_schema(dataset)
        with (folder / f"{dataset}.csv").open(newline="", encoding="utf-8") as file:
            tables.append(
                [
                    {name: _value(text, schema.field(name).type) for name, text in record.items()}
                    | source(batch, generation, row, minutes)
                    for row, record in enumerate(csv.DictReader(file), start=1)
                ]
            )
    return Trusted(*tables)


def _value(text: str, kind: pa.DataType) -> Any:
    if text in ("", "NA"):
        return None
    if pa.types.is_boolean(kind):
        return text == "Yes"
    for matches, convert in (
        (pa.types.is_int64, int),
        (pa.types.is_date32, date.fromisoformat),
        (pa.types.is_decimal, Decimal),
    ):
        if matches(kind):
            return convert(text)
    return text


def arrive(warehouse: Warehouse, trusted: Trusted) -> None:
    """Bring rows into trusted as the pipeline does: into raw, then by the procedure."""
    tables: Sequence[Sequence[Row]] = (trusted.quotes, trusted.bills, trusted.components)
    for dataset, rows in zip(DATASETS, tables, strict=True):
        if rows:
            warehouse.arrive(dataset, rows)
