"""`landfall up`, `down` and `reset`."""

import os
import sys
import time
from collections.abc import Sequence

from localcloud.command.console import Progress, make_console
from localcloud.command.doctor import check_machine, require
from localcloud.launcher.cloud import BUCKETS, Cloud
from localcloud.launcher.errors import CommandError, UsageError
from localcloud.launcher.home import check_home, delete_home, holds_cloud, is_blank
from localcloud.launcher.place import Place
from localcloud.launcher.process import end_all
from localcloud.launcher.state import locked
from localcloud.launcher.up import bring_up, end_parts, is_up


def up(place: Place, faults: bool = False) -> int:
    """Start what does not run, wait until all is ready, and say where things are."""
    console = make_console()
    began = time.monotonic()
    check_home(place)
    with locked(place.lock):
        ran = is_up(place, faults)
        if not ran:
            require(check_machine(place))
        with Progress(console) as progress:
            cloud = bring_up(place, os.environ, progress, faults)
    console.print(_welcome(cloud, ran, time.monotonic() - began))
    return 0


def down(place: Place) -> int:
    """Stop every part and everything that a part started."""
    console = make_console()
    if not holds_cloud(place):
        # A folder that was deleted while its parts ran has left them running.
        _refuse_survivors(end_all(place.home))
        console.print(f"Nothing runs: there is no local cloud in {place.home}.")
        return 0
    began = time.monotonic()
    with locked(place.lock):
        _refuse_survivors(end_parts(place))
    console.print(
        f"The local cloud is down ({time.monotonic() - began:.1f} s). Its data stays in {place.home}."
    )
    return 0


def reset(place: Place, sure: bool) -> int:
    """Stop everything and delete the state folder, after asking; what is not ours in it stays."""
    console = make_console()
    check_home(place)
    if is_blank(place):
        _refuse_survivors(end_all(place.home))
        console.print(f"Nothing to delete: there is no local cloud in {place.home}.")
        return 0
    if not sure and not _ask(place):
        console.print("Nothing was deleted.")
        return 1
    with locked(place.lock):
        _refuse_survivors(end_parts(place))
        gone = delete_home(place)
    stays = "" if gone else "; the folder stays, since it holds other files"
    console.print(f"The local cloud is down and its data in {place.home} is deleted{stays}.")
    return 0


def _refuse_survivors(left: Sequence[int]) -> None:
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
        **({"Control room": cloud.url("control-room")} if "control-room" in cloud.ports else {}),
    }
    addresses = "\n".join(f"  {name:<12} {address}" for name, address in rows.items())
    return (
        f"\n{head} ({took:.0f} s).\n{addresses}\n\nNext:\n"
        "  landfall drop --wait FILE.csv      put a file in and follow it\n"
        "  landfall status                    how fresh each dataset is, what became of the files\n"
        "  landfall where FILE.csv            where a file is, and why it stopped\n"
        '  eval "$(landfall env)"             point gcloud, bq and Google\'s libraries here\n'
        "  landfall down                      stop; the data stays"
    )
