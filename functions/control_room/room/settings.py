"""Everything the function is told from outside, read once at start."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_REQUIRED = {
    "project": "LANDFALL_PROJECT",
    "region": "LANDFALL_REGION",
    "environment": "LANDFALL_ENVIRONMENT",
    "bigquery_location": "LANDFALL_BIGQUERY_LOCATION",
    "landing_bucket": "LANDFALL_LANDING_BUCKET",
    "lake_bucket": "LANDFALL_LAKE_BUCKET",
    "catalog_dir": "LANDFALL_CATALOG_DIR",
    "lineage_url": "LANDFALL_LINEAGE_URL",
    "links": "LANDFALL_LINKS",
}


class SettingsError(Exception):
    """The environment lacks or misstates settings; the message lists every one of them."""


@dataclass(frozen=True)
class Settings:
    """What the control room needs to know about its surroundings.

    Attributes:
        environment: short name of the installation, shown on every page.
        catalog_dir: folder with `datasets/<dataset>/catalog.json` and `marts/catalog.json`.
        lineage_url: base address of the Data Lineage API.
        links: for each kind of thing an address with placeholders; a kind that is absent is not linked.
    """

    project: str
    region: str
    environment: str
    bigquery_location: str
    landing_bucket: str
    lake_bucket: str
    catalog_dir: Path
    lineage_url: str
    links: Mapping[str, str]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read the settings, or raise `SettingsError` with all that is missing or invalid."""
        found = {field: environment.get(name, "").strip() for field, name in _REQUIRED.items()}
        problems = [f"{_REQUIRED[field]} (missing)" for field, value in found.items() if not value]
        links = _read_links(found["links"]) if found["links"] else {}
        if links is None:
            problems.append('LANDFALL_LINKS (expected a JSON object such as {"run": "https://…/{run_id}"})')
        if found["catalog_dir"] and not Path(found["catalog_dir"], "datasets").is_dir():
            problems.append(
                f"LANDFALL_CATALOG_DIR (expected a folder with datasets/, found {found['catalog_dir']!r})"
            )
        if problems:
            raise SettingsError(
                "The control room cannot start; set in its environment: " + "; ".join(problems)
            )
        plain = ("project", "region", "environment", "bigquery_location", "landing_bucket", "lake_bucket")
        return cls(
            **{field: found[field] for field in plain},
            catalog_dir=Path(found["catalog_dir"]),
            lineage_url=found["lineage_url"].rstrip("/"),
            links=links or {},
        )


def _read_links(text: str) -> dict[str, str] | None:
    try:
        links = json.loads(text)
    except ValueError:
        return None
    sound = isinstance(links, dict) and all(isinstance(address, str) for address in links.values())
    return links if sound else None
