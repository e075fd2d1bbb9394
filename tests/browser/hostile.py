"""Text that strangers may put into files and their names, and that no page or spreadsheet takes for more."""

from datetime import datetime, timedelta

from tests.bigquery.world import NOON
from tests.functions.control_room.world import World, batch, file, rejected_row

NUMBER = 0xBAD
NAME = "<img src=x onerror=alert(1)>&\"'.csv"
#: Each makes a page do something, or a spreadsheet, that does not show it as text.
TEXTS = (
    "<script>alert('row')</script>",
    "</td></tr></table><h1>owned</h1>",
    '"><svg onload=alert(1)>',
    "<img src=https://example.com/x.png onerror=alert(1)>",
    '<a href="javascript:alert(1)">click</a>',
    "javascript:alert(1)",
    "{{ 7 * 7 }}",
    "' onmouseover='alert(1)",
    '=HYPERLINK("http://example.com/?"&A1,"open")',
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1+1)",
    "\tafter a tab",
    "two\nlines, with \"quotes\" and 'apostrophes'",
    "\N{RIGHT-TO-LEFT OVERRIDE}vsc.detrever\N{POP DIRECTIONAL FORMATTING}",
    "\x1b[31mred\x1b[0m",
    "x" * 5000,
)


def tell(world: World, now: datetime) -> None:
    """Write a batch whose one file has such a name and such rows."""
    ago = (NOON - now) / timedelta(minutes=1) + 5
    known = {"rows_read": 100, "rows_accepted": 100 - len(TEXTS), "rows_rejected": len(TEXTS)}
    world.record(batch("price_quote", NUMBER, ago, detail=TEXTS[0], **known))
    world.record_files(file("price_quote", NUMBER, NAME, ago, detail=TEXTS[1], **known))
    uri = f"gs://room-landing/price_quote/{NAME}"
    world.reject(
        *(
            rejected_row("price_quote", NUMBER, row, ago, source_uri=uri, raw=text, reasons=[_reason(text)])
            for row, text in enumerate(TEXTS, 1)
        )
    )


def _reason(text: str) -> dict[str, str]:
    return {"code": "bad_type", "column": "quantity", "value": text[:1000], "detail": "expected INT64"}
