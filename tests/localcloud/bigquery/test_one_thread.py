"""Requests that arrive together do not see each other's rows."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests


def test_every_query_gets_its_own_rows(server: Any, make: Any, run: Any) -> None:
    table = make("t", [{"name": "n", "type": "INT64"}])
    run(f"INSERT INTO {table} (n) SELECT n FROM UNNEST(GENERATE_ARRAY(1, 500)) AS n")
    project = f"{server.endpoint}/bigquery/v2/projects/landfall-test"
    dataset, name = table.split(".")

    def ask(number: int) -> bool:
        if number % 3 == 0:
            ready = requests.get(f"{server.endpoint}/readyz", timeout=30)
            return bool(ready.json()["status"] == "ok")
        if number % 3 == 1:
            page = requests.get(f"{project}/datasets/{dataset}/tables/{name}/data", timeout=30).json()
            return len(page["rows"]) == 500
        body = {"query": f"SELECT {number} AS n", "useLegacySql": False}
        rows = requests.post(f"{project}/queries", json=body, timeout=30).json()["rows"]
        return bool(rows == [{"f": [{"v": str(number)}]}])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(120)))
