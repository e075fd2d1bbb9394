"""Two instances of the function that are sent one stream of events, before one Airflow."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from tests.functions.instances import Function, labels, running, serving

WINDOW_SECONDS = 2
DATASETS, EVENTS = 3, 900
# However fast the machine is, the events are spread over parts of three windows at least.
SECONDS = 2.2 * WINDOW_SECONDS


def test_two_instances_ask_for_one_run_of_each_window(tmp_path: Path) -> None:
    with (
        serving() as airflow,
        running(tmp_path / "one", airflow, WINDOW_SECONDS, 0) as one,
        running(tmp_path / "other", airflow, WINDOW_SECONDS, 0) as other,
    ):
        deferred: list[object] = []
        started = time.monotonic()

        def send(number: int) -> tuple[Function, str, datetime, str]:
            # Every object is told of to both, as when the first answer was lost.
            instance, dataset = (one, other)[number % 2], f"raced_{number // 2 % DATASETS}"
            time.sleep(max(0.0, started + SECONDS * number / EVENTS - time.monotonic()))
            before = datetime.now(UTC)
            for _ in range(10):
                status, entry = instance.send(f"{dataset}/{number // 2}.csv")
                if status == 200:
                    break
                # On a busy machine a token may be late; then the event comes again, as it would in the cloud.
                deferred.append(entry)
            assert status == 200, entry
            return instance, labels(entry)[1], before, entry["message"]

        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(send, range(EVENTS)))

    ends = {run_id: datetime.strptime(run_id[9:], "%Y-%m-%dT%H:%M:%S%z") for run_id in airflow.runs}
    assert len(ends) >= 2 * DATASETS, "several windows passed"
    outcomes = Counter(outcome for _, outcome, _, _ in results)
    assert outcomes.keys() == {"triggered", "joined"}
    assert len(ends) - len(deferred) <= outcomes["triggered"] <= len(ends), "only one made the run"
    most = 2 * len(ends) + len(deferred)
    assert airflow.posts.total() <= most, "an instance asks once for a run"
    for _, _, before, message in results:
        (run_id,) = [run_id for run_id in ends if f"un {run_id} of" in message]
        assert ends[run_id] > before, "the run is later than its event, so it finds the object"
    joined_elsewhere = airflow.posts.total() - len(ends)
    assert joined_elsewhere > 0, "the instances did meet"
