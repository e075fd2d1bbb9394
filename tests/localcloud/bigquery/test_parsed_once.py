"""A statement that was asked before is answered as if it were new."""

from typing import Any

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
