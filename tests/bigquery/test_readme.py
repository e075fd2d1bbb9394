"""The README says what the renderer reads."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from bigquery.renderer.custom_properties import RECOGNISED
from bigquery.renderer.file_format import ENCODINGS, UNKNOWN_COLUMNS
from bigquery.renderer.layout import DUPLICATE_KEYS
from bigquery.renderer.protection import METHODS
from bigquery.renderer.quality import METRICS, OPERATORS, SEVERITIES, UNITS

README = (Path(__file__).parents[2] / "bigquery" / "README.md").read_text()


def test_the_table_of_custom_properties_is_complete_and_in_their_places() -> None:
    rows = re.findall(r"^\| (`[^|]+`) \| (the [a-z ]+) \|", README, re.M)
    told = {(name, place) for names, place in rows for name in re.findall(r"`(\w+)`", names)}
    assert told == {(name, place) for place, names in RECOGNISED.items() for name in names}


@pytest.mark.parametrize(
    "words",
    [ENCODINGS, UNKNOWN_COLUMNS, DUPLICATE_KEYS, METHODS, METRICS, OPERATORS, SEVERITIES, UNITS],
    ids=lambda words: next(iter(words)),
)
def test_every_word_that_a_property_may_have_is_told(words: Iterable[str]) -> None:
    assert [word for word in words if f"`{word}`" not in README] == []


def test_the_refusal_that_is_shown_is_a_real_one() -> None:
    expected = (Path(__file__).parent / "contract_errors/unknown_type/expect.txt").read_text()
    body = expected.partition("\n")[2]
    assert re.sub(r"^   ", "", README, flags=re.M).count(body) == 1
