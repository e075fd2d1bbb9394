import threading

import pytest

from localcloud.launcher.errors import CommandError
from localcloud.launcher.steps import Step, run_steps, wait_until


def test_a_step_runs_after_those_that_it_needs_and_beside_the_others() -> None:
    order: list[str] = []
    together = threading.Barrier(2, timeout=30)

    def meet(name: str) -> str:
        together.wait()
        order.append(name)
        return ""

    def last() -> str:
        order.append("last")
        return "remark"

    told: list[tuple[str, str, str]] = []
    run_steps(
        [
            Step("last", lambda _: last(), needs=("a", "b")),
            Step("a", lambda _: meet("a")),
            Step("b", lambda _: meet("b")),
        ],
        lambda name, state, _, remark: told.append((name, state, remark)),
    )
    assert sorted(order[:2]) == ["a", "b"]
    assert order[2] == "last"
    assert told[-1] == ("last", "done", "remark")


def test_a_failure_stops_the_others_and_is_raised() -> None:
    ran: list[str] = []

    def fail(_: threading.Event) -> str:
        raise CommandError("no")

    def wait(stop: threading.Event) -> str:
        assert stop.wait(30)
        ran.append("stopped")
        return ""

    def never(_: threading.Event) -> str:
        ran.append("never")
        return ""

    states: dict[str, str] = {}
    with pytest.raises(CommandError, match="no"):
        run_steps(
            [Step("waits", wait), Step("fails", fail), Step("never", never, needs=("fails",))],
            lambda name, state, *_: states.update({name: state}),
        )
    assert ran == ["stopped"]
    assert states == {"waits": "working", "fails": "failed", "never": "waiting"}


def test_waiting_ends_with_the_words_for_being_late() -> None:
    with pytest.raises(CommandError, match="expected x to be ready, it is not"):
        wait_until(lambda: False, threading.Event(), 0.1, "expected x to be ready, it is not")
