"""Seeds become scenarios: the same seed and engine, the same bytes and faults. Pure."""

from random import Random

from tests.chaos import content, driver
from tests.chaos.datasets import DATASETS
from tests.chaos.faults import choose_faults, poison
from tests.chaos.scenario import (
    FAILED_REPEATEDLY,
    IGNORED,
    LOADED,
    REAL,
    REJECTED,
    Delete,
    Kill,
    Put,
    Replay,
    Scenario,
    Step,
)

_KINDS = {
    "new": 40,
    "same_content": 10,
    "overwrite": 16,
    "correction": 12,
    "delete": 8,
    "broken": 6,
    "no_rows": 3,
    "stray": 5,
}
_KILLS = (
    driver.FUNCTION,
    driver.API,
    driver.SCHEDULER,
    driver.SCHEDULER,
    driver.TASK,
    driver.TASK,
    driver.ZOMBIE,
    driver.STORAGE,
    driver.BIGQUERY,
    driver.DATAPROC,
    driver.ALL,
)
_WAITS = (0.0, 0.0, 0.0, 0.2, 0.8, 2.0)


def make_scenario(
    seed: int, engine: str, tag: str | None = None, kills: frozenset[str] = driver.ANY_KILL
) -> Scenario:
    """The scenario of a seed on an engine whose driver can do these kills.

    Another `tag` gives the same scenario with other keys and names.
    """
    random = Random(f"{seed}/{engine}")  # noqa: S311 repeatable, not secret
    sender = _Sender(random, f"s{seed}-" if tag is None else tag)
    possible = [kill for kill in _KILLS if kill in kills]
    steps: list[Step] = [sender.step() for _ in range(random.randint(3, 12))]
    for _ in range(random.choice((0, 0, 1, 1, 2) if possible else (0,))):
        _slip_in(random, steps, Kill(_wait(random), random.choice(possible), random.choice((0.0, 1.0, 3.0))))
    lasting = []
    if random.random() < 0.15:
        bad = sender.poison()
        _slip_in(random, steps, bad)
        lasting.append(poison(bad.name, deadly=random.random() < 0.5))
    if random.random() < 0.2:
        steps.append(Replay(0.0, random.choice(sender.datasets)))
    return Scenario(
        seed=seed,
        engine=engine,
        tag=sender.tag,
        datasets=sender.datasets,
        steps=tuple(steps),
        faults={"seed": seed, "rules": [*choose_faults(random, engine), *lasting]},
        lasting={"seed": seed, "rules": lasting},
        schedulers=1 if engine == REAL or random.random() < 0.8 else 2,
    )


def _slip_in(random: Random, steps: list[Step], step: Step) -> None:
    # Not before the first file: without one nothing is at work.
    steps.insert(random.randint(1, len(steps)), step)


def _wait(random: Random) -> float:
    return random.choice(_WAITS)


class _Sender:
    """Makes up one step after the other, and remembers what it sent."""

    def __init__(self, random: Random, tag: str) -> None:
        self.tag = tag
        self._random = random
        self.datasets = tuple(sorted(random.sample(DATASETS, random.choice((1, 1, 2, 3)))))
        self._sent: list[tuple[str, str, bytes, list[content.Row]]] = []  # dataset, name, bytes, rows
        self._count = 0

    def step(self) -> Put | Delete:
        kind = self._random.choices(list(_KINDS), list(_KINDS.values()))[0]
        if not self._sent and kind in ("same_content", "overwrite", "correction", "delete"):
            kind = "new"
        make = getattr(self, f"_{kind}")
        step: Put | Delete = make()
        return step

    def poison(self) -> Put:
        """A sound file that will break every attempt to read it."""
        dataset = self._random.choice(self.datasets)
        body = content.write(self._random, dataset, content.make_rows(self._random, dataset, self.tag))
        name = self._name(dataset, "poison")
        return Put(_wait(self._random), name, body, "poison", REJECTED, FAILED_REPEATEDLY)

    def _name(self, dataset: str, kind: str, suffix: str = ".csv") -> str:
        self._count += 1
        return f"{dataset}/{self.tag}{self._count:02}-{kind}{suffix}"

    def _put(self, dataset: str, name: str, rows: list[content.Row], kind: str) -> Put:
        ragged = self._random.choice((0, 0, 0, 1))
        body = content.write(self._random, dataset, rows, ragged)
        if name.endswith(".gz"):
            body = content.pack(body)
        self._sent.append((dataset, name, body, rows))
        return Put(_wait(self._random), name, body, kind)

    def _new(self) -> Put:
        dataset = self._random.choice(self.datasets)
        rows = content.make_rows(self._random, dataset, self.tag)
        if self._random.random() < 0.4:
            rows = content.spoil(self._random, dataset, rows)
        suffix = ".csv.gz" if self._random.random() < 0.2 else ".csv"
        return self._put(dataset, self._name(dataset, "new", suffix), rows, "new")

    def _same_content(self) -> Put:
        dataset, name, body, rows = self._random.choice(self._sent)
        suffix = ".csv.gz" if name.endswith(".gz") else ".csv"
        again = self._name(dataset, "same", suffix)
        self._sent.append((dataset, again, body, rows))
        return Put(_wait(self._random), again, body, "same_content")

    def _overwrite(self) -> Put:
        dataset, name, _, rows = self._sent[-1] if self._random.random() < 0.6 else self._any()
        corrected = [*rows, *content.correct(self._random, dataset, self.tag, rows)]
        return self._put(dataset, name, corrected, "overwrite")

    def _correction(self) -> Put:
        dataset, _, _, rows = self._any()
        corrected = content.correct(self._random, dataset, self.tag, rows)
        return self._put(dataset, self._name(dataset, "correction"), corrected, "correction")

    def _delete(self) -> Delete:
        name = (self._sent[-1] if self._random.random() < 0.7 else self._any())[1]
        return Delete(_wait(self._random), name)

    def _broken(self) -> Put:
        dataset = self._random.choice(self.datasets)
        if self._random.random() < 0.25:
            rows = content.make_rows(self._random, dataset, self.tag)
            body, reason = content.broken_archive(content.write(self._random, dataset, rows))
            name = self._name(dataset, "torn", ".csv.gz")
        else:
            body, reason = content.broken_file(self._random, dataset)
            name = self._name(dataset, "broken")
        return Put(_wait(self._random), name, body, "broken", REJECTED, reason)

    def _no_rows(self) -> Put:
        dataset = self._random.choice(self.datasets)
        body = content.write(self._random, dataset, [])
        return Put(_wait(self._random), self._name(dataset, "empty"), body, "no_rows", LOADED, "no_rows")

    def _stray(self) -> Put:
        dataset = self._random.choice(self.datasets)
        name = self._name(dataset, "stray", ".txt")
        return Put(_wait(self._random), name, b"no file of the dataset\n", "stray", IGNORED)

    def _any(self) -> tuple[str, str, bytes, list[content.Row]]:
        return self._random.choice(self._sent)
