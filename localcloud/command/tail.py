"""`landfall tail`: each change as it happens, until it is interrupted."""

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import requests
from google.api_core.exceptions import GoogleAPIError
from google.auth.exceptions import GoogleAuthError

from localcloud.command.changes import Change
from localcloud.command.console import make_console
from localcloud.command.output import print_line
from localcloud.command.tail_view import TailView
from localcloud.command.watch import Watcher
from localcloud.deployment.deployment import Deployment
from localcloud.deployment.remedy import is_final
from localcloud.launcher.errors import CommandError
from localcloud.launcher.web import WebError

VERSION = 1


def tail(deployment: Deployment, dataset: str | None, as_json: bool) -> int:
    """Tell each change of all datasets, or of one; only an interruption or an error ends it."""
    if dataset is not None:
        deployment.require_dataset(dataset)
    # What is down now is an error; what goes down later may come back.
    watcher = Watcher(deployment, dataset)
    watcher.look(datetime.now(UTC))
    rounds = watch(watcher, deployment.pause)
    if as_json:
        for found, _ in rounds:
            for change in found:
                print_line({"version": VERSION, **change.document()})
    with TailView(make_console(), watcher) as view:
        for found, trouble in rounds:
            view.show(found, trouble)
    return 0


def watch(watcher: Watcher, pause: float) -> Iterator[tuple[list[Change], str]]:
    """What each look finds, without an end, and why the last one failed; raises what looking cannot mend."""
    trouble = ""
    while True:
        time.sleep(pause)
        found: list[Change] = []
        try:
            found, before, trouble = watcher.look(datetime.now(UTC)), trouble, ""
            if before:
                print("landfall: all parts answer again", file=sys.stderr)
        except (WebError, CommandError, GoogleAPIError, GoogleAuthError, requests.RequestException) as error:
            if is_final(error):
                raise
            if not trouble:
                print(f"landfall: {error}", file=sys.stderr)
            trouble = str(error)
        yield found, trouble
