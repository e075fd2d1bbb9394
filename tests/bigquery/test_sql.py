"""No SQL ships that Google's own front end rejects, whatever the emulator accepts."""

import json
from pathlib import Path
from typing import Any

import pytest

from bigquery.renderer.rendering import render

ROOT = Path(__file__).parents[2]
UNITS = ("bigquery", "composer_dags", "functions", "localcloud", "samples", "spark_jobs")
SQL_FILES = sorted(path for unit in UNITS for path in (ROOT / unit).rglob("*.sql"))

PARAMETERS = {
    "rows": "STRING",
    "claimed_at": "TIMESTAMP",
    "dataset": "STRING",
    "batch_id": "STRING",
    "source_uri": "STRING",
    "source_generation": "INT64",
}


def test_there_is_sql_to_analyse() -> None:
    assert len(SQL_FILES) >= 3


@pytest.mark.parametrize("path", SQL_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_sql_file_resolves_against_the_rendered_schemas(path: Path, front_end: Any) -> None:
    front_end.analyse(path.read_text(), PARAMETERS)


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("bigquery/datasets/*/warehouse.json")), ids=lambda path: path.parent.name
)
def test_every_row_filter_is_a_condition_over_trusted(path: Path, front_end: Any) -> None:
    for role in json.loads(path.read_text())["roles"]:
        front_end.analyse(f"SELECT 1 FROM trusted.{path.parent.name} WHERE {role['row_filter'] or 'TRUE'}")


PROCEDURE = (ROOT / "bigquery/datasets/price_quote/procedure.sql").read_text()


@pytest.mark.parametrize(
    ("written", "planted", "complaint"),
    [
        ("cost = _new.cost", "price = _new.cost", "price"),
        ("MIN(quote_date)", "MIN(quote_day)", "quote_day"),
        ("MIN(quote_date)", "MIN(supplier)", "COALESCE"),
        ("BETWEEN _lowest AND _highest", "BETWEEN _lowest AND _hihgest", "_hihgest"),
        ("_kept.quantity = _new.quantity", "_kept.quantity = _new.supplier", "INT64, STRING"),
        ("FROM trusted.price_quote", "FROM trusted.price_quotes", "price_quotes"),
        ("_new.cost,", "_new.supplier,", "STRING"),
        ("DECLARE _lowest DATE;", "DECLARE _lowest STRING;", "COALESCE"),
        ("MERGE trusted", "MERG trusted", "Syntax error"),
    ],
)
def test_a_planted_error_is_found(written: str, planted: str, complaint: str, front_end: Any) -> None:
    assert written in PROCEDURE
    with pytest.raises(Exception, match=complaint):
        front_end.analyse(PROCEDURE.replace(written, planted, 1))


REPLAY = (ROOT / "bigquery/datasets/price_quote/replay.sql").read_text()


@pytest.mark.parametrize(
    ("written", "planted", "complaint"),
    [
        ("_identities ARRAY<STRING>", "_identities ARRAY<INT64>", "INT64"),
        ("IN UNNEST(_identities)", "IN UNNEST(_identity)", "_identity"),
        ("_file.batch_id AS _batch", "_file.batch AS _batch", "batch"),
        ("_done.state = 'succeeded'", "_done.status = 'succeeded'", "status"),
        ("_live.cost,", "_touched.cost,", "cost"),
        ("WHEN MATCHED AND _new._gone", "WHEN MATCHED AND _new._lost", "_lost"),
        ("_live.quantity = _touched.quantity", "_live.quantity = _touched.supplier", "INT64, STRING"),
    ],
)
def test_an_error_planted_in_a_replay_is_found(
    written: str, planted: str, complaint: str, front_end: Any
) -> None:
    assert written in REPLAY
    with pytest.raises(Exception, match=complaint):
        front_end.analyse(REPLAY.replace(written, planted, 1))


def test_columns_may_be_called_as_the_sql_calls_its_own_things(
    compiled_front_end: Any, rendered_tables: Any, contract_text: Any
) -> None:
    names = [
        "s",
        "t",
        "kept",
        "new",
        "order",
        "date",
        "current_date",
        "batch_id",
        "arrived_on",
        "value",
        "count",
        "timestamp",
    ]
    text = contract_text(
        "hard_names",
        [
            {
                "name": "group",
                "physicalType": "STRING",
                "required": True,
                "primaryKey": True,
                "primaryKeyPosition": 1,
            }
        ]
        + [{"name": name, "physicalType": "STRING", "required": True} for name in names],
    )
    files = render(text, "hard_names")
    tables = {
        "raw.hard_names": json.loads(files["raw.schema.json"]),
        "trusted.hard_names": json.loads(files["trusted.schema.json"]),
    }
    ledger = {name: schema for name, schema in rendered_tables.items() if name.startswith("ops.")}
    front_end = compiled_front_end(tables | ledger)
    front_end.analyse(files["live.sql"])
    front_end.analyse(files["procedure.sql"])
    front_end.analyse(files["replay.sql"])
