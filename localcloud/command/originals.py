"""The text of an archived file, and records cut out of it as they came. Pure.

Offsets and lengths count bytes as the Spark job counts them: of the unzipped text, in UTF-8, without a byte
order mark. What cannot be decoded is bytes that are no UTF-8 in the text; they come back as what stood there,
but half of a pair of UTF-16 as U+FFFD.
"""

import codecs
import gzip
import re
from collections.abc import Iterator
from typing import BinaryIO

from localcloud.command.datasets import Dialect

CHUNK_BYTES = 1 << 20
_HALF = re.compile("[\ud800-\udfff]")


class ShortTextError(Exception):
    """The text ends before the record that was asked for."""


def read_text(stream: BinaryIO, encoding: str, zipped: bool) -> Iterator[bytes]:
    """The text of a file in chunks; unless it is UTF-8 anyway, no character is cut in two."""
    source = gzip.GzipFile(fileobj=stream) if zipped else stream
    chunks = iter(lambda: source.read(CHUNK_BYTES), b"")
    return _without_mark(chunks) if _is_utf8(encoding) else _decode(chunks, encoding)


def to_original(text: bytes, encoding: str) -> bytes:
    """A piece of a text as it stood in its file; a byte order mark is not its part."""
    if _is_utf8(encoding):
        return text
    if _is_utf16(encoding):
        return text.decode("utf-8", "replace").encode("utf-16-le")
    return text.decode("utf-8", "surrogateescape").encode(encoding, "surrogateescape")


def mark_of(encoding: str) -> bytes:
    """What a file in this encoding begins with, so that the bytes of `to_original` can be read."""
    return codecs.BOM_UTF16_LE if _is_utf16(encoding) else b""


def find_header(head: bytes, dialect: Dialect) -> bytes:
    """The first record of a text without its line end; empty lines and Excel's `sep=` are no records."""
    start = 0
    while start < len(head):
        end = _record_end(head, start, dialect)
        record = head[start:end].removesuffix(b"\r")
        if record and (start or record != b"sep=" + dialect.delimiter.encode()):
            return record
        start = end + 1
    return b""


class Cutter:
    """Cuts records out of a text that is read once, from its beginning to its end."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._chunk = b""
        self._begins = 0  # where the chunk lies in the text

    def cut(self, offset: int, length: int) -> Iterator[bytes]:
        """The record at `offset`, in pieces, since it may be of any length; offsets must not go back."""
        end = offset + length
        while offset < end:
            while offset >= self._begins + len(self._chunk):
                self._begins += len(self._chunk)
                chunk = next(self._chunks, None)
                if chunk is None:
                    raise ShortTextError(f"the text has {self._begins} bytes")
                self._chunk = chunk
            piece = self._chunk[offset - self._begins : end - self._begins]
            offset += len(piece)
            yield piece


def _without_mark(chunks: Iterator[bytes]) -> Iterator[bytes]:
    first = next(chunks, b"")
    yield first.removeprefix(codecs.BOM_UTF8)
    yield from chunks


def _decode(chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)(
        "surrogatepass" if _is_utf16(encoding) else "surrogateescape"
    )
    for chunk in chunks:
        text = decoder.decode(chunk)
        # The job gives half of a pair the byte FF.
        yield (_HALF.sub("\udcff", text) if _is_utf16(encoding) else text).encode("utf-8", "surrogateescape")


def _record_end(text: bytes, start: int, dialect: Dialect) -> int:
    """Where the line end of the record stands that begins at `start`, or the end of the text."""
    delimiter = dialect.delimiter.encode()
    quote, escape = dialect.quote.encode(), (dialect.escape or "").encode()
    escaped = tuple(filter(None, (quote, escape, delimiter, b"\r", b"\n")))
    at, at_field_start, quoted = start, True, False
    while at < len(text):
        if escape and text.startswith(escape, at) and text.startswith(escaped, at + len(escape)):
            at, at_field_start = at + len(escape) + 1, False
        elif quoted:
            if text.startswith(quote * 2, at):
                at += 2 * len(quote)
            else:
                quoted = not text.startswith(quote, at)
                at += 1
        elif text.startswith(b"\n", at):
            return at
        elif text.startswith(delimiter, at):
            at, at_field_start = at + len(delimiter), True
        else:
            quoted = bool(quote) and at_field_start and text.startswith(quote, at)
            at, at_field_start = at + 1, False
    return len(text)


def _is_utf8(encoding: str) -> bool:
    return codecs.lookup(encoding).name == "utf-8"


def _is_utf16(encoding: str) -> bool:
    return codecs.lookup(encoding).name == "utf-16"
