"""Pages of a listing: which names are looked at, which are folded into prefixes, where the next page begins.

Source: https://cloud.google.com/storage/docs/json_api/v1/objects/list
"""

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from localcloud.storage.errors import InvalidError
from localcloud.storage.folder import Window
from localcloud.storage.preconditions import integer, is_true
from localcloud.storage.resources import Stamp, StoredObject

MAX_RESULTS = 1000


@dataclass(frozen=True)
class Listing:
    """What a client asks to list; `start` is included, `end` is not."""

    prefix: str = ""
    delimiter: str = ""
    start: str = ""
    end: str | None = None
    glob: re.Pattern[str] | None = None
    with_trailing_delimiter: bool = False
    limit: int = MAX_RESULTS

    def window(self) -> Window:
        """The names that the listing can hold."""
        ends = [end for end in (self.end, successor(self.prefix)) if end is not None]
        return Window(max(self.prefix, self.start), min(ends, default=None))


@dataclass(frozen=True)
class Page:
    """One page; `token` is None on the last."""

    items: list[StoredObject]
    prefixes: list[str]
    token: str | None


def from_query(query: Mapping[str, str]) -> Listing:
    """Read the parameters of `objects.list`; a page token takes the place of the start.

    Raises InvalidError.
    """
    limit = integer(query, "maxResults")
    if limit is not None and limit < 0:
        raise InvalidError(f"Invalid value for maxResults: expected 0 or more, found {limit}.")
    glob, token = query.get("matchGlob"), query.get("pageToken")
    return Listing(
        prefix=query.get("prefix", ""),
        delimiter=query.get("delimiter", ""),
        start=decode_token(token) if token else query.get("startOffset", ""),
        end=query.get("endOffset") or None,
        glob=glob_pattern(glob) if glob else None,
        with_trailing_delimiter=is_true(query, "includeTrailingDelimiter"),
        limit=min(limit or MAX_RESULTS, MAX_RESULTS),
    )


def fold(objects: Iterable[StoredObject], listing: Listing, window: Window) -> Page:
    """Take one page from objects in the order of names; `window.low` is raised over what a prefix folds."""
    items: list[StoredObject] = []
    prefixes: list[str] = []
    for stored in objects:
        name = stored.name
        if listing.glob and not listing.glob.fullmatch(name):
            continue
        if len(items) + len(prefixes) == listing.limit:
            return Page(items, prefixes, encode_token(name))
        cut = name.find(listing.delimiter, len(listing.prefix)) if listing.delimiter else -1
        if cut < 0:
            items.append(stored)
            continue
        folded = name[: cut + len(listing.delimiter)]
        if listing.with_trailing_delimiter and name == folded:
            items.append(stored)
        prefixes.append(folded)
        window.low = successor(folded) or folded
    return Page(items, prefixes, None)


def joined(
    files: Iterator[tuple[str, Stamp]], rows: Iterator[StoredObject]
) -> Iterator[tuple[str, Stamp | None, StoredObject | None]]:
    """Merge the files of a folder and the known objects, both in the order of names, into one row a name."""
    file, row = next(files, None), next(rows, None)
    while file or row:
        if row is None or (file is not None and file[0] < row.name):
            assert file is not None  # noqa: S101 - tells mypy what the loop's condition says
            yield *file, None
            file = next(files, None)
        elif file is None or row.name < file[0]:
            yield row.name, None, row
            row = next(rows, None)
        else:
            yield *file, row
            file, row = next(files, None), next(rows, None)


def successor(prefix: str) -> str | None:
    """The first text behind all texts that start with `prefix`; None where there is no end."""
    while prefix:
        following = ord(prefix[-1]) + 1
        if following == 0xD800:  # surrogates are no characters
            following = 0xE000
        if following <= 0x10FFFF:
            return prefix[:-1] + chr(following)
        prefix = prefix[:-1]
    return None


def encode_token(start: str) -> str:
    """Write the name at which the next page starts as a page token."""
    return base64.urlsafe_b64encode(start.encode()).decode()


def decode_token(token: str) -> str:
    """Read a page token. Raises InvalidError."""
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except ValueError:
        raise InvalidError(
            f"Invalid page token: expected one from an earlier page, found {token!r}. "
            "Start from the first page."
        ) from None


def glob_pattern(glob: str) -> re.Pattern[str]:
    """Translate a `matchGlob`. Raises InvalidError.

    It may hold `*`, `**`, `?`, `[a-z]`, `[!a-z]`, `{a,b}`, and a backslash before a literal.
    """
    pieces = re.findall(r"\*\*/|\*\*|\*|\?|\[!?[^\]]+\]|\\.|.", glob, re.DOTALL)
    translated, depth = [], 0
    for piece in pieces:
        if piece == "{":
            depth += 1
        elif piece == "}" and depth:
            depth -= 1
        translated.append(_glob_piece(piece, depth))
    try:
        return re.compile("".join(translated), re.DOTALL)
    except re.error as error:
        raise InvalidError(f"Invalid matchGlob: expected a glob, found {glob!r} ({error}).") from error


def _glob_piece(piece: str, depth: int) -> str:
    fixed = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]", "{": "(?:", "}": ")"}
    if piece in fixed:
        return fixed[piece]
    if piece == "," and depth:
        return "|"
    if piece.startswith("[") and len(piece) > 1:
        return "[" + re.sub(r"^!", "^", piece[1:])
    return re.escape(piece.removeprefix("\\") if len(piece) > 1 else piece)
