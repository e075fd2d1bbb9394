"""The report's charts: that what is drawn is what is trusted."""

import re
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.chromium import Visitor, wait_for_charts
from tests.browser.site import Site

_TIME, _SUPPLIER, _ASSEMBLY = 0, 1, 2


def bars(chart: Locator) -> list[float]:
    """The size of each bar in its chart's direction, in pixels, in the order of drawing."""
    size = 1 if chart.get_attribute("data-chart") == "columns" else 0
    boxes = chart.locator("svg .mark-rect path").evaluate_all(
        "all => all.map(one => [one.getBBox().width, one.getBBox().height])"
    )
    return [box[size] for box in boxes]


def texts(chart: Locator) -> list[str]:
    """What is written in the picture."""
    return chart.locator("svg text").all_text_contents()


def trusted(site: Site, by: str) -> list[dict[str, Any]]:
    sums = f"SELECT {by} AS name, SUM(cost) AS total FROM trusted.price_quote GROUP BY name"
    return site.world.ask(f"{sums} ORDER BY total DESC, name")


def write(number: Decimal) -> str:
    return f"{number:,.2f}"


def chart(page: Page, place: int) -> Locator:
    return page.locator("[data-chart]").nth(place)


@pytest.mark.parametrize(("place", "by"), [(_SUPPLIER, "supplier"), (_ASSEMBLY, "tube_assembly_id")])
def test_bars_are_as_long_and_are_labelled_as_what_is_trusted(
    site: Site, visitor: Visitor, place: int, by: str
) -> None:
    largest = trusted(site, by)[:15]
    with visitor.visit("/report") as page:
        drawn, written = bars(chart(page, place)), texts(chart(page, place))
    assert [row["name"] for row in largest] == written[: len(largest)]
    assert [write(row["total"]) for row in largest] == written[len(largest) :]
    scale = drawn[0] / float(largest[0]["total"])
    assert drawn == pytest.approx([float(row["total"]) * scale for row in largest], abs=0.6)


def test_columns_add_up_to_what_is_trusted(site: Site, visitor: Visitor) -> None:
    years = {
        row["name"]: row["total"] for row in trusted(site, "CAST(EXTRACT(YEAR FROM quote_date) AS STRING)")
    }
    with visitor.visit("/report") as page:
        drawn = bars(chart(page, _TIME))
        rows = (
            chart(page, _TIME)
            .locator("tbody tr")
            .evaluate_all("all => all.map(row => [row.cells[0].textContent.trim(), row.dataset.value])")
        )
    shown = {name: Decimal(value) for name, value in rows if Decimal(value)}
    assert shown == years
    scale = max(drawn) / float(max(years.values()))
    assert sum(drawn) / scale == pytest.approx(float(sum(years.values())), rel=0.02)


def test_the_real_quotes_come_to_the_known_numbers(site: Site, visitor: Visitor) -> None:
    if not site.real:
        pytest.skip("the real price_quote.csv is not here: the numbers of the sample are tested")
    with visitor.visit("/report", language="pt") as page:
        assert page.locator(".figures dd").all_inner_texts()[:4] == ["405.860,82", "30.213", "57", "8.855"]
        assert "248.017,14" in texts(chart(page, _SUPPLIER))
    with visitor.visit("/report") as page:
        assert page.locator(".figures dd").first.inner_text() == "405,860.82"
        about = chart(page, _TIME).get_by_role("img").get_attribute("aria-label")
        assert about is not None and "come to 405,860.82" in about
        assert texts(chart(page, _SUPPLIER))[15] == "248,017.14"
        assert (texts(chart(page, _ASSEMBLY))[0], texts(chart(page, _ASSEMBLY))[15]) == (
            "TA-17262",
            "1,779.32",
        )


def test_charts_follow_the_scheme_and_the_width(visitor: Visitor) -> None:
    with visitor.visit("/report") as page:
        fill = chart(page, _SUPPLIER).locator("svg .mark-rect path").first
        light, wide = fill.get_attribute("fill"), bars(chart(page, _SUPPLIER))[0]
        page.emulate_media(color_scheme="dark")
        expect(fill).not_to_have_attribute("fill", light or "")
        svg = chart(page, _SUPPLIER).locator("svg")
        width = svg.get_attribute("width")
        page.set_viewport_size({"width": 390, "height": 800})
        expect(svg).not_to_have_attribute("width", width or "")
        wait_for_charts(page)
        assert bars(chart(page, _SUPPLIER))[0] < wide


def test_a_bar_leads_to_the_report_of_what_it_is(visitor: Visitor) -> None:
    """Of a year, by its column; of a supplier, by its bar; and from there to all quotes again."""
    with visitor.visit("/report") as page:
        year = page.locator("[data-chart]").first.locator("tbody tr:has(a)").last.locator("th").text_content()
        supplier = texts(chart(page, _SUPPLIER))[0]
        tip = page.locator(".tip")
        bar = chart(page, _SUPPLIER).locator("svg .mark-rect path").first
        bar.hover()
        expect(tip).to_contain_text(supplier)
        bar.click()
        page.wait_for_url(f"**/report?supplier={supplier}")
        expect(page.get_by_role("combobox", name="Supplier")).to_have_value(supplier)
        page.get_by_role("link", name="All quotes").click()
        page.locator("summary").first.click()
        page.get_by_role("link", name=year, exact=True).click()
        page.wait_for_url(f"**/report?from={year}-01-01&to={year}-12-31")
        wait_for_charts(page)
        assert len(bars(chart(page, _TIME))) <= 12


def test_a_filter_is_three_fields_and_a_button(site: Site, visitor: Visitor) -> None:
    years = trusted(site, "EXTRACT(YEAR FROM quote_date)")
    total = next(row["total"] for row in years if row["name"] == 2013)
    with visitor.visit("/report") as page:
        page.get_by_label("From", exact=True).fill("2013-01-01")
        page.get_by_label("To", exact=True).fill("2013-12-31")
        page.get_by_role("button", name="Filter").click()
        wait_for_charts(page)
        assert re.search(r"from=2013-01-01&to=2013-12-31$", page.url)
        assert page.locator(".figures dd").first.inner_text() == write(total)
        # The address alone shows the same.
        page.goto(page.url)
        assert page.locator(".figures dd").first.inner_text() == write(total)
