"""The environment of a part: little of the user's, and everything that the part needs."""

import platform
import sys
from collections.abc import Mapping
from pathlib import Path

from localcloud.launcher.cloud import Cloud, endpoints, names
from localcloud.launcher.process import MARK

# What a process needs of its surroundings to run at all. Everything else stays out: a credential, a proxy, an
# Airflow or Spark setting of the user must not reach a part.
_KEPT = ("HOME", "JAVA_HOME", "LANG", "LD_LIBRARY_PATH", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER")


def keep(environment: Mapping[str, str]) -> dict[str, str]:
    """The harmless part of the user's environment."""
    return {k: v for k, v in environment.items() if k in _KEPT or k.startswith("LC_")}


def make_environment(cloud: Cloud, outside: Mapping[str, str]) -> dict[str, str]:
    """What every part is started with; `outside` is the environment of whoever starts it."""
    kept = keep(outside)
    programs = str(Path(sys.executable).parent)
    return {
        **kept,
        "PATH": f"{programs}:{kept.get('PATH', '/usr/bin:/bin')}",
        "LANG": kept.get("LANG", "C.UTF-8"),
        "PYTHONUNBUFFERED": "1",
        "PYSPARK_PYTHON": sys.executable,
        "no_proxy": "127.0.0.1,localhost",
        # Airflow renames its processes; without this the new name would be written over the mark.
        "SPT_NOENV": "1",
        # macOS kills a process that forked from one in which its own frameworks ran, as Airflow's tasks do.
        **({"OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES"} if platform.system() == "Darwin" else {}),
        MARK: str(cloud.place.home),
        "LANDFALL_HOME": str(cloud.place.home),
        "AIRFLOW_HOME": str(cloud.place.airflow),
        **names(cloud),
        **endpoints(cloud),
    }
