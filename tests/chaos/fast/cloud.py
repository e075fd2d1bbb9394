"""The processes of the fast cloud: the local cloud's own parts, and ours in the place of Airflow's."""

import os
import sys
import time
from pathlib import Path

import psutil

from localcloud.airflow.config import make_connection, write_home
from localcloud.launcher import process
from localcloud.launcher.cloud import PROJECT, PROXIES, SERVERS, Cloud
from localcloud.launcher.environment import make_environment
from localcloud.launcher.home import make_home
from localcloud.launcher.parts import Part, list_parts
from localcloud.launcher.place import ROOT, Place
from localcloud.launcher.ports import choose_ports
from localcloud.launcher.provision import provision_buckets, provision_warehouse
from localcloud.launcher.state import Running
from localcloud.launcher.web import answers
from tests.chaos import datasets
from tests.chaos.fast.zygote import Zygote

# Parts that run as they do behind `landfall up`.
PARTS = ("storage", "bigquery", "dataproc", "metadata", "secrets", "function", *PROXIES.values())
API = "api-server"
_PATIENCE = 180.0


class PartError(Exception):
    """A part did not start; the message names its log."""


class FastCloud:
    """The processes below one state folder, by name; `executor-1` and so on stand for schedulers."""

    def __init__(self, home: Path) -> None:
        self.place = Place(ROOT, home, home / "contracts")
        self.states = home / "executors"
        self.running: dict[str, Running] = {}
        self._zygote: Zygote | None = None

    def start(self) -> None:
        """Start everything, and make buckets, tables and procedures."""
        make_home(self.place)
        datasets.write(self.place.datasets)
        self.states.mkdir(exist_ok=True)
        ports = choose_ports([*SERVERS, *PROXIES.values()], {}, self.place.home)
        self.cloud = Cloud(self.place, ports, faults=True)
        write_home(self.place.airflow, ROOT / "composer_dags", self.cloud.url(API), PROJECT)
        self._environment = {
            **make_environment(self.cloud, os.environ),
            "AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT": make_connection(PROJECT),
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "composer_dags")]),
        }
        self._parts = {part.name: part for part in list_parts(self.cloud)}
        self._zygote = Zygote(self._environment, ROOT, self.place.log("zygote"))
        self.start_missing(1)
        provision_buckets(self.cloud)
        provision_warehouse(self.cloud)

    def start_missing(self, executors: int) -> list[str]:
        """Start what does not run, with so many executors, and wait until it answers; returns the names."""
        wanted = [API, *PARTS, *(f"executor-{number + 1}" for number in range(executors))]
        missing = [name for name in wanted if not self.is_running(name)]
        begun = time.time()
        for name in missing:
            self.running[name] = self._start(name)
        for name in missing:
            self._await(name, begun)
        return missing

    def is_running(self, name: str) -> bool:
        return name in self.running and process.is_alive(self.running[name])

    def kill(self, name: str, alone: bool = False) -> bool:
        """SIGKILL a process, with all that it started unless `alone`; False when it did not run."""
        if not self.is_running(name):
            return False
        leader = psutil.Process(self.running[name].pid)
        others = [*leader.children(recursive=True), *process.find_groups([self.running[name]])]
        # First the leader, which could start others in the place of those that die.
        kill_all([leader] if alone else [leader, *others])
        return True

    def kill_everything(self) -> None:
        """SIGKILL every process of this cloud but the one that forks executors."""
        for _ in range(50):
            found = [found for found in process.find_marked(self.place.home) if found.pid != self._zygote_pid]
            if not found:
                return
            kill_all(found)

    def find_strays(self) -> list[psutil.Process]:
        """Every process that is no part, nor what a part always has; tries and jobs are none of these."""
        # Looked for first: what a part starts later is not among them.
        marked = process.find_marked(self.place.home)
        usual = {self._zygote_pid, *(running.pid for running in self.running.values())}
        for name, running in self.running.items():
            if self.is_running(name) and name != "dataproc" and not name.startswith("executor-"):
                usual |= {child.pid for child in psutil.Process(running.pid).children(recursive=True)}
        return [found for found in marked if found.pid not in usual]

    def stop(self) -> None:
        """End everything."""
        self.kill_everything()
        if self._zygote:
            self._zygote.end()
            self._zygote = None
        self.running.clear()

    def _start(self, name: str) -> Running:
        if name == API:
            arguments = ["--port", str(self.cloud.ports[API]), "--states", str(self.states), "--dags"]
            dags = [f"ingest_{dataset}" for dataset in datasets.DATASETS]
            return self._fork("api", name, [*arguments, *dags, "sweep"])
        if name.startswith("executor-"):
            state = str(self.states / f"{name}.sqlite")
            return self._fork("executor", name, ["--state", state, "--logs", str(self.place.logs / name)])
        part = self._parts[name]
        command = (*part.command, *self._more(part))
        child = process.start(
            command, {**self._environment, **part.environment}, part.folder, self.place.log(name)
        )
        return process.describe(child.pid)

    def _fork(self, role: str, name: str, arguments: list[str]) -> Running:
        assert self._zygote
        return process.describe(self._zygote.fork(role, arguments, self.place.log(name)))

    @property
    def _zygote_pid(self) -> int | None:
        return self._zygote.pid if self._zygote else None

    def _more(self, part: Part) -> tuple[str, ...]:
        if part.name == "dataproc":
            engine = f"{sys.executable} {ROOT / 'tests' / 'chaos' / 'fast_spark'}"
            return ("--seconds", "0.1", "--spark-submit", engine)
        return ()

    def _await(self, name: str, since: float) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not self._answers(name, since):
            if not self.is_running(name) or time.monotonic() > deadline:
                raise PartError(f"expected {name} to answer, it does not. Its log is {self.place.log(name)}.")
            time.sleep(0.05)

    def _answers(self, name: str, since: float) -> bool:
        if name == API:
            return answers(f"{self.cloud.url(API)}/api/v2/version")
        return name not in self._parts or self._parts[name].ready(since)


def kill_all(processes: list[psutil.Process]) -> None:
    """SIGKILL them, and wait until they are gone."""
    for found in processes:
        try:
            found.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(processes, timeout=5)
