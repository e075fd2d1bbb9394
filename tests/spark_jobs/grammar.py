"""The grammar of CSV text as a plain state machine that reads byte by byte: slow, and an oracle."""

from __future__ import annotations

from dataclasses import dataclass

CR, LF = 13, 10


@dataclass(frozen=True)
class Record:
    """One record. `code` says why it has no fields; `place` is its first byte, `length` without line end."""

    row: int
    place: int
    length: int
    code: str | None
    fields: tuple[str, ...]
    damaged: bool


def parse(
    text: bytes, delimiter: str, quote: str, escape: str | None, width: int, longest: int
) -> list[Record]:
    """Parse a whole text into its records."""
    found: list[Record] = []
    place = 0
    while place < len(text):
        end, place_after, fields, torn = _parse_record(text, place, ord(delimiter), ord(quote), escape)
        if end > place:
            code = torn or (None if len(fields) == width else "ragged_row")
            if end - place > longest and torn != "unterminated_quote":
                code = "record_too_long"
            content = text[place:end]
            # Of what is too long only the beginning is kept; half a character at its end is no damage.
            damaged = _is_damaged(content[:longest], whole=len(content) <= longest)
            texts = tuple(bytes(field).decode("utf-8", "replace") for field in fields)
            found.append(
                Record(len(found) + 1, place, end - place, code, texts if code is None else (), damaged)
            )
        place = place_after
    return found


def _parse_record(
    text: bytes, place: int, delimiter: int, quote: int, escape: str | None
) -> tuple[int, int, list[bytearray], str | None]:
    """Return where the record's text ends, where the next one begins, its fields and what tears it."""
    size, mode, fields = len(text), "start", [bytearray()]
    escapable = (delimiter, quote, CR, LF, *map(ord, escape or ""))
    while place < size:
        byte = text[place]
        if escape and byte == ord(escape) and text[place + 1 : place + 2] and text[place + 1] in escapable:
            fields[-1].append(text[place + 1])
            mode = {"start": "plain", "closed": "torn"}.get(mode, mode)
            place += 2
            continue
        if mode == "quoted":
            if byte == quote:
                mode = "closed"
            else:
                fields[-1].append(byte)
        elif mode == "closed" and byte == quote:
            fields[-1].append(byte)
            mode = "quoted"
        elif byte == LF:
            return place, place + 1, fields, "bad_quote" if mode == "torn" else None
        elif byte == CR and text[place + 1 : place + 2] in (b"", b"\n"):
            return place, min(size, place + 2), fields, "bad_quote" if mode == "torn" else None
        elif mode in ("torn", "closed") and not (mode == "closed" and byte == delimiter):
            mode = "torn"
        elif byte == delimiter:
            fields.append(bytearray())
            mode = "start"
        elif mode == "start" and byte == quote:
            mode = "quoted"
        else:
            fields[-1].append(byte)
            mode = "plain"
        place += 1
    if mode == "quoted":
        end = size - text.endswith(b"\n")
        return end - text[:end].endswith(b"\r"), size, fields, "unterminated_quote"
    return size, size, fields, "bad_quote" if mode == "torn" else None


def _is_damaged(text: bytes, whole: bool) -> bool:
    if 0 in text:
        return True
    for cut in range(1 if whole else 4):
        try:
            text[: len(text) - cut].decode("utf-8")
        except UnicodeDecodeError:
            continue
        return _is_damaged_tail(text[len(text) - cut :]) if cut else False
    return True


def _is_damaged_tail(tail: bytes) -> bool:
    """Say whether no bytes after `tail` could make it a character."""
    for completion in (
        b"\x80",
        b"\xa0",
        b"\x90",
        b"\x80\x80",
        b"\xa0\x80",
        b"\x90\x80",
        b"\x90\x80\x80",
        b"\x80\x80\x80",
    ):
        try:
            (tail + completion).decode("utf-8")
        except UnicodeDecodeError:
            continue
        return False
    return True
