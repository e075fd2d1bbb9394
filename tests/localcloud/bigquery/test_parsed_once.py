"""A statement that was asked before is answered as if it were new."""

from typing import Any

import bqemulator.catalog.ddl_sync as ddl_sync
import bqemulator.jobs.executor as executor
import bqemulator.jobs.routine_ddl as routine_ddl
import bqemulator.scripting.parser as parser
import pytest
import sqlglot
from google.api_core.exceptions import BadRequest
from google.cloud import bigquery

from localcloud.bigquery import parsed_once
from tests.localcloud.bigquery.conftest import Server


def test_who_changes_a_tree_changes_it_for_nobody_else() -> None:
    sql = "SELECT a FROM t -- why"
    first = parsed_once._parse(sql, read="bigquery")
    first.find(sqlglot.exp.Column).replace(sqlglot.exp.column("b"))
    again = parsed_once._parse(sql, read="bigquery")
    assert again == sqlglot.parse_one(sql, read="bigquery")
    assert again.sql("duckdb") == "SELECT a FROM t /* why */"
    assert parsed_once._parse_kept(sql, "bigquery") is parsed_once._parse_kept(sql, "bigquery")


@pytest.mark.parametrize(
    ("sql", "options"),
    [
        ("DATE", {"into": sqlglot.exp.DataType}),
        ("SELECT 1", {"read": None}),
        ("SELECT 1", {"dialect": "duckdb"}),
    ],
)
def test_what_is_asked_in_another_way_is_parsed_in_that_way(sql: str, options: dict[str, Any]) -> None:
    assert parsed_once._parse(sql, **options) == sqlglot.parse_one(sql, **options)


def test_an_error_is_one_each_time() -> None:
    for _ in range(2):
        with pytest.raises(sqlglot.errors.ParseError):
            parsed_once._parse("SELECT FROM WHERE (", read="bigquery")


@pytest.mark.parametrize(
    ("sql", "is_query"),
    [
        ("SELECT 1", True),
        ("(SELECT 1)", True),
        ("WITH a AS (SELECT 1 AS n) SELECT n FROM a UNION ALL SELECT 2", True),
        ("CREATE TABLE d.t (n INT64)", False),
        ("CREATE OR REPLACE TABLE d.t AS SELECT 1 AS n", False),
        ("CREATE VIEW d.v AS SELECT 1 AS n", False),
        ("CREATE SCHEMA d", False),
        ("DROP TABLE IF EXISTS d.t", False),
        ("DROP SCHEMA d CASCADE", False),
        ("DROP FUNCTION d.f", False),
        ("INSERT INTO d.t (n) SELECT 1", False),
        ("TRUNCATE TABLE d.t", False),
        ("DECLARE n INT64; SELECT n", False),
        ("not SQL at all (", False),
    ],
)
def test_a_step_that_is_left_out_for_a_query_would_find_nothing(sql: str, is_query: bool) -> None:
    assert parsed_once._is_query(sql) is is_query
    for detect, nothing in (
        (ddl_sync._detect_plain_create_table, None),
        (ddl_sync._detect_plain_create_view, (None, None)),
        (ddl_sync._detect_catalog_drop, None),
        (lambda sql: ddl_sync._detect_create_schema(sql, "p"), None),
        (lambda sql: routine_ddl.detect_drop_routine(sql, "p"), None),
        (lambda sql: executor._is_dml(sqlglot.parse_one(sql, read="bigquery")), False),
    ):
        try:
            found = detect(sql)
        except sqlglot.errors.ParseError:
            found = nothing
        assert found == nothing or not is_query


@pytest.mark.parametrize("sql", ["SELECT 1;", "BEGIN SELECT 1; SELECT 2; END", "SELECT 1; SELECT 2"])
def test_a_script_has_the_same_statements_each_time(sql: str) -> None:
    assert [parsed_once.parse_script(sql) for _ in range(2)] == [parser.parse_script(sql)] * 2


def test_the_same_statement_sees_what_changed_in_between(server: Server, make: Any, run: Any) -> None:
    table = make("t", [{"name": "n", "type": "INT64"}])
    sql = f"SELECT n FROM {table} WHERE n >= @least ORDER BY n"

    def ask(least: int) -> list[int]:
        config = bigquery.QueryJobConfig(
            query_parameters=[bigquery.ScalarQueryParameter("least", "INT64", least)]
        )
        return [row["n"] for row in server.client().query_and_wait(sql, job_config=config)]

    assert ask(0) == []
    run(f"INSERT INTO {table} (n) VALUES (1), (2)")
    assert [ask(0), ask(2), ask(0)] == [[1, 2], [2], [1, 2]]
    for _ in range(2):
        with pytest.raises(BadRequest):
            run("SELECT no_such_column FROM UNNEST([1])")
