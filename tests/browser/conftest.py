"""A control room with a week in its ledger, once for all tests."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser

from tests.bigquery.world import Warehouse
from tests.browser import arrivals, hostile, lineage, stories
from tests.browser.chromium import Visitor
from tests.browser.site import Site, serve
from tests.functions.control_room.world import batch_id, start_world


@pytest.fixture(scope="session")
def site(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The real quotes where they are, else sample ones; a week of stories, and a hostile file."""
    folder = tmp_path_factory.mktemp("site")
    real = (arrivals.REAL / "price_quote.csv").exists()
    now = datetime.now(UTC).replace(microsecond=0)
    with start_world(folder / "world") as world:
        warehouse = Warehouse(world.bigquery, folder / "world" / "bigquery" / "buckets" / "lake")
        file = (
            arrivals.REAL / "price_quote.csv"
            if real
            else arrivals.make_sample(folder, "price_quote", 3000, 1)
        )
        arrivals.load(warehouse, "price_quote", file, batch_id(1), now)
        stories.tell(world, now)
        hostile.tell(world, now)
        with (
            lineage.serve(folder / "lineage", now) as lineage_url,
            serve(world, folder / "function", lineage_url) as address,
        ):
            yield Site(address, world, folder / "function" / "log", real)


@pytest.fixture
def visitor(site: Site, browser: Browser) -> Iterator[Visitor]:
    """Somebody who looks at pages, and meets nothing that a page should not do."""
    visitor = Visitor(browser, site.address)
    written = site.log.stat().st_size
    yield visitor
    assert visitor.faults == [], site.log.read_bytes()[written:].decode()
