"""The running local cloud as something that commands work on."""

import urllib.parse
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rich.text import Text

from localcloud.airflow.api import Airflow, LocalSession
from localcloud.command.datasets import Dataset
from localcloud.command.session import find_cloud
from localcloud.deployment.deployment import Deployment, Look
from localcloud.deployment.exports import render_exports
from localcloud.launcher.cloud import BUCKETS, PROJECT, Cloud, endpoints
from localcloud.launcher.errors import CommandError
from localcloud.launcher.gcloud import gcloud_variables
from localcloud.launcher.links import make_links
from localcloud.launcher.parts import name_parts
from localcloud.launcher.place import Place
from localcloud.launcher.process import is_alive
from localcloud.launcher.state import State, read_state
from localcloud.launcher.web import WebError, fetch_json

if TYPE_CHECKING:
    from google.cloud import storage  # type: ignore[attr-defined]

    from localcloud.deployment.bigquery import BigQuery

# A local server answers soon or has a fault, given as 500 each time, for which the default tries ten minutes.
_BIGQUERY_PATIENCE = 5.0
# No file's way leads through these.
_ONLOOKERS = ("lineage", "control-room")
# The part whose log tells of a step that is not done.
_TELLERS = {
    "event delivered": "storage",
    "run asked for": "function",
    "Spark": "driver",
    "Airflow": "api-server",
}


class LocalDeployment(Deployment):
    """The local cloud of a state folder; its parts are looked for when they are needed."""

    command = "landfall"
    buckets = BUCKETS
    sees_events = True
    guards = False
    pause = 0.7
    patience = 300.0

    def __init__(self, place: Place) -> None:
        self._place = place
        self._whole: Cloud | None = None
        self.contracts = place.datasets

    @property
    def datasets(self) -> dict[str, Dataset]:
        return self.contracted

    @cached_property
    def links(self) -> Mapping[str, str]:
        cloud = self._addresses
        # A cloud that was never up has no ports yet.
        return make_links(cloud) if cloud.ports else {}

    @cached_property
    def control_room(self) -> str | None:
        cloud = self._addresses
        # One that runs since before there was such a part has none for it.
        return cloud.url("control-room") if "control-room" in cloud.ports else None

    def require_all(self) -> None:
        parts = name_parts(read_state(self._place.state).faults)
        self._whole = find_cloud(self._place, *(part for part in parts if part not in _ONLOOKERS))

    def storage(self) -> "storage.Client":
        from localcloud.launcher.clients import storage_client

        return storage_client(self._find("storage"))

    def bigquery(self) -> "BigQuery":
        from localcloud.deployment.bigquery import BigQuery
        from localcloud.launcher.clients import bigquery_client

        return BigQuery(bigquery_client(self._find("bigquery")), _BIGQUERY_PATIENCE)

    def airflow(self) -> Airflow:
        return Airflow(self._find("api-server").url("api-server"))

    def look(self) -> Look:
        """The parts: which run, at which port. Unsound when some are down while others run."""
        parts = describe_parts(read_state(self._place.state))
        up = [part["name"] for part in parts if part["state"] == "up"]
        down = [part["name"] for part in parts if part["state"] == "down"]
        lines = [Text.assemble("up    ", (", ".join(up), "green"))] if up else []
        if up and down:
            lines.append(
                Text.assemble("down  ", (", ".join(down), "red"), "  (`landfall up` starts them again)")
            )
        blind = ""
        if not up:
            blind = f"The local cloud in {self._place.home} is down. Start it with `landfall up`."
        elif not {"storage", "bigquery"} <= set(up):
            blind = "Without storage and bigquery nothing can be said of files."
        return Look({"home": str(self._place.home), "parts": parts}, lines, blind, not (up and down))

    def variables(self) -> dict[str, str]:
        cloud = self._find("storage", "bigquery", "metadata", "api-server")
        try:
            token = LocalSession(cloud.url("api-server")).token()
        except WebError as error:
            raise CommandError(f"Airflow gives no token: {error}. {self.say_where('Airflow')}") from error
        return make_exports(cloud, token)

    def exports(self) -> str:
        return render_local_exports(self.variables())

    def deliveries(self, uri: str, generation: int) -> list[dict[str, Any]]:
        bucket, _, name = uri.removeprefix("gs://").partition("/")
        query = urllib.parse.urlencode({"bucket": bucket, "name": name, "generation": generation})
        url = f"{self._find('storage').url('storage')}/_landfall/deliveries?{query}"
        found: list[dict[str, Any]] = fetch_json(url)
        return found

    def say_logs(self, dag: str, run: str) -> str:
        folder = self._place.airflow / "logs" / f"dag_id={dag}" / f"run_id={run}"
        return f"The logs are in {folder}; `landfall logs driver` shows Spark's."

    def say_where(self, step: str) -> str:
        return f"`landfall logs {_TELLERS.get(step, 'scheduler')}` says more."

    @property
    def _addresses(self) -> Cloud:
        return Cloud(self._place, read_state(self._place.state).ports)

    def _find(self, *needed: str) -> Cloud:
        # Once it was whole, a part that goes down is trouble that may pass, not the end of the command.
        return self._whole or find_cloud(self._place, *needed)


def describe_parts(state: State) -> list[dict[str, Any]]:
    """Each part's state (up, down), process and port."""
    return [
        {
            "name": name,
            "state": "up" if (running := state.parts.get(name)) and is_alive(running) else "down",
            "pid": running.pid if running and is_alive(running) else None,
            "port": state.ports.get(name),
        }
        for name in name_parts(state.faults)
    ]


def make_exports(cloud: Cloud, token: str) -> dict[str, str]:
    """The variables that point clients at a local cloud; `token` is Airflow's."""
    return {
        "LANDFALL_HOME": str(cloud.place.home),
        "LANDFALL_PROJECT": PROJECT,
        **{f"LANDFALL_{purpose.upper()}_BUCKET": bucket for purpose, bucket in BUCKETS.items()},
        **endpoints(cloud),
        **gcloud_variables(cloud),
        "AIRFLOW_API_URL": f"{cloud.url('api-server')}/api/v2",
        "AIRFLOW_API_TOKEN": token,
        # A cloud that runs since before there were such parts has no port for them.
        **{
            f"LANDFALL_{part.upper().replace('-', '_')}_URL": cloud.url(part)
            for part in ("control-room", "lineage")
            if part in cloud.ports
        },
    }


def render_local_exports(variables: dict[str, str]) -> str:
    """Lines for a POSIX shell; the real cloud's credentials would win over the local ones: they are unset."""
    # A proxy must not stand between a client and loopback; what the shell excludes already stays excluded.
    direct = [
        f'export {name}="${{{name}:+${name},}}127.0.0.1,localhost"' for name in ("no_proxy", "NO_PROXY")
    ]
    return render_exports(variables, [*direct, "unset GOOGLE_APPLICATION_CREDENTIALS"])
