"""Whose fault a failed task is, and what a failed Spark job says about it. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from landfall_dags.agenda import Fault
from landfall_dags.errors import BatchFault

# What travels between tasks stays small; with more suspects than this the guilty file is found later.
MOST_SUSPECTS = 200


@dataclass(frozen=True)
class Failure:
    """A failure.json: what a Spark job says of its own end. `suspects` are identities of files."""

    fault: Fault
    suspects: tuple[str, ...]
    error: str


def blame_of(error: BaseException | None) -> dict[str, Any]:
    """What record_failure is told of a task's last error: the fault, and the files that are suspected.

    An error that forbids another try carries the fault as its cause. Anything unknown is the surroundings'.
    """
    cause = getattr(error, "__cause__", None)
    fault = next((one for one in (error, cause) if isinstance(one, BatchFault)), None)
    if fault is None:
        return {"fault": Fault.SURROUNDINGS.value, "suspects": []}
    return {"fault": Fault.BATCH.value, "suspects": list(fault.suspects[:MOST_SUSPECTS])}


def parse_failure(text: str) -> Failure | None:
    """Understand a failure.json; None when it is none, for a job that fails may write anything."""
    try:
        document: Mapping[str, Any] = json.loads(text)
        suspects = tuple(f"{file['uri']}#{int(file['generation'])}" for file in document["files"])
        return Failure(Fault(document["fault"]), suspects, str(document["error"]))
    except (ValueError, KeyError, TypeError):
        return None
