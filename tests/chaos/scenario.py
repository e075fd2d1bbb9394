"""A scenario: what is sent when, and what goes wrong meanwhile. Data only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FAST, REAL = "fast", "real"

# What becomes of a file that its sender leaves alone.
LOADED, REJECTED, IGNORED = "loaded", "rejected", "ignored"
FAILED_REPEATEDLY = "failed_repeatedly"


@dataclass(frozen=True)
class Put:
    """Upload `content` under `name`, `wait` seconds after the step before; `kind` says why, for readers.

    `fate` is what becomes of it if it is claimed, `reason` the code in the ledger where it is rejected.
    """

    wait: float
    name: str
    content: bytes
    kind: str
    fate: str = LOADED
    reason: str | None = None


@dataclass(frozen=True)
class Delete:
    """The sender takes an object away again, if it is still there."""

    wait: float
    name: str


@dataclass(frozen=True)
class Kill:
    """SIGKILL `what` and start it again after `down` seconds."""

    wait: float
    what: str
    down: float


@dataclass(frozen=True)
class Replay:
    """Ask to read again the first file of the dataset that is loaded by then; nothing if none is."""

    wait: float
    dataset: str


Step = Put | Delete | Kill | Replay


@dataclass(frozen=True)
class Scenario:
    """`tag` begins every key and every file's name, so that scenarios do not meet in one warehouse.

    `faults` hold from the first step on; `lasting` are those of them that healing leaves in place.
    """

    seed: int
    engine: str
    tag: str
    datasets: tuple[str, ...]
    steps: tuple[Step, ...]
    faults: Mapping[str, Any]
    lasting: Mapping[str, Any]
    schedulers: int

    @property
    def puts(self) -> tuple[Put, ...]:
        return tuple(step for step in self.steps if isinstance(step, Put))

    @property
    def kills(self) -> tuple[Kill, ...]:
        return tuple(step for step in self.steps if isinstance(step, Kill))
