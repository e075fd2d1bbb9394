"""What somebody typed into the search for a file, and what it may mean. Pure."""

import base64
import re
from dataclasses import dataclass

MOST = 2048  # characters; an object's name has 1,024 bytes at most
_IDENTITY = re.compile(r"(gs://.+)#([0-9]{1,19})", re.DOTALL)
_HEX = {32: "md5", 8: "crc32c"}
_LARGEST = 2**63 - 1


@dataclass(frozen=True)
class Sought:
    """What is looked for, every way that the text can be read; None where it cannot.

    Attributes:
        uri: an object, gs://bucket/name, and with `generation` one file of it.
        text: what a name may be, or hold: lower case, without the folders of somebody's own disk.
        checksum: MD5 or CRC32C of a content in base64.
        batch_id: a batch, all of whose files are meant.
    """

    text: str
    uri: str | None = None
    generation: int | None = None
    checksum: str | None = None
    batch_id: str | None = None


def read_search(typed: str) -> Sought | None:
    """What a text looks for; None where it is blank."""
    text = typed.strip()[:MOST]
    if not text:
        return None
    if text.startswith("gs://"):
        identity = _IDENTITY.fullmatch(text)
        uri, generation = (identity[1], identity[2]) if identity else (text, None)
        return Sought(_name_of(uri).lower(), uri, _whole(generation))
    return Sought(
        _last_of(text).lower(),
        generation=_whole(text),
        checksum=_checksum(text),
        batch_id=text.lower() if re.fullmatch("[0-9a-fA-F]{32}", text) else None,
    )


def _name_of(uri: str) -> str:
    return uri.removeprefix("gs://").partition("/")[2]


def _last_of(text: str) -> str:
    """The name alone where the text is a path on somebody's own disk."""
    if re.match(r"[A-Za-z]:[\\/]|\\\\", text):
        return re.split(r"[\\/]", text)[-1]
    return text.rsplit("/", 1)[-1] if text.startswith(("/", "~/", "./", "../")) else text


def _whole(text: str | None) -> int | None:
    if text is None or not re.fullmatch("[0-9]{1,19}", text):
        return None
    return number if (number := int(text)) <= _LARGEST else None


def _checksum(text: str) -> str | None:
    """MD5 (16 bytes) or CRC32C (4 bytes), in base64 as it is, or from hexadecimal digits."""
    if len(text) in _HEX and re.fullmatch("[0-9a-fA-F]+", text):
        return base64.b64encode(bytes.fromhex(text)).decode()
    if re.fullmatch(r"[A-Za-z0-9+/]{22}==|[A-Za-z0-9+/]{6}==", text):
        return text
    return None


def is_meant(sought: Sought, uri: str, generation: int, checksums: tuple[str | None, ...] = ()) -> bool:
    """Whether the text names this file, rather than one like it."""
    if sought.uri is not None:
        whole = f"{sought.uri}#{sought.generation}"
        return uri == whole or (uri == sought.uri and sought.generation in (None, generation))
    name = _name_of(uri).lower()
    return (
        sought.text in (name, name.rpartition("/")[2])
        or sought.generation == generation
        or (sought.checksum is not None and sought.checksum in checksums)
    )


def resembles(
    sought: Sought, uri: str, generation: int, checksums: tuple[str | None, ...], batch_id: str | None
) -> bool:
    """Whether a list of what the text may mean has this file."""
    return (
        is_meant(sought, uri, generation, checksums)
        or (sought.text != "" and sought.text in _name_of(uri).lower())
        or (sought.batch_id is not None and sought.batch_id == batch_id)
    )
