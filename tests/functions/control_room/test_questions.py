"""Every question that the pages ask, resolved by Google's own front end against the rendered schemas."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from room.warehouse import Question, Row, Warehouse, _parameter
from tests.bigquery.front_end import FrontEnd, Schema, compiled
from tests.functions.control_room.addresses import ALL
from tests.functions.control_room.world import LANDING, World, batch_id

BIGQUERY = Path(__file__).parents[3] / "bigquery"
A_FILE = f"file=gs://{LANDING}/price_quote/a.csv&generation=1"
# What the addresses of every page leave out: other ways to filter and to search.
MORE = (
    "/batches?state=rejected&page=2",
    f"/batches/price_quote/{batch_id(1)}?page=2",
    f"/files?q=gs://{LANDING}/price_quote/a.csv",
    f"/files?q=gs://{LANDING}/price_quote/a.csv%231",
    "/files?q=1795271335590026",
    "/files?q=1B2M2Y8AsgTpgAmY7PhCfg%3D%3D",
    "/files?q=AAAAAA%3D%3D",
    "/files?q=d41d8cd98f00b204e9800998ecf8427e&dataset=price_quote&state=rejected&page=2",
    f"/rejected?dataset=price_quote&{A_FILE}&reason=bad_type&column=quantity&page=2",
    f"/rejected?{A_FILE}",
    f"/rejected.csv?dataset=price_quote&batch={batch_id(1)}&{A_FILE}&reason=bad_type&column=quantity",
    "/rejected.csv",
    "/report?supplier=S-0066&from=2013-01-01&to=2013-12-31",
    "/report.csv?by=tube_assembly&supplier=S-0066",
)


@pytest.fixture(scope="module")
def front_end() -> Iterator[FrontEnd]:
    """A front end that knows trusted, the marts and the ledger; nothing of raw, which no page may see."""
    tables: dict[str, Schema] = {}
    for path in BIGQUERY.glob("datasets/*/trusted.schema.json"):
        tables[f"trusted.{path.parent.name}"] = json.loads(path.read_text())
    for layer in ("ops", "marts"):
        for path in (BIGQUERY / layer).glob("*.schema.json"):
            tables[f"{layer}.{path.name.split('.')[0]}"] = json.loads(path.read_text())
    for path in BIGQUERY.glob("datasets/*/catalog.json"):
        tables[f"ops.rejected_rows_{path.parent.name}"] = tables["ops.rejected_rows"]
    with compiled() as made:
        yield made(tables).with_ledger_views()


@pytest.mark.parametrize("address", [*ALL, *MORE])
def test_questions_resolve(
    furnished: World, front_end: FrontEnd, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    asked: list[Question] = []
    stream = Warehouse.stream

    def remember(self: Warehouse, question: Question) -> Iterator[Row]:
        asked.append(question)
        return stream(self, question)

    monkeypatch.setattr(Warehouse, "stream", remember)
    furnished.open()
    assert furnished.client().get(address).status_code in (200, 303)
    for question in asked:
        kinds = {name: kind_of(value) for name, value in question.parameters.items()}
        front_end.analyse(question.sql, kinds)
    needs_none = ("/healthz", "/assets", "/catalogue")
    assert asked or address.startswith(needs_none)
    assert len(asked) <= 4, "a page that asks so much is too slow"


def kind_of(value: Any) -> str:
    """The type with which a parameter is sent."""
    sent = _parameter("p", value)
    return f"ARRAY<{sent.array_type}>" if isinstance(value, list) else str(sent.type_)
