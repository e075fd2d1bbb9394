"""The faults that a scenario may suffer, as rules of `localcloud/faults` still to be filled in. Pure."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from tests.chaos.scenario import REAL

Rule = dict[str, Any]

_STATUSES = (429, 500, 503)
_REQUEST_ACTIONS = ("error", "drop_before", "drop_after", "delay", "kill_client_before", "kill_client_after")

# What the pipeline does, a step each: (part, method, path). None matches a sender's upload into landing, for
# what it sent is what the oracle has to know.
_REQUESTS: Mapping[str, tuple[str, str, str]] = {
    "list_landing": ("storage", "GET", r"/b/[^/]*landing/o(\?|$)"),
    "look_at_landing": ("storage", "GET", r"/b/[^/]*landing/o/"),
    "copy_to_archive": ("storage", "POST", r"/(rewriteTo|copyTo)/b/[^/]*archive/"),
    "delete_from_landing": ("storage", "DELETE", r"/b/[^/]*landing/o/"),
    "copy_to_rejected": ("storage", "POST", r"/b/[^/]*rejected/"),
    "write_journal_or_manifest": ("storage", "POST|PUT", r"/upload/.*/b/[^/]*lake/o"),
    "read_lake": ("storage", "GET", r"/b/[^/]*lake/o/"),
    "read_journal": ("storage", "GET", r"/b/[^/]*lake/o/journal"),
    "insert_job": ("bigquery", "POST", r"/jobs(\?|$)"),
    "look_at_job": ("bigquery", "GET", r"/(jobs|queries)/"),
    "ask_for_run": ("airflow", "POST", r"/dagRuns(\?|$)"),
    "create_cluster": ("dataproc", "", r"CreateCluster$"),
    "delete_cluster": ("dataproc", "", r"DeleteCluster$"),
    "submit_job": ("dataproc", "", r"SubmitJob$"),
    "look_at_spark_job": ("dataproc", "", r"/GetJob$"),
    "look_at_operation": ("dataproc", "", r"/GetOperation$"),
}
# Of these each batch makes at least one, so that no scenario goes without a fault.
_EVERY_TIME = (
    "list_landing",
    "copy_to_archive",
    "delete_from_landing",
    "write_journal_or_manifest",
    "insert_job",
)
# Each breaks one attempt or one cluster; many of them could make an innocent batch fail repeatedly.
_CLUSTER_ACTIONS = ("cluster_error", "slow_create", "slow_delete", "vanish_cluster", "kill_driver")
_SPARK_ACTIONS = ("lose_secondaries", "kill_worker")  # a real Spark has workers to lose
_EVENT_ACTIONS = ("lose", "duplicate", "delay", "reorder")


def choose_faults(random: Random, engine: str) -> list[Rule]:
    """One to eight rules: some of requests, at most one of the cluster, some of events."""
    sure = random.choice(_EVERY_TIME)
    others = [name for name in sorted(_REQUESTS) if name != sure]
    rules = [_request_rule(random, sure) | {"skip": 0, "probability": 1.0}]
    rules += [_request_rule(random, name) for name in random.sample(others, random.randint(0, 4))]
    if random.random() < 0.35:
        actions = (*_CLUSTER_ACTIONS, *(_SPARK_ACTIONS if engine == REAL else ()))
        rules.append(_cluster_rule(random, random.choice(actions)))
    rules += [_event_rule(random, action) for action in random.sample(_EVENT_ACTIONS, random.randint(0, 2))]
    return rules


def poison(name: str, deadly: bool) -> Rule:
    """A rule without an end: no Spark job can read the archived original of this landing object.

    It is not found there, which the job tells with the file's name; or, `deadly`, whatever reads it dies, and
    nobody can tell which file it was. (Any other error would be an outage, of which no file is guilty.)
    """
    stem = name.rpartition("/")[2].partition(".")[0]
    original = rf"archive/o/[^?]*-{stem}\.[^?]*"
    if deadly:
        match = {"method": "GET", "path": rf"{original}\?.*alt=media"}
        return {"id": "poison-deadly", "part": "storage", "match": match, "action": "kill_client_before"}
    # Spark's file system asks for an object without a query, and nobody else does.
    match = {"method": "GET", "path": rf"{original}$"}
    return {"id": "poison-error", "part": "storage", "match": match, "action": "error", "status": 404}


def _request_rule(random: Random, name: str) -> Rule:
    part, method, path = _REQUESTS[name]
    action = random.choice(_REQUEST_ACTIONS)
    rule = {
        "id": f"{name}-{action}",
        "part": part,
        "match": {"method": method, "path": path},
        "action": action,
        "times": random.randint(1, 3),
        "skip": random.choice((0, 0, 1, 2, 5)),
        "probability": random.choice((0.3, 1.0)),
    }
    return rule | _MORE.get(action, _nothing)(random)


def _cluster_rule(random: Random, action: str) -> Rule:
    return {
        "id": action,
        "part": "dataproc",
        "action": action,
        "times": 1,
        "skip": random.choice((0, 0, 1)),
        "seconds": round(random.uniform(0.2, 3), 1),
    }


def _event_rule(random: Random, action: str) -> Rule:
    return {
        "id": f"event-{action}",
        "part": "events",
        "action": action,
        "match": {"path": "landing/"},
        "times": random.randint(1, 6),
        "probability": random.choice((0.3, 0.6, 1.0)),
        "seconds": round(random.uniform(0.2, 4), 1),
    }


def _nothing(_: Random) -> Rule:
    return {}


_MORE: Mapping[str, Callable[[Random], Rule]] = {
    "error": lambda random: {"status": random.choice(_STATUSES)},
    "delay": lambda random: {"seconds": round(random.uniform(0.2, 1.5), 1)},
}


def remaining(document: Mapping[str, Any], fired: Mapping[str, int]) -> dict[str, Any]:
    """What a document still owes, once its rules have fired so often; those that are spent are left out."""
    left = [_less(rule, fired.get(rule["id"], 0)) for rule in document["rules"]]
    return {**document, "rules": [rule for rule in left if rule.get("times") != 0]}


def _less(rule: Rule, fired: int) -> Rule:
    return rule | {"times": max(0, rule["times"] - fired)} if "times" in rule else rule
