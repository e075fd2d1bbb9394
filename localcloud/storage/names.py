"""What may be named how: buckets, objects, and objects that can be plain files.

Sources: https://cloud.google.com/storage/docs/buckets#naming,
https://cloud.google.com/storage/docs/objects#naming
"""

import re

from localcloud.storage.errors import InvalidError

MAX_NAME_BYTES = 1024
MAX_COMPONENT_BYTES = 255

_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")


def check_bucket_name(name: str) -> str:
    """Return `name`, or raise Invalid: a bucket is a folder directly below the buckets' root."""
    if not _BUCKET.fullmatch(name) or ".." in name or any(len(part) > 63 for part in name.split(".")):
        raise InvalidError(
            f"Invalid bucket name: expected 3 to 63 of a-z, 0-9, '-', '_', '.', found {name!r}. "
            "Choose another name."
        )
    return name


def check_object_name(name: str) -> str:
    """Return `name`, or raise InvalidError where Cloud Storage itself refuses the name."""
    problem = _object_name_problem(name)
    if problem:
        raise InvalidError(f"Invalid object name: {problem}, found {name[:80]!r}. Choose another name.")
    return name


def is_object_name(name: str) -> bool:
    """Say whether a file found under this relative path can be an object."""
    return not _object_name_problem(name)


def path_components(name: str) -> tuple[str, ...] | None:
    """Split a name that can be a relative path; None for one that cannot and is kept as a blob."""
    components = tuple(name.split("/"))
    if any(part in ("", ".", "..") or "\0" in part for part in components):
        return None
    if any(len(part.encode()) > MAX_COMPONENT_BYTES for part in components):
        return None
    return components


def _object_name_problem(name: str) -> str | None:
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        return "expected text that UTF-8 can encode"
    if not 1 <= length <= MAX_NAME_BYTES:
        return f"expected 1 to {MAX_NAME_BYTES} bytes of UTF-8"
    if "\n" in name or "\r" in name:
        return "expected no line break"
    if name in (".", ".."):
        return "expected neither '.' nor '..'"
    return None
