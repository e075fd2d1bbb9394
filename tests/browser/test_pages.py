"""Every page in a real browser: it loads in silence, within its own host, and can be used by everybody."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.addresses import PAGES
from tests.browser.chromium import Visitor

# Contrast differs by scheme, words by language, layout by width: each of them is met.
VISITORS: Mapping[str, dict[str, Any]] = {
    "desk": {"language": "en", "scheme": "light", "width": 1280},
    "phone": {"language": "pt", "scheme": "dark", "width": 360},
}
_AGE = re.compile(r"\d+ (?:second|minute|hour)s? ago|Late by [^:]+(?=:)")


@pytest.mark.parametrize("page_name", PAGES)
@pytest.mark.parametrize("who", VISITORS)
def test_a_page_is_faultless_and_for_everybody(visitor: Visitor, who: str, page_name: str) -> None:
    """No error in the console, no violation of the policy, no failed request, none to another host; nothing
    serious for axe; nothing that reaches beyond the screen."""
    width = VISITORS[who]["width"]
    with visitor.visit(PAGES[page_name], **VISITORS[who]) as page:
        open_all(page)
        assert find_serious(page) == []
        assert (page.evaluate("document.documentElement.scrollWidth"), page.evaluate(_WIDE)) == (width, [])


def open_all(page: Page) -> None:
    """Unfold what is folded, so that it is judged too."""
    page.eval_on_selector_all("details", "all => all.forEach(one => { one.open = true })")


def find_serious(page: Page) -> list[tuple[str, str, str]]:
    """What axe calls serious or critical: the rule, the element, what is wrong with it."""
    found = Axe().run(page).response["violations"]
    return [
        (one["id"], node["html"][:200], node["failureSummary"])
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


# What reaches beyond the screen and is in no frame of its own that scrolls.
_WIDE = """
() => [...document.querySelectorAll("main *, footer *")]
  .filter(one => one.getBoundingClientRect().right > innerWidth + 1)
  .filter(one => !one.closest(".scroll, nav, .unseen, svg, pre, [tabindex='0']"))
  .map(one => one.outerHTML.slice(0, 120))
"""


@pytest.mark.parametrize("page_name", ["files", "found files", "batch", "hostile batch"])
def test_a_phone_shows_names_and_states_without_scrolling_aside(visitor: Visitor, page_name: str) -> None:
    """A file's name has the width of the screen, and what became of it is on the screen too."""
    with visitor.visit(PAGES[page_name], width=360) as page:
        cells = page.locator("tr:has(.file) > *")
        assert cells.count()
        assert page.locator("th:has(.file)").evaluate_all(_NARROWEST) > 250
        assert cells.evaluate_all(_RIGHTMOST) <= 360


_NARROWEST = "all => Math.min(...all.map(one => one.getBoundingClientRect().width))"
_RIGHTMOST = "all => Math.max(...all.map(one => one.getBoundingClientRect().right))"


def test_the_keyboard_reaches_everything_in_order(visitor: Visitor) -> None:
    """The first Tab offers to skip the menu, then comes the search; what has the focus shows it."""
    with visitor.visit("/") as page:
        page.keyboard.press("Tab")
        expect(page.locator(".skip")).to_be_focused()
        expect(page.locator(".skip")).to_be_in_viewport()
        page.keyboard.press("Enter")
        expect(page.locator("main")).to_be_focused()
        page.keyboard.press("Tab")
        expect(page.get_by_role("searchbox").or_(page.get_by_role("textbox"))).to_be_focused()
        page.keyboard.type("quotes_S-0066")
        page.keyboard.press("Enter")
        page.wait_for_url("**/files?*")
        expect(page.locator("main")).to_contain_text("2026/quotes_S-0066.csv")
    with visitor.visit("/report") as page:
        reached = []
        for _ in range(18):
            page.keyboard.press("Tab")
            reached.append(page.evaluate(_FOCUSED))
        assert [name for name, _ in reached if name in ("supplier", "from", "to")] == [
            *["supplier", *["from"] * 4, *["to"] * 4]
        ]
        assert all(shown for _, shown in reached)


_FOCUSED = """
() => {
  const at = document.activeElement, style = getComputedStyle(at);
  return [at.name || at.textContent.trim(), style.outlineStyle !== "none" || at.type === "date"];
}
"""


def test_the_browsers_language_is_spoken(visitor: Visitor) -> None:
    titles = {}
    for language in ("en", "pt"):
        with visitor.visit("/report", language) as page:
            titles[language] = (page.locator("html").get_attribute("lang"), page.locator("h1").inner_text())
    assert titles == {"en": ("en", "Report"), "pt": ("pt", "Relatório")}


@pytest.mark.parametrize("address", ["/nothing", "/batches/price_quote/zz", "/report?from=yesterday"])
def test_an_error_is_a_page_that_leads_back(visitor: Visitor, address: str) -> None:
    with visitor.visit(address) as page:
        page.get_by_role("link", name="To the datasets").click()
        expect(page).to_have_url(f"{visitor.site}/")
    # The browser tells of the answer itself, and of nothing else.
    assert [fault for fault in visitor.faults if "the server responded with a status of" not in fault] == [
        fault for fault in visitor.faults if fault.partition(": ")[2][:3] in ("400", "404")
    ]
    visitor.faults.clear()


@pytest.mark.parametrize("page_name", ["home", "batch", "file", "rejected", "report", "contract"])
def test_a_page_says_all_of_it_without_scripts(visitor: Visitor, page_name: str) -> None:
    """What is read without scripts is what is read with them, but for the charts' own labels."""
    texts = []
    for scripts in (True, False):
        with visitor.visit(PAGES[page_name], java_script_enabled=scripts) as page:
            places = page.locator("main > *:not(:has(.picture)), main .figures, main table")
            # Time goes on between the two.
            texts.append([_AGE.sub("some time ago", text) for text in places.all_text_contents()])
    assert texts[0] == texts[1]
    assert texts[0]
