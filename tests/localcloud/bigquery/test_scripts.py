"""CALL and scripts with query parameters, a procedure's result, the ledger's MERGE, typed parameters."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest
from google.cloud.bigquery import (
    ArrayQueryParameter,
    ScalarQueryParameter,
    StructQueryParameter,
    StructQueryParameterType,
)

from localcloud.bigquery.scripts import is_script, with_variables

CALLED = (
    ScalarQueryParameter("batch_id", "STRING", "b1"),
    ScalarQueryParameter("arrived_on", "DATE", date(2026, 11, 21)),
    ScalarQueryParameter("expected_rows", "INT64", 2),
)


@pytest.fixture
def procedure(dataset: str, run: Any) -> str:
    run(f"CREATE TABLE {dataset}.source (k STRING, cost INT64, _batch_id STRING, _ingested_at TIMESTAMP)")
    run(f"CREATE TABLE {dataset}.target (k STRING, cost INT64)")
    run(
        f"INSERT INTO {dataset}.source"
        " SELECT k, cost, batch, TIMESTAMP '2026-11-21 01:00:00 UTC' FROM UNNEST(["
        "STRUCT('a' AS k, 1 AS cost, 'b1' AS batch), STRUCT('b', 2, 'b1'), STRUCT('c', 3, 'b2')])"
    )
    run(f"""
        CREATE OR REPLACE PROCEDURE {dataset}.merge_batch(
          batch_id STRING, arrived_on DATE, expected_rows INT64)
        BEGIN
          DECLARE found INT64;
          SET found = (
            SELECT COUNT(*) FROM {dataset}.source
            WHERE DATE(_ingested_at) = arrived_on AND _batch_id = batch_id
          );
          SELECT IF(found = expected_rows, 'ok',
            ERROR(FORMAT('expected %d rows, found %d', expected_rows, found)));
          MERGE {dataset}.target AS t
          USING (SELECT k, cost FROM {dataset}.source WHERE _batch_id = batch_id) AS s ON t.k = s.k
          WHEN MATCHED THEN UPDATE SET cost = s.cost
          WHEN NOT MATCHED THEN INSERT (k, cost) VALUES (s.k, s.cost);
          SELECT COUNT(*) AS rows_merged FROM {dataset}.target;
        END""")
    return f"{dataset}.merge_batch"


def test_call_takes_parameters_and_gives_the_last_select(procedure: str, run: Any) -> None:
    for _ in range(2):  # calling it again changes nothing
        assert run(f"CALL {procedure}(@batch_id, @arrived_on, @expected_rows)", *CALLED) == [
            {"rows_merged": 2}
        ]


def test_a_guard_of_a_procedure_fails_the_job(procedure: str, run: Any) -> None:
    wrong = ScalarQueryParameter("expected_rows", "INT64", 7)
    with pytest.raises(BadRequest, match="expected 7 rows, found 2") as refused:
        run(f"CALL {procedure}(@batch_id, @arrived_on, @expected_rows)", *CALLED[:2], wrong)
    assert refused.value.errors[0]["reason"] == "invalidQuery"
    assert run(f"SELECT COUNT(*) AS n FROM {procedure.split('.')[0]}.target") == [{"n": 0}]


def test_parameters_reach_each_statement_of_a_script(procedure: str, run: Any) -> None:
    dataset = procedure.split(".")[0]
    script = f"""
        DECLARE kept INT64;  -- @batch_id in a comment
        DELETE FROM {dataset}.source WHERE _batch_id = @batch_id AND k != '@batch_id';
        SET kept = (SELECT COUNT(*) FROM {dataset}.source);
        SELECT kept AS kept, @batch_id AS gone"""
    assert run(script, CALLED[0]) == [{"kept": 1, "gone": "b1"}]


def test_an_uncaught_raise_is_the_users_error(run: Any) -> None:
    with pytest.raises(BadRequest, match="no such luck"):
        run("BEGIN RAISE USING MESSAGE = 'no such luck'; END")


LEDGER = """
    MERGE {table} AS t
    USING (SELECT r.batch_id, r.files, r.cost, r.claimed_at, r.steps FROM UNNEST(@rows) AS r) AS s
    ON t.batch_id = s.batch_id
    WHEN MATCHED THEN UPDATE SET files = s.files, cost = s.cost, steps = s.steps
    WHEN NOT MATCHED THEN INSERT (batch_id, files, cost, claimed_at, steps)
      VALUES (s.batch_id, s.files, s.cost, s.claimed_at, s.steps)"""
AT = datetime(2026, 11, 21, 1, 26, 2, 123456, tzinfo=UTC)


def ledger_row(batch_id: str, files: int, cost: float | None, tasks: list[str]) -> StructQueryParameter:
    step_type = {
        "type": "STRUCT",
        "structTypes": [
            {"name": "task", "type": {"type": "STRING"}},
            {"name": "started_at", "type": {"type": "TIMESTAMP"}},
        ],
    }
    of_steps = StructQueryParameterType.from_api_repr(step_type)  # type: ignore[no-untyped-call]
    steps = [
        StructQueryParameter(
            None,
            ScalarQueryParameter("task", "STRING", task),
            ScalarQueryParameter("started_at", "TIMESTAMP", AT),
        )
        for task in tasks
    ]
    return StructQueryParameter(
        None,
        ScalarQueryParameter("batch_id", "STRING", batch_id),
        ScalarQueryParameter("files", "INT64", files),
        ScalarQueryParameter("cost", "FLOAT64", cost),
        ScalarQueryParameter("claimed_at", "TIMESTAMP", AT),
        ArrayQueryParameter("steps", of_steps, steps),
    )


def test_the_ledger_is_written_from_an_array_of_structs(dataset: str, run: Any) -> None:
    table = f"{dataset}.batches"
    run(
        f"CREATE TABLE {table} (batch_id STRING, files INT64, cost FLOAT64, claimed_at TIMESTAMP,"
        " steps ARRAY<STRUCT<task STRING, started_at TIMESTAMP>>)"
    )
    for files in (1, 2):  # the second time updates
        rows = [ledger_row("b1", files, None, ["claim", "load"]), ledger_row("b2", files, 0.5, [])]
        run(LEDGER.format(table=table), ArrayQueryParameter("rows", "STRUCT", rows))
    step = {"started_at": AT}
    assert run(f"SELECT * FROM {table} ORDER BY batch_id") == [
        {
            "batch_id": "b1",
            "files": 2,
            "cost": None,
            "claimed_at": AT,
            "steps": [{"task": "claim", **step}, {"task": "load", **step}],
        },
        {"batch_id": "b2", "files": 2, "cost": 0.5, "claimed_at": AT, "steps": []},
    ]


def test_the_ledger_is_written_from_json(dataset: str, run: Any) -> None:
    run(f"CREATE TABLE {dataset}.files (source_uri STRING, size INT64, claimed_at TIMESTAMP)")
    rows = '[{"source_uri":"gs://b/a.csv","size":3,"claimed_at":"2026-11-21T01:26:02.123456Z"},{"source_uri":"x"}]'
    run(
        f"""
        INSERT INTO {dataset}.files (source_uri, size, claimed_at)
        SELECT JSON_VALUE(r, '$.source_uri'), CAST(JSON_VALUE(r, '$.size') AS INT64),
          CAST(JSON_VALUE(r, '$.claimed_at') AS TIMESTAMP)
        FROM UNNEST(JSON_QUERY_ARRAY(@rows)) AS r""",
        ScalarQueryParameter("rows", "STRING", rows),
    )
    assert run(f"SELECT * FROM {dataset}.files ORDER BY source_uri") == [
        {"source_uri": "gs://b/a.csv", "size": 3, "claimed_at": AT},
        {"source_uri": "x", "size": None, "claimed_at": None},
    ]


def test_an_array_is_an_argument_of_a_procedure(dataset: str, run: Any) -> None:
    run(f"CREATE TABLE {dataset}.t (uri STRING, generation INT64)")
    run(f"INSERT INTO {dataset}.t (uri, generation) VALUES (\"gs://b/it's.csv\", 1), ('gs://b/ü.csv', 2)")
    run(
        f"""
        CREATE OR REPLACE PROCEDURE {dataset}.p(least INT64, identities ARRAY<STRING>)
        BEGIN
          SELECT COUNT(*) AS found FROM {dataset}.t
          WHERE CONCAT(uri, '#', CAST(generation AS STRING)) IN UNNEST(identities);
        END;"""
    )
    call = f"CALL {dataset}.p(@least, @identities)"
    for identities in (["gs://b/it's.csv#1", "gs://b/ü.csv#2"], ["gs://b/ü.csv#2"], []):
        parameters = (
            ScalarQueryParameter("least", "INT64", 0),
            ArrayQueryParameter("identities", "STRING", identities),
        )
        assert run(call, *parameters) == [{"found": len(identities)}]


def test_only_parameters_become_variables() -> None:
    sql = """SELECT @a, '@a', "it\\"s @a", `x@a`, @@error.message, @b -- @a\n/* @a */, '''@a''', @a"""
    wanted = sql.replace("@a, '@a'", "landfall_parameter_a, '@a'")[:-2] + "landfall_parameter_a"
    assert with_variables(sql, {"a"}) == wanted


@pytest.mark.parametrize(
    ("sql", "script"),
    [("SELECT 1;", False), ("SELECT 1; SELECT 2", True), ("CALL d.p()", True), ("SELEC", False)],
)
def test_what_counts_as_a_script(sql: str, script: bool) -> None:
    assert is_script(sql) is script
