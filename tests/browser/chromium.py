"""A real browser, without a window, and what it must not meet while it looks at a page."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, expect, sync_playwright

LOCALES = {"en": "en-US", "pt": "pt-BR"}
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_TIMEOUT = 60_000.0
expect.set_options(timeout=_TIMEOUT)


def find_chromium() -> str | None:
    """The path of an installed Chromium, if there is one."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


@contextmanager
def launch() -> Iterator[Browser]:
    """A browser; its pages cannot reach another host by name."""
    arguments = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), args=arguments, timeout=_TIMEOUT
        )
        yield browser
        browser.close()


@dataclass
class Visitor:
    """Opens the site's pages as somebody with a language, a colour scheme and a screen would."""

    browser: Browser
    site: str
    faults: list[str] = field(default_factory=list)

    @contextmanager
    def visit(
        self, path: str, language: str = "en", scheme: str = "light", width: int = 1280, **context: Any
    ) -> Iterator[Page]:
        """The page, loaded, its charts drawn; what was wrong with it is in `faults`, with its path."""
        session = self.browser.new_context(
            base_url=self.site,
            locale=LOCALES[language],
            color_scheme=scheme,  # type: ignore[arg-type]
            viewport={"width": width, "height": 900},
            **context,
        )
        session.set_default_timeout(_TIMEOUT)
        page = session.new_page()
        self._watch(page)
        try:
            page.goto(path, wait_until="load")
            if context.get("java_script_enabled", True):
                wait_for_charts(page)
            yield page
        finally:
            session.close()

    def _watch(self, page: Page) -> None:
        def say(what: str) -> None:
            self.faults.append(f"{urlsplit(page.url).path}: {what}")

        def hear(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                say(f"console {message.type}: {message.text}")

        def meet(request: Request) -> None:
            if not request.url.startswith((f"{self.site}/", "data:")):
                say(f"a request to {request.url}")

        def answer(response: Response) -> None:
            if response.status >= 400:
                say(f"{response.status} for {response.url}")

        def fail(request: Request) -> None:
            # What becomes a download ends so for the page that asked for it.
            if request.failure != "net::ERR_ABORTED":
                say(f"{request.failure} for {request.url}")

        page.on("console", hear)
        page.on("pageerror", lambda error: say(f"error: {error}"))
        page.on("request", meet)
        page.on("response", answer)
        page.on("requestfailed", fail)
        page.on("dialog", lambda dialog: (say(f"dialog: {dialog.message}"), dialog.dismiss()))


def wait_for_charts(page: Page) -> None:
    """Wait until every chart of the page is drawn."""
    expect(page.locator("[data-chart]:not([data-drawn])")).to_have_count(0)
