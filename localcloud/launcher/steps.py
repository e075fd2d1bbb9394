"""Runs steps that need one another, side by side where they can; the first failure stops the rest."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from localcloud.launcher.errors import CommandError


@dataclass(frozen=True)
class Step:
    """One step: `work` gets an event that is set when it should give up, and returns a remark or nothing."""

    name: str
    work: Callable[[threading.Event], str]
    needs: tuple[str, ...] = ()


# Told of every change: a step's name, its state (waiting, working, done, failed), seconds it took, a remark.
Watch = Callable[[str, str, float, str], None]


def run_steps(steps: Sequence[Step], watch: Watch) -> None:
    """Run all steps, each in a thread of its own once those that it needs are done.

    Raises the first CommandError (or unexpected exception) after every other step has stopped.
    """
    stop = threading.Event()
    done = {step.name: threading.Event() for step in steps}
    errors: list[BaseException] = []
    guard = threading.Lock()

    def tell(name: str, state: str, seconds: float = 0, remark: str = "") -> None:
        with guard:
            watch(name, state, seconds, remark)

    def run(step: Step) -> None:
        while not all(done[need].wait(0.05) for need in step.needs):
            if stop.is_set():
                return
        if stop.is_set():
            return
        began = time.monotonic()
        tell(step.name, "working")
        try:
            remark = step.work(stop)
        except BaseException as error:
            with guard:
                errors.append(error)
            stop.set()
            tell(step.name, "failed", time.monotonic() - began)
            return
        if not stop.is_set():
            tell(step.name, "done", time.monotonic() - began, remark)
            done[step.name].set()

    for step in steps:
        tell(step.name, "waiting")
    threads = [threading.Thread(target=run, args=(step,), name=step.name) for step in steps]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(0.2)
    finally:
        stop.set()
        for thread in threads:
            if thread.ident is not None:
                thread.join()
    if errors:
        raise errors[0]


def wait_until(condition: Callable[[], bool], stop: threading.Event, patience: float, late: str) -> None:
    """Ask `condition` until it holds or `stop` is set; raises CommandError(late) after `patience` seconds."""
    deadline = time.monotonic() + patience
    while not condition():
        if stop.wait(0.1):
            return
        if time.monotonic() > deadline:
            raise CommandError(late)
