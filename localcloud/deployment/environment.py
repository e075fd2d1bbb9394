"""An environment of Google Cloud as something that commands work on, with the user's own credentials."""

import urllib.parse
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from rich.text import Text

from localcloud.airflow.api import Airflow
from localcloud.command.datasets import Dataset
from localcloud.deployment.deployment import Deployment, Look
from localcloud.deployment.exports import render_exports
from localcloud.deployment.outputs import read_outputs
from localcloud.launcher.errors import CommandError, UsageError
from localcloud.launcher.place import Place
from localcloud.launcher.web import WebError

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from google.cloud import storage  # type: ignore[attr-defined]

    from localcloud.deployment.bigquery import BigQuery

_PATIENCE = 60.0  # seconds for one question to BigQuery that meets an error which may pass
_AIRFLOW_TIMEOUT = 30.0
# What `landfall env` of a local cloud sets, and what would lead clients back there or keep them from asking.
_LOCAL = (
    "STORAGE_EMULATOR_HOST",
    "CLOUD_STORAGE_EMULATOR_ENDPOINT",
    "BIGQUERY_EMULATOR_HOST",
    "DATAPROC_EMULATOR_HOST",
    "GCE_METADATA_HOST",
    "GCE_METADATA_ROOT",
    "GCE_METADATA_IP",
    "GOOGLE_GCLOUD_ADC_PATH_OVERRIDE",
    "CLOUDSDK_CONFIG",
    "CLOUDSDK_CORE_CHECK_GCE_METADATA",
    "CLOUDSDK_CORE_DISABLE_PROMPTS",
    "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING",
    "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK",
    "CLOUDSDK_SURVEY_DISABLE_PROMPTS",
    "CLOUDSDK_AUTH_DISABLE_CREDENTIALS",
    "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE",
    "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE",
    "BIGQUERYRC",
    "AIRFLOW_API_TOKEN",
    "AIRFLOW_API_URL",
    "LANDFALL_CONTROL_ROOM_URL",
    "LANDFALL_LINEAGE_URL",
)


class Environment(Deployment):
    """An environment by its outputs; endpoints and credentials are what Google's libraries find.

    Raises UsageError or CommandError when its outputs cannot be read. Errors of Google's clients come as they
    are: `remedy.explained` adds what to do.
    """

    # Of an event nothing can be asked; its run shows that it came.
    sees_events = False
    guards = True
    pause = 3.0
    # The longest batch window in use (900 s), a cluster's start, Spark.
    patience = 1800.0

    def __init__(self, place: Place, name: str) -> None:
        self.name = name
        self.outputs = read_outputs(place.home, name)
        self.command = f"landfall --env {name}"
        self.contracts = place.datasets
        self.buckets = self.outputs.buckets

    @cached_property
    def datasets(self) -> dict[str, Dataset]:
        return {name: self.contracted[name] for name in self.outputs.datasets if name in self.contracted}

    def require_dataset(self, name: str) -> Dataset:
        dataset = super().require_dataset(name)
        if name not in self.datasets:
            raise UsageError(
                f"{name} is a dataset of this checkout that {self.name} has not got yet. "
                f"`make deploy ENV={self.name}` brings it."
            )
        return dataset

    @property
    def links(self) -> Mapping[str, str]:
        return self.outputs.links

    @property
    def control_room(self) -> str | None:
        return self.outputs.control_room_url

    def require_all(self) -> None:
        self._airflow_url()

    def storage(self) -> "storage.Client":
        from google.cloud import storage  # type: ignore[attr-defined]

        return storage.Client(self.outputs.project, self._credentials)

    def bigquery(self) -> "BigQuery":
        from google.cloud import bigquery

        from localcloud.deployment.bigquery import BigQuery

        client = bigquery.Client(
            self.outputs.project, self._credentials, location=self.outputs.bigquery_location
        )
        return BigQuery(client, _PATIENCE)

    def airflow(self) -> Airflow:
        from localcloud.deployment.google import GoogleSession

        return Airflow(self._airflow_url(), GoogleSession(self._credentials, _AIRFLOW_TIMEOUT))

    def look(self) -> Look:
        """Its address, what Airflow says of itself, and datasets that it and the checkout do not share.

        Unsound when what Airflow says is bad, or nothing.
        """
        state, detail = self._look_at_airflow()
        undeployed = [name for name in self.contracted if name not in self.datasets]
        unknown = [name for name in self.outputs.datasets if name not in self.datasets]
        head = {
            "environment": self.name,
            "project": self.outputs.project,
            "region": self.outputs.region,
            "airflow": {"url": self.outputs.airflow_url, "state": state, "detail": detail},
            "undeployed": undeployed,
            "unknown": unknown,
        }
        colour = {"healthy": "green", "away": "yellow"}.get(state, "red")
        line = Text.assemble("airflow  ", (state, colour))
        for more in (detail, self.outputs.airflow_url):
            line.append(f"  {more}" if more else "")
        lines = [Text(f"{self.name:<8} project {self.outputs.project}, {self.outputs.region}"), line]
        if undeployed:
            remedy = f"only in this checkout; `make deploy ENV={self.name}` brings it"
            lines.append(Text.assemble("lacks    ", (", ".join(undeployed), "yellow"), f"  ({remedy})"))
        if unknown:
            remedy = "no contract in this checkout, so nothing is said of it"
            lines.append(Text.assemble("besides  ", (", ".join(unknown), "yellow"), f"  ({remedy})"))
        return Look(head, lines, "", state in ("healthy", "away"))

    def variables(self) -> dict[str, str]:
        url = self.outputs.airflow_url
        buckets = {
            f"LANDFALL_{purpose.upper().replace('-', '_')}_BUCKET": name
            for purpose, name in self.buckets.items()
        }
        return {
            "LANDFALL_PROJECT": self.outputs.project,
            "LANDFALL_REGION": self.outputs.region,
            "LANDFALL_BIGQUERY_LOCATION": self.outputs.bigquery_location,
            **buckets,
            "GOOGLE_CLOUD_PROJECT": self.outputs.project,
            "CLOUDSDK_CORE_PROJECT": self.outputs.project,
            **({"AIRFLOW_API_URL": f"{url}/api/v2"} if url else {}),
            **({"LANDFALL_CONTROL_ROOM_URL": self.control_room} if self.control_room else {}),
        }

    def exports(self) -> str:
        variables = self.variables()
        # Such as the address of an Airflow that is away here.
        unwanted = [name for name in _LOCAL if name not in variables]
        # A shell of the user's own may have some of them for reasons of its own.
        forget = f'test -z "${{STORAGE_EMULATOR_HOST:-}}" || unset {" ".join(unwanted)}'
        return render_exports(variables, [forget])

    def say_logs(self, dag: str, run: str) -> str:
        page = f"{self.outputs.airflow_url}/dags/{dag}/runs/{urllib.parse.quote(run, safe='')}"
        return f"The logs are at {page}; the driver output that a failed csv_to_parquet names is Spark's."

    def say_where(self, step: str) -> str:
        if step == "run asked for":
            return (
                f"`gcloud functions logs read {self.outputs.function} --gen2 --region {self.outputs.region} "
                f"--project {self.outputs.project}` says more."
            )
        return f"Airflow at {self.outputs.airflow_url} says more."

    @cached_property
    def _credentials(self) -> "Credentials":
        from localcloud.deployment.google import find_credentials

        return find_credentials()

    def _airflow_url(self) -> str:
        if self.outputs.airflow_url is None:
            raise CommandError(
                f"expected Airflow in {self.name}, found Composer switched off (composer_enabled = false). "
                f"`make deploy ENV={self.name}` brings it back; what is dropped meanwhile waits in landing."
            )
        return self.outputs.airflow_url

    def _look_at_airflow(self) -> tuple[str, str | None]:
        from google.auth.exceptions import GoogleAuthError

        if self.outputs.airflow_url is None:
            return "away", "Composer is switched off; what lands waits in landing"
        try:
            health = self.airflow().health()
        except (WebError, GoogleAuthError) as error:
            return "unknown", str(error)
        bad = [f"{name} {state}" for name, state in health.items() if state != "healthy"]
        return ("unhealthy", ", ".join(bad)) if bad else ("healthy", None)
