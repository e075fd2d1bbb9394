"""Take fields out of text, as Arrow arrays: without their quotes, and with what is damaged marked as such."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from landfall_spark.tokens import Bytes, Dialect, Marks, Places

_REPLACEMENT = np.frombuffer("\ufffd".encode(), np.uint8)
_FIRST, _LATER = "\udc80", "\udc81"


def _mark(problem: UnicodeError) -> tuple[str | bytes, int]:
    """Stand in for undecodable bytes, one surrogate a byte: no text that can be decoded holds any."""
    if not isinstance(problem, UnicodeDecodeError):
        raise problem
    return _FIRST + _LATER * (problem.end - problem.start - 1), problem.end


codecs.register_error("landfall.mark", _mark)


@dataclass(frozen=True)
class Damage:
    """Places of bytes that are no UTF-8."""

    first: Places  # each stands for a character
    later: Places  # more of the same character


def find_damage(text: bytes) -> Damage:
    """Find what is no UTF-8, one character where Python's decoder sees one."""
    if not text.isascii():
        try:
            text.decode("utf-8")
        except UnicodeDecodeError:
            return _locate_damage(text)
    return Damage(np.empty(0, np.int32), np.empty(0, np.int32))


def _locate_damage(text: bytes) -> Damage:
    decoded = text.decode("utf-8", "landfall.mark")
    characters = np.frombuffer(decoded.encode("utf-32-le", "surrogatepass"), np.uint32)
    first, later = characters == ord(_FIRST), characters == ord(_LATER)
    sizes = np.ones(len(characters), np.int8)
    for bound in (0x80, 0x800, 0x10000):
        sizes += characters >= bound
    sizes[first | later] = 1
    places = np.cumsum(sizes, dtype=np.int32) - sizes
    return Damage(places[first], places[later])


def cut_fields(
    text: bytes, marks: Marks, dialect: Dialect, first: Places, wanted: Sequence[int], damage: Damage
) -> dict[int, pa.StringArray]:
    """Return the fields at the positions `wanted` of records that have them.

    `first` has the index in `marks.ends` of each record's first field. `text` ends with `marks.stop`.
    """
    data = np.frombuffer(text, np.uint8)
    bounds = _bound(data, marks, dialect)
    values: Bytes = data
    if len(marks.cuts) or len(damage.first):
        values, bounds = _rewrite(data, bounds, marks.cuts, damage)
    # Between any two fields lies one more, which nobody asks for.
    texts = pa.StringArray.from_buffers(len(bounds) - 1, pa.py_buffer(bounds), pa.py_buffer(values))
    return {position: texts.take(pa.array(2 * (first + position))) for position in wanted}


def _bound(data: Bytes, marks: Marks, dialect: Dialect) -> Places:
    """Return where each field begins and where it ends, in turn."""
    bounds = np.zeros(2 * len(marks.ends) + 1, np.int32)
    bounds[1::2] = marks.ends
    bounds[2::2] = marks.ends + 1
    starts, stops = bounds[:-1:2], bounds[1::2]
    stops[marks.lines] -= marks.returns
    if marks.quoted:
        opened = data[starts] == dialect.quote
        starts += opened
        stops -= opened
    return bounds


def _rewrite(data: Bytes, bounds: Places, cuts: Places, damage: Damage) -> tuple[Bytes, Places]:
    """Leave out bytes that are no data, put U+FFFD for damage, and move the bounds accordingly."""
    sizes = np.ones(len(data), np.int8)
    sizes[cuts] = 0
    sizes[damage.later] = 0
    sizes[damage.first] = len(_REPLACEMENT)
    places = np.zeros(len(data) + 1, np.int32)
    np.cumsum(sizes, dtype=np.int32, out=places[1:])
    if not len(damage.first):
        return data[sizes.view(np.bool_)], places[bounds]
    values = np.repeat(data, sizes)
    values[places[damage.first][:, None] + np.arange(len(_REPLACEMENT))] = _REPLACEMENT
    return values, places[bounds]
