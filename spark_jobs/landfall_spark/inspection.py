"""Look at the first bytes of a file before it is read, and decide how, or whether, it can be read at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from landfall_spark import text
from landfall_spark.fields import find_damage
from landfall_spark.header import Layout, headerless, match
from landfall_spark.pipeline import Pipeline
from landfall_spark.records import Block, read_blocks
from landfall_spark.refusal import EMPTY_FILE, HEADER_MISMATCH, NOT_TEXT, Unreadable
from landfall_spark.refusal import Refusal as Refusal
from landfall_spark.tokens import Dialect, Lines, scan

# Enough to see a header and some rows; a longer header widens it (see head_length).
HEAD_BYTES = 64 * 1024
# A text with a few damaged characters is a text: its damaged rows are rejected one by one. A tenth is noise.
MAX_DAMAGED_SHARE = 0.1


@dataclass(frozen=True)
class Readable:
    """A file that can be read: how its fields map to the contract, and where its first record begins."""

    layout: Layout
    offset: int  # in bytes of its text
    start: int  # in bytes of the file; of no use where the file is not divisible


def head_length(contract: Pipeline) -> int:
    """Return how many bytes of a file must be seen: four times the expected header, in any encoding."""
    return max(HEAD_BYTES, 8 * len(",".join(contract.header).encode()))


def inspect(name: str, size: int, head: bytes, contract: Pipeline) -> Readable | Refusal:
    """Decide from the first bytes of the file `name` of `size` bytes how it is read."""
    if size == 0:
        return Refusal(EMPTY_FILE, "expected a header line, found a file of 0 bytes")
    if head.startswith(b"\x1f\x8b") and not name.endswith(".gz"):
        return Refusal(NOT_TEXT, "expected text, found gzip: name the file .csv.gz")
    try:
        content, whole = _read_head(name, head, len(head) >= size, contract)
    except Unreadable as problem:
        return problem.refusal
    if not content and name.endswith(".gz"):
        return Refusal(EMPTY_FILE, "expected a header line, found gzip of 0 bytes")
    found = _inspect_text(content, whole, contract)
    if isinstance(found, Refusal):
        return found
    layout, offset = found
    return Readable(layout, offset, _measure(head, content[:offset], contract))


def _read_head(name: str, head: bytes, whole: bool, contract: Pipeline) -> tuple[bytes, bool]:
    """Return the beginning of the text, and whether it is all of it."""
    length, content = head_length(contract), b""
    try:
        for chunk in text.decode([head], name, contract.format):
            content += chunk
            if len(content) > length:
                return content[:length], False
    except Unreadable as problem:
        if whole or problem.refusal is not text.TRUNCATED:
            raise
    return content, whole


def _inspect_text(content: bytes, whole: bool, contract: Pipeline) -> tuple[Layout, int] | Refusal:
    """Return the layout and where the first record begins."""
    damaged = len(find_damage(content[: None if whole else -3]).first) + content.count(0)
    if damaged > MAX_DAMAGED_SHARE * len(content):
        return _describe_damage(damaged, contract)
    offset = _skip_directive(content, contract)
    if not contract.format.header:
        return headerless(contract), offset
    header, length = _read_header(content[offset:], whole, contract)
    if header is None:
        return Refusal(
            HEADER_MISMATCH, f"expected a header line, found none in the first {len(content)} bytes"
        )
    if any(header.damaged) or any(torn.damaged for torn in header.torn):
        return _describe_damage(damaged, contract)
    layout = match(_list_names(header), contract)
    return layout if isinstance(layout, Refusal) else (layout, offset + length)


def _describe_damage(damaged: int, contract: Pipeline) -> Refusal:
    return Refusal(
        NOT_TEXT,
        f"expected {contract.format.encoding} text, found {damaged} undecodable or NUL bytes near the start "
        "of the file",
    )


def _skip_directive(content: bytes, contract: Pipeline) -> int:
    """Return the length of a first line that only tells Excel the delimiter."""
    line, end, _ = content.partition(b"\n")
    directive = f"sep={contract.format.delimiter}".encode()
    return len(line) + len(end) if line.removesuffix(b"\r") == directive else 0


def _read_header(content: bytes, whole: bool, contract: Pipeline) -> tuple[Block | None, int]:
    """Return the first record, and where it ends; None: there is none to be seen."""
    marks = scan(content + b"\n" if whole else content, Dialect.of(contract.format), whole)
    lines = Lines.of(marks)
    filled = np.flatnonzero(lines.lengths)
    if not len(filled):
        return None, 0
    start, length, width = (int(array[filled[0]]) for array in (lines.starts, lines.lengths, lines.counts))
    stop = int(marks.ends[marks.lines[filled[0]]]) + 1
    layout = Layout(width, tuple(range(width)), (), ())
    header = next(read_blocks([content[start : start + length]], layout, contract.format))
    return header, min(stop, len(content))


def _list_names(header: Block) -> Sequence[str]:
    return [column[0].as_py() for column in header.fields if column is not None and len(column)]


def _measure(head: bytes, before: bytes, contract: Pipeline) -> int:
    """Return how many bytes of the file stand for the text `before` its first record."""
    mark = text.mark_length(head, contract.format)
    if contract.format.encoding == "UTF-8":
        return mark + len(before)
    return len(before.decode("utf-8", "replace"))
