"""A statement that was asked before answers to what has changed since, whoever changed it and however."""

from typing import Any

import pytest
from google.api_core.exceptions import BadRequest, NotFound
from google.cloud import bigquery

from localcloud.bigquery.translated_once import while_catalog_answers_the_same
from tests.localcloud.bigquery.conftest import PROJECT, Server

START = (
    "CREATE TABLE {d}.t (n NUMERIC, s STRING)",
    "INSERT INTO {d}.t (n, s) VALUES (1, 'one'), (2, 'two')",
    "CREATE VIEW {d}.v AS SELECT n, s FROM {d}.t WHERE n >= 1",
    "CREATE VIEW {d}.vv AS SELECT s, n FROM {d}.v",
    "CREATE TABLE {d}.w_1 AS SELECT 1 AS n",
    "CREATE PROCEDURE {d}.p() BEGIN SELECT s FROM {d}.v ORDER BY s; END",
    "CREATE FUNCTION {d}.f(x NUMERIC) AS (x + 1)",
)
#: What is asked, and the answer at first.
TABLE = ("SELECT * FROM {d}.t ORDER BY 1", [(1, "one"), (2, "two")])
VIEW = ("SELECT * FROM {d}.vv ORDER BY s", [("one", 1), ("two", 2)])
KIND = ("SELECT AVG(n) AS mean FROM {d}.t", [(1.5,)])
CALL = ("CALL {d}.p()", [("one",), ("two",)])
FUNCTION = ("SELECT {d}.f(n) AS f FROM {d}.t ORDER BY 1", [(2,), (3,)])
SCRIPT = (
    "DECLARE least NUMERIC DEFAULT 2; SELECT s FROM {d}.v WHERE n >= least ORDER BY s",
    [("two",)],
)
WILDCARD = ("SELECT n FROM `{d}.w_*` ORDER BY n", [(1,)])
COLUMNS = ("SELECT column_name FROM {d}.INFORMATION_SCHEMA.COLUMNS WHERE table_name = 'u' ORDER BY 1", [])


@pytest.mark.parametrize(
    ("asked", "changes", "then"),
    [
        (TABLE, ["INSERT INTO {d}.t (n, s) VALUES (3, 'three')"], [(1, "one"), (2, "two"), (3, "three")]),
        (TABLE, ["DELETE FROM {d}.t WHERE n = 1"], [(2, "two")]),
        (TABLE, ["CREATE OR REPLACE TABLE {d}.t AS SELECT 'x' AS s, 7 AS n, TRUE AS new"], [("x", 7, True)]),
        (TABLE, ["ALTER TABLE {d}.t ADD COLUMN m INT64"], [(1, "one", None), (2, "two", None)]),
        (TABLE, ["DROP TABLE {d}.t", "CREATE TABLE {d}.t AS SELECT 9 AS n"], [(9,)]),
        (TABLE, ["DROP TABLE {d}.t", "CREATE VIEW {d}.t AS SELECT 4 AS n"], [(4,)]),
        (KIND, ["CREATE OR REPLACE TABLE {d}.t AS SELECT 1e-12 AS n"], [(1e-12,)]),
        (VIEW, ["TRUNCATE TABLE {d}.t"], []),
        (VIEW, ["CREATE OR REPLACE VIEW {d}.v AS SELECT n + 1 AS n, s FROM {d}.t WHERE n > 1"], [("two", 3)]),
        (VIEW, ["CREATE OR REPLACE VIEW {d}.vv AS SELECT UPPER(s) AS s FROM {d}.v"], [("ONE",), ("TWO",)]),
        (VIEW, ["DROP VIEW {d}.v", "CREATE TABLE {d}.v AS SELECT 6 AS n, 'six' AS s"], [("six", 6)]),
        (
            VIEW,
            ["CREATE ROW ACCESS POLICY mine ON {d}.t GRANT TO ('allUsers') FILTER USING (s = 'two')"],
            [("two", 2)],
        ),
        (CALL, ["CREATE OR REPLACE VIEW {d}.v AS SELECT 'new' AS s"], [("new",)]),
        (CALL, ["CREATE OR REPLACE PROCEDURE {d}.p() BEGIN SELECT MAX(n) AS m FROM {d}.vv; END"], [(2,)]),
        (FUNCTION, ["CREATE OR REPLACE FUNCTION {d}.f(x NUMERIC) AS (x * 10)"], [(10,), (20,)]),
        (SCRIPT, ["CREATE OR REPLACE VIEW {d}.v AS SELECT n * 2 AS n, s FROM {d}.t"], [("one",), ("two",)]),
        (WILDCARD, ["CREATE TABLE {d}.w_2 AS SELECT 2 AS n"], [(1,), (2,)]),
        (COLUMNS, ["CREATE TABLE {d}.u (a INT64, b INT64)"], [("a",), ("b",)]),
    ],
)
def test_the_same_question_is_answered_by_what_there_is_now(
    server: Server, dataset: str, asked: tuple[str, list[Any]], changes: list[str], then: list[Any]
) -> None:
    mine, another = server.client(), server.client()
    question, at_first = asked
    for statement in START:
        another.query_and_wait(statement.format(d=dataset))
    assert [_ask(client, question, dataset) for client in (mine, another, mine)] == [at_first] * 3
    for statement in changes:
        another.query_and_wait(statement.format(d=dataset))
    assert [_ask(client, question, dataset) for client in (mine, another, mine)] == [then] * 3


def test_it_is_answered_by_what_the_api_changed(client: Any, dataset: str, make: Any, run: Any) -> None:
    table, name = make("t", [{"name": "n", "type": "INT64"}]), f"{PROJECT}.{dataset}.v"
    run(f"INSERT INTO {table} (n) VALUES (1)")
    view = bigquery.Table(name)
    view.view_query = f"SELECT * FROM {table}"
    view = client.create_table(view)
    question = f"SELECT * FROM {dataset}.v"
    for _ in range(2):
        assert run(question) == [{"n": 1}]
    view.view_query = f"SELECT n + 1 AS more FROM {table}"
    client.update_table(view, ["view_query"])
    assert run(question) == [{"more": 2}]
    changed = client.get_table(f"{PROJECT}.{table}")
    assert run(f"SELECT * FROM {table}") == [{"n": 1}]
    changed.schema = [*changed.schema, bigquery.SchemaField("m", "STRING")]
    client.update_table(changed, ["schema"])
    assert run(f"SELECT * FROM {table}") == [{"n": 1, "m": None}]
    client.delete_table(name)
    with pytest.raises(NotFound):
        run(question)


def test_a_change_that_fails_changes_no_answer(dataset: str, make: Any, run: Any) -> None:
    table = make("t", [{"name": "n", "type": "INT64"}])
    run(f"INSERT INTO {table} (n) VALUES (1)")
    run(f"CREATE VIEW {dataset}.v AS SELECT n FROM {table}")
    for _ in range(2):
        assert run(f"SELECT * FROM {dataset}.v") == [{"n": 1}]
        with pytest.raises(BadRequest):
            run(f"CREATE OR REPLACE VIEW {dataset}.v AS SELECT no_such_column FROM {table}")


def test_the_type_of_a_parameter_is_that_of_this_time(run: Any) -> None:
    question = "SELECT @x AS x"
    for kind, value in (("INT64", 1), ("STRING", "1"), ("BOOL", True), ("STRING", None), ("INT64", None)):
        assert run(question, bigquery.ScalarQueryParameter("x", kind, value)) == [{"x": value}]


def test_the_user_is_who_asks_this_time(client: Any) -> None:
    def ask(user: str) -> Any:
        answer = client._connection.api_request(
            "POST",
            f"/projects/{PROJECT}/queries",
            data={"query": "SELECT SESSION_USER() AS me", "useLegacySql": False},
            headers={"X-Bqemu-Caller": f"user:{user}"},
        )
        return answer["rows"][0]["f"][0]["v"]

    users = ["ana@example.com", "bo@example.com", "ana@example.com"]
    assert [ask(user) for user in users] == users


def test_a_refused_statement_is_refused_each_time(run: Any) -> None:
    for _ in range(2):
        with pytest.raises(BadRequest):
            run("SELECT FROM WHERE (")


class Catalog:
    """Tables that can be looked up, and how often they were."""

    def __init__(self) -> None:
        self.tables: dict[str, str] = {}
        self.asked: list[str] = []

    def get_table(self, name: str) -> str:
        self.asked.append(name)
        return self.tables[name]


def test_what_a_step_made_is_kept_while_the_catalog_answers_the_same() -> None:
    made = []

    def step(sql: str, *, project: str, catalog: Any) -> str:
        found = catalog.get_table(sql)
        # The second look-up depends on the first.
        made.append(found if found == "table" else catalog.get_table(found))
        return f"{project} {made[-1]}"

    once, catalog = while_catalog_answers_the_same(step), Catalog()
    catalog.tables = {"v": "t", "t": "of t", "u": "of u"}
    assert [once("v", project="p", catalog=catalog) for _ in range(3)] == ["p of t"] * 3
    assert made == ["of t"]
    assert once("v", project="q", catalog=catalog) == "q of t"
    for change, then in (({"t": "new"}, "new"), ({"v": "u"}, "of u"), ({"v": "table"}, "table")):
        catalog.tables |= change
        assert [once("v", project="p", catalog=catalog) for _ in range(2)] == [f"p {then}"] * 2
    assert made == ["of t", "of t", "new", "of u", "table"]


def test_a_look_up_that_failed_is_made_again() -> None:
    def step(sql: str, *, catalog: Any) -> str:
        try:
            return str(catalog.get_table(sql))
        except KeyError:
            return "none"

    once, catalog = while_catalog_answers_the_same(step), Catalog()
    assert once("t", catalog=catalog) == "none"
    catalog.tables["t"] = "of t"
    assert once("t", catalog=catalog) == "of t"


def _ask(client: bigquery.Client, question: str, dataset: str) -> list[Any]:
    return [row.values() for row in client.query_and_wait(question.format(d=dataset))]
