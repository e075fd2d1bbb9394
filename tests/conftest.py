"""What tests of several folders need: an Airflow home of this session's own, patience, and a browser."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# Airflow reads these once, when it is first imported.
if "AIRFLOW_HOME" not in os.environ:
    os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="landfall-dags-")
    atexit.register(shutil.rmtree, os.environ["AIRFLOW_HOME"], ignore_errors=True)
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"

# How long an example takes, or its making, is the machine's business.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


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
