"""The README says what the renderer reads."""

import re
from pathlib import Path

from bigquery.renderer.custom_properties import RECOGNISED

README = (Path(__file__).parents[2] / "bigquery" / "README.md").read_text()


def test_the_table_of_custom_properties_is_complete_and_in_their_places() -> None:
    rows = re.findall(r"^\| (`[^|]+`) \| (the [a-z ]+) \|", README, re.M)
    told = {(name, place) for names, place in rows for name in re.findall(r"`(\w+)`", names)}
    assert told == {(name, place) for place, names in RECOGNISED.items() for name in names}


def test_the_refusal_that_is_shown_is_a_real_one() -> None:
    expected = (Path(__file__).parent / "contract_errors/unknown_type/expect.txt").read_text()
    body = expected.partition("\n")[2]
    assert re.sub(r"^   ", "", README, flags=re.M).count(body) == 1
