"""Date and time formats: strptime-like in a contract, fixed-width layouts for NumPy.

Strict on purpose: every directive has its full number of digits, nothing may stand before or after, and the
calendar is the Gregorian one from year 1 to 9999. A format with %f or %z has a layout for each width.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from landfall_spark import strings
from landfall_spark.strings import Mask, Text

_WIDTHS = {"%Y": 4, "%m": 2, "%d": 2, "%H": 2, "%M": 2, "%S": 2}
_HIGHEST = {"%H": 23, "%M": 59, "%S": 59}
_FRACTIONS = range(1, 7)
_ZONES = ("Z", "±00:00", "±0000")
# What java.time and BigQuery take at most.
_MAX_OFFSET = 18 * 60

_DATE = ("%Y", "%m", "%d")
_TIME = ("%H", "%M", "%S", "%f")
_ALLOWED = {"DATE": _DATE, "DATETIME": _DATE + _TIME, "TIMESTAMP": (*_DATE, *_TIME, "%z")}
_TYPES = {"DATETIME": pa.timestamp("us"), "TIMESTAMP": pa.timestamp("us", tz="UTC")}

# Days since 1970 of the first of every month from year 1 on, and how many days the month has.
_MONTHS = np.arange("0001-01", "10000-02", dtype="datetime64[M]").astype("datetime64[D]").astype(np.int32)
_FIRST_DAY, _LENGTH = _MONTHS[:-1], np.diff(_MONTHS)
_DAY = 24 * 60 * 60 * 10**6
_FIRST_INSTANT, _END_OF_TIME = int(_MONTHS[0]) * _DAY, int(_MONTHS[-1]) * _DAY

_Bytes = Callable[[int], NDArray[np.uint8]]


@dataclass(frozen=True)
class Layout:
    """One way to write a date or time in `width` bytes.

    `numbers` are the directives, each with its first byte and its digits; `literals` are the bytes that must
    be there; `zone` is the form of the offset, at the byte `zone_at`.
    """

    width: int
    numbers: tuple[tuple[str, int, int], ...]
    literals: tuple[tuple[int, int], ...]
    zone: str = ""
    zone_at: int = 0


def translate(text: str, kind: str) -> list[Layout]:
    """Translate a strptime-like format for a DATE, DATETIME or TIMESTAMP into its layouts.

    ValueError says what a format of that type may hold.
    """
    parts = re.findall(r"%.|[^%]+|%$", text, re.DOTALL)
    directives = [part for part in parts if part.startswith("%") and part != "%%"]
    allowed = _ALLOWED[kind]
    if len(set(directives)) != len(directives) or not set(_DATE) <= set(directives) <= set(allowed):
        raise ValueError(f"a {kind} format with %Y, %m and %d, and each of {', '.join(allowed)} at most once")
    fractions = _FRACTIONS if "%f" in directives else (0,)
    zones = _ZONES if "%z" in directives else ("",)
    return [_layout(parts, fraction, zone) for fraction, zone in product(fractions, zones)]


def parse(array: pa.StringArray, formats: Sequence[str], kind: str) -> pa.Array:
    """Parse strings, none of them null, by the first format that fits; null where none does."""
    text = strings.view(array)
    layouts = [layout for format_ in formats for layout in translate(format_, kind)]
    values, fits = np.zeros(len(array), np.int64), np.zeros(len(array), np.bool_)
    widths = np.bincount(np.minimum(text.lengths, max(layout.width for layout in layouts) + 1))
    for layout in layouts:
        if layout.width >= len(widths) or not widths[layout.width]:
            continue
        rows = np.flatnonzero((text.lengths == layout.width) & ~fits)
        if len(rows):
            values[rows], fits[rows] = _read(_open(text, rows, layout.width), layout, kind)
    return _build(values, fits, kind)


def _layout(parts: Sequence[str], fraction: int, zone: str) -> Layout:
    numbers, literals, place, zone_at = [], [], 0, 0
    for part in parts:
        if part == "%z":
            zone_at, place = place, place + len(zone)
        elif part == "%f" or part in _WIDTHS:
            digits = _WIDTHS.get(part, fraction)
            numbers.append((part, place, digits))
            place += digits
        else:
            content = b"%" if part == "%%" else part.encode()
            literals += [(place + index, byte) for index, byte in enumerate(content)]
            place += len(content)
    return Layout(place, tuple(numbers), tuple(literals), zone, zone_at)


def _open(text: Text, rows: NDArray[np.intp], width: int) -> _Bytes:
    """Give access to the rows' bytes by place: side by side where all rows are of one width."""
    if len(rows) == len(text.starts):
        table = text.region.reshape(-1, width)
        return lambda place: table[:, place]
    starts = text.starts[rows]
    return lambda place: text.data[starts + place]


def _read(at: _Bytes, layout: Layout, kind: str) -> tuple[NDArray[np.int64], Mask]:
    found: dict[str, NDArray[np.int64]] = {}
    fits = np.ones(len(at(0)), np.bool_)
    for place, byte in layout.literals:
        fits &= at(place) == byte
    for directive, place, digits in layout.numbers:
        found[directive] = _number(at, place, digits, fits)
    days = _days(found["%Y"], found["%m"], found["%d"], fits)
    if kind == "DATE":
        return days, fits
    for directive, highest in _HIGHEST.items():
        if directive in found:
            fits &= found[directive] <= highest
    instants = days * _DAY + _micros(found, layout) - _offset(at, layout, fits) * (60 * 10**6)
    # An offset can carry the first and the last day out of the years that BigQuery has.
    fits &= (instants >= _FIRST_INSTANT) & (instants < _END_OF_TIME)
    return instants, fits


def _number(at: _Bytes, place: int, digits: int, fits: Mask) -> NDArray[np.int64]:
    """Read a number, and note in `fits` where it is none."""
    number = np.zeros(len(fits), np.int32)
    for index in range(place, place + digits):
        digit = at(index) - np.uint8(ord("0"))
        fits &= digit <= 9
        number = number * 10 + digit
    return number.astype(np.int64)


def _days(
    years: NDArray[np.int64], months: NDArray[np.int64], days: NDArray[np.int64], fits: Mask
) -> NDArray[np.int64]:
    """Return the days since 1970, and note in `fits` where the calendar has no such day."""
    fits &= (years >= 1) & (years <= 9999) & (months >= 1) & (months <= 12) & (days >= 1)
    month = np.where(fits, (years - 1) * 12 + months - 1, 0)
    fits &= days <= _LENGTH[month]
    return _FIRST_DAY[month].astype(np.int64) + days - 1


def _micros(found: dict[str, NDArray[np.int64]], layout: Layout) -> NDArray[np.int64]:
    fraction = {directive: digits for directive, _, digits in layout.numbers}.get("%f", 0)
    units = {"%H": 3600 * 10**6, "%M": 60 * 10**6, "%S": 10**6, "%f": 10 ** (6 - fraction)}
    micros = np.zeros(len(found["%Y"]), np.int64)
    for directive, unit in units.items():
        if directive in found:
            micros += found[directive] * unit
    return micros


def _offset(at: _Bytes, layout: Layout, fits: Mask) -> NDArray[np.int64]:
    """Return the offset from UTC in minutes, and note in `fits` where there is none."""
    place = layout.zone_at
    if layout.zone in ("", "Z"):
        if layout.zone:
            fits &= at(place) == ord("Z")
        return np.zeros(len(fits), np.int64)
    minutes_at = place + len(layout.zone) - 2
    if ":" in layout.zone:
        fits &= at(minutes_at - 1) == ord(":")
    hours, minutes = _number(at, place + 1, 2, fits), _number(at, minutes_at, 2, fits)
    sign, offset = at(place), hours * 60 + minutes
    fits &= ((sign == ord("+")) | (sign == ord("-"))) & (minutes <= 59) & (offset <= _MAX_OFFSET)
    return np.where(sign == ord("-"), -offset, offset)


def _build(values: NDArray[np.int64], fits: Mask, kind: str) -> pa.Array:
    mask = None if fits.all() else ~fits
    if kind == "DATE":
        return pa.array(values.astype(np.int32), mask=mask).cast(pa.date32())
    return pa.array(values, mask=mask).cast(_TYPES[kind])
