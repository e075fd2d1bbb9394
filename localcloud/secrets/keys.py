"""Secrets as files: `<folder>/<secret>/<version>` holds the bytes of one version."""

import os
import re
import secrets
from pathlib import Path

KEY_BYTES = 32
_VERSION = re.compile(r"[1-9][0-9]{0,8}")
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,255}")


def make_first_version(folder: Path, secret: str) -> None:
    """Make version 1 of a secret of random bytes, for its owner alone; a secret with a version stays."""
    for path in (folder, folder / secret):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)
    if list_versions(folder, secret):
        return
    # Whole under another name first: of a key that was cut short the tokens would never come again.
    draft = folder / secret / ".new"
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secrets.token_bytes(KEY_BYTES))
    draft.rename(folder / secret / "1")


def list_versions(folder: Path, secret: str) -> list[int]:
    """The numbers of a secret's versions, oldest first; none when there is no such secret."""
    if not _SECRET.fullmatch(secret) or not (folder / secret).is_dir():
        return []
    return sorted(int(path.name) for path in (folder / secret).iterdir() if _VERSION.fullmatch(path.name))


def read_version(folder: Path, secret: str, version: int) -> bytes:
    """The bytes of a listed version."""
    return (folder / secret / str(version)).read_bytes()
