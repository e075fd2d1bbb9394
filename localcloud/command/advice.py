"""What to do about a file, by what became of it: the runbook's words. Pure."""

import shlex
from collections.abc import Mapping
from typing import Any

from localcloud.command.moments import clock

_DROP_AGAIN = "Correct the file and drop it again, under any name."
#: What the sender or the engineer does about a rejected file, by its reason; see docs/runbook.md.
_REJECTED = {
    "empty_file": "The file has no byte: have the sender write it again, then drop it again.",
    "header_mismatch": "Write the header that the contract names and drop the file again; or change the "
    "contract, then `{command} replay {identity}`.",
    "not_text": "Write CSV in the contract's encoding (.csv.gz: under gzip), then drop it again.",
    "unreadable": "Check that the file is whole (.csv.gz: that `gzip -t` accepts it), then drop it again.",
    "too_large": "Split the file and drop its parts; or raise the contract's maxTextBytes, then "
    "`{command} replay {identity}`.",
    "too_many_rejected_rows": "`{command} rejects {dataset} --batch {batch}` says which rows and why. "
    "Correct the files of the batch, whole, and drop them again; one of which no row was rejected, as it is.",
    "quality_failed": "Correct the files of the batch by the rule that is named and drop them again; or "
    "change the contract, then `{command} replay {batch}`.",
    "failed_repeatedly": "Mend what the last failure names, then `{command} replay {identity}`; or have the "
    "sender correct the file and drop it again.",
}
_STATES = {
    "ignored": "Move it to its dataset's folder, as gs://{landing}/DATASET/…csv: it travels at once. "
    "`{command} drop --dataset DATASET FILE` puts it there.",
    "running": "Nothing: it is on its way. `{command} tail {dataset}` follows.",
    "failed": "Mend what the failure names; the dataset's next run finishes the batch, and the sweep asks "
    "for one every ten minutes. {logs}",
    "superseded": "Nothing: the same name was overwritten, or the object deleted, before a run claimed "
    "it. What replaced it is a file of its own: `{command} where {uri}`.",
    "divided": "Nothing: its files go on in smaller batches.",
    "given up": "Trusted stays as it was before this replay. Mend what the last failure names, then "
    "`{command} replay {identity}`.",
}


def advise(story: Mapping[str, Any], command: str, landing: str, logs: str, says_more: str) -> str:
    """What to do next; `command` is how the user calls it, `logs` and `says_more` say where to look."""
    last = story["readings"][-1]
    words = {
        "command": command,
        "landing": landing,
        "logs": logs,
        "says_more": says_more,
        "retry_at": clock(last["retry_at"]),
        "dataset": story["dataset"] or "DATASET",
        "batch": (last["batch_id"] or "")[:12],
        "uri": shlex.quote(story["uri"]),
        "identity": shlex.quote(f"{story['uri']}#{story['generation']}"),
    }
    return _choose(last).format(**words).strip()


def _choose(last: Mapping[str, Any]) -> str:
    match last["state"]:
        case "pending" if last["run_id"]:
            return "Nothing: its run is asked for. `{command} tail {dataset}` follows."
        case "pending":
            return "The sweep asks for a run every ten minutes; or drop any file of the dataset. {says_more}"
        case "waiting":
            return (
                "It is tried again by itself at {retry_at} UTC, and divided if it goes on failing, until the "
                "guilty file stands alone. Mend what the failure names. {logs}"
            )
        case "rejected":
            return _REJECTED.get(last["reason"] or "", _DROP_AGAIN)
        case "loaded" if last["rows_rejected"]:
            return (
                "`{command} rejects {dataset} --batch {batch} --csv FILE.csv` writes the rejected rows, to "
                "correct and drop again."
            )
        case state:
            return _STATES.get(state, "")
