"""Rejected rows with their reasons: to look at, and as a file for a spreadsheet."""

from collections.abc import Iterator
from datetime import datetime
from itertools import chain
from typing import Any, cast

import flask

from room import arguments
from room.export import write_csv
from room.place import here, words
from room.rejected_questions import (
    MOST_EXPORTED,
    PAGE_ROWS,
    RECENT_DAYS,
    SHOWN,
    Filters,
    Span,
    around,
    count_reasons,
    export_rows,
    find_claim,
    list_rows,
    recent,
    tally_reasons,
)
from room.warehouse import Row
from room.withheld import withhold

PAGE = flask.Blueprint("rejected", __name__)
# Why a row is rejected: these and no others.
CODES = (
    "bad_type",
    "null_in_required",
    "out_of_range",
    "not_in_set",
    "pattern_mismatch",
    "too_long",
    "too_short",
    "bad_encoding",
    "ragged_row",
    "bad_quote",
    "unterminated_quote",
    "record_too_long",
    "duplicate_key_in_file",
)
_OF_ALL = "ops.rejected_rows"


@PAGE.get("/rejected")
def show_rejected() -> str:
    """Which rows were rejected and why, by what is chosen; the last that came first."""
    room, page = here(), arguments.page()
    filters = _read_filters()
    table, span = _table_of(filters), _span_of(filters)
    rows, reasons = _ask(filters, table, span, page)
    return flask.render_template(
        "rejected.html",
        filters=filters,
        rows=list(withhold(rows[:PAGE_ROWS], room.catalogue.datasets)),
        more=len(rows) > PAGE_ROWS,
        first=rows[0] if rows else None,
        reasons=reasons,
        codes=[(code, words().say(f"rejected.code_{code}")) for code in CODES],
        dataset_pairs=[(name, name) for name in room.catalogue.datasets],
        columns=_columns_of(filters.dataset),
        page_number=page,
        recent_days=RECENT_DAYS,
        shown=SHOWN,
        most_exported=MOST_EXPORTED,
        arguments=filters.arguments,
        command=_command(),
    )


@PAGE.get("/rejected.csv")
def export() -> flask.Response:
    """The rows that the page with the same filters has, whole, a line for each reason; see room/export.py."""
    filters = _read_filters()
    room, question = here(), export_rows(filters, _table_of(filters), _span_of(filters))
    rows = room.warehouse.stream(question)
    # Asked before the answer begins: what fails now has a page, what fails later breaks the download off.
    first = list(_take_one(rows))
    shown = withhold(chain(first, rows), room.catalogue.datasets)
    response = flask.Response(write_csv(shown), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{_name_file(filters)}"'
    return response


def _read_filters() -> Filters:
    """What the address asks for; a file is named with its generation or without."""
    return Filters(
        dataset=arguments.one_of("dataset", here().catalogue.datasets),
        batch=arguments.matching("batch", "[0-9a-f]{32}", "common.bad_batch"),
        file=arguments.text("file"),
        generation=arguments.generation(),
        reason=arguments.one_of("reason", CODES),
        column=arguments.text("column", 300),
    )


def _table_of(filters: Filters) -> str:
    """The dataset's own table where one is chosen, which is less to read, else the view of all of them."""
    if not filters.dataset:
        return _OF_ALL
    return str(here().catalogue.datasets[filters.dataset]["tables"]["rejected"])


def _ask(filters: Filters, table: str, span: Span, page: int) -> tuple[list[Row], list[Row]]:
    """The rows of a page and one more, and the reasons that occur most."""
    ask, listing = here().warehouse, list_rows(filters, table, span, page)
    if not (filters.batch or filters.file):
        rows, reasons = ask.ask_all(listing, count_reasons(filters, table, span))
        return rows, reasons
    # Of a batch or a file the first page often has all there is, and is counted here.
    rows = ask.ask(listing)
    is_all = page == 1 and len(rows) <= PAGE_ROWS and not (filters.reason or filters.column)
    return rows, tally_reasons(rows) if is_all else ask.ask(count_reasons(filters, table, span))


def _span_of(filters: Filters) -> Span:
    """Around the claim of the batch that is named; the last days where none is, or nobody knows it."""
    claimed_at = _find_claim(filters.batch) if filters.batch else None
    return around(claimed_at) if claimed_at else recent(here().clock())


def _find_claim(batch: str) -> datetime | None:
    room = here()
    found = room.warehouse.ask(find_claim(batch))
    if found:
        return cast(datetime, found[0]["claimed_at"])
    opened = room.pending.look().open_batches
    return next((one.claimed_at for one in opened if one.batch_id == batch), None)


def _columns_of(dataset: str) -> list[tuple[str, str]]:
    document = here().catalogue.datasets.get(dataset, {})
    return [(column["name"], column["name"]) for column in document.get("columns", [])]


def _command() -> str:
    environment = here().settings.environment
    return "landfall" if environment == "local" else f"landfall --env {environment}"


def _name_file(filters: Filters) -> str:
    """Made of parts that are known to be harmless in a header: a dataset's name, a batch's digits, a code."""
    parts = [filters.dataset, filters.batch[:12], filters.reason]
    return "_".join(["rejected", *(part for part in parts if part)]) + ".csv"


def _take_one(rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for row in rows:
        yield row
        return
