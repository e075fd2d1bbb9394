"""Where an HTTP/1.1 message begins and ends; its bytes are passed on as they came.

Source: RFC 9112, sections 6 (message body) and 7.1 (chunks).
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

LONGEST_HEAD = 1 << 18
_PIECE = 1 << 16
_END = b"\r\n"


class FramingError(Exception):
    """What came is no HTTP/1.1 message."""


@dataclass(frozen=True)
class Head:
    """A message up to its empty line: as it came, its first line's words, its headers by lower-case name."""

    raw: bytes
    words: tuple[str, ...]
    headers: dict[str, str]

    @property
    def is_chunked(self) -> bool:
        return self.headers.get("transfer-encoding", "").lower().endswith("chunked")

    @property
    def length(self) -> int | None:
        """Bytes of the body, where a header says so."""
        text = self.headers.get("content-length", "")
        return int(text) if text.isdigit() else None

    @property
    def has_body(self) -> bool:
        """Whether a request brings a body."""
        return self.is_chunked or bool(self.length)

    @property
    def is_last(self) -> bool:
        """Whether its sender closes the connection behind this message."""
        connection = self.headers.get("connection", "").lower()
        return "close" in connection or ("HTTP/1.0" in self.words and "keep-alive" not in connection)


def parse_head(raw: bytes) -> Head:
    """Read a head. Raises FramingError."""
    first, *lines = raw.decode("latin-1").rstrip("\r\n").split("\r\n")
    words = tuple(first.split(" ", 2))
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    if len(words) < 2 or not any(word.startswith("HTTP/1.") for word in words):
        raise FramingError(f"expected the first line of an HTTP/1.1 message, found {first[:80]!r}")
    return Head(raw, words, headers)


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """The next message's head; None where the sender is done. Raises FramingError, IncompleteReadError."""
    try:
        return parse_head(await reader.readuntil(_END + _END))
    except asyncio.IncompleteReadError as error:
        if not error.partial:
            return None
        raise
    except asyncio.LimitOverrunError as error:
        raise FramingError(f"expected a head of at most {LONGEST_HEAD} bytes, found more") from error


async def request_body(head: Head, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """The pieces of a request's body, chunk sizes among them."""
    if head.is_chunked:
        async for piece in _chunks(reader):
            yield piece
    elif head.length:
        async for piece in _exactly(head.length, reader):
            yield piece


async def answer_body(method: str, head: Head, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """The pieces of the body of an answer to `method`; without a length, all up to the connection's end."""
    if method == "HEAD" or head.words[1] in ("204", "304"):
        return
    if head.is_chunked or head.length is not None:
        async for piece in request_body(head, reader):
            yield piece
        return
    while piece := await reader.read(_PIECE):
        yield piece


def ends_connection(method: str, head: Head) -> bool:
    """Whether the connection cannot be used any more behind this answer."""
    is_bare = method == "HEAD" or head.words[1] in ("204", "304")
    return head.is_last or not (is_bare or head.is_chunked or head.length is not None)


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while True:
        line = await reader.readuntil(_END)
        yield line
        try:
            size = int(line.split(b";")[0], 16)
        except ValueError as error:
            raise FramingError(f"expected the size of a chunk, found {line[:20]!r}") from error
        if not size:
            break
        async for piece in _exactly(size + len(_END), reader):
            yield piece
    while True:  # trailers, and the empty line
        line = await reader.readuntil(_END)
        yield line
        if line == _END:
            return


async def _exactly(size: int, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while size:
        piece = await reader.read(min(size, _PIECE))
        if not piece:
            raise asyncio.IncompleteReadError(b"", size)
        size -= len(piece)
        yield piece
