"""What becomes of a task when its upstream tasks end: Airflow's trigger rules, setups and teardowns. Pure.

The rules are those of Airflow 3.3 (`ti_deps/deps/trigger_rule_dep.py`, `models/dagrun.py`), for tasks outside
of mapped groups.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from hashlib import sha1
from math import ceil

SUCCESS, FAILED, SKIPPED = "success", "failed", "skipped"
UPSTREAM_FAILED, UP_FOR_RETRY, RUNNING = "upstream_failed", "up_for_retry", "running"
FINISHED = frozenset({SUCCESS, FAILED, SKIPPED, UPSTREAM_FAILED})
BAD = frozenset({FAILED, UPSTREAM_FAILED})


@dataclass(frozen=True)
class Node:
    """A task as the rules see it; sets hold task ids.

    `setups` are the setups that it needs without being directly downstream of them, `scope` the tasks between
    a teardown and its setups, `setups_above` the direct upstream tasks that are setups. `counts_for_run`: it
    decides how the run ends.
    """

    task_id: str
    rule: str
    upstream: frozenset[str]
    setups: frozenset[str] = frozenset()
    setups_above: frozenset[str] = frozenset()
    scope: frozenset[str] = frozenset()
    is_teardown: bool = False
    counts_for_run: bool = True


class Verdict(Enum):
    """Whether a task waits, runs now, or ends without running."""

    WAIT = "wait"
    RUN = "run"
    SKIP = SKIPPED
    UPSTREAM_FAILED = UPSTREAM_FAILED


# The states of a task's instances: one, or one for each index of a mapped task. None: not begun.
States = Mapping[str, Sequence[str | None]]


def decide(node: Node, states: States) -> Verdict:
    """What becomes of a task that has not ended yet."""
    if node.is_teardown:
        verdict = _by_rule(node, states)
        if verdict is Verdict.RUN and not _all_finished(node.scope, states):
            return Verdict.WAIT
        return verdict
    setups = _by_setups(node, states)
    if setups in (Verdict.SKIP, Verdict.UPSTREAM_FAILED):
        return setups
    verdict = _by_rule(node, states)
    return setups if verdict is Verdict.RUN else verdict


def run_ends(nodes: Iterable[Node], states: States) -> str | None:
    """How the run ended, `success` or `failed`; None while it goes on."""
    if not _all_finished(states, states):
        return None
    deciding = [state for node in nodes if node.counts_for_run for state in states[node.task_id]]
    return FAILED if any(state in BAD for state in deciding) else SUCCESS


def retry_at(
    ended: datetime, attempt: int, name: str, delay: timedelta, multiplier: float, longest: timedelta | None
) -> datetime:
    """When a task that failed in try `attempt` (from 1) is tried again; `name` spreads equal tasks."""
    if multiplier not in (0, 1):
        least = max(1, ceil(delay.total_seconds() * multiplier ** (attempt - 1)))
        spread = int(sha1(f"{name}#{attempt}".encode(), usedforsecurity=False).hexdigest(), 16)
        delay = timedelta(seconds=least + spread % least)
        if longest:
            delay = min(delay, longest)
    return ended + delay


def _by_setups(node: Node, states: States) -> Verdict:
    found = [state for setup in node.setups for state in states[setup]]
    if any(state in BAD for state in found):
        return Verdict.UPSTREAM_FAILED
    if SKIPPED in found:
        return Verdict.SKIP
    return Verdict.RUN if all(state == SUCCESS for state in found) else Verdict.WAIT


def _by_rule(node: Node, states: States) -> Verdict:
    if not node.upstream or node.rule == "always":
        return Verdict.RUN
    above = [state for task_id in node.upstream for state in states[task_id]]
    count = Counter(state for state in above if state in FINISHED)
    seen = _Seen(
        len(above), count.total(), count[SUCCESS], count[SKIPPED], count[FAILED] + count[UPSTREAM_FAILED]
    )
    if node.rule == "all_done_setup_success":
        return _by_teardown_rule(node, states, seen)
    try:
        return _RULES[node.rule](seen)
    except KeyError:
        raise NotImplementedError(
            f"task {node.task_id}: expected one of the trigger rules {', '.join(_RULES)}, found {node.rule}; "
            "write it into tests/chaos/fast/rules.py"
        ) from None


def _by_teardown_rule(node: Node, states: States, seen: "_Seen") -> Verdict:
    setups = [state for setup in node.setups_above for state in states[setup]]
    if not seen.is_done:
        return Verdict.WAIT
    if setups and all(state == SKIPPED for state in setups):
        return Verdict.SKIP
    if setups and SUCCESS not in setups:
        return Verdict.UPSTREAM_FAILED
    return Verdict.RUN


@dataclass(frozen=True)
class _Seen:
    """How many instances are directly upstream, and how they ended; `bad` counts both kinds of failure."""

    all: int
    done: int
    success: int
    skipped: int
    bad: int

    @property
    def is_done(self) -> bool:
        return self.done >= self.all


def _all_success(seen: _Seen) -> Verdict:
    if seen.bad:
        return Verdict.UPSTREAM_FAILED
    if seen.skipped:
        return Verdict.SKIP
    return Verdict.RUN if seen.success == seen.all else Verdict.WAIT


def _one_failed(seen: _Seen) -> Verdict:
    if seen.bad:
        return Verdict.RUN
    return Verdict.SKIP if seen.is_done else Verdict.WAIT


def _all_done(seen: _Seen) -> Verdict:
    return Verdict.RUN if seen.is_done else Verdict.WAIT


def _none_failed(seen: _Seen) -> Verdict:
    if seen.bad:
        return Verdict.UPSTREAM_FAILED
    return Verdict.RUN if seen.is_done else Verdict.WAIT


def _none_failed_min_one_success(seen: _Seen) -> Verdict:
    if seen.bad:
        return Verdict.UPSTREAM_FAILED
    if seen.skipped == seen.all:
        return Verdict.SKIP
    return Verdict.RUN if seen.is_done else Verdict.WAIT


_RULES = {
    "all_success": _all_success,
    "one_failed": _one_failed,
    "all_done": _all_done,
    "none_failed": _none_failed,
    "none_failed_min_one_success": _none_failed_min_one_success,
}


def _all_finished(task_ids: Iterable[str], states: States) -> bool:
    return all(state in FINISHED for task_id in task_ids for state in states[task_id])
