"""The folder of buckets: objects as plain files, and what must not be seen among them.

`ROOT/<bucket>/<object name>` is shared with whoever reads and writes plain files. `ROOT/.storage/` beside
the buckets holds drafts (contents on their way in) and blobs (objects whose names cannot be paths). All lie
on one file system, so that a rename is atomic. No symbolic link is ever followed.
"""

import hashlib
import os
import stat
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from localcloud.storage.names import MAX_NAME_BYTES, is_object_name, path_components
from localcloud.storage.resources import Stamp


@dataclass
class Window:
    """The names a walk shall yield, `low` ≤ name < `high`; the reader may raise `low` on the way."""

    low: str
    high: str | None = None

    def covers(self, name: str) -> bool:
        return name >= self.low and (self.high is None or name < self.high)

    def may_cover_below(self, prefix: str) -> bool:
        """Say whether a name that starts with `prefix` can lie in the window."""
        return (prefix >= self.low or self.low.startswith(prefix)) and (
            self.high is None or prefix < self.high
        )


class Folder:
    """The files of all buckets below `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._drafts = self._root / ".storage" / "drafts"
        self._blobs = self._root / ".storage" / "blobs"
        self._drafts.mkdir(parents=True, exist_ok=True)
        self._blobs.mkdir(parents=True, exist_ok=True)

    def make_bucket(self, bucket: str) -> None:
        """Make the folder of a bucket; one that exists keeps its files, which become objects."""
        (self._root / bucket).mkdir(exist_ok=True)

    def remove_bucket(self, bucket: str) -> None:
        """Remove the empty folders of a bucket; whatever is no object (a symbolic link) stays."""
        root = self._root / bucket
        for folder, _, _ in os.walk(root, topdown=False) if not root.is_symlink() else ():
            _remove_empty(Path(folder))

    def new_draft(self) -> Path:
        """Name a file for content on its way in."""
        return self._drafts / uuid.uuid4().hex

    def draft(self, name: str) -> Path:
        """The path of a draft by its name."""
        return self._drafts / name

    def drafts(self) -> list[Path]:
        """All drafts there are."""
        return list(self._drafts.iterdir())

    def blobs(self) -> set[Path]:
        """All blobs there are."""
        return set(self._blobs.iterdir())

    def path(self, bucket: str, name: str, *, is_blob: bool) -> Path:
        """Where the content of an object lies."""
        if is_blob:
            # One flat folder: a hash cannot leave it, whatever the name holds.
            return self._blobs / hashlib.sha256(f"{bucket}/{name}".encode()).hexdigest()
        return self._root / bucket / name

    def stamp(self, bucket: str, name: str) -> Stamp | None:
        """Look at the plain file of an object; None where there is none that may be one."""
        components = path_components(name)
        if components is None or not self._parents_are_folders(bucket, components):
            return None
        return _file_stamp(self._root / bucket / name)

    def place(self, bucket: str, name: str) -> bool:
        """Make way for the plain file of an object; True says that it must be a blob instead."""
        components = path_components(name)
        if components is None:
            return True
        parent = self._root
        for component in (bucket, *components[:-1]):
            parent = parent / component
            mode = _mode(parent)
            if mode is None:
                parent.mkdir(exist_ok=True)
            elif not stat.S_ISDIR(mode):
                return True
        mode = _mode(parent / components[-1])
        return mode is not None and stat.S_ISDIR(mode)

    def open(self, bucket: str, name: str, *, is_blob: bool) -> BinaryIO:
        """Open the content of an object; an overwrite or delete meanwhile does not change what is read."""
        path = self.path(bucket, name, is_blob=is_blob)
        return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb", buffering=0)

    def publish(self, draft: Path, bucket: str, name: str, *, is_blob: bool) -> None:
        """Move a draft to its place, atomically; size, modification time and inode stay. Raises OSError."""
        draft.rename(self.path(bucket, name, is_blob=is_blob))

    def remove(self, bucket: str, name: str, *, is_blob: bool) -> None:
        """Remove the content of an object, and the folders that become empty: a bucket has none."""
        path = self.path(bucket, name, is_blob=is_blob)
        path.unlink(missing_ok=True)
        if is_blob:
            return
        for parent in path.parents:
            if parent == self._root / bucket or not _remove_empty(parent):
                return

    def walk(self, bucket: str, window: Window) -> Iterator[tuple[str, Stamp]]:
        """Yield the plain files that can be objects and lie in the window, in the order of their names."""
        root = self._root / bucket
        mode = _mode(root)
        if mode is not None and stat.S_ISDIR(mode):
            yield from _walk(root, "", window)

    def _parents_are_folders(self, bucket: str, components: tuple[str, ...]) -> bool:
        parent = self._root
        for component in (bucket, *components[:-1]):
            parent = parent / component
            mode = _mode(parent)
            if mode is None or not stat.S_ISDIR(mode):
                return False
        return True


def stamp_of(status: os.stat_result) -> Stamp:
    """Pick what identifies a file's state."""
    return Stamp(status.st_size, status.st_mtime_ns, status.st_ino)


def _walk(folder: Path, prefix: str, window: Window) -> Iterator[tuple[str, Stamp]]:
    # A folder sorts as "name/": then the walk's order is the order of whole names.
    found: list[tuple[str, os.DirEntry[str] | None]] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    found.append((f"{prefix}{entry.name}/", None))
                elif entry.is_file(follow_symlinks=False) and window.covers(prefix + entry.name):
                    found.append((prefix + entry.name, entry))
    except FileNotFoundError:
        return
    found.sort(key=lambda item: item[0])
    for name, file in found:
        if file is None:
            if len(name) <= MAX_NAME_BYTES and window.may_cover_below(name):
                yield from _walk(folder / name[len(prefix) : -1], name, window)
        elif window.covers(name) and is_object_name(name):
            try:
                yield name, stamp_of(file.stat(follow_symlinks=False))
            except FileNotFoundError:
                continue


def _file_stamp(path: Path) -> Stamp | None:
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return stamp_of(status) if stat.S_ISREG(status.st_mode) else None


def _mode(path: Path) -> int | None:
    try:
        return path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


def _remove_empty(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return False
    return True
