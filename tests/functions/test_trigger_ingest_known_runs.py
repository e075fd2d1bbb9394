"""One request for a run, however many threads want it at the same time."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

THREADS = 12


class Race:
    """Threads that all want run `r` while the first one's request is on its way."""

    def __init__(self, trigger: Any, answers: list[Callable[[], bool]]) -> None:
        self.known = trigger.known_runs.KnownRuns()
        self.requests = 0
        self._answers = answers
        self._asking, self._go_on = threading.Event(), threading.Event()
        self._lock = threading.Lock()

    def create(self) -> bool:
        with self._lock:
            number, self.requests = self.requests, self.requests + 1
        self._asking.set()
        assert self._go_on.wait(20)
        return self._answers[min(number, len(self._answers) - 1)]()

    def run(self) -> list[Future[bool]]:
        """What each thread got, the first one's first."""
        with ThreadPoolExecutor(THREADS) as pool:
            first = pool.submit(self.known.ensure, "r", self.create)
            assert self._asking.wait(20)
            others = [pool.submit(self.known.ensure, "r", self.create) for _ in range(THREADS - 1)]
            try:
                self._wait_for_those_who_wait()
                # Nobody but the first may have an answer, or ask, before the first is answered.
                assert not any(one.done() for one in others)
            finally:
                self._go_on.set()
        return [first, *others]

    def _wait_for_those_who_wait(self) -> None:
        asked, deadline = self.known._asked["r"], time.monotonic() + 20
        while len(asked._condition._waiters) < THREADS - 1:
            assert time.monotonic() < deadline, "some thread neither asks nor waits"
            time.sleep(0.001)  # a thread that begins to wait tells nobody


def failing(error: Exception) -> Callable[[], bool]:
    def fail() -> bool:
        raise error

    return fail


def test_threads_that_want_a_run_at_the_same_time_make_one_request(trigger: Any) -> None:
    race = Race(trigger, [lambda: True])
    assert Counter(one.result() for one in race.run()) == {True: 1, False: THREADS - 1}
    assert race.requests == 1
    assert race.known.ensure("r", failing(AssertionError("asked again"))) is False


def test_a_transient_error_is_that_of_all_who_waited_and_is_forgotten(trigger: Any) -> None:
    race = Race(trigger, [failing(trigger.errors.TransientError("no answer")), lambda: True])
    errors = [one.exception() for one in race.run()]
    assert [str(error) for error in errors] == ["no answer"] * THREADS
    assert {type(error) for error in errors} == {trigger.errors.TransientError}
    assert len({id(error) for error in errors}) == THREADS, "each thread raises an error of its own"
    assert race.requests == 1
    assert race.known.ensure("r", race.create) is True


@pytest.mark.parametrize("kind", ["terminal", "unforeseen"])
def test_any_other_error_is_that_of_one_event_alone(trigger: Any, kind: str) -> None:
    error = trigger.errors.TerminalError("422") if kind == "terminal" else KeyError("a defect")
    race = Race(trigger, [failing(error), lambda: True])
    first, *others = race.run()
    assert first.exception() is error
    assert Counter(one.result() for one in others) == {True: 1, False: THREADS - 2}
    assert race.requests == 2


def test_runs_do_not_wait_for_each_other(trigger: Any) -> None:
    known, hold = trigger.known_runs.KnownRuns(), threading.Event()
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(known.ensure, "slow", lambda: hold.wait(20))
        assert pool.submit(known.ensure, "quick", lambda: True).result(20) is True
        assert not slow.done()
        hold.set()
        assert slow.result(20) is True


def test_known_runs_forget_the_longest_known(trigger: Any) -> None:
    known = trigger.known_runs.KnownRuns(capacity=2)
    for run_id in ("a", "b", "c"):
        assert known.ensure(run_id, lambda: True) is True
    assert [known.ensure(run_id, lambda: True) for run_id in ("b", "c", "a")] == [False, False, True]


def test_known_runs_stay_bounded_under_threads(trigger: Any) -> None:
    known = trigger.known_runs.KnownRuns(capacity=10)
    barrier = threading.Barrier(8)

    def want_many(worker: int) -> None:
        barrier.wait()
        for number in range(500):
            known.ensure(f"{worker} {number}", lambda: True)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(want_many, range(8)))
    assert len(known._ids) == 10
    assert known._asked == {}
