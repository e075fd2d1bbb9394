"""`landfall env`: the exports that point other clients at the running local cloud."""

import shlex
from collections.abc import Mapping

from localcloud.airflow.api import Airflow
from localcloud.command.session import find_cloud
from localcloud.launcher.cloud import BUCKETS, PROJECT, Cloud, endpoints
from localcloud.launcher.gcloud import gcloud_variables
from localcloud.launcher.place import Place


def env(place: Place) -> int:
    """Print the lines; `eval "$(landfall env)"` takes them in."""
    cloud = find_cloud(place, "storage", "bigquery", "metadata", "api-server")
    print(render_exports(make_exports(cloud, Airflow(cloud.url("api-server")).token())))
    return 0


def make_exports(cloud: Cloud, token: str) -> dict[str, str]:
    """The variables; `token` is Airflow's."""
    return {
        "LANDFALL_HOME": str(cloud.place.home),
        "LANDFALL_PROJECT": PROJECT,
        **{f"LANDFALL_{purpose.upper()}_BUCKET": bucket for purpose, bucket in BUCKETS.items()},
        **endpoints(cloud),
        **gcloud_variables(cloud),
        "AIRFLOW_API_URL": f"{cloud.url('api-server')}/api/v2",
        "AIRFLOW_API_TOKEN": token,
    }


def render_exports(variables: Mapping[str, str]) -> str:
    """Lines for a POSIX shell; the real cloud's credentials would win over the local ones: they are unset."""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    # A proxy must not stand between a client and loopback; what the shell excludes already stays excluded.
    lines += [
        f'export {name}="${{{name}:+${name},}}127.0.0.1,localhost"' for name in ("no_proxy", "NO_PROXY")
    ]
    return "\n".join([*lines, "unset GOOGLE_APPLICATION_CREDENTIALS"])
