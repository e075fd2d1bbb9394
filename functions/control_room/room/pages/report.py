"""The report: what the quotes come to, over time, by supplier and by tube assembly."""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from itertools import chain

import flask

from room import arguments
from room.export import MARK, disarm
from room.place import formats, here, words
from room.report import Period, add_up, rank, spread
from room.report_questions import TABLES, Filters, ask_suppliers
from room.warehouse import Row

PAGE = flask.Blueprint("report", __name__)

_MOST_BARS = 15


@PAGE.get("/report")
def show_report() -> str:
    """Figures, three charts and their tables, of the quotes that the address asks for."""
    filters = _read_filters()
    by_supplier, by_assembly, months, suppliers = here().warehouse.ask_all(
        filters.ask_largest("supplier", _MOST_BARS),
        filters.ask_largest("tube_assembly", _MOST_BARS),
        filters.ask_months(),
        ask_suppliers(),
    )
    whole = add_up(months)
    grain, periods = spread(months)
    names = [row["supplier"] for row in suppliers]
    if filters.supplier and filters.supplier not in names:
        names.insert(0, filters.supplier)
    return flask.render_template(
        "report.html",
        filters=filters,
        suppliers=[(name, name) for name in names],
        whole=whole,
        by_supplier=rank(by_supplier, whole),
        by_assembly=rank(by_assembly, whole),
        grain=grain,
        periods=periods,
        name_period=lambda period: _name_period(grain, period),
    )


@PAGE.get("/report.csv")
def export() -> flask.Response:
    """The whole table of one chart, with every digit of its sums."""
    by = flask.request.args.get("by", "")
    if by not in TABLES:
        flask.abort(400, words().say("report.bad_table", expected=", ".join(TABLES)))
    rows = here().warehouse.stream(_read_filters().ask_table(by))
    # Asked for before the answer begins, so that an error still is a page.
    first = next(rows, None)
    lines = _write_csv(by, chain([first], rows) if first else rows)
    answer = flask.Response(lines, mimetype="text/csv")
    answer.headers["Content-Disposition"] = f'attachment; filename="cost_by_{by}.csv"'
    return answer


def _read_filters() -> Filters:
    first, last = _read_day("from"), _read_day("to")
    if first and last and first > last:
        flask.abort(400, words().say("report.bad_range"))
    return Filters(arguments.text("supplier"), first, last)


def _read_day(name: str) -> date | None:
    text = flask.request.args.get(name, "").strip()
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        flask.abort(400, words().say("report.bad_day", name=name, found=text[:20]))


def _write_csv(by: str, rows: Iterable[Row]) -> Iterator[str]:
    """A line for each row, sums with every digit; a name that a spreadsheet would compute is quoted."""
    yield MARK + _line((by, "total_cost", "quotes"))
    for row in rows:
        yield _line((disarm(str(row["name"])), _plain(row["total_cost"]), int(row["quotes"])))


def _line(values: Iterable[object]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow(values)
    return text.getvalue()


def _plain(number: Decimal) -> str:
    """The number without an exponent and without zeros that say nothing."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _name_period(grain: str, period: Period) -> str:
    return formats().month(period.first) if grain == "month" else str(period.first.year)
