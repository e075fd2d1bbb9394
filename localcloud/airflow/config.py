"""Airflow's configuration for one machine, and the secrets it needs, made once per state folder."""

import base64
import json
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

# Imported by every Airflow process at its start.
_LOCAL_SETTINGS = Path(__file__).with_name("airflow_local_settings.py")
_PLUGINS = Path(__file__).with_name("plugins")


# The DAGs tell lineage themselves, of batches that are recorded. What the provider would tell of a task has
# the run's conf in it, and errors, which may quote what is in a file.
_SILENT = [
    {
        "scope": {"dag_id": "ingest_.+|sweep"},
        "match_mode": "regex",
        "controls": {"emit": False},
        "locked": True,
    }
]


def make_configuration(
    home: Path, dags: Path, url: str, keys: Mapping[str, str], project: str, events: Path | None = None
) -> dict[str, dict[str, str]]:
    """The options, by section, that differ from Airflow's defaults; `url` is the api-server's base URL.

    OpenLineage events go into the file `events`, or nowhere.
    """
    host, port = url.removeprefix("http://").split(":")
    return {
        "core": {
            "dags_folder": str(dags),
            "plugins_folder": str(_PLUGINS),
            "executor": "LocalExecutor",
            "parallelism": "4",
            "load_examples": "False",
            "dags_are_paused_at_creation": "False",
            "simple_auth_manager_all_admins": "True",
            "execution_api_server_url": f"{url}/execution/",
            "fernet_key": keys["fernet_key"],
            # The default asks the name service, which a laptop may not have.
            "hostname_callable": "socket.gethostname",
            "min_serialized_dag_update_interval": "5",
        },
        # SQLite has one writer at a time. Unless told, the others wait 5 seconds and end.
        "database": {"sql_alchemy_conn": f"sqlite:///{home / 'airflow.db'}?timeout=60"},
        "api": {
            "host": host,
            "port": port,
            "base_url": url,
            "workers": "1",
            "secret_key": keys["secret_key"],
            "instance_name": f"landfall · {project}",
        },
        "api_auth": {"jwt_secret": keys["jwt_secret"]},
        "logging": {
            "base_log_folder": str(home / "logs"),
            "dag_processor_child_process_log_directory": str(home / "logs" / "dag_processor"),
            # Each poll of `landfall status` or of the web page would be a line otherwise.
            "namespace_levels": "http.access=WARNING httpx=WARNING alembic=WARNING",
            "colored_console_log": "False",
        },
        "scheduler": {
            "scheduler_idle_sleep_time": "0.3",
            "scheduler_heartbeat_sec": "2",
            # What a `down` in the middle of a task leaves behind is taken up again soon after the next `up`.
            "orphaned_tasks_check_interval": "20",
            "task_instance_heartbeat_timeout": "60",
        },
        "dag_processor": {
            "refresh_interval": "10",
            # A changed file is parsed when it is seen; an unchanged one need not be parsed every 30 seconds.
            "min_file_process_interval": "120",
            "parsing_processes": "1",
            "print_stats_interval": "0",
        },
        "openlineage": {
            "namespace": project,
            "emission_policy": json.dumps(_SILENT, separators=(",", ":"), sort_keys=True),
            **_transport(events),
        },
    }


def _transport(events: Path | None) -> dict[str, str]:
    if events is None:
        return {"disabled": "True"}
    return {"transport": json.dumps({"type": "file", "log_file_path": str(events), "append": True})}


def render_configuration(options: Mapping[str, Mapping[str, str]]) -> str:
    """`airflow.cfg`; a per cent sign is doubled, since the reader interpolates."""
    lines = ["# Written by `landfall up`; changes here are lost."]
    for section, values in options.items():
        lines += ["", f"[{section}]"]
        lines += [f"{name} = {value.replace('%', '%%')}" for name, value in values.items()]
    return "\n".join(lines) + "\n"


def read_keys(path: Path) -> dict[str, str]:
    """The secrets of this Airflow, made on first use in a file that only its owner reads."""
    if not path.exists():
        keys = {
            "fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "secret_key": secrets.token_urlsafe(32),
            "jwt_secret": secrets.token_urlsafe(64),
        }
        _write_private(path, json.dumps(keys))
    loaded: dict[str, str] = json.loads(path.read_text())
    return loaded


def write_home(home: Path, dags: Path, url: str, project: str, events: Path | None = None) -> None:
    """Make or bring up to date everything that Airflow reads in its home; `events` is for OpenLineage's."""
    (home / "config").mkdir(parents=True, exist_ok=True)
    keys = read_keys(home / "keys.json")
    _write_private(
        home / "airflow.cfg", render_configuration(make_configuration(home, dags, url, keys, project, events))
    )
    shutil.copyfile(_LOCAL_SETTINGS, home / "config" / _LOCAL_SETTINGS.name)


def make_connection(project: str) -> str:
    """The connection `google_cloud_default`, as the environment variable wants it."""
    extra = {"project": project, "is_anonymous": True}
    return json.dumps({"conn_type": "google_cloud_platform", "extra": extra})


def _write_private(path: Path, text: str) -> None:
    draft = path.with_suffix(".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
        handle.write(text)
    draft.replace(path)
