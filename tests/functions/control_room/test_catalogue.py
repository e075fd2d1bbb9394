"""The catalogue: every contract and every mart as a page, and what a column means."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from bigquery.renderer import columns as renderer_columns
from bigquery.renderer import file_format, layout, protection, quality
from bigquery.renderer.model import Constraints
from room.catalogue import Catalogue
from room.catalogue_search import search
from room.contract_view import example_moment, example_number, header_line
from room.words import read_words
from tests.bigquery.world import ROOT
from tests.functions.control_room.documents import CATALOGUE, DATASETS, FOLDERS, MARTS, Documents
from tests.functions.control_room.reading import Element
from tests.functions.control_room.world import LANDING

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"

dataset_folders = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
languages = pytest.mark.parametrize("language", ["en", "pt"])


@pytest.fixture(scope="module")
def documents() -> Documents:
    return Documents()


def table_under(page: Element, heading: str) -> list[list[str]]:
    """The rows of the table with that heading."""
    return page.one("div", aria_labelledby=heading).rows()


def missing(texts: list[str], shown: str) -> list[str]:
    return [text for text in texts if " ".join(text.split()) not in shown]


# Contracts


@languages
@dataset_folders
def test_the_page_of_a_dataset_says_all_that_its_contract_says(
    folder: Path, language: str, documents: Documents
) -> None:
    contract = yaml.safe_load((folder / "contract.yaml").read_text())
    shown = documents.show(f"/catalogue/{folder.name}", language).text
    (table,) = contract["schema"]
    said = [table["description"], table["dataGranularityDescription"], *contract["description"].values()]
    said += [contract["version"], contract["domain"], *contract["team"].values()]
    said += [text for role in contract.get("roles", []) for text in (role["role"], role["description"])]
    said += [one["description"] for one in contract["customProperties"] if one["property"] == "retention"]
    rules = [*table.get("quality", []), *(one for p in table["properties"] for one in p.get("quality", []))]
    said += [rule[part] for rule in rules for part in ("name", "description")]
    assert missing(said, shown) == []
    assert f"gs://{LANDING}/{folder.name}/" in shown


@dataset_folders
def test_every_column_has_a_row_with_what_is_demanded_of_it(folder: Path, documents: Documents) -> None:
    page = documents.show(f"/catalogue/{folder.name}")
    (table,) = yaml.safe_load((folder / "contract.yaml").read_text())["schema"]
    assert len(table_under(page, "columns")) == len(table["properties"])
    for entry in table["properties"]:
        shown = page.one("tr", id=f"column-{entry['name']}").text
        custom = {one["property"]: one["value"] for one in entry.get("customProperties", [])}
        expected = [entry["name"], entry["physicalType"], entry["description"], entry["classification"]]
        expected += [custom["header"]] if "header" in custom else []
        expected += [str(value) for value in entry.get("logicalTypeOptions", {}).values()]
        expected += [item["value"] for item in entry.get("enum", [])]
        expected += [item["description"].rstrip(".") for item in entry.get("enum", [])]
        for name in ("formats", "trueTokens", "falseTokens"):
            expected += custom.get(name, [])
        expected += [f"key {entry['primaryKeyPosition']}"] if entry.get("primaryKey") else []
        expected += ["required"] if entry.get("required") else []
        expected += ["partition"] if entry.get("partitioned") else []
        assert missing(expected, shown) == [], entry["name"]


@pytest.mark.parametrize(
    ("column", "told"),
    [
        ("favorecido", "Stored as *** only. The last 4 characters stay readable"),
        ("cpf_cnpj", "Stored as a token made with a secret key"),
        ("email", "Stored as its SHA-256"),
        ("telefone", "Never stored"),
        ("valor", "Written as 1.234.567,89"),
        ("data_valor", "Written as 31/12/2024 (%d/%m/%Y), 2024-12-31"),
        ("data_lancamento", "Not before 2000-01-01"),
        ("documento", "Most characters: 40"),
        ("canal", "One of PIX (Instant payment of the central bank), TED"),
    ],
)
def test_what_is_demanded_of_values_and_becomes_of_them_is_told_in_words(
    column: str, told: str, documents: Documents
) -> None:
    assert told in documents.show("/catalogue/bank_statement").one("tr", id=f"column-{column}").text


def test_a_quality_rule_is_told_with_its_bound_and_what_follows(documents: Documents) -> None:
    assert table_under(documents.show("/catalogue/bank_statement"), "rules") == [
        [
            "has_rows",
            "Rows: at least 1 A statement without a single sound entry is an empty export.",
            "The whole batch is refused.",
        ],
        [
            "data_valor_filled",
            "Rows without a value in data_valor: at most 20% "
            "More empty days than these mean that the bank changed its export.",
            "It is recorded; the batch goes on.",
        ],
    ]


def test_the_first_line_of_a_file_is_that_of_the_contract(documents: Documents) -> None:
    assert documents.show("/catalogue/bank_statement").one("pre").text == (
        "Documento;Data Lançamento;Data Valor;Histórico;Favorecido;CPF/CNPJ;E-mail;Telefone;"
        "Valor (R$);Valor Tarifa;Conciliado;Canal"
    )


@pytest.mark.parametrize(
    ("source", "headers", "line"),
    [
        ({}, ["a", "b c"], "a,b c"),
        ({}, ["a,b", 'say "x"', "two\nlines"], '"a,b","say ""x""","two\nlines"'),
        ({"delimiter": ";", "quote": "'"}, ["a,b", "it's"], "a,b;'it''s'"),
        ({"escape": "\\"}, ["a\\b"], "a\\\\b"),
        ({"header": False}, ["a"], ""),
    ],
)
def test_a_header_is_quoted_as_the_dialect_demands(
    source: dict[str, Any], headers: list[str], line: str
) -> None:
    usual = {"delimiter": ",", "quote": '"', "escape": None, "header": True}
    columns = [{"header": header} for header in headers]
    assert header_line({"source": usual | source, "columns": columns}) == line


@pytest.mark.parametrize(
    ("kind", "written", "number"),
    [
        ("INT64", {}, ""),
        ("INT64", {"group_separator": "."}, "1.234.567"),
        ("NUMERIC", {"decimal_separator": ","}, "1234567,89"),
        ("FLOAT64", {"group_separator": " "}, "1 234 567.89"),
    ],
)
def test_a_number_is_shown_as_the_file_writes_it(kind: str, written: dict[str, str], number: str) -> None:
    rules = [{"rule": rule, "value": value} for rule, value in written.items()]
    assert example_number({"type": kind, "written": rules}) == number


def test_a_time_is_shown_as_the_file_writes_it() -> None:
    assert example_moment("%d/%m/%Y %H:%M:%S.%f%z") == "31/12/2024 23:59:58.250000+00:00"


@languages
def test_there_is_a_text_for_every_word_that_a_contract_may_have(language: str) -> None:
    words = read_words()[language]
    names = [f"rule_{name}" for name in Constraints.__dataclass_fields__]
    names += [f"rule_{way}{end}_time" for way in ("", "exclusive_") for end in ("minimum", "maximum")]
    names += [f"protection_{method}" for method in protection.METHODS]
    names += [f"class_{name}" for name in renderer_columns.CLASSIFICATIONS]
    names += [f"metric_{metric}" for metric in quality.METRICS]
    names += [f"operator_{operator}" for operator in quality.OPERATORS]
    names += [f"severity_{severity}" for severity in (*quality.SEVERITIES.values(), "none")]
    names += [f"unknown_{mode}" for mode in file_format.UNKNOWN_COLUMNS]
    names += [f"duplicates_{mode}" for mode in layout.DUPLICATE_KEYS]
    names += [f"partitioned_{width}" for width in ("HOUR", "DAY", "MONTH", "YEAR")]
    assert [name for name in names if not words.has(f"catalogue.{name}")] == []


# Marts, and the first page


@languages
@pytest.mark.parametrize("mart", MARTS)
def test_the_page_of_a_mart_has_its_question_its_columns_and_what_it_reads(
    mart: str, language: str, documents: Documents
) -> None:
    document = CATALOGUE.marts[mart]
    page = documents.show(f"/catalogue/marts/{mart}", language)
    assert missing([document["question"], document["description"], *document["reads"]], page.text) == []
    columns = [[column[part] for part in ("name", "type", "description")] for column in document["columns"]]
    assert table_under(page, "columns") == columns


def test_all_datasets_and_marts_are_on_the_first_page(documents: Documents) -> None:
    page = documents.show("/catalogue")
    addresses = {address for address in page.links().values() if address.startswith("/catalogue/")}
    assert addresses == {f"/catalogue/{name}" for name in DATASETS} | {
        f"/catalogue/marts/{name}" for name in MARTS
    }
    (card,) = (one for one in page.all("li", class_="card") if one.one("h3").text == "bank_statement")
    assert card.one("dl").facts() == {
        "Owner": "Treasury",
        "Domain": "finance",
        "Freshness": "within 30 min",
        "Columns": "12",
        "Personal data": "4 columns",
    }


def test_an_empty_catalogue_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "datasets").mkdir()
    shown = Documents(tmp_path).show("/catalogue").text
    assert "There is no dataset yet" in shown and "There is no mart yet" in shown


@pytest.mark.parametrize("address", ["/catalogue/nothing", "/catalogue/marts/nothing", "/catalogue/..%2Fops"])
def test_what_is_not_in_the_catalogue_has_no_page(address: str, documents: Documents) -> None:
    assert "There is no such page" in documents.show(address, status=404).text


# What a column means


@pytest.mark.parametrize(
    ("asked", "first"),
    [
        ("cost", ("price_quote", "cost")),
        ("COST", ("price_quote", "cost")),
        ("  valor (r$) ", ("bank_statement", "valor")),
        ("lançamento", ("bank_statement", "data_lancamento")),
        ("Data Lancamento", ("bank_statement", "data_lancamento")),
        ("date quote", ("price_quote", "quote_date")),
        ("tax number", ("bank_statement", "cpf_cnpj")),
        ("price_quote", ("price_quote", None)),
        ("nobody knows", None),
        ("   ", None),
    ],
)
def test_a_column_is_found_by_name_header_or_meaning(
    asked: str, first: tuple[str, str | None] | None
) -> None:
    hits = search(CATALOGUE, asked)
    found = (hits[0].entry, hits[0].column["name"] if hits[0].column else None) if hits else None
    assert found == first


def test_accents_do_not_hide_a_header() -> None:
    column = {"name": "v1", "header": "Preço Médio", "description": "What was paid."}
    catalogue = Catalogue({"orders": {"summary": "", "columns": [column]}}, {})
    assert [hit.column for hit in search(catalogue, "preco medio")] == [column]
    assert [hit.column for hit in search(catalogue, "PREÇO")] == [column]


def test_an_answer_leads_to_the_columns_row(documents: Documents) -> None:
    page = documents.show("/catalogue", q="min_order_quantity")
    places = {(name, place) for name, _, _, place in table_under(page, "found")}
    assert places >= {("min_order_quantity", "price_quote"), ("min_order_quantity", "fact_quote")}
    addresses = [link.attributes["href"] for link in page.all("a", class_="id")]
    assert "/catalogue/price_quote#column-min_order_quantity" in addresses


@pytest.mark.parametrize("asked", [HOSTILE, "x" * 5000, "\0", "no such word at all", "{asked}"])
def test_a_question_without_an_answer_is_shown_inert(asked: str, documents: Documents) -> None:
    html = documents.html("/catalogue", q=asked)
    assert "<script>alert" not in html and "<img src=x" not in html
    assert "Show the whole catalogue" in html


# Texts of strangers


def test_whatever_a_contract_says_is_shown_as_text(tmp_path: Path) -> None:
    """Names are checked before they are rendered; the pages do not rely on it."""
    for dataset in DATASETS:
        document = json.loads((ROOT / f"bigquery/datasets/{dataset}/catalog.json").read_text())
        kept = {name: document[name] for name in ("dataset", "tables", "policies", "layout")}
        kept["policies"]["reasons"] = dict.fromkeys(document["policies"]["reasons"], HOSTILE)
        target = tmp_path / "datasets" / dataset / "catalog.json"
        target.parent.mkdir(parents=True)
        target.write_text(json.dumps(poisoned(document) | kept))
    marts = json.loads((ROOT / "bigquery/marts/catalog.json").read_text())["marts"]
    evil = [poisoned(mart) | {part: mart[part] for part in ("name", "table", "reads")} for mart in marts]
    (tmp_path / "marts").mkdir()
    (tmp_path / "marts/catalog.json").write_text(json.dumps({"marts": evil}))
    documents = Documents(tmp_path)
    addresses = ["", "?q=script", *(f"/{name}" for name in DATASETS), *(f"/marts/{name}" for name in MARTS)]
    for address in addresses:
        html = documents.html(f"/catalogue{address}")
        assert "&lt;script&gt;alert(1)" in html, address
        assert "<script>alert" not in html and "<img src=x" not in html, address


# Words of which a page chooses a text or a colour are checked by the renderer.
FIXED = {"classification", "method", "rule", "metric", "operator", "severity", "delimiter", "quote"}


def poisoned(value: Any, field: str = "") -> Any:
    """The document with every free text replaced."""
    if isinstance(value, dict):
        return {name: poisoned(part, name) for name, part in value.items()}
    if isinstance(value, list):
        return [poisoned(part, field) for part in value]
    return HOSTILE if isinstance(value, str) and field not in FIXED else value
