"""Look at the first bytes of a file before Spark reads it, and decide whether it can be read at all."""

from __future__ import annotations

import csv
import io
import zlib
from dataclasses import dataclass

from landfall_spark.pipeline import Pipeline

# Enough to see a header and some rows; a longer header widens it (see head_length).
HEAD_BYTES = 64 * 1024
# A text with a few damaged characters is a text: its damaged rows are rejected one by one. A tenth is noise.
MAX_UNDECODABLE_SHARE = 0.1
MAX_DETAIL = 1000

EMPTY_FILE = "empty_file"
NOT_TEXT = "not_text"
HEADER_MISMATCH = "header_mismatch"
UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Refusal:
    """Why a whole file is rejected: a reason of metrics.json and a sentence about it."""

    reason: str
    detail: str


def head_length(pipeline: Pipeline) -> int:
    """Return how many bytes of a file must be seen: four times the expected header at least."""
    return max(HEAD_BYTES, 4 * len(",".join(pipeline.header).encode()))


def inspect(name: str, size: int, head: bytes, pipeline: Pipeline) -> Refusal | None:
    """Decide from the first bytes of the file `name` of `size` bytes; None: Spark may read it."""
    if size == 0:
        return Refusal(EMPTY_FILE, "expected a header line, found a file of 0 bytes")
    if name.endswith(".gz"):
        try:
            text, whole = _decompress(head, head_length(pipeline)), len(head) == size
        except zlib.error as problem:
            return Refusal(UNREADABLE, f"expected gzip, found bytes that zlib does not take: {problem}")
        if text.truncated and whole:
            return Refusal(UNREADABLE, "expected a whole gzip file, found one that ends too early")
        if not text.content and whole:
            return Refusal(EMPTY_FILE, "expected a header line, found gzip of 0 bytes")
        head = text.content
    return _inspect_text(head, pipeline)


def _inspect_text(head: bytes, pipeline: Pipeline) -> Refusal | None:
    if head.startswith(b"\x1f\x8b"):
        return Refusal(NOT_TEXT, "expected text, found gzip: name the file .csv.gz")
    if b"\0" in head:
        return Refusal(NOT_TEXT, f"expected UTF-8 text, found a NUL byte at offset {head.index(0)}")
    # A character cut in two by the end of the head is no damage: at most 3 of its 4 bytes are there.
    text = head.decode("utf-8-sig", errors="replace")
    damaged = text[:-3].count("\ufffd")
    header = text.partition("\n")[0]
    if "\ufffd" in header or damaged > MAX_UNDECODABLE_SHARE * len(text):
        return Refusal(
            NOT_TEXT, f"expected UTF-8 text, found {damaged} undecodable bytes near the start of the file"
        )
    found = _parse_header(text, pipeline)
    if found != pipeline.header:
        return Refusal(HEADER_MISMATCH, _describe_difference(pipeline.header, found))
    return None


def _parse_header(text: str, pipeline: Pipeline) -> list[str]:
    # Lines end in \n or \r\n, as for Spark; the csv module calls a lone \r an error, and so it is here.
    lines = io.StringIO(text, newline="\n")
    dialect = pipeline.format
    try:
        return next(csv.reader(lines, delimiter=dialect.delimiter, quotechar=dialect.quote), [])
    except csv.Error:
        return []


def _describe_difference(expected: list[str], found: list[str]) -> str:
    """Say how a header differs. A line that is mostly unknown may be data: its text is not repeated."""
    known = [name for name in found if name in expected]
    if 2 * len(known) < len(found) or not known:
        text = (
            f"found {len(found)} fields, {len(known)} of them columns of the contract: is the header missing?"
        )
    else:
        differences = {
            "missing": [name for name in expected if name not in found],
            "unknown": [name for name in found if name not in expected],
            "repeated": sorted({name for name in found if found.count(name) > 1}),
        }
        parts = [f"{kind} {', '.join(names)}" for kind, names in differences.items() if names]
        text = f"found {len(found)} columns: " + ("; ".join(parts) or "the same ones in another order")
    text = f"{text}; expected {len(expected)} columns in this order: {', '.join(expected)}"
    return text if len(text) <= MAX_DETAIL else text[: MAX_DETAIL - 3] + "..."


@dataclass(frozen=True)
class _Decompressed:
    content: bytes
    truncated: bool


def _decompress(head: bytes, length: int) -> _Decompressed:
    """Decompress at most `length` bytes; gzip files may be several members one after another."""
    content, rest, finished = b"", head, False
    while rest and len(content) < length:
        member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        content += member.decompress(rest, length - len(content))
        finished, rest = member.eof, member.unused_data
    return _Decompressed(content, truncated=not finished and len(content) < length)
