"""`catalog.json`: all that a contract says to its readers, read from the contract by other means."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bigquery.renderer.rendering import render

ROOT = Path(__file__).parents[2] / "bigquery"
FOLDERS = sorted(path.parent for path in (ROOT / "datasets").glob("*/contract.yaml"))

KEY = {"name": "id", "physicalType": "INT64", "required": True, "primaryKey": True, "primaryKeyPosition": 1}


def custom(entry: dict[str, Any]) -> dict[str, Any]:
    return {one["property"]: one["value"] for one in entry.get("customProperties", [])}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_catalogue_says_what_the_contract_says(folder: Path) -> None:
    contract = yaml.safe_load((folder / "contract.yaml").read_text())
    catalog = json.loads((folder / "catalog.json").read_text())
    (table,), (server,) = contract["schema"], contract["servers"]
    assert {name: catalog[name] for name in ("dataset", "version", "status", "domain")} == {
        "dataset": contract["name"],
        **{name: contract[name] for name in ("version", "status", "domain")},
    }
    assert catalog["owner"] == contract["team"]
    assert catalog["description"] == {name: text.strip() for name, text in contract["description"].items()}
    assert catalog["summary"] == table["description"]
    assert catalog["granularity"] == table["dataGranularityDescription"]
    assert catalog["freshness_seconds"] == contract["slaProperties"][0]["value"] * 60
    assert catalog["source"]["null_tokens"] == custom(server)["nullTokens"]
    assert {name: catalog["source"][name] for name in ("path", "format", "description", "encoding")} == {
        name: server[name] for name in ("path", "format", "description", "encoding")
    }
    assert [role["role"] for role in catalog["roles"]] == [one["role"] for one in contract.get("roles", [])]
    assert catalog["tables"] == {
        "raw": f"raw.{folder.name}",
        "live": f"raw.{folder.name}_live",
        "trusted": f"trusted.{folder.name}",
        "rejected": f"ops.rejected_rows_{folder.name}",
    }


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_column_and_rule_of_the_contract_is_in_the_catalogue(folder: Path) -> None:
    (table,) = yaml.safe_load((folder / "contract.yaml").read_text())["schema"]
    catalog = json.loads((folder / "catalog.json").read_text())
    for entry, column in zip(table["properties"], catalog["columns"], strict=True):
        own = custom(entry)
        assert column["name"] == entry["name"]
        assert column["header"] == own.get("header", entry["name"])
        assert column["type"] == entry["physicalType"]
        assert column["description"] == entry["description"]
        assert column["required"] == entry.get("required", False)
        assert column["key_position"] == entry.get("primaryKeyPosition")
        assert column["partition"] == entry.get("partitioned", False)
        assert column["classification"] == entry["classification"]
        assert (column["protection"] or {}).get("method") == own.get("protection", {}).get("method")
        assert (column["protection"] or {}).get("keep_last") == own.get("protection", {}).get("keepLast")
        rules = {one["rule"]: one["value"] for one in column["rules"]}
        options = entry.get("logicalTypeOptions", {})
        enum = {item["value"]: item["description"] for item in entry.get("enum", [])}
        assert rules == {snake(name): str(value) for name, value in options.items()} | (
            {"valid_values": list(enum)} if enum else {}
        )
        assert [one["meanings"] for one in column["rules"] if "meanings" in one] == ([enum] if enum else [])
    written = [*table.get("quality", []), *(one for p in table["properties"] for one in p.get("quality", []))]
    assert [(rule["name"], rule["description"]) for rule in catalog["rules"]] == [
        (rule["name"], rule["description"]) for rule in written
    ]


def snake(name: str) -> str:
    return re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


def test_how_values_are_written_is_told_by_column_whether_by_itself_or_by_a_name_rule() -> None:
    catalog = json.loads((ROOT / "datasets/bank_statement/catalog.json").read_text())
    written = {one["name"]: {r["rule"]: r["value"] for r in one["written"]} for one in catalog["columns"]}
    days, amounts = ["%d/%m/%Y", "%Y-%m-%d"], {"decimal_separator": ",", "group_separator": "."}
    assert {name: how for name, how in written.items() if how} == {
        "data_lancamento": {"formats": days},
        "data_valor": {"formats": days},
        "valor": amounts,
        "valor_tarifa": amounts,
        "conciliado": {"true_tokens": ["Sim"], "false_tokens": ["Não"]},
    }


def test_why_something_is_so_stands_beside_it() -> None:
    catalog = json.loads((ROOT / "datasets/bank_statement/catalog.json").read_text())
    reasons = catalog["policies"]["reasons"]
    assert catalog["policies"]["duplicate_keys"] == "reject"
    assert reasons["duplicate_keys"].startswith("A bank numbers its documents")
    assert reasons["unknown_columns"].startswith("A column of another name may hold personal data")
    assert set(reasons) <= set(catalog["policies"])


def test_a_contract_that_says_little_has_a_catalogue_too(contract_text: Any) -> None:
    contract = yaml.safe_load(contract_text("orders", [KEY]))
    for name in ("status", "domain", "description"):
        del contract[name]
    del contract["team"]["description"], contract["schema"][0]["dataGranularityDescription"]
    del contract["servers"][0]["description"]
    catalog = json.loads(render(yaml.safe_dump(contract), "orders")["catalog.json"])
    assert catalog["description"] == {"purpose": "", "usage": "", "limitations": ""}
    assert (catalog["status"], catalog["domain"], catalog["granularity"]) == ("", "", "")
    assert catalog["owner"] == {"name": "Product Engineering", "description": ""}
    assert (catalog["rules"], catalog["roles"], catalog["layout"]["partitioning"]) == ([], [], None)


def test_a_limit_of_nought_is_a_limit(contract_text: Any) -> None:
    note = {"name": "note", "physicalType": "STRING", "logicalTypeOptions": {"minLength": 0}}
    price = {"name": "price", "physicalType": "NUMERIC", "logicalTypeOptions": {"minimum": 0}}
    columns = json.loads(render(contract_text("orders", [KEY, note, price]), "orders")["catalog.json"])[
        "columns"
    ]
    assert [column["rules"] for column in columns] == [
        [],
        [{"rule": "min_length", "value": "0"}],
        [{"rule": "minimum", "value": "0"}],
    ]


def test_a_sentence_is_a_rule_that_nothing_measures(contract_text: Any) -> None:
    sentence = {"type": "text", "name": "told", "description": "Prices are\n  before tax."}
    measured = {"name": "some", "metric": "rowCount", "mustBeBetween": [1, 9.5], "severity": "warning"}
    price = {"name": "price", "physicalType": "NUMERIC", "quality": [sentence]}
    text = contract_text("orders", [KEY, price], quality=[measured])
    rules = json.loads(render(text, "orders")["catalog.json"])["rules"]
    assert [(r["name"], r["severity"], r["columns"], r["threshold"], r["description"]) for r in rules] == [
        ("some", "warn", [], [1, 9.5], ""),
        ("told", None, ["price"], [], "Prices are before tax."),
    ]
    assert rules[0].keys() == rules[1].keys()


def test_the_readme_names_every_field() -> None:
    readme = (ROOT / "README.md").read_text()
    told = readme.partition("### catalog.json")[2].partition("\n## ")[0]
    for folder in FOLDERS:
        catalog = json.loads((folder / "catalog.json").read_text())
        assert [name for name in names_of(catalog) if f"`{name}`" not in told] == []


def names_of(catalog: dict[str, Any]) -> Iterator[str]:
    """The fields, down to those of columns, rules and roles."""
    for name, value in catalog.items():
        yield name
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, dict):
                yield from part
