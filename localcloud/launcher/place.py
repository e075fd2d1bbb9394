"""Where things lie on this machine: the checkout, and the state folder of its local cloud."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Place:
    """The checkout (`root`) and the state folder (`home`), both absolute and without symbolic links."""

    root: Path
    home: Path

    @property
    def buckets(self) -> Path:
        return self.home / "buckets"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def airflow(self) -> Path:
        return self.home / "airflow"

    @property
    def keys(self) -> Path:
        """The versions of the local secrets, one file each."""
        return self.home / "keys"

    @property
    def gcloud(self) -> Path:
        """An empty configuration folder, so that no part ever finds the credentials of whoever runs it."""
        return self.home / "gcloud"

    @property
    def state(self) -> Path:
        return self.home / "state.json"

    @property
    def lock(self) -> Path:
        return self.home / "lock"

    @property
    def datasets(self) -> Path:
        return self.root / "bigquery" / "datasets"

    def log(self, part: str) -> Path:
        return self.logs / f"{part}.log"


def find_place(environment: Mapping[str, str]) -> Place:
    """The place that `LANDFALL_HOME` names, else `.landfall/` in the checkout that holds this file."""
    home = environment.get("LANDFALL_HOME", "")
    # One folder under two spellings must be one cloud: its processes are found by this path.
    return Place(ROOT, (Path(home).expanduser() if home else ROOT / ".landfall").resolve())
