"""What the launcher remembers between commands: ports and processes; and the lock that guards them."""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from localcloud.launcher.errors import CommandError, UsageError

VERSION = 1


@dataclass(frozen=True)
class Running:
    """A process that leads a group of its own; `created` (seconds since the epoch) tells it from a later one
    that was given the same id."""

    pid: int
    created: float


@dataclass
class State:
    """Ports and processes; whether the cloud can be made to fail (`faults`), and whether an `up` is at work.

    An `up` that was killed leaves `starting`: it may have started what it could not note any more.
    """

    ports: dict[str, int] = field(default_factory=dict)
    parts: dict[str, Running] = field(default_factory=dict)
    faults: bool = False
    starting: bool = False


def read_state(path: Path) -> State:
    """The state in `path`, empty when there is none.

    Raises CommandError when it cannot be understood, UsageError when its folder cannot be one.
    """
    try:
        document = json.loads(path.read_text())
        if document["version"] != VERSION:
            raise ValueError(f"version {document['version']}")
        return State(
            ports={name: int(port) for name, port in document["ports"].items()},
            parts={name: Running(**running) for name, running in document["parts"].items()},
            faults=bool(document.get("faults")),
            starting=bool(document.get("starting")),
        )
    except FileNotFoundError:
        return State()
    except OSError as error:
        raise unusable_home(path.parent, error) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CommandError(
            f"expected the launcher's state (version {VERSION}) in {path}, found something else ({error}). "
            "`landfall reset --yes` stops what runs and starts afresh; the local data is lost."
        ) from error


def write_state(path: Path, state: State) -> None:
    """Replace the file at once, so that a reader never sees half of it."""
    document = {
        "version": VERSION,
        "ports": state.ports,
        "parts": {k: asdict(v) for k, v in state.parts.items()},
        "faults": state.faults,
        "starting": state.starting,
    }
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(document, indent=2) + "\n")
    draft.replace(path)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the state folder for one command that changes it; CommandError at once when another has it."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        opened = path.open("a")
    except OSError as error:
        raise unusable_home(path.parent, error) from error
    with opened as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(
                f"another `landfall up`, `down` or `reset` is at work on {path.parent}. Wait for it to end."
            ) from None
        yield


def unusable_home(home: Path, error: OSError) -> UsageError:
    """What to say of a state folder that the system refuses."""
    no_folder = isinstance(error, FileExistsError | NotADirectoryError)
    found = f"{home} ({'a file lies there' if no_folder else error.strerror})"
    return UsageError(
        f"LANDFALL_HOME: expected a folder that this user may write, found {found}; name another one."
    )
