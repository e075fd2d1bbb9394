"""A RECORD of a table that exists gets new fields, as BigQuery lets it: its stored rows have none of them."""

from typing import Any

import pytest
from google.api_core.exceptions import BadRequest
from google.cloud import bigquery

TASK = {"name": "task", "type": "STRING", "mode": "NULLABLE"}
END = {"name": "end", "type": "RECORD", "mode": "NULLABLE", "fields": [{"name": "state", "type": "STRING"}]}
STEPS = {"name": "steps", "type": "RECORD", "mode": "REPEATED", "fields": [TASK, END]}
RESOURCE = {"name": "resource", "type": "STRING", "mode": "NULLABLE"}
NOTES = {"name": "notes", "type": "STRING", "mode": "REPEATED"}
SECONDS = {"name": "seconds", "type": "FLOAT64", "mode": "NULLABLE"}


def schema(*fields: dict[str, Any]) -> list[bigquery.SchemaField]:
    return [bigquery.SchemaField.from_api_repr(field) for field in fields]


@pytest.fixture
def table(client: bigquery.Client, dataset: str, run: Any) -> bigquery.Table:
    made = client.create_table(bigquery.Table(f"{client.project}.{dataset}.batches", schema(STEPS)))
    run(
        f"INSERT INTO {dataset}.batches (steps) VALUES "
        "([STRUCT('claim' AS task, STRUCT('ok' AS state) AS `end`)])"
    )
    run(f"INSERT INTO {dataset}.batches (steps) VALUES ([])")
    return made


def test_new_fields_are_null_in_stored_rows_and_can_be_written(
    client: bigquery.Client, table: bigquery.Table, dataset: str, run: Any
) -> None:
    end = {**END, "fields": [*END["fields"], SECONDS]}
    table.schema = schema({**STEPS, "fields": [TASK, end, RESOURCE, NOTES]})
    for _ in range(2):
        client.update_table(table, ["schema"])
    run(
        f"INSERT INTO {dataset}.batches (steps) VALUES "
        "([STRUCT('load' AS task, STRUCT('ok' AS state, 2.5 AS seconds) AS `end`, "
        "'job-1' AS resource, ['n'] AS notes)])"
    )
    rows = run(
        f"SELECT s.task, s.`end`.seconds, s.resource, ARRAY_LENGTH(s.notes) AS notes "
        f"FROM {dataset}.batches, UNNEST(steps) AS s ORDER BY s.task"
    )
    assert [tuple(row.values()) for row in rows] == [("claim", None, None, None), ("load", 2.5, "job-1", 1)]
    (stored,) = client.get_table(table).schema
    assert [field.name for field in stored.fields] == ["task", "end", "resource", "notes"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ([END], "Field steps.task is missing in new schema"),
        (
            [TASK, END, {**RESOURCE, "mode": "REQUIRED"}],
            r"Cannot add required fields .*\(field: steps.resource\)",
        ),
        ([{**TASK, "type": "INT64"}, END], "Field steps.task has changed type from STRING to INT64"),
        ([TASK, {**END, "mode": "REPEATED"}], "Field steps.end has changed type from RECORD to RECORD"),
    ],
)
def test_what_stored_rows_cannot_become_is_refused(
    client: bigquery.Client, table: bigquery.Table, fields: list[dict[str, Any]], message: str
) -> None:
    table.schema = schema({**STEPS, "fields": fields})
    with pytest.raises(BadRequest, match=message):
        client.update_table(table, ["schema"])
