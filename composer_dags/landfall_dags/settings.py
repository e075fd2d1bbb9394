"""Where the pipeline runs: the names that Terraform, or whoever starts Airflow, puts into the environment."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """The environment of the DAGs; periods in seconds, buckets by bare name.

    `token_key` names a version of the secret that tokens are made with; only datasets with a tokenised column
    need it.
    """

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
    secrets_url: str
    token_key: str | None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read all settings at once.

        Raises ValueError naming every variable that is missing or cannot be understood.
        """
        problems = [f"{name} is not set" for name in _REQUIRED.values() if not environment.get(name)]
        seconds: dict[str, int] = {}
        for field, (name, default, least) in _SECONDS.items():
            text = environment.get(name) or default
            if not text.isdecimal() or int(text) < least:
                problems.append(f"{name} must be a whole number of seconds, at least {least}; found {text!r}")
            else:
                seconds[field] = int(text)
        token_key = environment.get(_TOKEN_KEY) or None
        if token_key is not None and not _SECRET_VERSION.fullmatch(token_key):
            problems.append(
                f"{_TOKEN_KEY} must be projects/PROJECT/secrets/SECRET/versions/NUMBER, so that the ledger "
                f"says which key made a token; found {token_key!r}"
            )
        if problems:
            raise ValueError(
                "the environment of the DAGs is incomplete: "
                + "; ".join(problems)
                + ". Set them for every Airflow component (Composer: environment variables)."
            )
        values = {field: environment[name] for field, name in _REQUIRED.items()}
        datasets_dir = Path(values.pop("datasets_dir"))
        secrets_url = environment.get(_SECRETS_URL[0]) or _SECRETS_URL[1]
        return cls(
            datasets_dir=datasets_dir,
            secrets_url=secrets_url,
            token_key=token_key,
            **values,  # type: ignore[arg-type]
            **seconds,  # type: ignore[arg-type]
        )


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
_TOKEN_KEY = "LANDFALL_TOKEN_KEY"  # noqa: S105 a name, no secret
_SECRET_VERSION = re.compile(r"projects/[^/]+/secrets/[^/]+/versions/[0-9]+")
# (variable, default)
_SECRETS_URL = ("LANDFALL_SECRETS_URL", "https://secretmanager.googleapis.com")
