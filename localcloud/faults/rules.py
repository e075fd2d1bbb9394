"""The rules of faults, and the pure decision which of them a request or an event suffers."""

import json
import random
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import unquote

REQUESTS = ("error", "drop_before", "drop_after", "delay", "kill_client_before", "kill_client_after")
EVENTS = ("lose", "duplicate", "delay", "reorder")
CLUSTERS = ("cluster_error", "slow_create", "slow_delete", "lose_secondaries", "vanish_cluster")
JOBS = ("kill_worker", "kill_driver")
ACTIONS: Mapping[str, tuple[str, ...]] = {
    "storage": REQUESTS,
    "bigquery": REQUESTS,
    "airflow": REQUESTS,
    "dataproc": (*REQUESTS, *CLUSTERS, *JOBS),
    "events": EVENTS,
}
# What gRPC has a code for: UNAVAILABLE, RESOURCE_EXHAUSTED, INTERNAL.
_GRPC_STATUSES = (429, 500, 503)


class RulesError(ValueError):
    """The document of rules is not one; the message says where, what was expected and what was found."""


@dataclass(frozen=True)
class Rule:
    """What happens to whom: `method` and `path` are searched for (not matched whole).

    The first `skip` matching requests go through; of the later ones each suffers with `probability`, at most
    `times` of them (None: all). `seconds` and `status` are read by the actions that have them; `copies` is
    how many deliveries `duplicate` adds.
    """

    id: str
    part: str
    action: str
    method: re.Pattern[str] = re.compile("")
    path: re.Pattern[str] = re.compile("")
    status: int = 503
    seconds: float = 1.0
    probability: float = 1.0
    times: int | None = None
    skip: int = 0
    copies: int = 1

    def matches(self, method: str, path: str) -> bool:
        """Whether a request is meant; its path counts both as it was sent and percent-decoded."""
        return bool(self.method.search(method)) and any(
            self.path.search(spelling) for spelling in (path, unquote(path))
        )


@dataclass(frozen=True)
class Rules:
    """A document of rules; the first that fires wins."""

    seed: int = 0
    rules: tuple[Rule, ...] = ()


@dataclass
class Count:
    """How many requests matched a rule, and how many of them suffered."""

    seen: int = 0
    fired: int = 0


@dataclass
class Counts:
    """The counts of each rule, by its id."""

    of: dict[str, Count] = field(default_factory=dict)

    def carry_over(self, before: Rules, after: Rules) -> "Counts":
        """The counts after a change of rules: a rule that stands as it stood goes on, others start anew."""
        stays = before.rules if before.seed == after.seed else ()
        return Counts(
            {rule.id: self.of[rule.id] for rule in after.rules if rule in stays and rule.id in self.of}
        )


def decide(
    rules: Rules, counts: Counts, part: str, method: str, path: str, among: Collection[str]
) -> Rule | None:
    """The rule that a request suffers, out of those whose action is `among` the given; counts it.

    The same rules, seed and order of requests decide alike: chance depends on the seed, the rule's id and the
    number of requests that matched it, and on nothing else.
    """
    winner: Rule | None = None
    for rule in rules.rules:
        if rule.part != part or rule.action not in among or not rule.matches(method, path):
            continue
        count = counts.of.setdefault(rule.id, Count())
        count.seen += 1
        # A rule behind the winner counts the request as well: its `skip` must not depend on other rules.
        if winner is None and _fires(rule, count, rules.seed):
            count.fired += 1
            winner = rule
    return winner


def _fires(rule: Rule, count: Count, seed: int) -> bool:
    if count.seen <= rule.skip or (rule.times is not None and count.fired >= rule.times):
        return False
    chance = random.Random(f"{seed}/{rule.id}/{count.seen}").random()  # noqa: S311 repeatable, not secret
    return chance < rule.probability


def parse_rules(text: str | bytes) -> Rules:
    """Read a document of rules, JSON. Raises RulesError at the first mistake."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise RulesError(f"expected rules of faults as JSON, found something else: {error}") from error
    return read_rules(document)


def read_rules(document: Any) -> Rules:
    """Read a document of rules that is parsed already. Raises RulesError at the first mistake."""
    where = "the rules of faults"
    _check_keys(document, where, ("seed", "rules"))
    seed = _number(document, where, "seed", int, 0)
    given = document.get("rules", [])
    if not isinstance(given, list):
        raise RulesError(f"{where}: rules: expected a list, found {given!r}")
    rules = tuple(_read_rule(rule, f"rules[{position}]") for position, rule in enumerate(given))
    ids = [rule.id for rule in rules]
    for position, name in enumerate(ids):
        if name in ids[:position]:
            raise RulesError(f"rules[{position}]: id: expected one of its own, found {name!r} a second time")
    return Rules(seed, rules)


def _read_rule(given: Any, where: str) -> Rule:
    _check_keys(given, where, (*(f.name for f in fields(Rule) if f.name not in ("method", "path")), "match"))
    match = given.get("match", {})
    _check_keys(match, f"{where}.match", ("method", "path"))
    part = _one_of(given, where, "part", tuple(ACTIONS))
    action = _one_of(given, where, "action", ACTIONS[part])
    name = given.get("id")
    if not isinstance(name, str) or not name:
        raise RulesError(f"{where}: id: expected text, found {name!r}")
    return Rule(
        id=name,
        part=part,
        action=action,
        method=_pattern(match, f"{where}.match", "method"),
        path=_pattern(match, f"{where}.match", "path"),
        status=_read_status(given, where, part),
        seconds=_number(given, where, "seconds", float, 1.0),
        probability=_number(given, where, "probability", float, 1.0, most=1),
        times=None if given.get("times") is None else _number(given, where, "times", int, 1, least=1),
        skip=_number(given, where, "skip", int, 0),
        copies=_number(given, where, "copies", int, 1, least=1),
    )


def _read_status(given: Mapping[str, Any], where: str, part: str) -> int:
    status: int = _number(given, where, "status", int, 503, least=400, most=599)
    if part == "dataproc" and status not in _GRPC_STATUSES:
        raise RulesError(
            f"{where}: status: expected one of {_list(_GRPC_STATUSES)} for dataproc, found {status}"
        )
    return status


def _check_keys(given: Any, where: str, known: Collection[str]) -> None:
    if not isinstance(given, dict):
        raise RulesError(f"{where}: expected an object, found {given!r}")
    for key in given:
        if key not in known:
            raise RulesError(f"{where}: expected {_list(known)}, found {key!r}")


def _one_of(given: Mapping[str, Any], where: str, key: str, known: Collection[str]) -> str:
    value = given.get(key)
    if not isinstance(value, str) or value not in known:
        raise RulesError(f"{where}: {key}: expected one of {_list(known)}, found {value!r}")
    return value


def _pattern(given: Mapping[str, Any], where: str, key: str) -> re.Pattern[str]:
    value = given.get(key, "")
    try:
        return re.compile(value)
    except (re.error, TypeError) as error:
        raise RulesError(
            f"{where}: {key}: expected a regular expression, found {value!r} ({error})"
        ) from error


def _number(
    given: Mapping[str, Any],
    where: str,
    key: str,
    kind: type[int] | type[float],
    otherwise: float,
    least: float = 0,
    most: float = float("inf"),
) -> Any:
    value = given.get(key, otherwise)
    right = isinstance(value, int) or (kind is float and isinstance(value, float))
    if not right or isinstance(value, bool) or not least <= value <= most:
        limits = f"of {least} or more" if most == float("inf") else f"from {least} to {most}"
        noun = "a whole number" if kind is int else "a number"
        raise RulesError(f"{where}: {key}: expected {noun} {limits}, found {value!r}")
    return kind(value)


def _list(names: Collection[Any]) -> str:
    return ", ".join(map(str, names))
