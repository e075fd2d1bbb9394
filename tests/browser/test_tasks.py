"""The five tasks of docs/control-room.md, each from the first page in at most three steps."""

from contextlib import AbstractContextManager
from decimal import Decimal

import pytest
from playwright.sync_api import Page, expect

from tests.browser import stories
from tests.browser.chromium import Visitor, wait_for_charts
from tests.browser.site import Site
from tests.functions.control_room.world import batch_id

MOST_STEPS = 3


class Person:
    """Somebody on the first page, whose steps are counted: a click, or filling in and Enter."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.steps = 0

    def click(self, name: str, within: str = "main", role: str = "link") -> None:
        self.steps += 1
        self.page.locator(within).get_by_role(role, name=name).first.click()  # type: ignore[arg-type]
        self._arrive()

    def fill_in(self, fields: dict[str, str]) -> None:
        self.steps += 1
        for name, value in fields.items():
            self.page.locator(f"main [name={name}]").fill(value)
        self.page.locator(f"main [name={name}]").press("Enter")
        self._arrive()

    def _arrive(self) -> None:
        self.page.wait_for_load_state()
        wait_for_charts(self.page)
        assert self.steps <= MOST_STEPS

    def sees(self, *texts: str) -> None:
        for text in texts:
            expect(self.page.locator("main")).to_contain_text(text)


@pytest.fixture
def arrive(visitor: Visitor) -> AbstractContextManager[Page]:
    return visitor.visit("/")


def test_where_is_my_file(arrive: AbstractContextManager[Page]) -> None:
    with arrive as page:
        person = Person(page)
        person.fill_in({"q": "quotes_S-0066.csv"})
        expect(page.get_by_role("heading", level=1)).to_have_text("quotes_S-0066.csv")
        person.sees("Rows read: 1,800", "Merged into trusted", "Recorded in the ledger")


def test_why_was_it_rejected(arrive: AbstractContextManager[Page]) -> None:
    with arrive as page:
        person = Person(page)
        person.fill_in({"q": "quotes_S-0072.csv"})
        person.sees("too many rejected rows", "found 62.5 %: 250 of 400", "What to do:")
        person.click("See the rejected row")
        person.sees("250 rows", "not of the column's type", "expected DATE as %Y-%m-%d")


def test_fix_it_and_drop_it_again(arrive: AbstractContextManager[Page]) -> None:
    with arrive as page:
        person = Person(page)
        person.click("rows rejected")
        person.sees(
            "rejects price_quote --csv rows.csv",
            "drop --wait --dataset price_quote rows.csv",
            "Correct rows.csv in a text editor",
        )


def test_total_by_supplier_for_2013(site: Site, arrive: AbstractContextManager[Page]) -> None:
    (first,) = site.world.ask(
        "SELECT supplier, SUM(cost) AS total FROM trusted.price_quote "
        "WHERE EXTRACT(YEAR FROM quote_date) = 2013 GROUP BY supplier ORDER BY total DESC LIMIT 1"
    )
    with arrive as page:
        person = Person(page)
        person.click("Report", within="header")
        person.fill_in({"from": "2013-01-01", "to": "2013-12-31"})
        person.sees(first["supplier"], f"{Decimal(first['total']):,.2f}")


def test_what_does_this_column_mean(arrive: AbstractContextManager[Page]) -> None:
    with arrive as page:
        person = Person(page)
        person.click("Catalogue", within="header")
        person.fill_in({"q": "bracket_pricing"})
        person.sees("True where the price falls by brackets of quantity")
        person.click("bracket_pricing")
        assert page.url.endswith("#column-bracket_pricing")
        person.sees("Where it comes from")


def test_the_batch_of_a_story_is_one_step_away(visitor: Visitor) -> None:
    with visitor.visit(f"/batches/price_quote/{batch_id(stories.LOADED)}") as page:
        person = Person(page)
        person.click("2026/quotes_S-0066.csv")
        person.sees("Rows read: 1,800")
