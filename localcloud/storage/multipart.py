"""Multipart bodies: `multipart/related` uploads and `multipart/mixed` batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser, HeaderParser
from http import HTTPStatus

from localcloud.storage.errors import InvalidError


@dataclass(frozen=True)
class Related:
    """A multipart upload taken apart: metadata as JSON, the media's own Content-Type, its exact bytes."""

    metadata: bytes
    media_type: str | None
    media: memoryview


@dataclass(frozen=True)
class Part:
    """One request, or one answer, of a batch."""

    content_id: str
    head: str
    headers: dict[str, str]
    body: bytes


def parse_related(content_type: str, body: bytes) -> Related:
    """Take a multipart upload apart without copying its media. Raises InvalidError.

    The media ends at the last boundary of the body, so bytes within it that look like one do no harm; line
    ends are those of the first boundary, because clients write either CRLF or LF.
    """
    boundary = b"--" + _boundary(content_type, "multipart/related")
    start = body.find(boundary)
    if start < 0:
        raise _malformed("the boundary of the Content-Type header in the body")
    newline = b"\r\n" if body[start + len(boundary) :].startswith(b"\r\n") else b"\n"
    metadata_from = start + len(boundary) + len(newline)
    media_from = body.find(newline + boundary + newline, metadata_from)
    media_to = body.rfind(newline + boundary + b"--")
    if media_from < 0 or media_to < 0:
        raise _malformed("two parts and a closing boundary")
    _, metadata = _split_part(body[metadata_from:media_from], newline)
    media_from += 2 * len(newline) + len(boundary)
    head_to = body.find(newline + newline, media_from - len(newline), media_to + len(newline))
    if head_to < 0:
        raise _malformed("an empty line between the headers and the media")
    head = _headers(body[media_from : max(head_to, media_from)])
    return Related(
        metadata, head.get("Content-Type"), memoryview(body)[head_to + 2 * len(newline) : media_to]
    )


def parse_batch(content_type: str, body: bytes) -> list[Part]:
    """Read the requests of a batch; `head` is a request line. Raises InvalidError."""
    _boundary(content_type, "multipart/mixed")
    message = BytesParser().parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    return [_request_part(part) for part in message.get_payload() if isinstance(part, Message)]


def render_batch(boundary: str, answers: Sequence[Part]) -> bytes:
    """Write the answers of a batch; `head` is a status code."""
    lines: list[bytes] = []
    for answer in answers:
        phrase = HTTPStatus(int(answer.head)).phrase
        lines += [f"--{boundary}".encode(), b"Content-Type: application/http"]
        lines += [
            f"Content-ID: {answer.content_id}".encode(),
            b"",
            f"HTTP/1.1 {answer.head} {phrase}".encode(),
        ]
        lines += [f"{name}: {value}".encode() for name, value in answer.headers.items()]
        lines += [b"", answer.body]
    return b"\r\n".join([*lines, f"--{boundary}--".encode(), b""])


def _boundary(content_type: str, expected: str) -> bytes:
    message = Message()
    message["Content-Type"] = content_type
    boundary = message.get_param("boundary")
    if message.get_content_type() != expected or not isinstance(boundary, str):
        raise InvalidError(f"Expected Content-Type {expected} with a boundary, found {content_type!r}.")
    return boundary.strip("'\"").encode()  # gcloud quotes it the way Python's repr does


def _split_part(part: bytes, newline: bytes) -> tuple[Message, bytes]:
    head, separator, content = part.partition(newline + newline)
    if not separator:
        raise _malformed("an empty line between the headers and the content of a part")
    return _headers(head), content


def _headers(text: bytes) -> Message:
    return HeaderParser().parsestr(text.decode("utf-8", "replace"))


def _request_part(part: Message) -> Part:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        raise _malformed("an HTTP request in every part of the batch")
    request_line, _, rest = payload.replace(b"\r\n", b"\n").lstrip(b"\n").partition(b"\n")
    head, _, content = rest.partition(b"\n\n") if not rest.startswith(b"\n") else (b"", b"", rest[1:])
    return Part(
        part.get("Content-ID", ""), request_line.decode("utf-8", "replace"), dict(_headers(head)), content
    )


def _malformed(expected: str) -> InvalidError:
    return InvalidError(f"Malformed multipart body: expected {expected}, found none.")
