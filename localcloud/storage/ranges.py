"""Byte ranges: of a download (`Range`) and of a resumable upload (`Content-Range`)."""

import re
from dataclasses import dataclass

from localcloud.storage.errors import InvalidError, RangeNotSatisfiableError

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


@dataclass(frozen=True)
class Span:
    """Bytes `first` to `last`, both included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1


def requested_span(header: str | None, size: int) -> Span | None:
    """Read a `Range` header for an object of `size` bytes; None asks for the whole object.

    A header that is malformed or names several ranges is ignored, as RFC 9110 allows. Raises
    RangeNotSatisfiableError.
    """
    match = _RANGE.fullmatch((header or "").strip())
    if not match or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if first == "":
        span = Span(max(0, size - int(last)), size - 1)
    else:
        span = Span(int(first), min(int(last), size - 1) if last else size - 1)
        if last and int(last) < int(first):
            return None
    if span.first >= size:
        raise RangeNotSatisfiableError(size)
    return span


@dataclass(frozen=True)
class UploadRange:
    """What a chunk of a resumable upload is: no `span` asks for the status, no `total` means unknown."""

    span: Span | None
    total: int | None


def upload_range(header: str) -> UploadRange:
    """Read a `Content-Range` header. Raises InvalidError.

    It is one of `bytes a-b/total`, `bytes a-b/*`, `bytes */total` and `bytes */*`.
    """
    match = _CONTENT_RANGE.fullmatch(header.strip())
    if not match:
        raise InvalidError(f"Invalid Content-Range header: expected 'bytes a-b/total', found {header!r}.")
    first, last, total = match.groups()
    span = Span(int(first), int(last)) if first is not None else None
    known = None if total == "*" else int(total)
    if span and (span.length < 1 or (known is not None and span.last >= known)):
        raise InvalidError(
            f"Invalid Content-Range header: expected a range within the total, found {header!r}."
        )
    return UploadRange(span, known)
