"""From a CloudEvent to the object that landed, and from its name to its dataset. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from errors import TerminalError

FINALIZED = "google.cloud.storage.object.v1.finalized"
SUFFIXES = (".csv", ".csv.gz")

# BigQuery table, Airflow DAG id and folder name at once: what all three accept.
_DATASET = re.compile(r"[a-z][a-z0-9_]{0,62}")
# Limits of Cloud Storage: object names of 1 to 1024 bytes of UTF-8, counters of 64 bits with a sign.
_MOST_NAME_BYTES = 1024
_MOST_COUNTER = 2**63 - 1


@dataclass(frozen=True)
class LandedObject:
    """One finalized object; `size` is in bytes."""

    bucket: str
    name: str
    generation: int
    metageneration: int
    size: int

    @property
    def uri(self) -> str:
        """The identity of the file: `gs://bucket/name#generation`."""
        return f"gs://{self.bucket}/{self.name}#{self.generation}"


@dataclass(frozen=True)
class Ignored:
    """An object that is none of this pipeline's business, with the reason as a sentence part."""

    reason: str


def parse_event(attributes: Mapping[str, object], data: object, landing_bucket: str) -> LandedObject:
    """Parse the attributes and the data of a finalize event of `landing_bucket`.

    Raises `TerminalError`, which says what was expected and found, for any other event.
    """
    if (kind := attributes.get("type")) != FINALIZED:
        raise TerminalError(
            f"Expected an event of type {FINALIZED}, found {_show(kind)}; "
            f"check the event filter of the trigger."
        )
    if not isinstance(data, Mapping):
        raise TerminalError(
            f"Expected the data of the event to be a JSON object, the metadata of a Cloud Storage object, "
            f"found {_show(data)}; check that the trigger sends application/json."
        )
    bucket = _text(data, "bucket")
    if bucket != landing_bucket:
        raise TerminalError(
            f"Expected an event of the landing bucket {landing_bucket!r}, found bucket {_show(bucket)}; "
            f"check the event filter of the trigger and LANDFALL_LANDING_BUCKET."
        )
    return LandedObject(
        bucket=bucket,
        name=_text(data, "name"),
        generation=_counter(data, "generation", least=1),
        metageneration=_counter(data, "metageneration", least=1),
        size=_counter(data, "size", least=0),
    )


def find_dataset(name: str) -> str | Ignored:
    """Find the dataset of an object by the path grammar `<dataset>/<anything>.csv` or `.csv.gz`, alone."""
    folder, slash, _ = name.partition("/")
    if name.endswith("/"):
        return Ignored("it is a folder placeholder, not a file")
    if not slash:
        return Ignored("expected <dataset>/<anything>.csv or .csv.gz, found a name without a folder")
    if not _DATASET.fullmatch(folder):
        return Ignored(
            f"expected a dataset name ([a-z][a-z0-9_]*, 63 characters at most) as the first folder, "
            f"found {_show(folder)}"
        )
    if not name.endswith(SUFFIXES):
        return Ignored(
            f"expected a name that ends in .csv or .csv.gz, found {_show(name.rpartition('/')[2])}"
        )
    return folder


def _text(data: Mapping[str, object], field: str) -> str:
    value = data.get(field)
    if not isinstance(value, str) or not value:
        raise TerminalError(_wrong(data, field, "a text that is not empty"))
    if not _is_utf8(value) or len(value.encode()) > _MOST_NAME_BYTES:
        raise TerminalError(_wrong(data, field, f"at most {_MOST_NAME_BYTES} bytes of UTF-8"))
    return value


def _is_utf8(text: str) -> bool:
    # JSON can escape halves of a surrogate pair, which no encoding can carry further.
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _counter(data: Mapping[str, object], field: str, *, least: int) -> int:
    value = data.get(field)
    # JSON has numbers of 64 bits as texts, yet some senders write numbers. bool is an int to Python only.
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,19}", value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= _MOST_COUNTER:
        raise TerminalError(_wrong(data, field, f"a whole number from {least} to {_MOST_COUNTER}"))
    return value


def _wrong(data: Mapping[str, object], field: str, expected: str) -> str:
    found = _show(data[field]) if field in data else "no such field"
    return (
        f"Expected {field!r} of the event's object to be {expected}, found {found}; "
        f"this is not an event of Cloud Storage: check who else calls the function."
    )


def _show(value: object) -> str:
    """Render a value for a message: short, and numbers of any length without printing them in full."""
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 64:
        return f"a number of {value.bit_length()} bits"
    if isinstance(value, Mapping | list):
        return f"a JSON {'object' if isinstance(value, Mapping) else 'array'} of {len(value)} members"
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:60]}… ({len(text)} characters)"
