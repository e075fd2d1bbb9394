"""Where things lie on this machine: the checkout, and the state folder of its local cloud."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Place:
    """The checkout (`root`) and the state folder (`home`), both absolute and without symbolic links.

    `contracts` is another folder of rendered datasets to work with than the checkout's.
    """

    root: Path
    home: Path
    contracts: Path | None = None

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
    def faults(self) -> Path:
        """The rules by which parts fail on purpose; what they did is beside it, in `faults.log`."""
        return self.home / "faults.json"

    @property
    def lineage_events(self) -> Path:
        """What Airflow reports of each task's inputs and outputs, an OpenLineage event a line."""
        return self.home / "lineage" / "events.ndjson"

    @property
    def catalog(self) -> Path:
        """A folder with `datasets/` and `marts/`: the one above other datasets, if they are called so."""
        other = self.contracts is not None and self.contracts.name == "datasets"
        return self.datasets.parent if other else self.root / "bigquery"

    @property
    def datasets(self) -> Path:
        """One folder for each dataset, with what its contract is rendered to."""
        return self.contracts or self.root / "bigquery" / "datasets"

    def log(self, part: str) -> Path:
        return self.logs / f"{part}.log"


def find_place(environment: Mapping[str, str]) -> Place:
    """The place that `LANDFALL_HOME` names, else `.landfall/` in the checkout that holds this file.

    `LANDFALL_DATASETS_DIR` names other datasets than the checkout's.
    """
    # One folder under two spellings must be one cloud: its processes are found by this path.
    return Place(
        ROOT,
        _folder(environment.get("LANDFALL_HOME", "")) or (ROOT / ".landfall").resolve(),
        _folder(environment.get("LANDFALL_DATASETS_DIR", "")),
    )


def _folder(name: str) -> Path | None:
    return Path(name).expanduser().resolve() if name else None
