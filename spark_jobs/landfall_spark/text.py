"""Turn the bytes of a file into its text: UTF-8 without a byte order mark, in chunks, however it is stored.

What the file's encoding does not allow becomes bytes that are no UTF-8, so that one check finds all damage.
"""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from landfall_spark.pipeline import Format
from landfall_spark.refusal import NOT_TEXT, TOO_LARGE, UNREADABLE, Refusal, Unreadable

TRUNCATED = Refusal(UNREADABLE, "expected a whole gzip file, found one that ends too early")
_DAMAGED = Refusal(UNREADABLE, "expected gzip, found bytes that cannot be decompressed")
_NO_MARK = Refusal(
    NOT_TEXT, "expected UTF-16 with a byte order mark (FF FE or FE FF), found a file without one"
)
# Decompressed at a time: a bomb must not fill the memory.
_CHUNK_BYTES = 1024 * 1024
_SINGLE_BYTE = {"ISO-8859-1": "iso-8859-1", "windows-1252": "cp1252"}
_SURROGATE = re.compile("[\ud800-\udfff]")
# What a lone surrogate, or half a character at the end, becomes.
_DAMAGE = b"\xff"


def is_divisible(name: str, format: Format) -> bool:
    """Say whether the file can be read from any line end on."""
    return not name.endswith(".gz") and format.encoding != "UTF-16"


def mark_length(head: bytes, format: Format) -> int:
    """Return the length of the byte order mark that a divisible file begins with, in bytes."""
    return 3 if format.encoding == "UTF-8" and head.startswith(codecs.BOM_UTF8) else 0


def decode(chunks: Iterable[bytes], name: str, format: Format) -> Iterator[bytes]:
    """Yield the text of the whole file `name`; Unreadable where it turns out to be none."""
    if name.endswith(".gz"):
        chunks = _decompress(chunks, format.max_text_bytes)
    if format.encoding == "UTF-16":
        return _decode_utf16(chunks)
    if format.encoding == "UTF-8":
        return _drop_mark(chunks)
    return decode_range(chunks, format)


def decode_range(chunks: Iterable[bytes], format: Format) -> Iterator[bytes]:
    """Yield the text of a part of a divisible file, without a mark."""
    encoding = _SINGLE_BYTE.get(format.encoding)
    for chunk in chunks:
        if encoding is None or chunk.isascii():
            yield chunk
        else:
            # The few bytes that windows-1252 leaves undefined stay as they are: none is UTF-8 by itself.
            yield chunk.decode(encoding, "surrogateescape").encode("utf-8", "surrogateescape")


def skip(text: Iterable[bytes], count: int) -> Iterator[bytes]:
    """Yield the text from its byte `count` on."""
    for chunk in text:
        if count < len(chunk):
            yield chunk[count:]
        count = max(0, count - len(chunk))


def _decompress(chunks: Iterable[bytes], limit: int) -> Iterator[bytes]:
    """Decompress gzip members, one after another; zeros after a member are padding."""
    member, size = _open_member(), 0
    for chunk in chunks:
        while chunk:
            if member.eof:
                chunk = chunk.lstrip(b"\0")
                if not chunk:
                    break
                member = _open_member()
            try:
                text = member.decompress(chunk, _CHUNK_BYTES)
            except zlib.error:
                raise Unreadable(_DAMAGED) from None
            chunk = member.unused_data if member.eof else member.unconsumed_tail
            size += len(text)
            if size > limit:
                raise Unreadable(_too_large(limit))
            yield text
    if not member.eof:
        raise Unreadable(TRUNCATED)


def _open_member() -> Any:
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)


def _too_large(limit: int) -> Refusal:
    detail = f"expected at most {limit} bytes once decompressed, found more: see max_text_bytes"
    return Refusal(TOO_LARGE, detail)


def _drop_mark(chunks: Iterable[bytes]) -> Iterator[bytes]:
    head, rest = _take(chunks, 3)
    yield head.removeprefix(codecs.BOM_UTF8)
    yield from rest


def _decode_utf16(chunks: Iterable[bytes]) -> Iterator[bytes]:
    head, rest = _take(chunks, 2)
    encodings = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
    if head[:2] not in encodings:
        raise Unreadable(_NO_MARK)
    decoder = codecs.getincrementaldecoder(encodings[head[:2]])("surrogatepass")
    for chunk in chain([head[2:]], rest):
        yield _encode(decoder.decode(chunk))
    if decoder.getstate()[0]:
        yield _DAMAGE


def _encode(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return _SURROGATE.sub("\udcff", text).encode("utf-8", "surrogateescape")


def _take(chunks: Iterable[bytes], length: int) -> tuple[bytes, Iterator[bytes]]:
    """Return at least the first `length` bytes, where there are so many, and the chunks after them."""
    rest, head = iter(chunks), b""
    while len(head) < length and (chunk := next(rest, None)) is not None:
        head += chunk
    return head, rest
