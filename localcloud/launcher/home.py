"""The state folder: whether what lies in it is ours, and how it is made and deleted.

`LANDFALL_HOME` may name any folder by mistake; nothing in it that the local cloud did not make is touched.
"""

import shutil

from localcloud.launcher.cloud import TOKEN_SECRET
from localcloud.launcher.errors import CommandError, UsageError
from localcloud.launcher.place import Place
from localcloud.launcher.state import State, read_state, unusable_home, write_state
from localcloud.secrets.keys import make_first_version

# Everything that the launcher and the parts make there. The state goes near the end, so that a `reset` that
# was cut short can be repeated; the lock is held meanwhile.
OURS = (
    *("airflow", "bigquery", "buckets", "dataproc", "gcloud", "keys", "lineage", "logs"),
    *("storage.sqlite", "storage.sqlite-shm", "storage.sqlite-wal"),
    *("faults.json", "faults.log"),
    *("state.new", "state.json", "lock"),
)
# What a command that failed before there was a cloud leaves behind.
_HARMLESS = ("lock", "logs", "logs/landfall.log")
# Where `make deploy` keeps what it said of environments; they have nothing to do with a local cloud here.
_ENVIRONMENTS = "environments"


def holds_cloud(place: Place) -> bool:
    """Whether the folder has a state of ours; one that is damaged counts where our folders lie beside it."""
    try:
        if not place.state.exists():
            return False
        read_state(place.state)
    except CommandError:
        return place.buckets.is_dir() and place.logs.is_dir()
    except OSError as error:
        raise unusable_home(place.home, error) from error
    return True


def is_blank(place: Place) -> bool:
    """Whether nothing lies in the folder, or there is none."""
    found = (path.relative_to(place.home) for path in place.home.rglob("*"))
    return all(path.parts[0] == _ENVIRONMENTS or str(path) in _HARMLESS for path in found)


def check_home(place: Place) -> None:
    """Raise UsageError when the folder holds something, and that is no local cloud."""
    if not holds_cloud(place) and not is_blank(place):
        raise UsageError(
            f"LANDFALL_HOME: expected an empty folder or one with a local cloud in it, found {place.home} "
            "with other files and no state.json of ours; it holds no local cloud and is left alone. "
            "Name another one."
        )


def make_home(place: Place) -> None:
    """Make the folder ours, with a state and a key in it; its owner's alone, since it holds the originals."""
    try:
        place.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.home.chmod(0o700)
        if not place.state.exists():
            write_state(place.state, State())
        for folder in (place.logs, place.buckets, place.lineage_events.parent):
            folder.mkdir(exist_ok=True)
        make_first_version(place.keys, TOKEN_SECRET)
    except OSError as error:
        raise unusable_home(place.home, error) from error


def delete_home(place: Place) -> bool:
    """Delete what is ours, and the folder if that leaves it empty; returns whether it did."""
    for name in OURS:
        path = place.home / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    if any(place.home.iterdir()):
        return False
    place.home.rmdir()
    return True
