"""Everything the function is told from outside, read once at start."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit


class SettingsError(Exception):
    """The environment lacks or misstates settings; the message lists every one of them."""


@dataclass(frozen=True)
class Settings:
    """What the function needs to know about its surroundings.

    Attributes:
        project: id of the Google Cloud project, for the trace in the log entries.
        landing_bucket: name of the one bucket whose events are accepted.
        airflow_url: base URL of Airflow's web server, without `/api/v2` and without a trailing slash.
        batch_window_seconds: length of a batch window; the DAGs are told the same.
        run_grace_seconds: how long after the end of its window a run starts.
    """

    project: str
    landing_bucket: str
    airflow_url: str
    batch_window_seconds: int
    run_grace_seconds: int

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read the settings, or raise `SettingsError` with all that is missing or invalid."""
        reader = _Reader(environment)
        settings = cls(
            project=reader.text("LANDFALL_PROJECT"),
            landing_bucket=reader.text("LANDFALL_LANDING_BUCKET"),
            airflow_url=reader.base_url("LANDFALL_AIRFLOW_URL"),
            batch_window_seconds=reader.seconds("LANDFALL_BATCH_WINDOW_SECONDS", default=60, least=1),
            run_grace_seconds=reader.seconds("LANDFALL_RUN_GRACE_SECONDS", default=5, least=0),
        )
        if reader.problems:
            raise SettingsError(
                "The function cannot start; set in its environment: " + "; ".join(reader.problems)
            )
        return settings


class _Reader:
    """Reads one variable after the other and remembers what is wrong instead of stopping at the first."""

    MOST_SECONDS = 3600

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.problems: list[str] = []

    def text(self, name: str) -> str:
        value = self._environment.get(name, "").strip()
        if not value:
            self.problems.append(f"{name} (missing)")
        return value

    def base_url(self, name: str) -> str:
        value = self.text(name).rstrip("/")
        if value and not _is_base_url(value):
            self.problems.append(
                f"{name} (expected the http or https address of Airflow's web server without /api/v2, "
                f"found {value!r})"
            )
        return value

    def seconds(self, name: str, *, default: int, least: int) -> int:
        value = self._environment.get(name, "").strip()
        if not value:
            return default
        # Four digits at most: longer ones are out of range, and int() has a limit of its own.
        if (
            not (value.isascii() and value.isdigit() and len(value) <= 4)
            or not least <= int(value) <= self.MOST_SECONDS
        ):
            self.problems.append(
                f"{name} (expected whole seconds from {least} to {self.MOST_SECONDS}, found {value!r})"
            )
            return default
        return int(value)


def _is_base_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and not parts.query
            and not parts.fragment
            and not parts.path.endswith("/api/v2")
        )
    except ValueError:
        return False
