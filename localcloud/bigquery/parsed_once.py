"""Correction "parsed once": a statement is taken apart once, however many steps look at it.

BigQuery: plans a statement once.
bqemulator: each of some fifteen steps between a query and DuckDB parses its text anew, which is two fifths of
the time of a short query.
Here: the parsed statement is kept by its text, and each step gets a copy of its own to change.
"""

from functools import lru_cache
from typing import Any

import sqlglot

from localcloud.bigquery.seams import replace

_MOST_KEPT = 256
_LONGEST = 50_000  # characters; a longer statement is rare, and its tree would be kept for nothing
_parse_one = sqlglot.parse_one


def apply() -> None:
    """Let everything that asks sqlglot for one statement get it from here."""
    replace(sqlglot, "parse_one", _parse)


def _parse(sql: str, read: Any = None, **options: Any) -> Any:
    if options or not isinstance(read, str) or len(sql) > _LONGEST:
        return _parse_one(sql, read=read, **options)
    return _parse_kept(sql, read).copy()


@lru_cache(_MOST_KEPT)
def _parse_kept(sql: str, read: str) -> Any:
    """The tree of a statement, which nobody changes; a ParseError is raised and not kept."""
    return _parse_one(sql, read=read)
