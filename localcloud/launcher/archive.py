"""Zips a Python package so that equal sources make equal bytes."""

import io
import zipfile
from pathlib import Path

# The oldest moment that a zip can hold; the time of a checkout must not change the archive.
_MOMENT = (1980, 1, 1, 0, 0, 0)


def zip_package(package: Path) -> bytes:
    """The package's `*.py` and `*.json` files, sorted, below the package's own name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(package.rglob("*")):
            if path.suffix in (".py", ".json") and path.is_file():
                entry = zipfile.ZipInfo(str(path.relative_to(package.parent).as_posix()), _MOMENT)
                entry.external_attr = 0o644 << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, path.read_bytes())
    return buffer.getvalue()
