"""The rules of faults: what is read, what is refused, and which request suffers."""

import json
from collections import Counter
from typing import Any

import pytest

from localcloud.faults.rules import (
    EVENTS,
    REQUESTS,
    Counts,
    Rules,
    RulesError,
    decide,
    parse_rules,
    read_rules,
)


def rules_of(*given: dict[str, Any], seed: int = 7) -> Rules:
    rules = [{"id": f"r{i}", "part": "storage", "action": "error", **rule} for i, rule in enumerate(given)]
    return read_rules({"seed": seed, "rules": rules})


def suffered(rules: Rules, requests: list[str], counts: Counts | None = None) -> list[str | None]:
    """The id of the rule that each request suffers, in their order."""
    counts = counts or Counts()
    chosen = [decide(rules, counts, "storage", *request.split(" ", 1), REQUESTS) for request in requests]
    return [rule.id if rule else None for rule in chosen]


def test_a_document_says_everything_or_almost_nothing() -> None:
    text = """{"seed": 3, "rules": [
        {"id": "a", "part": "bigquery", "action": "error", "match": {"method": "^POST$", "path": "/jobs"},
         "status": 500, "seconds": 2, "probability": 0.5, "times": 4, "skip": 1},
        {"id": "b", "part": "events", "action": "duplicate", "copies": 3}
    ]}"""
    first, second = parse_rules(text).rules
    assert (first.status, first.seconds, first.probability, first.times, first.skip) == (500, 2.0, 0.5, 4, 1)
    assert (second.probability, second.times, second.skip, second.copies) == (1.0, None, 0, 3)
    assert parse_rules("{}") == Rules()


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (
            {"part": "disk"},
            "rules[0]: part: expected one of storage, bigquery, airflow, dataproc, events, found 'disk'",
        ),
        ({"action": "lose"}, "rules[0]: action: expected one of error, drop_before,"),
        (
            {"part": "events", "action": "error"},
            "rules[0]: action: expected one of lose, duplicate, delay, reorder",
        ),
        ({"id": ""}, "rules[0]: id: expected text, found ''"),
        ({"match": {"path": "("}}, "rules[0].match: path: expected a regular expression, found '('"),
        ({"match": {"verb": "GET"}}, "rules[0].match: expected method, path, found 'verb'"),
        ({"propability": 1}, "found 'propability'"),
        ({"probability": 1.5}, "rules[0]: probability: expected a number from 0 to 1, found 1.5"),
        ({"times": 0}, "rules[0]: times: expected a whole number of 1 or more, found 0"),
        ({"skip": 0.5}, "rules[0]: skip: expected a whole number of 0 or more, found 0.5"),
        ({"seconds": True}, "rules[0]: seconds: expected a number of 0 or more, found True"),
        ({"status": 200}, "rules[0]: status: expected a whole number from 400 to 599, found 200"),
        (
            {"part": "dataproc", "status": 404},
            "status: expected one of 429, 500, 503 for dataproc, found 404",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(rule: dict[str, Any], told: str) -> None:
    with pytest.raises(RulesError) as caught:
        rules_of(rule)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"rules": {}}', '{"rule": []}', '{"seed": "x"}', '{"rules": [1]}']
)
def test_what_is_no_document_of_rules_is_refused(text: str) -> None:
    with pytest.raises(RulesError, match="expected"):
        parse_rules(text)


def test_an_id_belongs_to_one_rule() -> None:
    with pytest.raises(RulesError, match=r"rules\[1\]: id: expected one of its own, found 'r' a second time"):
        rules_of({"id": "r"}, {"id": "r"})


def test_only_what_matches_suffers() -> None:
    rules = rules_of({"match": {"method": "^GET$", "path": "/o/journal/"}})
    encoded = "GET /storage/v1/b/lake/o/journal%2Fprices%2Fopen.json"
    assert suffered(rules, [encoded, "POST /o/journal/x", "GET /o/prices/x"]) == ["r0", None, None]
    assert decide(rules, Counts(), "bigquery", "GET", "/o/journal/x", REQUESTS) is None
    assert decide(rules, Counts(), "storage", "GET", "/o/journal/x", EVENTS) is None


def test_a_path_may_be_given_as_it_is_sent() -> None:
    assert suffered(rules_of({"match": {"path": "journal%2Fprices"}}), ["GET /o/journal%2Fprices"]) == ["r0"]


def test_skip_and_times_choose_which_of_the_matching_requests() -> None:
    rules = rules_of({"match": {"path": "a"}, "skip": 2, "times": 2})
    requests = ["GET a", "GET b", "GET a", "GET a", "GET a", "GET a"]
    assert suffered(rules, requests) == [None, None, None, "r0", "r0", None]


def test_the_first_that_fires_wins_and_the_later_one_counts_the_request_too() -> None:
    rules = rules_of({"times": 1}, {"skip": 2, "times": 1})
    assert suffered(rules, ["GET a"] * 4) == ["r0", None, "r1", None]


def test_chance_is_repeated_by_the_seed_and_independent_of_other_rules() -> None:
    rule = {"id": "x", "probability": 0.3}
    requests = ["GET a"] * 2000
    alone = suffered(rules_of(rule), requests)
    assert suffered(rules_of(rule), requests) == alone
    assert suffered(rules_of(rule, seed=8), requests) != alone
    assert 500 < Counter(alone)["x"] < 700
    behind = suffered(rules_of({"id": "y", "match": {"path": "b"}}, rule), requests)
    assert behind == alone


def test_a_changed_document_keeps_the_counts_of_rules_that_stand_as_they_stood() -> None:
    before, counts = rules_of({"times": 1}, {"times": 1, "match": {"path": "b"}}), Counts()
    assert suffered(before, ["GET a", "GET b"], counts) == ["r0", "r1"]
    after = rules_of({"times": 1}, {"times": 1, "match": {"path": "b|c"}})
    carried = counts.carry_over(before, after)
    assert suffered(after, ["GET a", "GET b"], carried) == [None, "r1"]
    reseeded = rules_of({"times": 1}, seed=8)
    assert suffered(reseeded, ["GET a"], counts.carry_over(before, reseeded)) == ["r0"]


def test_an_example_that_is_json_is_read_from_text_as_from_objects() -> None:
    document = {"seed": 1, "rules": [{"id": "r", "part": "airflow", "action": "drop_after"}]}
    assert parse_rules(json.dumps(document)) == read_rules(document)
