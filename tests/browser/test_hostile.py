"""What strangers write is shown, and does nothing: neither in a page nor in a spreadsheet."""

import csv
import io
from pathlib import Path

import pytest

from room.export import restore
from tests.browser import hostile
from tests.browser.addresses import PAGES
from tests.browser.chromium import Visitor
from tests.browser.site import Site
from tests.functions.control_room.world import batch_id

_OF_STRANGERS = ("hostile batch", "hostile file", "hostile rejected", "files", "all rejected", "home")


@pytest.mark.parametrize("page_name", _OF_STRANGERS)
def test_a_strangers_text_makes_no_element_and_runs_nothing(visitor: Visitor, page_name: str) -> None:
    with visitor.visit(PAGES[page_name]) as page:
        made = page.locator("main script, main img, main svg[onload], main [onerror], main [onmouseover]")
        assert made.count() == 0
        assert page.locator("a[href^='javascript' i], main h1").count() == 1
        assert page.get_by_text("owned", exact=True).count() == 0


def test_a_rejected_rows_text_is_all_there_to_read(visitor: Visitor) -> None:
    with visitor.visit(PAGES["hostile rejected"]) as page:
        shown = page.locator("main").inner_text()
    plain = [text for text in hostile.TEXTS if text.isprintable() and len(text) < 100]
    assert len(plain) > 8
    assert [text for text in plain if text not in shown] == []


def test_the_download_is_what_the_ledger_has_and_computes_nothing(
    site: Site, visitor: Visitor, tmp_path: Path
) -> None:
    with visitor.visit(PAGES["hostile rejected"], accept_downloads=True) as page:
        with page.expect_download() as download:
            page.locator("a[href^='/rejected.csv']").first.click()
        download.value.save_as(tmp_path / "rows.csv")
    text = (tmp_path / "rows.csv").read_bytes().decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    of_batch = f"WHERE batch_id = '{batch_id(hostile.NUMBER)}'"
    ledger = site.world.ask(f"SELECT source_row, raw FROM ops.rejected_rows_price_quote {of_batch}")
    assert sorted((int(row["source_row"]), restore(row["raw"])) for row in rows) == sorted(
        (row["source_row"], row["raw"]) for row in ledger
    )
    assert len(rows) == len(hostile.TEXTS)
    computed = [
        cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    ]
    assert computed == []
