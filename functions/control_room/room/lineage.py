"""What the Data Lineage API has seen: which tables were written from what, and when last."""

import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from logging import getLogger
from typing import Any

from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import AuthorizedSession
from requests.exceptions import RequestException

from room.cache import Cache

_LOG = getLogger(__name__)
#: Seconds for which an answer, and that there is none, is shown again.
KEPT = 60.0
_TIMEOUT = 2.0
_MOST_KEPT = 200
_AT_ONCE = 8
_MOST = 100
#: One end of links: source or target, and its fully qualified name.
End = tuple[str, str]
# https://cloud.google.com/data-catalog/docs/fully-qualified-names: such a segment stands between backticks.
_MARKED = re.compile(r"[:.\s`]")


@dataclass(frozen=True)
class Link:
    """Rows went from `source` to `target`, fully qualified names, `last` at that time."""

    source: str
    target: str
    last: datetime


class Lineage:
    """The Data Lineage API of one project and location; where it does not answer, nothing is known."""

    def __init__(self, session: AuthorizedSession, url: str, project: str, region: str) -> None:
        self._session = session
        self._address = f"{url}/v1/projects/{project}/locations/{region}:searchLinks"
        self._cache = Cache(_MOST_KEPT)
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="lineage")

    def search(self, ends: Iterable[End]) -> list[Link] | None:
        """The links at any of the ends, at most a hundred at each; None where the API is away for one."""
        answers = list(self._pool.map(self._look_up, sorted(set(ends))))
        known = [links for links in answers if links is not None]
        found = dict.fromkeys(link for links in known for link in links)
        return list(found) if len(known) == len(answers) else None

    def _look_up(self, end: End) -> list[Link] | None:
        # That it is away is kept too: else every page would wait for it.
        links: list[Link] | None = self._cache.get(end, KEPT, lambda: self._ask(end))
        return links

    def _ask(self, end: End) -> list[Link] | None:
        side, name = end
        question = {side: {"fullyQualifiedName": name}, "pageSize": _MOST}
        try:
            answer = self._session.request(  # type: ignore[no-untyped-call]
                "POST", self._address, json=question, timeout=_TIMEOUT, max_allowed_time=_TIMEOUT
            )
            if answer.status_code == 200:
                return [_link(one) for one in answer.json().get("links", [])]
            _LOG.warning("The Data Lineage API answered %s", answer.status_code)
        except (RequestException, GoogleAuthError, ValueError, KeyError, AttributeError, TypeError) as error:
            _LOG.warning("The Data Lineage API did not answer: %s", type(error).__name__)
        return None


def _link(written: dict[str, Any]) -> Link:
    source, target = (str(written[end]["fullyQualifiedName"]) for end in ("source", "target"))
    return Link(source, target, datetime.fromisoformat(written["endTime"]))


def name_table(project: str, table: str) -> str:
    """The fully qualified name of a BigQuery table, given as dataset.table."""
    return _name("bigquery", project, *table.split("."))


def name_folder(bucket: str, folder: str) -> str:
    """The fully qualified name of a folder of a bucket, given with or without a slash at its end."""
    return _name("gcs", bucket, folder.rstrip("/"))


def _name(system: str, *segments: str) -> str:
    quoted = ("`" + one.replace("`", "``") + "`" if _MARKED.search(one) else one for one in segments)
    return f"{system}:{'.'.join(quoted)}"
