"""What pages work with: the edges of the control room, connected once for each process."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import cast

import flask
import google.auth
from google.auth.transport.requests import AuthorizedSession
from google.cloud import bigquery, storage

from room.catalogue import Catalogue, read_catalogue
from room.formats import Formats
from room.links import Links
from room.pending import Pending
from room.settings import Settings
from room.warehouse import Warehouse
from room.words import Words

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


@dataclass(frozen=True)
class Room:
    """The settings, the edges and the clock; `session` carries the account's token to Google's REST APIs."""

    settings: Settings
    catalogue: Catalogue
    warehouse: Warehouse
    storage: storage.Client
    session: AuthorizedSession
    links: Links
    clock: Callable[[], datetime]

    @cached_property
    def pending(self) -> Pending:
        """What is not in the ledger yet."""
        told = self.settings
        return Pending(self.storage, told.landing_bucket, told.lake_bucket, self.catalogue.datasets)


def connect(settings: Settings) -> Room:
    """The room with Google's clients; endpoints and credentials are what their libraries find."""
    credentials, _ = google.auth.default(scopes=[_SCOPE])
    return Room(
        settings,
        read_catalogue(settings.catalog_dir),
        Warehouse(bigquery.Client(settings.project, credentials, location=settings.bigquery_location)),
        storage.Client(settings.project, credentials),
        AuthorizedSession(credentials),  # type: ignore[no-untyped-call]
        Links(settings.links),
        lambda: datetime.now(UTC),
    )


def here() -> Room:
    """The room of the request that is answered."""
    return cast(Room, flask.current_app.extensions["room"])


def words() -> Words:
    """The words of the request's language."""
    return cast(Words, flask.g.words)


def formats() -> Formats:
    """The formats of the request's language."""
    return cast(Formats, flask.g.formats)
