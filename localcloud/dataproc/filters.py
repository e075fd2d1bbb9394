"""Filters and pages of the list methods. Pure.

Syntax (API reference of ListClusters, ListJobs): `field = value [AND [field = value]] ...`; a space is an
implicit AND; `*` as the value matches any value that is present.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from google.cloud.dataproc_v1.types import Cluster, ClusterStatus, Job, JobStatus, ListJobsRequest

from .errors import invalid_argument

State = ClusterStatus.State
Term = tuple[str, str]
T = TypeVar("T")

ACTIVE_CLUSTERS = frozenset({State.CREATING, State.UPDATING, State.RUNNING})
FINAL_JOB_STATES = frozenset({JobStatus.State.DONE, JobStatus.State.ERROR, JobStatus.State.CANCELLED})
JOB_MATCHERS = ListJobsRequest.JobStateMatcher

_TERM = re.compile(r"""\s*(?:AND\s+)?(?P<field>[\w.-]+)\s*=\s*(?P<value>"[^"]*"|[^\s"]+)\s*""")


class Page(NamedTuple):
    """A slice of a list and the token that asks for the next one (empty at the end)."""

    start: int
    stop: int
    next_token: str


def parse(text: str, fields: Iterable[str]) -> list[Term]:
    """The terms of a filter; a field that the method does not know is INVALID_ARGUMENT."""
    known, terms, at = tuple(fields), [], 0
    while at < len(text.rstrip()):
        found = _TERM.match(text, at)
        if not found or not (found["field"] in known or found["field"].startswith("labels.")):
            expected = ", ".join([*known, "labels.<key>"])
            raise invalid_argument(
                [f"Invalid filter '{text}': expected '<field> = <value> AND ...' on {expected}."]
            )
        terms.append((found["field"], found["value"].strip('"')))
        at = found.end()
    return terms


def cluster_matches(cluster: Cluster, terms: Sequence[Term]) -> bool:
    """Whether a cluster satisfies every term (`status.state`, `clusterName`, `labels.<key>`)."""
    return all(_cluster_term(cluster, field, value) for field, value in terms)


def job_matches(job: Job, terms: Sequence[Term]) -> bool:
    """Whether a job satisfies every term (`status.state` of ACTIVE or NON_ACTIVE, `labels.<key>`)."""
    return all(
        _activity(job.status.state not in FINAL_JOB_STATES, value)
        if field == "status.state"
        else _label(job.labels, field, value)
        for field, value in terms
    )


def job_state_matches(job: Job, matcher: int) -> bool:
    """Whether a job is of the asked kind: all, active or not active."""
    final = job.status.state in FINAL_JOB_STATES
    return matcher == JOB_MATCHERS.ALL or final == (matcher == JOB_MATCHERS.NON_ACTIVE)


def page(total: int, size: int, token: str, default: int = 200) -> Page:
    """The slice for a page token, which is the index of the first element."""
    if token and not token.isdecimal():
        raise invalid_argument([f"Invalid page token '{token}'."])
    if size < 0:
        raise invalid_argument([f"Invalid page size {size}: expected 0 (the default) or more."])
    start = int(token or 0)
    stop = min(start + (size or default), total)
    return Page(start, stop, str(stop) if stop < total else "")


def _cluster_term(cluster: Cluster, field: str, value: str) -> bool:
    if field == "clusterName":
        return value in ("*", cluster.cluster_name)
    if field != "status.state":
        return _label(cluster.labels, field, value)
    if value in ("ACTIVE", "INACTIVE"):
        return _activity(cluster.status.state in ACTIVE_CLUSTERS, value)
    return value in ("*", cluster.status.state.name)


def _activity(active: bool, value: str) -> bool:
    return value == "*" or active == (value == "ACTIVE")


def _label(labels: Mapping[str, str], field: str, value: str) -> bool:
    key = field.removeprefix("labels.")
    return key in labels and value in ("*", labels[key])
