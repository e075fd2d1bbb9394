"""TIMESTAMP cells: float seconds unless the request asks for integer microseconds."""

from typing import Any

import pytest
import requests

from localcloud.bigquery.timestamps import seconds


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [(1_795_224_362_123_456, "1.795224362123456E9"), (-1, "-1E-6"), (0, "0E0"), (10_000_000, "1E1")],
)
def test_seconds(microseconds: int, text: str) -> None:
    assert float(seconds(microseconds)) == float(text)


def test_a_request_chooses(server: Any) -> None:
    url = f"{server.endpoint}/bigquery/v2/projects/landfall-test/queries"
    body: dict[str, Any] = {
        "query": "SELECT TIMESTAMP '2026-11-21 01:26:02.123456 UTC'",
        "useLegacySql": False,
    }

    def cell(answer: requests.Response) -> str:
        return str(answer.json()["rows"][0]["f"][0]["v"])

    plain = requests.post(url, json=body, timeout=60)
    asked = requests.post(url, json=body | {"formatOptions": {"useInt64Timestamp": True}}, timeout=60)
    assert float(cell(plain)) == 1795224362.123456
    assert cell(asked) == "1795224362123456"
    again = f"{url}/{plain.json()['jobReference']['jobId']}"
    assert cell(requests.get(again, timeout=60)) == cell(plain)
    page = requests.get(again, params={"formatOptions.useInt64Timestamp": "true"}, timeout=60)
    assert cell(page) == "1795224362123456"
