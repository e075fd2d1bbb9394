"""The running local cloud, as a command finds it."""

from localcloud.launcher.cloud import Cloud
from localcloud.launcher.errors import CommandError
from localcloud.launcher.parts import name_parts
from localcloud.launcher.place import Place
from localcloud.launcher.process import is_alive
from localcloud.launcher.state import read_state


def find_cloud(place: Place, *needed: str) -> Cloud:
    """The cloud of this state folder; raises CommandError when a part of `needed` (default: all) is down."""
    state = read_state(place.state)
    names = name_parts(state.faults)
    alive = {name for name in names if name in state.parts and is_alive(state.parts[name])}
    down = [name for name in needed or names if name not in alive]
    if down and not alive:
        raise CommandError(f"the local cloud in {place.home} is down. Start it with `landfall up`.")
    if down:
        raise CommandError(
            f"expected all parts to run, found {', '.join(down)} down. `landfall logs {down[0]}` says why; "
            "`landfall up` starts it again."
        )
    return Cloud(place, state.ports, state.faults)
