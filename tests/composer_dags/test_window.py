from datetime import UTC, datetime, timedelta

import pytest

from landfall_dags.window import run_after, run_id, window_end


@pytest.mark.parametrize(
    ("moment", "seconds", "end"),
    [
        ("2025-11-21T01:26:00.000000+00:00", 60, "2025-11-21T01:27:00+00:00"),
        ("2025-11-21T01:26:59.999999+00:00", 60, "2025-11-21T01:27:00+00:00"),
        ("2025-11-21T01:26:01.500000+00:00", 2, "2025-11-21T01:26:02+00:00"),
        ("2025-11-21T01:26:02.000000+00:00", 2, "2025-11-21T01:26:04+00:00"),
        ("2025-11-21T02:26:02.000000+01:00", 2, "2025-11-21T01:26:04+00:00"),
    ],
)
def test_a_window_ends_after_every_moment_in_it(moment: str, seconds: int, end: str) -> None:
    assert window_end(datetime.fromisoformat(moment), seconds) == datetime.fromisoformat(end)


def test_a_run_is_named_by_the_end_of_its_window_and_starts_after_the_grace() -> None:
    end = datetime(2025, 11, 21, 1, 27, tzinfo=UTC)
    assert run_id("price_quote", end) == "price_quote__2025-11-21T01:27:00Z"
    assert run_after(end, 5) - end == timedelta(seconds=5)
