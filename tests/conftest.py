"""A browser for the tests that look at pages."""

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium; whoever asks for it is skipped where there is none."""
    from tests.browser.chromium import find_chromium

    path = find_chromium()
    if path is None:
        pytest.skip("there is no chromium, chromium-browser or google-chrome: pages are not looked at")
    return path


# Not longer: the event loop of Playwright's synchronous API would be in the way of other tests' loops.
@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    """The Chromium, without a window."""
    from tests.browser.chromium import launch

    with launch() as found:
        yield found
