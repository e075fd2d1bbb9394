"""The local cloud's names and addresses, and what of them its parts and its clients are told.

The local cloud is an environment as those of Terraform are: its settings are a var-file that Terraform could
plan with, and its names are made of them as Terraform makes them. A test compares the two.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud.launcher.place import Place
from localcloud.launcher.ports import HOST
from localcloud.secrets.keys import list_versions

VAR_FILE = Path(__file__).resolve().parents[1] / "local.tfvars.json"
_VARIABLES: Mapping[str, Any] = json.loads(VAR_FILE.read_text())

PROJECT: str = _VARIABLES["project"]
ENVIRONMENT: str = _VARIABLES["environment"]
REGION: str = _VARIABLES["region"]
BIGQUERY_LOCATION: str = _VARIABLES["bigquery_location"]
# Those that the pipeline reads or writes. Terraform also makes one for the function's source and one for
# Composer: here the function and Airflow run from the checkout.
BUCKETS = {
    purpose: f"{PROJECT}-{purpose}"
    for purpose in ("landing", "archive", "rejected", "lake", "code", "staging")
}
SERVERS = (
    *("api-server", "storage", "bigquery", "dataproc", "metadata", "secrets", "function"),
    *("lineage", "control-room"),
)
# What stands before a server that cannot fail on purpose itself, by that server's name.
PROXIES = {"bigquery": "bigquery-proxy", "api-server": "airflow-proxy"}
TOKEN_SECRET = "token-key"  # noqa: S105 a name, not a secret


@dataclass(frozen=True)
class Cloud:
    """One local cloud: where it lies and at which loopback ports its servers answer.

    With `faults` its parts fail on purpose, when there are rules for it.
    """

    place: Place
    ports: Mapping[str, int]
    faults: bool = False

    def address(self, server: str) -> str:
        return f"{HOST}:{self.ports[server]}"

    def url(self, server: str) -> str:
        return f"http://{self.address(server)}"

    def pipeline_url(self, server: str) -> str:
        """Where the pipeline, unlike the command, finds a server: behind what may make it fail."""
        return self.url(PROXIES[server] if self.faults else server)


def names(cloud: Cloud) -> dict[str, str]:
    """What the project's own code is told about its surroundings; Terraform sets the same names."""
    return {
        "LANDFALL_PROJECT": PROJECT,
        "LANDFALL_REGION": REGION,
        "LANDFALL_BIGQUERY_LOCATION": BIGQUERY_LOCATION,
        **{f"LANDFALL_{purpose.upper()}_BUCKET": bucket for purpose, bucket in BUCKETS.items()},
        "LANDFALL_DATASETS_DIR": str(cloud.place.datasets),
        "LANDFALL_DATAPROC_SERVICE_ACCOUNT": f"landfall-dataproc@{PROJECT}.iam.gserviceaccount.com",
        "LANDFALL_DATAPROC_SUBNETWORK": f"projects/{PROJECT}/regions/{REGION}/subnetworks/landfall",
        "LANDFALL_SECRETS_URL": cloud.url("secrets"),
        "LANDFALL_TOKEN_KEY": token_key(cloud.place),
        "LANDFALL_BATCH_WINDOW_SECONDS": str(_VARIABLES["batch_window_seconds"]),
        "LANDFALL_RUN_GRACE_SECONDS": str(_VARIABLES["run_grace_seconds"]),
    }


def token_key(place: Place) -> str:
    """The newest version of the key for tokens, as Secret Manager names it; `up` makes the first one."""
    newest = max(list_versions(place.keys, TOKEN_SECRET), default=1)
    return f"projects/{PROJECT}/secrets/{TOKEN_SECRET}/versions/{newest}"


def endpoints(cloud: Cloud) -> dict[str, str]:
    """What Google's libraries read to find the servers and a token, instead of the real cloud."""
    return {
        "GOOGLE_CLOUD_PROJECT": PROJECT,
        "STORAGE_EMULATOR_HOST": cloud.url("storage"),
        # For Google's C++ client, with which pyarrow reads gs://. It takes the user's own credentials out of
        # HOME, and asks Google about them; no file lies at the path that it is given instead.
        "CLOUD_STORAGE_EMULATOR_ENDPOINT": cloud.url("storage"),
        "GOOGLE_GCLOUD_ADC_PATH_OVERRIDE": str(cloud.place.gcloud / "no_credentials.json"),
        "BIGQUERY_EMULATOR_HOST": cloud.pipeline_url("bigquery"),
        "DATAPROC_EMULATOR_HOST": cloud.address("dataproc"),
        "GCE_METADATA_HOST": cloud.address("metadata"),
        "GCE_METADATA_ROOT": cloud.address("metadata"),
        "GCE_METADATA_IP": cloud.address("metadata"),
        "CLOUDSDK_CONFIG": str(cloud.place.gcloud),
    }
