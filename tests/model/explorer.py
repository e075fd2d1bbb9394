"""Explicit-state search over real code: every order in which some actors can take their steps.

An actor is a plain function that works on a world. It is stopped before each of the world's operations, and
the search decides whose operation comes next; an operation itself is atomic, as a request with a precondition
is. An actor need not go on: at any state, every actor may be a process that was killed there, and one that
goes on much later is a process that was only believed to be dead.

Actors run as greenlets. Their stacks cannot be copied, so a state is reached again by its schedule. What an
actor does next follows from where its functions are and from their variables: a state is known by those, and
by the world.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from greenlet import greenlet


class World(Protocol):
    """What actors work on."""

    def fingerprint(self) -> object:
        """All that makes this state differ from others, hashable."""

    def is_settled(self, operation: str, *arguments: Any) -> bool:
        """Whether the operation changes nothing, and would be answered alike at any later time."""


@dataclass(frozen=True)
class Actor:
    """A function that is given a view of the world.

    It may begin once `after` has begun (None: at once). What it `kills` never goes on once it has begun: with
    this it comes after a process that is truly dead, without it after one that may be a zombie.
    """

    work: Callable[[Any], Any]
    after: str | None = None
    kills: str | None = None


@dataclass(frozen=True)
class ViolationError(Exception):
    """A state that must not be: what is wrong there, and the schedule that leads to it."""

    reason: str
    schedule: tuple[str, ...]
    trace: tuple[str, ...]

    def __str__(self) -> str:
        steps = "\n".join(f"  {line}" for line in self.trace)
        return f"{self.reason}\nafter {len(self.schedule)} steps:\n{steps}"


@dataclass
class _Player:
    stack: greenlet
    pending: tuple[str, tuple[Any, ...]] | None = None
    steps: int = 0
    place: int = 0  # hash of where its functions are, and of their variables
    error: BaseException | None = None


class Execution:
    """One run of the actors, advanced a step at a time."""

    def __init__(
        self, world: Any, actors: Mapping[str, Actor], expected: tuple[type[Exception], ...]
    ) -> None:
        self.world = world
        self.trace: list[str] = []
        self._actors = actors
        self._expected = expected
        self._players: dict[str, _Player] = {}
        for name, actor in actors.items():
            self._players[name] = player = _Player(greenlet(actor.work))
            self._resume(name, player, _View(self))
        self._settle()

    def ready(self) -> list[str]:
        """The actors that can take a step now."""
        return [name for name, player in self._players.items() if player.pending and self._may_begin(name)]

    def step(self, name: str) -> None:
        """Let an actor's operation take effect, and run the actor up to its next one."""
        player = self._players[name]
        player.steps += 1
        if (killed := self._actors[name].kills) is not None:
            self._players[killed].pending = None
        self._perform(name, player)
        self._settle()

    def _perform(self, name: str, player: "_Player") -> None:
        assert player.pending is not None
        operation, arguments = player.pending
        try:
            answer, error = getattr(self.world, operation)(*arguments), None
        except Exception as caught:
            answer, error = None, caught
        if hasattr(answer, "__next__"):
            answer = list(answer)
        self.trace.append(f"{name}: {operation}{_short(arguments)} -> {_short(error or answer)}")
        self._resume(name, player, (answer, error))

    def failures(self) -> dict[str, BaseException]:
        """The actors that ended with an error that is not among the expected ones."""
        return {
            name: player.error
            for name, player in self._players.items()
            if player.error is not None and not isinstance(player.error, self._expected)
        }

    def fingerprint(self) -> int:
        players = tuple(
            (player.place, player.steps > 0, player.pending is None) for player in self._players.values()
        )
        return hash((self.world.fingerprint(), players))

    def _settle(self) -> None:
        """Perform what comes to the same in every order: one state for all of these orders."""
        for name, player in self._players.items():
            while player.pending and self._may_begin(name) and self._is_settled(player):
                self._perform(name, player)

    def _is_settled(self, player: "_Player") -> bool:
        assert player.pending is not None
        operation, arguments = player.pending
        return bool(self.world.is_settled(operation, *arguments))

    def _may_begin(self, name: str) -> bool:
        after = self._actors[name].after
        return after is None or self._players[after].steps > 0

    def _resume(self, name: str, player: _Player, value: object) -> None:
        try:
            player.pending = player.stack.switch(value)
        except Exception as error:
            player.pending, player.error = None, error
        if player.stack.dead:
            player.pending = None
        player.place = _place_of(player)


class _View:
    """The world as an actor sees it: each operation waits for its turn."""

    def __init__(self, execution: Execution) -> None:
        self._scheduler = greenlet.getcurrent()
        self._world = execution.world

    def __repr__(self) -> str:
        return "view"

    def __getattr__(self, operation: str) -> Any:
        if not callable(getattr(self._world, operation)):
            raise AttributeError(f"an actor may only call operations, not read {operation!r}")

        def call(*arguments: Any) -> Any:
            answer, error = self._scheduler.switch((operation, arguments))
            if error is not None:
                raise error
            return answer

        return call


@dataclass
class Search:
    """Visits every reachable state once, depth first; `check` looks at each and returns what is wrong."""

    make_world: Callable[[], Any]
    actors: Mapping[str, Actor]
    check: Callable[[Any], str | None]
    expected: tuple[type[Exception], ...] = ()
    most_states: int = 1_000_000
    states: int = 0
    deepest: int = 0
    _seen: set[int] = field(default_factory=set)

    def run(self) -> None:
        """Search; ViolationError at the first state that must not be."""
        stack: list[tuple[str, ...]] = []
        execution = self._start(())
        schedule: tuple[str, ...] = ()
        while True:
            following = self._visit(execution, schedule)
            stack += [(*schedule, name) for name in following[1:]]
            if following:
                schedule = (*schedule, following[0])
                execution.step(following[0])
            elif stack:
                schedule = stack.pop()
                execution = self._start(schedule)
            else:
                return

    def _visit(self, execution: Execution, schedule: Sequence[str]) -> list[str]:
        fingerprint = execution.fingerprint()
        if fingerprint in self._seen:
            return []
        self._seen.add(fingerprint)
        self.states += 1
        self.deepest = max(self.deepest, len(schedule))
        if self.states > self.most_states:
            raise ViolationError(f"more than {self.most_states} states", tuple(schedule), ())
        for name, error in execution.failures().items():
            self._fail(f"{name} ended with {type(error).__name__}: {error}", schedule, execution)
        if wrong := self.check(execution.world):
            self._fail(wrong, schedule, execution)
        return execution.ready()

    def _fail(self, reason: str, schedule: Sequence[str], execution: Execution) -> None:
        raise ViolationError(reason, tuple(schedule), tuple(execution.trace))

    def _start(self, schedule: Sequence[str]) -> Execution:
        execution = Execution(self.make_world(), self.actors, self.expected)
        for name in schedule:
            execution.step(name)
        return execution


def _place_of(player: _Player) -> int:
    frames = []
    frame = player.stack.gr_frame
    while frame is not None:
        variables = ((name, _ADDRESS.sub("", repr(value))) for name, value in sorted(frame.f_locals.items()))
        frames.append((frame.f_code.co_qualname, frame.f_lasti, tuple(variables)))
        frame = frame.f_back
    return hash((tuple(frames), repr(player.error)))


_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 160 else f"{text[:150]}…"
