"""What befalls a running job by the rules of faults: its workers, its driver or its cluster are lost."""

import threading
import time
from collections.abc import Callable, Sequence

import psutil

from localcloud.faults.reader import Faults
from localcloud.faults.rules import Rule

from .call_faults import PART, choose_for
from .processes import Session

# A secondary worker that is preempted takes all its executors with it: here, all Python workers there are.
_MOST_WORKERS = {"kill_worker": 1, "lose_secondaries": None}
_SECONDS_BETWEEN_LOOKS = 0.05


def choose(faults: Faults, job_id: str) -> list[Rule]:
    """The rules that a job which was just accepted will suffer."""
    actions = ("kill_worker", "lose_secondaries", "kill_driver", "vanish_cluster")
    chosen = (choose_for(faults, "JobController", "SubmitJob", job_id, action) for action in actions)
    return [rule for rule in chosen if rule]


def strike(
    faults: Faults, rules: Sequence[Rule], session: Session, lose_cluster: Callable[[], Sequence[str]]
) -> None:
    """Let each rule strike, without waiting for it; a session that has ended is spared.

    The cluster or the driver is lost `seconds` from now, workers `seconds` after there is one.
    """
    for rule in rules:
        arguments = (faults, rule, session, lose_cluster)
        threading.Thread(target=_strike, args=arguments, name=f"fault {rule.id}", daemon=True).start()


def _strike(faults: Faults, rule: Rule, session: Session, lose_cluster: Callable[[], Sequence[str]]) -> None:
    struck: Sequence[object]
    if rule.action in _MOST_WORKERS:
        struck = _kill(_await_workers(session, rule.seconds)[: _MOST_WORKERS[rule.action]])
    elif rule.action == "kill_driver":
        session.ended.wait(rule.seconds)
        struck = _kill(session.leaders())
    else:
        time.sleep(rule.seconds)
        struck = lose_cluster()
    faults.note(PART, rule.id, "struck", struck=struck)


def _await_workers(session: Session, seconds: float) -> list[psutil.Process]:
    """The Python workers of the session some time after the first came; none if it ends before."""
    while not session.python_workers():
        if session.ended.wait(_SECONDS_BETWEEN_LOOKS):
            return []
    session.ended.wait(seconds)
    return session.python_workers()


def _kill(processes: Sequence[psutil.Process]) -> list[int]:
    struck = []
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
        struck.append(process.pid)
    return struck
