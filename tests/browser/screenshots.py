"""Pictures of the pages for the docs: `python -m tests.browser.screenshots [FOLDER]`.

They show samples, never real files, at a fixed time, so that a picture changes only when a page does.
"""

import argparse
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from unittest.mock import PropertyMock, patch

from google.auth.transport.requests import AuthorizedSession
from google.cloud import storage
from google.oauth2.credentials import Credentials
from playwright.sync_api import Browser
from werkzeug.serving import WSGIRequestHandler, make_server

from room.app import make_app
from tests.bigquery.world import NOON, ROOT, Warehouse
from tests.browser import arrivals, lineage, stories
from tests.browser.addresses import PAGES
from tests.browser.chromium import Visitor, find_chromium, launch, wait_for_charts
from tests.functions.control_room.world import World, batch_id, start_world

_PICTURES = ("home", "batch", "file", "rejected", "report", "catalogue", "contract")
_SCHEMES = ("light", "dark")
_WIDTH, _PHONE = 1200, 390
# Of a long page the beginning: what a reader of the docs needs to know it by.
_MOST_HEIGHT = 1000
_SAMPLE_ROWS = 6000
_LANDED = NOON - timedelta(minutes=3)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.browser.screenshots", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "docs" / "images")
    folder = parser.parse_args().folder
    if find_chromium() is None:
        print("expected chromium, chromium-browser or google-chrome on PATH, found none", file=sys.stderr)
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home, _serve(Path(home)) as address, launch() as browser:
        for name in _PICTURES:
            for scheme in _SCHEMES:
                _take(browser, address, name, scheme, _WIDTH, folder / f"{name}-{scheme}.png")
        for scheme in _SCHEMES:
            _take(browser, address, "report", scheme, _PHONE, folder / f"report-phone-{scheme}.png")
    return 0


def _take(browser: Browser, address: str, name: str, scheme: str, width: int, path: Path) -> None:
    visitor = Visitor(browser, address)
    with visitor.visit(PAGES[name], scheme=scheme, width=width) as page:
        height = min(int(page.evaluate("document.documentElement.scrollHeight")), _MOST_HEIGHT)
        page.set_viewport_size({"width": width, "height": height})
        # A chart sees its new size one frame later.
        page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        wait_for_charts(page)
        page.screenshot(path=path, animations="disabled")
    if visitor.faults:
        raise SystemExit(f"{path.name}: expected a page without a fault, found {visitor.faults}")
    print(f"{path.name}  {width} x {height}, {path.stat().st_size / 1000:.0f} kB")


@contextmanager
def _serve(home: Path) -> Iterator[str]:
    """The address of a control room at noon, with a week of stories and the quotes of a sample."""
    landed = patch.object(storage.Blob, "time_created", new_callable=PropertyMock, return_value=_LANDED)
    with landed, start_world(home / "world") as world, lineage.serve(home / "lineage", NOON) as lineage_url:
        _fill(world, home)
        world.open(environment="dev", lineage_url=lineage_url)
        room = replace(world.room, session=AuthorizedSession(Credentials("a-token")))  # type: ignore[no-untyped-call]
        server = make_server("127.0.0.1", 0, make_app(room), request_handler=_Quiet, threaded=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def _fill(world: World, home: Path) -> None:
    warehouse = Warehouse(world.bigquery, home / "world" / "bigquery" / "buckets" / "lake")
    for number, dataset in enumerate(("price_quote", "bill_of_materials", "comp_boss"), 1):
        file = arrivals.make_sample(home, dataset, _SAMPLE_ROWS, seed=1)
        arrivals.load(warehouse, dataset, file, batch_id(number), NOON - timedelta(days=6))
    stories.tell(world, NOON)


class _Quiet(WSGIRequestHandler):
    def log_request(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    raise SystemExit(main())
