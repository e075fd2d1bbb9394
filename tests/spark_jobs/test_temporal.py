"""Dates and times against Python's own calendar, and formats that are not taken."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landfall_spark.temporal import parse, translate

ISO = "%Y-%m-%d"
ZONED = "%Y-%m-%dT%H:%M:%S.%f%z"


def _parse(formats: list[str], kind: str, *texts: str) -> list[Any]:
    found: list[Any] = parse(pa.array(texts, pa.string()), formats, kind).to_pylist()
    return found


def _expect_date(text: str) -> date | None:
    parts = re.fullmatch("([0-9]{4})-([0-9]{2})-([0-9]{2})", text)
    try:
        return date(*(int(part) for part in parts.groups())) if parts else None
    except ValueError:
        return None


def _expect_instant(text: str) -> datetime | None:
    found = re.fullmatch(
        r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})\.([0-9]{1,6})(Z|[+-][0-9]{2}:?[0-9]{2})",
        text,
    )
    if not found:
        return None
    *parts, fraction, zone = found.groups()
    offset = timedelta()
    if zone != "Z":
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
        if int(zone[-2:]) > 59 or offset > timedelta(hours=18):
            return None
    try:
        local = datetime(*(int(part) for part in parts), int(fraction.ljust(6, "0")), tzinfo=UTC)  # type: ignore[misc]
        return local + offset if zone[0] == "-" else local - offset
    except (ValueError, OverflowError):
        return None


_NEARLY_DATES = st.builds(
    lambda year, month, day, mark: f"{year:04}{mark}{month:02}{mark}{day:02}",
    st.integers(0, 10001),
    st.integers(0, 14),
    st.integers(0, 33),
    st.sampled_from(["-", "-", "-", "/", ""]),
)
_NEARLY_INSTANTS = st.builds(
    lambda day, hour, minute, second, fraction, zone: (
        f"{day}T{hour:02}:{minute:02}:{second:02}.{fraction}{zone}"
    ),
    st.one_of(st.dates().map(str), st.sampled_from(["0001-01-01", "9999-12-31", "2023-02-29"])),
    st.integers(0, 25),
    st.integers(0, 60),
    st.integers(0, 60),
    st.text("0123456789", max_size=8),
    st.one_of(
        st.sampled_from(["Z", "", "z", "+00", "+00:0", "-00:00", "+18:01", "-1800", "+0160", "±00:00"]),
        st.builds(
            lambda sign, h, m, mark: f"{sign}{h:02}{mark}{m:02}",
            st.sampled_from("+-"),
            st.integers(0, 19),
            st.integers(0, 61),
            st.sampled_from([":", ""]),
        ),
    ),
)


@settings(max_examples=200)
@given(st.lists(st.one_of(st.dates().map(str), _NEARLY_DATES, st.text(max_size=11)), min_size=1, max_size=8))
def test_dates_are_those_of_the_calendar(texts: list[str]) -> None:
    assert _parse([ISO], "DATE", *texts) == [_expect_date(text) for text in texts]


@settings(max_examples=300)
@given(st.lists(_NEARLY_INSTANTS, min_size=1, max_size=8))
def test_instants_are_those_of_the_calendar(texts: list[str]) -> None:
    assert _parse([ZONED], "TIMESTAMP", *texts) == [_expect_instant(text) for text in texts]


@pytest.mark.parametrize("stranger", [":", "/", " ", "a", "٣", "\0"])
def test_only_digits_are_digits(stranger: str) -> None:
    sound = "1010-10-10T10:10:10.1010+10:10"
    broken = [
        sound[:place] + stranger + sound[place + 1 :] for place, byte in enumerate(sound) if byte.isdigit()
    ]
    assert _parse([ZONED], "TIMESTAMP", *broken, sound)[:-1] == [None] * len(broken)
    assert _parse([ZONED], "TIMESTAMP", sound) == [_expect_instant(sound)]


def test_every_day_of_four_centuries_is_read() -> None:
    days = [date(1899, 12, 30) + timedelta(days=index) for index in range(0, 365 * 400, 7)]
    assert _parse(["%d/%m/%Y"], "DATE", *(day.strftime("%d/%m/%Y") for day in days)) == days


def test_the_first_format_that_fits_wins() -> None:
    formats = ["%d/%m/%Y", "%m/%d/%Y", "%Y%m%d", ISO]
    texts = ["01/02/2024", "12/31/2024", "20240229", "2024-02-30", "31/12/2024", ""]
    expected = [date(2024, 2, 1), date(2024, 12, 31), date(2024, 2, 29), None, date(2024, 12, 31), None]
    assert _parse(formats, "DATE", *texts) == expected


def test_a_literal_may_be_any_text() -> None:
    assert _parse(["%d º %% de %m 漢 %Y"], "DATE", "05 º % de 02 漢 2024", "05 o % de 02 漢 2024") == [
        date(2024, 2, 5),
        None,
    ]


def test_a_fraction_counts_from_its_first_digit() -> None:
    found = _parse(
        ["%Y-%m-%d %H:%M:%S.%f"], "DATETIME", *(f"2024-01-01 00:00:00.{'5' * n}" for n in range(8))
    )
    assert [one and one.microsecond for one in found] == [
        None,
        *(int("5" * n) * 10 ** (6 - n) for n in range(1, 7)),
        None,
    ]


def test_a_time_without_its_parts_begins_the_day() -> None:
    assert _parse([ISO, "%Y-%m-%d %H"], "DATETIME", "2024-01-01", "2024-01-01 07", "2024-01-01 24") == [
        datetime(2024, 1, 1),
        datetime(2024, 1, 1, 7),
        None,
    ]


def test_an_offset_leads_to_utc_and_not_out_of_the_calendar() -> None:
    found = _parse(
        ["%Y-%m-%dT%H:%M:%S%z"],
        "TIMESTAMP",
        "2024-03-31T02:30:00-0330",
        "9999-12-31T23:30:00-01:00",
        "0001-01-01T00:30:00+01:00",
        "2024-03-31T02:30:00Z",
    )
    east = datetime(2024, 3, 31, 2, 30, tzinfo=timezone(-timedelta(hours=3, minutes=30)))
    assert found == [east, None, None, datetime(2024, 3, 31, 2, 30, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("%Y-%m", "DATE"),
        ("%Y-%m-%d %H", "DATE"),
        ("%Y-%m-%d%z", "DATETIME"),
        ("%y-%m-%d", "DATE"),
        ("%Y-%m-%d-%d", "DATE"),
        ("%Y-%m-%d%", "DATE"),
        ("%B %d %Y", "DATE"),
    ],
)
def test_formats_that_are_not_taken(text: str, kind: str) -> None:
    with pytest.raises(ValueError, match=f"a {kind} format with %Y, %m and %d"):
        translate(text, kind)
