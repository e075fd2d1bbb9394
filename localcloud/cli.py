"""The `landfall` command: a local cloud, and the way of a file through it."""

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from localcloud.command.terminal import harmless
from localcloud.launcher.errors import CommandError, UsageError
from localcloud.launcher.place import Place, find_place

if TYPE_CHECKING:
    from localcloud.deployment.deployment import Deployment

# What is only for the local cloud, and what there is instead for an environment.
_LOCAL_ONLY = {
    "up": "`make deploy ENV={env}` makes an environment, and brings it up to date",
    "down": "`make deploy ENV={env} COMPOSER=off` ends what costs money at night, and keeps the data",
    "reset": "`make destroy ENV={env}` deletes an environment",
    "doctor": "it checks this machine; `landfall --env {env} status` looks at an environment",
    "chaos": "nothing else can be made to fail on purpose",
    "logs": "the logs of an environment are in Cloud Logging (docs/runbook.md)",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand. Exit codes: 0 success, 1 the pipeline failed, 2 usage, 130 interrupted."""
    place = find_place(os.environ)
    _reach_loopback_directly()
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    try:
        code = _run(_parser().parse_args(arguments), place)
        sys.stdout.flush()
        return code
    except UsageError as error:
        return _complain(str(error), 2)
    except CommandError as error:
        return _complain(str(error), 1)
    except KeyboardInterrupt:
        return _complain("interrupted", 130)
    except BrokenPipeError:
        # Whoever read the output has had enough; the interpreter must not complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        return _complain(_unexpected(error, place), 1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="landfall",
        description="Drop a CSV in a bucket, read a trusted BigQuery table: the whole cloud on this machine.",
        epilog="The state lies in .landfall/ of the checkout, or in the folder that LANDFALL_HOME names.",
    )
    parser.add_argument(
        "--env",
        metavar="NAME",
        help="work on an environment that `make deploy ENV=NAME` made, with your own Google credentials",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    up = commands.add_parser("up", help="start the local cloud and wait until it is ready")
    up.add_argument("--faults", action="store_true", help="as one that can be made to fail: see `chaos`")
    commands.add_parser("down", help="stop it; what lies in it stays")
    reset = commands.add_parser("reset", help="stop it and delete everything that lies in it")
    reset.add_argument("--yes", action="store_true", help="do not ask")
    doctor = commands.add_parser("doctor", help="check what this machine needs, and the parts")
    env = commands.add_parser(
        "env", help='print exports that point other clients there: eval "$(landfall env)"'
    )

    drop = commands.add_parser("drop", help="put files into the landing bucket")
    drop.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a .csv or .csv.gz file")
    drop.add_argument("--dataset", help="default: the dataset that the file's name starts with")
    drop.add_argument("--wait", action="store_true", help="follow each file until its rows are in trusted")
    drop.add_argument(
        "--timeout", type=float, metavar="S", help="seconds to wait, default 300, in an environment 1800"
    )

    status = commands.add_parser(
        "status", help="how fresh each dataset is, what waits, what became of the files"
    )

    where = commands.add_parser("where", help="where a file is: each step of its way, and why it stopped")
    where.add_argument(
        "file",
        metavar="FILE",
        help="a local file, by its content; an object's name or how it ends; gs://bucket/name with "
        "#generation or without; a generation",
    )
    where.add_argument("--all", action="store_true", help="of several, all; else the newest")

    tail = commands.add_parser("tail", help="each change as it happens, until Ctrl-C")
    tail.add_argument("dataset", metavar="DATASET", nargs="?", help="of one dataset; default: of all")
    tail.add_argument("--json", action="store_true", help="as one JSON object a line")

    rejects = commands.add_parser("rejects", help="the rejected rows of a dataset, to correct and drop again")
    rejects.add_argument("dataset", metavar="DATASET")
    rejects.add_argument("--batch", metavar="B", help="only those of one batch: its id, or how it begins")
    form = rejects.add_mutually_exclusive_group()
    form.add_argument(
        "--csv",
        metavar="FILE",
        help="as a file to drop, with FILE.reasons.csv beside it; - for the rows alone",
    )
    form.add_argument("--json", action="store_true", help="as one JSON document, a row a line")

    replay = commands.add_parser("replay", help="read archived files again, under today's contract")
    replay.add_argument(
        "asked",
        metavar="BATCH|FILE",
        help="a batch's id or how it begins; gs://bucket/name#generation, or a file's name",
    )
    replay.add_argument("--wait", action="store_true", help="follow it until its rows are in trusted")
    replay.add_argument(
        "--timeout", type=float, metavar="S", help="seconds to wait, default 300, in an environment 1800"
    )

    query = commands.add_parser("query", help="ask BigQuery")
    query.add_argument("sql", metavar="SQL")
    form = query.add_mutually_exclusive_group()
    form.add_argument(
        "--json", action="store_const", const="json", dest="form", help="as a JSON array of objects"
    )
    form.add_argument("--csv", action="store_const", const="csv", dest="form", help="as CSV, header first")
    query.set_defaults(form="table")

    chaos = commands.add_parser("chaos", help="make the running local cloud suffer, and heal it")
    chaos.add_argument("scenario", nargs="?", metavar="SCENARIO", help="without one, they are listed")
    chaos.add_argument(
        "--seed", type=int, default=1, metavar="N", help="what chance follows, default %(default)s"
    )
    chaos.add_argument(
        "--seconds", type=float, default=60, metavar="S", help="how long it lasts, default %(default)s"
    )

    for command in (doctor, env, drop, status, where, replay):
        command.add_argument("--json", action="store_true", help="as one JSON document on standard output")

    logs = commands.add_parser("logs", help="what a part wrote; `driver` is the last Spark job's output")
    logs.add_argument("part", metavar="PART")
    logs.add_argument("--follow", "-f", action="store_true", help="go on as it is written")
    logs.add_argument("--lines", "-n", type=int, default=50, metavar="N", help="default %(default)s")
    return parser


def _run(arguments: argparse.Namespace, place: Place) -> int:
    if arguments.command in _LOCAL_ONLY:
        return _run_locally(arguments, place)
    if arguments.env is None:
        from localcloud.deployment.local import LocalDeployment

        return _run_on(LocalDeployment(place), arguments)
    from localcloud.deployment.environment import Environment
    from localcloud.deployment.remedy import explained

    environment = Environment(place, arguments.env)
    with explained(arguments.command, arguments.env):
        return _run_on(environment, arguments)


def _run_locally(arguments: argparse.Namespace, place: Place) -> int:
    if arguments.env is not None:
        instead = _LOCAL_ONLY[arguments.command].format(env=arguments.env)
        raise UsageError(f"`landfall {arguments.command}` is for the local cloud alone: {instead}.")
    match arguments.command:
        case "up":
            from localcloud.command.updown import up

            return up(place, arguments.faults)
        case "down":
            from localcloud.command.updown import down

            return down(place)
        case "reset":
            from localcloud.command.updown import reset

            return reset(place, sure=arguments.yes)
        case "doctor":
            from localcloud.command.doctor import doctor

            return doctor(place, arguments.json)
        case "chaos":
            from localcloud.command.chaos import chaos

            return chaos(place, arguments.scenario, arguments.seed, arguments.seconds)
        case _:
            from localcloud.command.logs import logs

            return logs(place, arguments.part, arguments.lines, arguments.follow)


def _run_on(deployment: "Deployment", arguments: argparse.Namespace) -> int:
    # Imported where needed: `landfall env` must not wait for Google's libraries.
    match arguments.command:
        case "env":
            from localcloud.command.env import env

            return env(deployment, arguments.json)
        case "drop":
            from localcloud.command.drop import drop

            return drop(
                deployment,
                arguments.files,
                arguments.dataset,
                arguments.wait,
                arguments.timeout,
                arguments.json,
            )
        case "status":
            from localcloud.command.status import status

            return status(deployment, arguments.json)
        case "where":
            from localcloud.command.where import where

            return where(deployment, arguments.file, arguments.all, arguments.json)
        case "tail":
            from localcloud.command.tail import tail

            return tail(deployment, arguments.dataset, arguments.json)
        case "rejects":
            from localcloud.command.rejects import rejects

            return rejects(deployment, arguments.dataset, arguments.batch, arguments.csv, arguments.json)
        case "replay":
            from localcloud.command.replay import replay

            return replay(deployment, arguments.asked, arguments.wait, arguments.timeout, arguments.json)
        case _:
            from localcloud.command.query import query

            return query(deployment, arguments.sql, arguments.form)


def _reach_loopback_directly() -> None:
    for name in ("no_proxy", "NO_PROXY"):
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), "127.0.0.1", "localhost")))


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _complain(message: str, code: int) -> int:
    print(f"landfall: {harmless(message)}", file=sys.stderr)
    return code


def _unexpected(error: Exception, place: Place) -> str:
    """One paragraph; the traceback goes to a file."""
    summary = f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"
    try:
        place.logs.mkdir(parents=True, exist_ok=True)
        with place.log("landfall").open("a") as log:
            log.write("".join(traceback.format_exception(error)) + "\n")
    except OSError:
        return summary
    return f"{summary}. `landfall status` says which parts run; the details are in {place.log('landfall')}."


if __name__ == "__main__":
    sys.exit(main())
