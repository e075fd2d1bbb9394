"""A control room over the rendered documents alone: no BigQuery, no storage, no record of lineage."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from google.auth.credentials import AnonymousCredentials
from google.auth.transport.requests import AuthorizedSession
from google.cloud import storage

from room.app import make_app
from room.catalogue import read_catalogue
from room.links import Links
from room.place import Room
from room.settings import Settings
from room.warehouse import Warehouse
from tests.bigquery.world import LOCATION, NOON, PROJECT, ROOT
from tests.functions.control_room.reading import Element, read
from tests.functions.control_room.world import LAKE, LANDING, LINKS

CATALOGUE = read_catalogue(ROOT / "bigquery")
FOLDERS = sorted(path.parent for path in (ROOT / "bigquery/datasets").glob("*/contract.yaml"))
DATASETS = [folder.name for folder in FOLDERS]
MARTS = sorted(CATALOGUE.marts)


class _Unasked:
    """Stands for what the catalogue does not need; whoever uses it fails."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the catalogue needs no {name} where no lineage is known")


@dataclass
class Documents:
    """Pages made of the documents in a folder laid out as `bigquery/`."""

    folder: Path = ROOT / "bigquery"

    def __post_init__(self) -> None:
        settings = Settings(
            project=PROJECT,
            region=LOCATION,
            environment="test",
            bigquery_location=LOCATION,
            landing_bucket=LANDING,
            lake_bucket=LAKE,
            catalog_dir=self.folder,
            lineage_url="http://127.0.0.1:9",
            links=LINKS,
        )
        room = Room(
            settings,
            read_catalogue(self.folder),
            cast(Warehouse, _Unasked()),
            cast(storage.Client, _Unasked()),
            AuthorizedSession(AnonymousCredentials()),  # type: ignore[no-untyped-call]
            Links(LINKS),
            lambda: NOON,
        )
        self.app = make_app(room)

    def html(self, address: str, language: str = "en", status: int = 200, **arguments: str) -> str:
        """The page at the address with these arguments, as it is sent."""
        client = self.app.test_client()
        headers = {"Accept-Language": language}
        answer = client.get(address, headers=headers, query_string=arguments or None)
        assert answer.status_code == status, answer.text
        return answer.text

    def show(self, address: str, language: str = "en", status: int = 200, **arguments: str) -> Element:
        """The page at the address with these arguments, as its reader finds it."""
        return read(self.html(address, language, status, **arguments))
