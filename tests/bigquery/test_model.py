"""What a contract's words become in the files that are rendered from it."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import yaml

from bigquery.renderer import column_type, warehouse_json
from bigquery.renderer.problem import Problems
from bigquery.renderer.rendering import render
from landfall_spark.pipeline import parse_pipeline

KEY = {"name": "id", "physicalType": "INT64", "required": True, "primaryKey": True, "primaryKeyPosition": 1}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("STRING", ("STRING", None, None, False)),
        ("NUMERIC", ("NUMERIC", 38, 9, False)),
        ("NUMERIC(12)", ("NUMERIC", 12, 0, True)),
        ("NUMERIC(38, 9)", ("NUMERIC", 38, 9, True)),
        ("NUMERIC(9,9)", ("NUMERIC", 9, 9, True)),
        ("BIGNUMERIC(38, 38)", ("BIGNUMERIC", 38, 38, True)),
        ("BIGNUMERIC( 38 , 18 )", ("BIGNUMERIC", 38, 18, True)),
    ],
)
def test_a_type_is_read_with_its_digits(written: str, read: tuple[Any, ...]) -> None:
    problems = Problems()
    assert column_type.read(written, "here", problems) == column_type.ColumnType(*read)
    assert problems.found == []


@pytest.mark.parametrize(
    "written",
    [
        *(None, "", "string", "STRING ", "ARRAY<STRING>", "INT64(3)"),
        *("NUMERIC()", "NUMERIC(0)", "NUMERIC(8, 9)", "NUMERIC(39, 10)", "NUMERIC(30)"),
        *("BIGNUMERIC", "BIGNUMERIC(39)", "BIGNUMERIC(39, 39)"),
    ],
)
def test_a_type_that_bigquery_or_spark_does_not_hold_is_refused(written: str | None) -> None:
    problems = Problems()
    assert column_type.read(written, "here", problems) is None
    assert [problem.path for problem in problems.found] == ["here"]


def test_the_pipeline_says_what_a_reader_of_files_needs(contract_text: Any) -> None:
    columns = [
        {"name": "day", "physicalType": "DATE", "required": True, "primaryKey": True, "primaryKeyPosition": 1}
        | {"partitioned": True, "custom": {"partitionGranularity": "YEAR"}},
        KEY | {"primaryKeyPosition": 2},
        {"name": "price", "physicalType": "NUMERIC(12, 2)"},
        {"name": "paid", "physicalType": "BOOL"},
    ]
    files = render(contract_text("orders", columns, clustering=["id"]), "orders")

    pipeline = json.loads(files["pipeline.json"])
    assert list(pipeline) == [
        *(
            "version",
            "dataset",
            "contract_version",
            "description",
            "owner",
            "freshness_seconds",
            "format",
            "mode",
            "columns",
            "key",
            "duplicate_keys",
        ),
        *("raw", "trusted", "rejected", "procedure", "replay_procedure"),
        *("max_rejected_share", "quality", "compute", "retries", "isolation", "retention"),
    ]
    assert pipeline["version"] == 2
    assert pipeline["replay_procedure"] == "ops.sp_replay_orders"
    assert pipeline["columns"] == [
        {"name": "day", "type": "DATE", "required": True, "formats": ["%Y-%m-%d"]},
        {"name": "id", "type": "INT64", "required": True},
        {"name": "price", "type": "NUMERIC", "precision": 12, "scale": 2, "required": False},
        {"name": "paid", "type": "BOOL", "required": False, "true_tokens": ["Yes"], "false_tokens": ["No"]},
    ]
    assert pipeline["key"] == ["day", "id"]
    assert pipeline["trusted"] == {"table": "trusted.orders"}
    assert files["pipeline.json"].endswith("}\n")


def test_the_warehouse_says_how_the_tables_are_laid_out(contract_text: Any) -> None:
    day = {"name": "day", "physicalType": "DATE", "required": True, "partitioned": True}
    columns = [
        KEY | {"primaryKeyPosition": 2},
        day | {"primaryKey": True, "primaryKeyPosition": 1, "custom": {"partitionGranularity": "YEAR"}},
    ]
    warehouse = json.loads(
        render(contract_text("orders", columns, clustering=["id"]), "orders")["warehouse.json"]
    )
    assert list(warehouse) == ["dataset", "labels", "restricted_columns", "roles", "tables", "procedures"]
    assert warehouse["labels"] == {"owner": "product-engineering", "contract_version": "1-0-0"}
    assert (warehouse["restricted_columns"], warehouse["roles"]) == ([], [])
    assert {name: table["partitioning"] for name, table in warehouse["tables"].items()} == {
        "raw": {"field": "_ingested_at", "type": "DAY", "require_filter": True, "expiration_days": None},
        "trusted": {"field": "day", "type": "YEAR", "require_filter": False, "expiration_days": None},
        "rejected": {"field": "ingested_at", "type": "DAY", "require_filter": False, "expiration_days": None},
    }
    assert warehouse["tables"]["trusted"]["clustering"] == ["id"]
    assert warehouse["tables"]["trusted"]["primary_key"] == ["day", "id"]
    assert [(procedure["name"], procedure["file"]) for procedure in warehouse["procedures"]] == [
        ("ops.sp_trusted_orders", "procedure.sql"),
        ("ops.sp_replay_orders", "replay.sql"),
    ]
    assert warehouse["procedures"][1]["arguments"][-1] == {
        "name": "_identities",
        "data_type": {"typeKind": "ARRAY", "arrayElementType": {"typeKind": "STRING"}},
    }


@pytest.mark.parametrize(
    ("owner", "label"),
    [
        ("Treasury", "treasury"),
        ("  Sales & Marketing (EMEA) ", "sales-marketing-emea"),
        ("Finanças_1", "finanças_1"),
        ("Financ\u0327as", "finanças"),
        ("x" * 62 + " team", "x" * 62),
        ("&", ""),
    ],
)
def test_a_label_has_the_signs_that_labels_may_have(owner: str, label: str) -> None:
    assert warehouse_json.label(owner) == label


KEPT_FOR_EVER = {"archive_days": None, "rejected_days": None, "raw_days": None, "lake_days": 30}


@pytest.mark.parametrize(
    ("written", "rendered"),
    [
        (None, KEPT_FOR_EVER),
        ({}, KEPT_FOR_EVER),
        (
            {"archiveDays": 365, "rejectedDays": 7, "rawDays": 31, "lakeDays": 8},
            {"archive_days": 365, "rejected_days": 7, "raw_days": 31, "lake_days": 8},
        ),
    ],
)
def test_what_is_kept_is_kept_as_long_as_the_contract_says(
    written: dict[str, int] | None, rendered: dict[str, int | None], contract_text: Any
) -> None:
    contract = yaml.safe_load(contract_text("orders", [KEY]))
    if written is not None:
        contract["customProperties"].append({"property": "retention", "value": written})
    files = render(yaml.safe_dump(contract), "orders")
    assert json.loads(files["pipeline.json"])["retention"] == rendered
    tables = json.loads(files["warehouse.json"])["tables"]
    assert tables["raw"]["partitioning"]["expiration_days"] == rendered["raw_days"]
    assert tables["rejected"]["partitioning"]["expiration_days"] == rendered["rejected_days"]


def test_the_lake_is_kept_as_long_as_a_batch_may_be_open(contract_text: Any) -> None:
    contract = yaml.safe_load(contract_text("orders", [KEY]))
    (isolation,) = (entry for entry in contract["customProperties"] if entry["property"] == "isolation")
    isolation["value"] = {"runs": 10, "pauseSeconds": 5, "maxPauseSeconds": 3 * 86_400 + 1}
    assert pipeline_of(yaml.safe_dump(contract))["retention"]["lake_days"] == 31 + 7


def test_roles_and_restricted_columns_are_told_to_the_warehouse(contract_text: Any) -> None:
    note = {"name": "note", "physicalType": "STRING", "classification": "restricted"}
    hidden = note | {
        "name": "id_card",
        "classification": "personal",
        "custom": {"protection": {"method": "drop"}},
    }
    contract = yaml.safe_load(contract_text("orders", [KEY, note, hidden]))
    contract["roles"] = [
        {"role": "clerks", "access": "read", "description": "Clerks."},
        {"role": "auditors", "access": "read", "description": "Auditors.", "firstLevelApprovers": "The board"}
        | {
            "customProperties": [
                {"property": "rowFilter", "value": "id >= 0\n  AND note IS NOT NULL"},
                {"property": "classifications", "value": ["restricted"]},
            ]
        },
    ]
    warehouse = json.loads(render(yaml.safe_dump(contract), "orders")["warehouse.json"])
    assert warehouse["restricted_columns"] == ["note"]
    assert warehouse["roles"] == [
        {"role": "clerks", "row_filter": None, "classifications": []},
        {
            "role": "auditors",
            "row_filter": "id >= 0 AND note IS NOT NULL",
            "classifications": ["restricted"],
        },
    ]


@pytest.mark.parametrize(
    ("value", "unit", "seconds"),
    [(15, "m", 900), (1, "h", 3600), (0.5, "h", 1800), (2, "d", 172800), (0.001, "m", 1)],
)
def test_the_freshness_is_told_in_seconds(value: float, unit: str, seconds: int, contract_text: Any) -> None:
    contract = yaml.safe_load(contract_text("orders", [KEY]))
    contract["slaProperties"] = [{"property": "freshness", "value": value, "unit": unit}]
    assert pipeline_of(yaml.safe_dump(contract))["freshness_seconds"] == seconds


def test_isolation_is_the_contracts(contract_text: Any) -> None:
    contract = yaml.safe_load(contract_text("orders", [KEY]))
    (isolation,) = (entry for entry in contract["customProperties"] if entry["property"] == "isolation")
    isolation["value"] = {"runs": 2, "pauseSeconds": 5, "maxPauseSeconds": 5}
    assert pipeline_of(yaml.safe_dump(contract))["isolation"] == {
        "runs": 2,
        "pause_seconds": 5,
        "max_pause_seconds": 5,
    }


@pytest.mark.parametrize(("written", "rendered"), [([], 1.0), ([0], 0.0), ([0.1], 0.1), ([1], 1.0)])
def test_the_limit_of_rejected_rows_is_the_contracts_and_none_where_it_is_absent(
    written: list[float], rendered: float, contract_text: Any
) -> None:
    contract = yaml.safe_load(contract_text("orders", [KEY]))
    others = [entry for entry in contract["customProperties"] if entry["property"] != "maxRejectedShare"]
    limits = [{"property": "maxRejectedShare", "value": value} for value in written]
    contract["customProperties"] = others + limits
    pipeline = json.loads(render(yaml.safe_dump(contract), "orders")["pipeline.json"])
    assert pipeline["max_rejected_share"] == rendered


def test_the_key_follows_its_positions_and_not_the_order_of_the_columns(contract_text: Any) -> None:
    columns = [KEY | {"primaryKeyPosition": 2}, KEY | {"name": "shop"}]
    pipeline = json.loads(render(contract_text("orders", columns), "orders")["pipeline.json"])
    assert pipeline["key"] == ["shop", "id"]


def test_trusted_requires_what_the_contract_requires_and_raw_takes_what_arrives(contract_text: Any) -> None:
    columns = [
        KEY,
        {"name": "price", "physicalType": "NUMERIC"},
        {"name": "cost", "physicalType": "NUMERIC(9, 2)"},
    ]
    files = render(contract_text("orders", columns), "orders")
    raw, trusted = (json.loads(files[f"{layer}.schema.json"]) for layer in ("raw", "trusted"))

    assert {field["mode"] for field in raw} == {"NULLABLE"}
    assert [field["name"] for field in trusted if field["mode"] == "NULLABLE"] == ["price", "cost"]
    assert [field["name"] for field in raw] == [field["name"] for field in trusted]
    assert [field["name"] for field in raw[3:]] == [
        *(
            "_batch_id",
            "_source_uri",
            "_source_generation",
            "_source_row",
            "_source_created_at",
            "_ingested_at",
        )
    ]
    assert "precision" not in trusted[1]
    assert (trusted[2]["precision"], trusted[2]["scale"]) == ("9", "2")


def test_an_unpartitioned_table_is_merged_without_bounds(contract_text: Any) -> None:
    procedure = render(contract_text("orders", [KEY]), "orders")["procedure.sql"]
    assert "BETWEEN" not in procedure
    assert "_lowest" not in procedure


@pytest.mark.parametrize(("name", "written"), [("order", "`order`"), ("Current_Date", "`Current_Date`")])
def test_a_column_named_by_a_word_of_sql_is_quoted(name: str, written: str, contract_text: Any) -> None:
    columns = [KEY, {"name": name, "physicalType": "STRING", "required": True}]
    procedure = render(contract_text("orders", columns), "orders")["procedure.sql"]
    assert f"{written} = _new.{written}" in procedure
    assert f"OR {written} IS NULL" in procedure


EMAIL = {"name": "email", "physicalType": "STRING", "classification": "personal"}


def dialect(**custom: Any) -> dict[str, Any]:
    return {"customProperties": [{"property": name, "value": value} for name, value in custom.items()]}


def pipeline_of(text: str) -> Any:
    return json.loads(render(text, "orders")["pipeline.json"])


def test_the_dialect_is_the_contracts_and_the_usual_one_where_it_says_nothing(contract_text: Any) -> None:
    usual = {
        "type": "csv",
        "delimiter": ",",
        "quote": '"',
        "encoding": "UTF-8",
        "header": True,
        "null_tokens": [""],
        "unknown_columns": "reject",
        "max_text_bytes": 17179869184,
    }
    plain = pipeline_of(contract_text("orders", [KEY], server={"customProperties": []}))
    assert plain["format"] == usual
    assert plain["duplicate_keys"] == "keep_last"

    server = {"delimiter": ";", "encoding": "windows-1252"} | dialect(
        quote="'", escape="\\", unknownColumns="evolve", nullTokens=["-"], maxTextBytes=1000
    )
    told = pipeline_of(contract_text("orders", [KEY], server=server, duplicateKeys="reject"))
    assert told["format"] == usual | {
        "delimiter": ";",
        "quote": "'",
        "escape": "\\",
        "encoding": "windows-1252",
        "null_tokens": ["-"],
        "unknown_columns": "evolve",
        "max_text_bytes": 1000,
    }
    assert told["duplicate_keys"] == "reject"
    headless = pipeline_of(contract_text("orders", [KEY], server=dialect(header=False)))
    assert headless["format"]["header"] is False


@pytest.mark.parametrize(
    ("kind", "options", "rendered"),
    [
        (
            "INT64",
            {"minimum": -5, "maximum": 9007199254740993},
            {"minimum": "-5", "maximum": "9007199254740993"},
        ),
        (
            "NUMERIC(9, 2)",
            {"exclusiveMinimum": 0, "maximum": 12.5},
            {"maximum": "12.5", "exclusive_minimum": "0"},
        ),
        ("NUMERIC", {"minimum": 1e-9}, {"minimum": "0.000000001"}),
        ("FLOAT64", {"exclusiveMaximum": 100.0}, {"exclusive_maximum": "100"}),
        ("DATE", {"minimum": "2024-12-31"}, {"minimum": "2024-12-31"}),
        ("DATETIME", {"maximum": "2024-12-31 23:59:59"}, {"maximum": "2024-12-31T23:59:59"}),
        ("TIMESTAMP", {"maximum": "2024-12-31T21:00:00-03:00"}, {"maximum": "2025-01-01T00:00:00+00:00"}),
        ("STRING", {"minLength": 0, "maxLength": 9}, {"min_length": 0, "max_length": 9}),
        ("STRING", {"pattern": "[A-Z]{2}"}, {"pattern": "[A-Z]{2}"}),
    ],
)
def test_what_a_value_must_be_is_told_in_the_form_of_its_type(
    kind: str, options: dict[str, Any], rendered: dict[str, Any], contract_text: Any
) -> None:
    column = {"name": "told", "physicalType": kind, "logicalTypeOptions": options}
    found = pipeline_of(contract_text("orders", [KEY, column]))["columns"][1]
    plain = {"name", "type", "required", "precision", "scale", "formats"}
    assert {name: value for name, value in found.items() if name not in plain} == rendered


def test_a_column_keeps_its_name_in_the_files_and_the_values_that_it_may_have(contract_text: Any) -> None:
    column = {"name": "status", "physicalType": "STRING", "custom": {"header": "Situação (atual)"}}
    values = [{"value": "aberto"}, {"value": "pago", "description": "Nothing is due."}]
    (_, found) = pipeline_of(contract_text("orders", [KEY, column | {"enum": values}]))["columns"]
    assert found["header"] == "Situação (atual)"
    assert found["valid_values"] == ["aberto", "pago"]


def test_a_rule_by_name_gives_a_family_of_columns_what_their_types_take(contract_text: Any) -> None:
    both = ["%d/%m/%Y", "%d/%m/%Y %H:%M"]
    columns = [
        KEY,
        {"name": "data_pedido", "physicalType": "DATE", "custom": {"formats": None}},
        {
            "name": "paid_at",
            "physicalType": "DATETIME",
            "custom": {"formats": None, "header": "DATA Pagamento"},
        },
        {"name": "data_entrega", "physicalType": "DATE", "custom": {"formats": ["%Y%m%d"]}},
        {"name": "valor", "physicalType": "NUMERIC", "custom": {"groupSeparator": " "}},
        {"name": "pieces", "physicalType": "INT64"},
        {"name": "valor_texto", "physicalType": "STRING"},
    ]
    rules = [
        {"contains": ["data"], "formats": both},
        {"contains": ["VALOR", "preço"], "decimalSeparator": ",", "groupSeparator": "."},
        {"contains": ["valor"], "decimalSeparator": "."},
    ]
    pipeline = pipeline_of(contract_text("orders", columns, nameRules=rules))
    found = {column["name"]: column for column in pipeline["columns"]}
    assert found["data_pedido"]["formats"] == both[:1]
    assert found["paid_at"]["formats"] == both[1:]
    assert found["data_entrega"]["formats"] == ["%Y%m%d"], "a column's own property wins"
    valor = found["valor"]
    assert (valor["decimal_separator"], valor["group_separator"]) == (",", " "), "the first rule wins"
    assert "decimal_separator" not in found["pieces"]
    assert set(found["valor_texto"]) == {"name", "type", "required"}


@pytest.mark.parametrize(
    ("protection", "rendered", "described"),
    [
        ({"method": "hash"}, {"method": "hash"}, "the SHA-256 of the value"),
        ({"method": "tokenise"}, {"method": "tokenise"}, "the HMAC-SHA-256 of the value with a secret key"),
        ({"method": "mask"}, {"method": "mask", "keep_last": 0}, "masked, as ***."),
        (
            {"method": "mask", "keepLast": 4},
            {"method": "mask", "keep_last": 4},
            "*** and the last 4 characters",
        ),
    ],
)
def test_a_personal_column_is_a_text_that_the_schemas_say_is_protected(
    protection: dict[str, Any], rendered: dict[str, Any], described: str, contract_text: Any
) -> None:
    files = render(contract_text("orders", [KEY, EMAIL | {"custom": {"protection": protection}}]), "orders")
    assert json.loads(files["pipeline.json"])["columns"][1]["protection"] == rendered
    for layer in ("raw", "trusted"):
        field = json.loads(files[f"{layer}.schema.json"])[1]
        assert field["type"] == "STRING"
        assert field["description"].startswith("A column. Personal: ")
        assert described in field["description"]


def test_a_dropped_column_is_read_and_goes_no_further(contract_text: Any) -> None:
    born = {"name": "born_on", "physicalType": "DATE", "classification": "personal", "required": True}
    born |= {"custom": {"protection": {"method": "drop"}}}
    files = render(contract_text("orders", [KEY, born]), "orders")
    for told in ("pipeline.json", "catalog.json"):
        dropped = json.loads(files.pop(told))["columns"][1]
        assert dropped["protection"] == {"method": "drop"}
        assert dropped["required"] is True
    assert not [name for name, text in files.items() if "born_on" in text]


@pytest.mark.parametrize("mode", ["reject", "ignore", "rescue", "evolve"])
def test_only_raw_and_only_where_they_are_rescued_has_a_place_for_unknown_columns(
    mode: str, contract_text: Any
) -> None:
    files = render(contract_text("orders", [KEY], server=dialect(unknownColumns=mode)), "orders")
    raw = [field["name"] for field in json.loads(files["raw.schema.json"])]
    assert raw[1] == ("_rescued" if mode == "rescue" else "_batch_id")
    assert not [
        name for name in ("trusted.schema.json", "procedure.sql", "replay.sql") if "_rescued" in files[name]
    ]


def test_a_quality_rule_is_told_with_its_columns_its_bounds_and_what_it_means(contract_text: Any) -> None:
    state = {"name": "state", "physicalType": "STRING"}
    state["quality"] = [
        {
            "name": "few_empty",
            "metric": "nullValues",
            "mustBeLessThan": 20,
            "unit": "percent",
            "severity": "warning",
        },
        {
            "name": "known",
            "metric": "invalidValues",
            "arguments": {"validValues": ["A"]},
            "mustBe": 0,
            "severity": "error",
        },
        {
            "name": "shaped",
            "metric": "invalidValues",
            "arguments": {"pattern": "A+"},
            "mustBe": 0,
            "severity": "error",
        },
        {"name": "explained", "type": "text", "description": "Nothing measures this."},
    ]
    table = [
        {"name": "rows", "metric": "rowCount", "mustBeBetween": [1, 9], "severity": "error"},
        {"name": "pairs", "metric": "duplicateValues", "arguments": {"properties": ["id", "state"]}}
        | {"mustBe": 0, "severity": "error"},
    ]
    error = {"operator": "mustBe", "threshold": [0], "unit": "rows", "severity": "fail"}
    assert pipeline_of(contract_text("orders", [KEY, state], quality=table))["quality"] == [
        {"rule": "rows", "metric": "rowCount", "columns": []}
        | error
        | {"operator": "mustBeBetween", "threshold": [1, 9]},
        {"rule": "pairs", "metric": "duplicateValues", "columns": ["id", "state"]} | error,
        {"rule": "few_empty", "metric": "nullValues", "columns": ["state"], "operator": "mustBeLessThan"}
        | {"threshold": [20], "unit": "percent", "severity": "warn"},
        {"rule": "known", "metric": "invalidValues", "columns": ["state"], "valid_values": ["A"]} | error,
        {"rule": "shaped", "metric": "invalidValues", "columns": ["state"], "pattern": "A+"} | error,
    ]


def test_the_job_reads_all_that_a_contract_may_say_as_it_is_meant(contract_text: Any) -> None:
    rule = {"name": "known", "metric": "invalidValues", "arguments": {"pattern": "A+"}}
    columns = [
        KEY | {"logicalTypeOptions": {"minimum": 1}},
        EMAIL | {"custom": {"protection": {"method": "mask", "keepLast": 4}, "header": "E-mail"}},
        {
            "name": "state",
            "physicalType": "STRING",
            "enum": [{"value": "A"}],
            "logicalTypeOptions": {"maxLength": 1},
        }
        | {"quality": [rule | {"mustBeBetween": [0, 2.5], "unit": "percent", "severity": "warning"}]},
        {"name": "valor", "physicalType": "NUMERIC(9, 2)", "logicalTypeOptions": {"exclusiveMaximum": 12.5}},
        {"name": "paid_at", "physicalType": "TIMESTAMP"}
        | {"logicalTypeOptions": {"minimum": "2024-01-01T00:00:00Z"}},
    ]
    rules = [{"contains": ["valor"], "decimalSeparator": ",", "groupSeparator": "."}]
    server = {"encoding": "ISO-8859-1"} | dialect(escape="\\", unknownColumns="ignore")
    text = contract_text("orders", columns, server=server, nameRules=rules, duplicateKeys="reject")

    contract = parse_pipeline(render(text, "orders")["pipeline.json"], "pipeline.json")

    assert (contract.key, contract.duplicate_keys) == (("id",), "reject")
    assert (contract.format.encoding, contract.format.escape) == ("ISO-8859-1", "\\")
    assert contract.header == ["id", "E-mail", "state", "valor", "paid_at"]
    number, email, state, valor, paid_at = contract.columns
    assert number.minimum == 1
    assert email.protection
    assert (email.protection.method, email.protection.keep_last) == ("mask", 4)
    assert (state.valid_values, state.max_length) == (("A",), 1)
    assert (valor.exclusive_maximum, valor.decimal_separator, valor.group_separator) == (
        Decimal("12.5"),
        ",",
        ".",
    )
    assert paid_at.minimum == datetime(2024, 1, 1, tzinfo=UTC)
    (known,) = contract.quality
    assert (known.name, known.columns, known.pattern) == ("known", ("state",), "A+")
    assert (known.threshold, known.unit, known.severity) == ((0, 2.5), "percent", "warn")
