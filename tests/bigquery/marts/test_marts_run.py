"""The marts over trusted, run on the local BigQuery and compared with an oracle in plain Python."""

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.bigquery.marts.oracle import MARTS, Trusted
from tests.bigquery.marts.rows import arrive, made_up, read
from tests.bigquery.world import Row, Warehouse

ROOT = Path(__file__).parents[3]
REAL_FILES = ROOT.parent / "shared" / "data" / "bvs"
real = pytest.mark.skipif(not REAL_FILES.is_dir(), reason=f"the real files are not at {REAL_FILES}")

BATCHES = ("cd" * 16, "ef" * 16)


def show(warehouse: Warehouse, mart: str) -> list[Row]:
    return warehouse.run(f"SELECT * FROM marts.{mart}")


def comparable(rows: Iterable[Row]) -> list[list[Any]]:
    """Rows in a fixed order, and shares to as many digits as two ways of dividing agree in."""
    plain = [
        {name: round(value, 12) if isinstance(value, float) else value for name, value in row.items()}
        for row in rows
    ]
    return sorted((list(row.items()) for row in plain), key=written)


def written(row: list[tuple[str, Any]]) -> str:
    """A row as text, a decimal alike however many zeros it carries."""
    return str([(name, f"{value:.18f}" if isinstance(value, Decimal) else value) for name, value in row])


@pytest.mark.parametrize("seed", [1, 2])
def test_the_marts_show_what_the_oracle_says(seed: int, warehouse: Warehouse) -> None:
    trusted = made_up(seed)
    arrive(warehouse, trusted)
    for name, expected in MARTS.items():
        found, wanted = comparable(show(warehouse, name)), comparable(expected(trusted))
        assert len(found) == len(wanted), name
        for row, of_oracle in zip(found, wanted, strict=True):
            assert (name, row) == (name, of_oracle)


def test_every_mart_answers_without_a_row(warehouse: Warehouse) -> None:
    rows = {
        path.stem: show(warehouse, path.stem) for path in sorted((ROOT / "bigquery" / "marts").glob("*.sql"))
    }
    nothing = {"total_cost": 0, "quotes": 0, "suppliers": 0, "tube_assemblies": 0}
    assert rows.pop("report_total") == [nothing | {"first_quote_date": None, "last_quote_date": None}]
    assert len(rows) >= 12
    assert [name for name, found in rows.items() if found] == []


def test_a_catalogue_without_bills_and_bills_without_quotes_have_their_rows(warehouse: Warehouse) -> None:
    made = made_up(3)
    arrive(warehouse, Trusted([], made.bills, made.components))
    (assemblies,) = warehouse.run("SELECT COUNT(*) AS n FROM marts.dim_tube_assembly WHERE quotes = 0")
    assert assemblies["n"] == len(made.bills)
    (components,) = warehouse.run("SELECT COUNTIF(in_catalogue) AS n FROM marts.dim_component")
    assert components["n"] == len(made.components)


# A join with a dimension must neither lose a fact nor give it twice.
JOINS = {
    "quotes": """
        SELECT COUNT(*) AS n, SUM(fact.cost) AS cost
        FROM marts.fact_quote AS fact
        JOIN marts.dim_date AS day ON day.day = fact.quote_date
        JOIN marts.dim_supplier AS supplier ON supplier.supplier = fact.supplier
        JOIN marts.dim_tube_assembly AS assembly ON assembly.tube_assembly_id = fact.tube_assembly_id
    """,
    "parts": """
        SELECT COUNT(*) AS n, SUM(part.quantity) AS cost
        FROM marts.bridge_bill_of_materials AS part
        JOIN marts.dim_tube_assembly AS assembly ON assembly.tube_assembly_id = part.tube_assembly_id
        JOIN marts.dim_component AS component ON component.component_id = part.component_id
    """,
}
ALONE = {
    "quotes": "SELECT COUNT(*) AS n, SUM(cost) AS cost FROM trusted.price_quote",
    "parts": "SELECT COUNT(*) AS n, SUM(quantity) AS cost FROM marts.bridge_bill_of_materials",
}
KEYS = {
    "dim_date": "day",
    "dim_supplier": "supplier",
    "dim_tube_assembly": "tube_assembly_id",
    "dim_component": "component_id",
    "bridge_bill_of_materials": "tube_assembly_id, position",
    "report_cost_by_supplier": "supplier",
    "report_cost_by_tube_assembly": "tube_assembly_id",
}


def check_the_star(warehouse: Warehouse) -> None:
    for name, sql in JOINS.items():
        assert (name, warehouse.run(sql)) == (name, warehouse.run(ALONE[name]))
    for mart, key in KEYS.items():
        twice = f"SELECT {key} FROM marts.{mart} GROUP BY {key} HAVING COUNT(*) > 1"
        assert (mart, warehouse.run(twice)) == (mart, [])
    for by in ("supplier", "tube_assembly"):
        (report,) = warehouse.run(
            "SELECT SUM(total_cost) AS total_cost, SUM(quotes) AS quotes, ROUND(SUM(cost_share), 9) AS share "
            f"FROM marts.report_cost_by_{by}"
        )
        (total,) = show(warehouse, "report_total")
        assert (report["total_cost"], report["quotes"]) == (total["total_cost"], total["quotes"])
        assert report["share"] == 1


def test_no_join_of_the_star_loses_or_doubles_a_row(warehouse: Warehouse) -> None:
    arrive(warehouse, made_up(4))
    check_the_star(warehouse)


@real
def test_the_real_figures_are_exact_also_when_every_file_came_twice(warehouse: Warehouse) -> None:
    for number, batch in enumerate(BATCHES, start=1):
        trusted = read(REAL_FILES, batch, number, number)
        arrive(warehouse, trusted)
        (total,) = show(warehouse, "report_total")
        assert total["total_cost"] == Decimal("405860.816111877671902")
        assert (total["quotes"], total["suppliers"], total["tube_assemblies"]) == (30213, 57, 8855)
        assert highest(warehouse, "supplier", "supplier", 5) == {
            "S-0066": Decimal("248017.140265853532405"),
            "S-0026": Decimal("48428.61792870137815"),
            "S-0041": Decimal("39008.974922519652433"),
            "S-0072": Decimal("19409.761132409315781"),
            "S-0064": Decimal("15431.06335861297591"),
        }
        assert highest(warehouse, "tube_assembly", "tube_assembly_id", 3) == {
            "TA-17262": Decimal("1779.315947318930"),
            "TA-17279": Decimal("1672.818726595928"),
            "TA-17263": Decimal("1620.413080128865"),
        }
    check_the_star(warehouse)
    for name in ("bridge_bill_of_materials", "dim_component", "dim_supplier", "dim_date"):
        assert comparable(show(warehouse, name)) == comparable(MARTS[name](trusted)), name
    (unknown,) = warehouse.run("SELECT * FROM marts.dim_component WHERE component_id = 'unknown'")
    assert (unknown["in_catalogue"], unknown["tube_assemblies"]) == (False, 8)


def highest(warehouse: Warehouse, by: str, key: str, places: int) -> dict[str, Decimal]:
    rows = warehouse.run(
        f"SELECT {key}, total_cost FROM marts.report_cost_by_{by} WHERE cost_rank <= {places}"
    )
    return {row[key]: row["total_cost"] for row in rows}
