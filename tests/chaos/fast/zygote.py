"""Imports Airflow once and forks executors and the API from there: starting one again takes no time.

Reads orders from standard input, a JSON object a line: `role` (executor or api), `arguments`, `log`. Answers
each with the id of the process, which leads a session of its own. Ends with its input.
"""

import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.chaos.fast import api, executor

ROLES: Mapping[str, Callable[[Sequence[str]], None]] = {"executor": executor.main, "api": api.main}


class Zygote:
    """That process, from outside: started in `folder` with the environment that all its children have."""

    def __init__(self, environment: Mapping[str, str], folder: Path, log: Path) -> None:
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.fast.zygote"],
                env=dict(environment),
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        if self._read() != "ready":
            raise RuntimeError(f"expected the DAG files to be imported, they are not. {log} says why.")

    @property
    def pid(self) -> int:
        return self._process.pid

    def fork(self, role: str, arguments: Sequence[str], log: Path) -> int:
        """Start a process of this role; returns its id."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"role": role, "arguments": arguments, "log": str(log)}) + "\n")
        self._process.stdin.flush()
        return int(self._read())

    def end(self) -> None:
        """End it, not its children."""
        self._process.kill()
        self._process.communicate()

    def _read(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().strip()


def main() -> None:
    """Serve orders until the input ends; says `ready` before the first."""
    # What Airflow prints must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    executor.preload()
    # Children are nobody's to wait for: they must not stay as zombies.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        print(_fork(json.loads(line)), file=answers, flush=True)


def _fork(order: Mapping[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        output = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        ROLES[order["role"]](order["arguments"])
    except SystemExit:
        pass
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(0)


if __name__ == "__main__":
    main()
