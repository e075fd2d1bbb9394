"""Columns of text as bytes: what NumPy sees of an Arrow string array without a copy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Text:
    """The UTF-8 bytes of strings, none of them null, and where each begins; lengths count bytes."""

    data: NDArray[np.uint8]
    starts: NDArray[np.int32]
    lengths: NDArray[np.int32]

    @cached_property
    def longest(self) -> int:
        """The length of the longest string; 0 without strings."""
        return int(self.lengths.max(initial=0))

    @cached_property
    def region(self) -> NDArray[np.uint8]:
        """The bytes of all strings, one after another."""
        if not len(self.starts):
            return self.data[:0]
        return self.data[self.starts[0] : self.starts[-1] + self.lengths[-1]]

    def find(self, token: str) -> NDArray[np.intp]:
        """Return the places of the strings that equal the token."""
        wanted = token.encode()
        places = np.flatnonzero(self.lengths == len(wanted))
        for index, byte in enumerate(wanted):
            places = places[self.data[self.starts[places] + index] == byte]
        return places

    def equals_any(self, tokens: Iterable[str]) -> Mask:
        """Tell which strings equal one of the tokens."""
        found = np.zeros(len(self.lengths), np.bool_)
        for token in tokens:
            found[self.find(token)] = True
        return found


def view(array: pa.StringArray) -> Text:
    """See the array's bytes; it holds no nulls."""
    _, offsets, data = array.buffers()
    if offsets is None or not len(array):
        return Text(np.zeros(0, np.uint8), np.zeros(0, np.int32), np.zeros(0, np.int32))
    ends = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]
    # A buffer without bytes may be absent.
    content = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    return Text(content, ends[:-1], np.diff(ends))


def scatter(values: pa.Array, mask: Mask) -> pa.Array:
    """Spread values over the true places of the mask; the others are null."""
    places = np.cumsum(mask, dtype=np.int32) - 1
    return values.take(pa.array(places, mask=~mask))


def to_mask(answers: pa.BooleanArray) -> Mask:
    """Return Arrow's answers as a mask, null as false."""
    if answers.null_count:
        answers = answers.fill_null(False)
    found: Mask = answers.to_numpy(zero_copy_only=False)
    return found


def present(array: pa.Array) -> Mask:
    """Tell which values are not null."""
    return to_mask(array.is_valid())


def contains(array: pa.StringArray, character: str) -> bool:
    """Tell whether any of the strings holds the character."""
    text, wanted = view(array), character.encode()
    if len(wanted) == 1:
        return bool((text.region == wanted[0]).any())
    return wanted in text.region.tobytes()
