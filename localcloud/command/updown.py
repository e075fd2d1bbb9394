"""`landfall up`, `down` and `reset`."""

import os
import shutil
import sys
import time

from localcloud.command.console import Progress, make_console
from localcloud.command.doctor import check_machine, require
from localcloud.launcher.cloud import BUCKETS, Cloud
from localcloud.launcher.errors import CommandError, UsageError
from localcloud.launcher.place import Place
from localcloud.launcher.state import locked
from localcloud.launcher.up import bring_up, end_parts, is_up


def up(place: Place) -> int:
    """Start what does not run, wait until all is ready, and say where things are."""
    console = make_console()
    began = time.monotonic()
    with locked(place.lock):
        ran = is_up(place)
        if not ran:
            require(check_machine(place))
        with Progress(console) as progress:
            cloud = bring_up(place, os.environ, progress)
    console.print(_welcome(cloud, ran, time.monotonic() - began))
    return 0


def down(place: Place) -> int:
    """Stop every part and everything that a part started."""
    console = make_console()
    if not place.home.exists():
        console.print(f"Nothing runs: there is no local cloud in {place.home}.")
        return 0
    began = time.monotonic()
    with locked(place.lock):
        _stop(place)
    console.print(
        f"The local cloud is down ({time.monotonic() - began:.1f} s). Its data stays in {place.home}."
    )
    return 0


def reset(place: Place, sure: bool) -> int:
    """Stop everything and delete the state folder, after asking."""
    console = make_console()
    if not place.home.exists():
        console.print(f"Nothing to delete: there is no local cloud in {place.home}.")
        return 0
    # LANDFALL_HOME may name any folder by mistake.
    if any(place.home.iterdir()) and not (place.lock.exists() or place.state.exists()):
        raise UsageError(f"{place.home} holds no local cloud (no state.json in it): it is left alone.")
    if not sure and not _ask(place):
        console.print("Nothing was deleted.")
        return 1
    with locked(place.lock):
        _stop(place)
        shutil.rmtree(place.home)
    console.print(f"The local cloud is down and {place.home} is deleted.")
    return 0


def _stop(place: Place) -> None:
    left = end_parts(place)
    if left:
        raise CommandError(
            f"processes {', '.join(map(str, left))} do not end, even on SIGKILL. Look at them with `ps`."
        )


def _ask(place: Place) -> bool:
    if not sys.stdin.isatty():
        raise UsageError(
            "`reset` deletes all local data and there is no terminal to ask on: say `landfall reset --yes`."
        )
    return input(f"Delete all buckets, tables and history in {place.home}? [y/N] ").strip().lower() in (
        "y",
        "yes",
    )


def _welcome(cloud: Cloud, ran: bool, took: float) -> str:
    head = "The local cloud runs already" if ran else "The local cloud is up"
    rows = {
        "Airflow": cloud.url("api-server"),
        "Storage": cloud.url("storage"),
        "BigQuery": cloud.url("bigquery"),
        "Dataproc": cloud.address("dataproc"),
        "Function": cloud.url("function"),
        "Landing": f"gs://{BUCKETS['landing']}",
    }
    addresses = "\n".join(f"  {name:<9} {address}" for name, address in rows.items())
    return (
        f"\n{head} ({took:.0f} s).\n{addresses}\n\nNext:\n"
        "  landfall drop --wait FILE.csv      put a file in and follow it\n"
        "  landfall status                    what runs, what became of the files\n"
        '  eval "$(landfall env)"             point gcloud, bq and Google\'s libraries here\n'
        "  landfall down                      stop; the data stays"
    )
