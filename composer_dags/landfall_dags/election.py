"""The election of a batch's metrics: of all attempts of its Spark job one counts, for everyone, for ever.

Attempts may run beside each other, when a worker that was taken for dead goes on. Each writes into a folder
of its own, so all that is left to decide is which folder is read.
"""

from collections.abc import Callable

from landfall_dags.store import Store


def elected_uri(folder: str) -> str:
    """Where the metrics lie that count."""
    return f"{folder}/metrics.json"


def attempt_uri(folder: str, job_id: str) -> str:
    """Where an attempt writes its own, beside its Parquet."""
    return f"{folder}/attempts/{job_id}/metrics.json"


def stand(store: Store, folder: str, job_id: str, check: Callable[[str, str], object]) -> None:
    """Let an attempt stand for the batch; without effect when another has been elected.

    `check` is given the text of its metrics and their URI, and raises for metrics that must not be elected:
    another attempt may then do better. Nothing to be read there is nothing to be elected.
    """
    uri = attempt_uri(folder, job_id)
    written = store.read(uri)
    if written is None:
        return
    check(written.text, uri)
    store.create(elected_uri(folder), written.text)
