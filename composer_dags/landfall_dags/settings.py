"""Where the pipeline runs: the names that Terraform, or whoever starts Airflow, puts into the environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """The environment of the DAGs; periods in seconds, buckets by bare name."""

    project: str
    region: str
    bigquery_location: str
    landing_bucket: str
    archive_bucket: str
    rejected_bucket: str
    lake_bucket: str
    code_bucket: str
    staging_bucket: str
    datasets_dir: Path
    dataproc_service_account: str
    dataproc_subnetwork: str
    batch_window_seconds: int
    run_grace_seconds: int

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read all settings at once.

        Raises ValueError naming every variable that is missing or is not a whole number of seconds.
        """
        problems = [f"{name} is not set" for name in _REQUIRED.values() if not environment.get(name)]
        seconds: dict[str, int] = {}
        for field, (name, default, least) in _SECONDS.items():
            text = environment.get(name) or default
            if not text.isdecimal() or int(text) < least:
                problems.append(f"{name} must be a whole number of seconds, at least {least}; found {text!r}")
            else:
                seconds[field] = int(text)
        if problems:
            raise ValueError(
                "the environment of the DAGs is incomplete: "
                + "; ".join(problems)
                + ". Set them for every Airflow component (Composer: environment variables)."
            )
        values = {field: environment[name] for field, name in _REQUIRED.items()}
        datasets_dir = Path(values.pop("datasets_dir"))
        return cls(datasets_dir=datasets_dir, **values, **seconds)  # type: ignore[arg-type]


_REQUIRED = {
    "project": "LANDFALL_PROJECT",
    "region": "LANDFALL_REGION",
    "bigquery_location": "LANDFALL_BIGQUERY_LOCATION",
    "landing_bucket": "LANDFALL_LANDING_BUCKET",
    "archive_bucket": "LANDFALL_ARCHIVE_BUCKET",
    "rejected_bucket": "LANDFALL_REJECTED_BUCKET",
    "lake_bucket": "LANDFALL_LAKE_BUCKET",
    "code_bucket": "LANDFALL_CODE_BUCKET",
    "staging_bucket": "LANDFALL_STAGING_BUCKET",
    "datasets_dir": "LANDFALL_DATASETS_DIR",
    "dataproc_service_account": "LANDFALL_DATAPROC_SERVICE_ACCOUNT",
    "dataproc_subnetwork": "LANDFALL_DATAPROC_SUBNETWORK",
}
# field: (variable, default, least)
_SECONDS = {
    "batch_window_seconds": ("LANDFALL_BATCH_WINDOW_SECONDS", "60", 1),
    "run_grace_seconds": ("LANDFALL_RUN_GRACE_SECONDS", "5", 0),
}
