"""Brings the local cloud up: processes, then what lies in it, then the DAGs."""

import importlib.metadata
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from localcloud.airflow.api import Airflow, parse_time
from localcloud.airflow.config import write_home
from localcloud.launcher import process
from localcloud.launcher.cloud import PROJECT, PROXIES, SERVERS, Cloud
from localcloud.launcher.environment import make_environment
from localcloud.launcher.errors import CommandError
from localcloud.launcher.gcloud import write_client_files
from localcloud.launcher.home import make_home
from localcloud.launcher.parts import Part, list_parts, name_parts
from localcloud.launcher.place import Place
from localcloud.launcher.ports import choose_ports
from localcloud.launcher.provision import provision_buckets, provision_warehouse
from localcloud.launcher.state import State, read_state, write_state
from localcloud.launcher.steps import Step, Watch, run_steps, wait_until
from localcloud.launcher.web import WebError

PATIENCE = 180.0
_LARGEST_LOG = 20_000_000


def bring_up(place: Place, outside: Mapping[str, str], watch: Watch, faults: bool = False) -> Cloud:
    """Start what does not run yet and wait until everything is ready; the caller holds the lock.

    With `faults`, as a cloud that can be made to fail; one that can already stays so. Rules that lie there
    are taken away, so that nothing fails on purpose from here on. Raises CommandError with the last lines of
    the part that failed; nothing runs then.
    """
    make_home(place)
    place.faults.unlink(missing_ok=True)
    state = _settle(place, faults)
    write_state(place.state, state)
    cloud = Cloud(place, state.ports, state.faults)
    write_client_files(cloud)
    try:
        starter = _Starter(cloud, state, outside)
        run_steps(starter.steps(), watch)
        starter.check()
    except BaseException:
        end_parts(place)
        raise
    write_state(place.state, replace(state, starting=False))
    return cloud


def _settle(place: Place, faults: bool) -> State:
    """What may go on running, and the ports of everything; the rest is ended."""
    state = read_state(place.state)
    process.kill_orphans(place.home, state.parts.values())
    alive = {name: running for name, running in state.parts.items() if process.is_alive(running)}
    faults = faults or (state.faults and bool(alive))
    if state.starting or (alive and faults and not state.faults):
        # Something unknown may run; or what runs was told the addresses without the proxies.
        end_parts(place)
        alive = {}
    servers = [*SERVERS, *(PROXIES.values() if faults else ())]
    needed = [server for server in servers if server not in alive]
    ports = {**state.ports, **choose_ports(needed, state.ports, place.home)}
    if alive and ports != state.ports:
        # The others were told the old ports.
        end_parts(place)
        alive, ports = {}, {**state.ports, **choose_ports(servers, state.ports, place.home)}
    return State(ports, alive, faults, starting=True)


def end_parts(place: Place) -> list[int]:
    """End every process of this state folder; returns the ids of those that could not be ended."""
    try:
        state = read_state(place.state)
    except CommandError:
        state = State()
    left = process.end_all(place.home, list(state.parts.values()))
    place.faults.unlink(missing_ok=True)
    if place.state.exists() and not left:
        write_state(place.state, State(ports=state.ports))
    return left


def is_up(place: Place, faults: bool = False) -> bool:
    """Whether every part's process runs; with `faults`, of a cloud that can be made to fail."""
    state = read_state(place.state)
    names = name_parts(faults or state.faults)
    return all(name in state.parts and process.is_alive(state.parts[name]) for name in names)


@dataclass(frozen=True)
class _Started:
    """A process of this `up`, and where its part of the log begins."""

    name: str
    child: "subprocess.Popen[bytes]"
    log: Path
    offset: int

    def check(self) -> None:
        """Raise CommandError with its last words if it ended."""
        if self.child.poll() is not None:
            raise CommandError(_explain_death(self.name, self.child.returncode, self.log, self.offset))


class _Starter:
    """Makes the steps of one `up`; only this one writes the state meanwhile."""

    def __init__(self, cloud: Cloud, state: State, outside: Mapping[str, str]) -> None:
        self._cloud = cloud
        self._state = state
        self._environment = make_environment(cloud, outside)
        self._guard = threading.Lock()
        self._started: list[_Started] = []

    def steps(self) -> list[Step]:
        parts = [
            Step(part.name, lambda stop, part=part: self._start(part, stop), part.needs)  # type: ignore[misc]
            for part in list_parts(self._cloud)
        ]
        return [
            Step("database", self._migrate),
            *parts,
            Step("buckets", lambda _: provision_buckets(self._cloud), needs=("storage",)),
            Step("warehouse", lambda _: provision_warehouse(self._cloud), needs=("bigquery",)),
            Step("DAGs", self._wait_for_dags, needs=("api-server",)),
        ]

    def check(self) -> None:
        """Raise CommandError if a part died after it had been ready."""
        for started in self._started:
            started.check()

    def _start(self, part: Part, stop: threading.Event) -> str:
        if known := self._state.parts.get(part.name):
            wait_until(lambda: part.ready(known.created), stop, PATIENCE, _no_answer(part.name))
            return "runs already"
        log = self._cloud.place.log(part.name)
        if log.exists() and log.stat().st_size > _LARGEST_LOG:
            log.replace(log.with_suffix(".old.log"))
        offset = log.stat().st_size if log.exists() else 0
        child = process.start(part.command, {**self._environment, **part.environment}, part.folder, log)
        running = process.describe(child.pid)
        started = _Started(part.name, child, log, offset)
        with self._guard:
            self._started.append(started)
            self._state.parts[part.name] = running
            write_state(self._cloud.place.state, self._state)

        def ready() -> bool:
            started.check()
            return part.ready(running.created)

        wait_until(ready, stop, PATIENCE, _no_answer(part.name))
        return ""

    def _migrate(self, stop: threading.Event) -> str:
        """Make Airflow's database, or bring it to this version of Airflow."""
        place = self._cloud.place
        home, dags = place.airflow, place.root / "composer_dags"
        write_home(home, dags, self._cloud.url("api-server"), PROJECT, place.lineage_events)
        version = importlib.metadata.version("apache-airflow")
        stamp = home / "migrated"
        if stamp.exists() and stamp.read_text() == version:
            return "is there"
        log = self._cloud.place.log("database")
        offset = log.stat().st_size if log.exists() else 0
        command = (sys.executable, "-m", "airflow", "db", "migrate")
        child = process.start(command, self._environment, self._cloud.place.home, log)
        started = _Started("database", child, log, offset)
        wait_until(lambda: child.poll() is not None, stop, PATIENCE, _no_answer("database"))
        if child.poll() != 0:
            started.check()
            return ""
        stamp.write_text(version)
        return "made"

    def _wait_for_dags(self, stop: threading.Event) -> str:
        """Wait until every DAG is parsed from the files as they are now, and runs."""
        expected = expected_dags(self._cloud.place)
        airflow = Airflow(self._cloud.url("api-server"))
        since = self._state_time("dag-processor", stop)

        def seconds(text: str | None) -> float:
            moment = parse_time(text)
            return moment.timestamp() if moment else 0.0

        def ready() -> bool:
            try:
                errors = [error for error in airflow.import_errors() if seconds(error["timestamp"]) >= since]
                found = {dag["dag_id"]: dag for dag in airflow.dags()}
                known = [found[dag] for dag in expected if dag in found]
                parsed = [dag for dag in known if seconds(dag["last_parsed_time"]) >= since]
                for dag in parsed:
                    if dag["is_paused"]:
                        airflow.unpause(dag["dag_id"])
            except WebError:
                return False
            if errors:
                trace = str(errors[0]["stack_trace"]).strip()
                file = errors[0]["filename"]
                raise CommandError(
                    f"Airflow cannot load {file}:\n{trace}\nMend it, then run `landfall up` again."
                )
            return len(parsed) == len(expected)

        wait_until(
            ready,
            stop,
            PATIENCE,
            f"expected the DAGs {', '.join(expected)} to be loaded within {PATIENCE:.0f} seconds, "
            "they are not. `landfall logs dag-processor` says why.",
        )
        return ", ".join(expected)

    def _state_time(self, part: str, stop: threading.Event) -> float:
        wait_until(lambda: part in self._state.parts, stop, PATIENCE, _no_answer(part))
        running = self._state.parts.get(part)
        return running.created if running else time.time()


def expected_dags(place: Place) -> list[str]:
    """The DAGs that the checkout's files make."""
    ingests = [f"ingest_{path.parent.name}" for path in sorted(place.datasets.glob("*/pipeline.json"))]
    sweeps = ["sweep"] if (place.root / "composer_dags" / "sweep.py").exists() else []
    return [*ingests, *sweeps]


def _no_answer(part: str) -> str:
    return (
        f"expected {part} to be ready within {PATIENCE:.0f} seconds, it is not. "
        f"`landfall logs {part}` says why."
    )


def _explain_death(part: str, code: int, log: Path, offset: int) -> str:
    with log.open("rb") as handle:
        handle.seek(offset)
        lines = handle.read()[-20_000:].decode(errors="replace").splitlines()[-15:]
    quoted = "\n".join(f"  | {line}" for line in lines) or "  | (nothing)"
    how = f"exit code {code}" if code >= 0 else f"signal {-code}"
    return (
        f"{part} ended with {how} while it was starting, so everything was stopped. It said last:\n{quoted}\n"
        f"The whole log is {log}. `landfall doctor` says what this machine lacks; then `landfall up` again."
    )
