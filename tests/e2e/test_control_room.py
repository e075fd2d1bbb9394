"""The control room of a running local cloud, in a real browser: from a dropped file to its rejected rows."""

import csv
import io
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from room.export import restore
from tests.browser.chromium import Visitor
from tests.e2e.local_cloud import Cloud, sample

pytestmark = pytest.mark.e2e
HOSTILE = (
    [
        "TA-00001",
        "<script>alert(1)</script>",
        "not a day",
        "0",
        "0",
        "Yes",
        "1",
        '=HYPERLINK("//x")',
    ],
    ["=1+1", "<img src=x onerror=alert(1)>", "2013-02-30", "0", "0", "Yes", "1", "1.5"],
    ["TA-00002", "@SUM(1)", "2013-07-07", "+1", "-1", "Maybe", "1", "</td></table><h1>owned</h1>"],
)


# The browser first: without one no cloud is started.
def test_a_dropped_file_is_found_with_its_rejected_rows(
    browser: Browser, cloud: Cloud, tmp_path: Path
) -> None:
    file = sample(tmp_path, "price_quote", 60, seed=68, name="price_quote to look for.csv")
    with file.open("a", newline="") as text:
        csv.writer(text, lineterminator="\n").writerows(HOSTILE)
    cloud.run("drop", str(file), "--wait", timeout=600)
    visitor = Visitor(browser, cloud.exports()["LANDFALL_CONTROL_ROOM_URL"])
    with visitor.visit("/", accept_downloads=True) as page:
        _find(page, file.name)
        page.locator("main a[href^='/rejected?']").first.click()
        for row in HOSTILE:
            expect(page.locator("main")).to_contain_text(row[1])
        assert page.locator("main script, main img, main [onerror]").count() == 0
        with page.expect_download() as download:
            page.locator("a[href^='/rejected.csv']").first.click()
        download.value.save_as(tmp_path / "rejected.csv")
    ledger = cloud.query(f"SELECT raw FROM ops.rejected_rows WHERE source_uri LIKE '%/{file.name}'")
    assert _rows(tmp_path / "rejected.csv") == {row["raw"] for row in ledger}
    assert len(ledger) == len(HOSTILE)
    with visitor.visit("/report") as page:
        total = cloud.query("SELECT CAST(SUM(cost) AS STRING) AS total FROM trusted.price_quote")[0]["total"]
        expect(page.locator(".figures dd").first).to_have_text(f"{Decimal(total):,.2f}")
    assert visitor.faults == []


def _find(page: Page, name: str) -> None:
    """As a new user would: type the name on the first page. One file of that name is shown at once."""
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text(name)


def _rows(path: Path) -> set[str]:
    """The texts of the rows in an export, which computes nothing."""
    with io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="") as text:
        lines = list(csv.DictReader(text))
    assert [cell for line in lines for cell in line.values() if cell.startswith(("=", "+", "-", "@"))] == []
    return {restore(line["raw"]) for line in lines}
