"""Names that follow from content and place alone, so that every retry finds what an earlier attempt made."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

SUFFIXES = (".csv.gz", ".csv")
CLUSTER_NAME_LENGTH = 51  # the longest that Dataproc takes
_SLUG_LENGTH = 80


@dataclass(frozen=True)
class SourceFile:
    """One generation of one landing object; size in bytes, crc32c and md5 in base64."""

    uri: str
    generation: int
    size: int
    crc32c: str
    md5: str | None
    created_at: str

    @property
    def identity(self) -> str:
        return f"{self.uri}#{self.generation}"


def timestamp(moment: datetime) -> str:
    """UTC to the microsecond: `2026-11-21T01:26:02.123456Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def split_uri(uri: str) -> tuple[str, str]:
    """`gs://bucket/name` as (bucket, name); the name is everything after the bucket, whatever is in it."""
    scheme, _, rest = uri.partition("://")
    bucket, _, name = rest.partition("/")
    if scheme != "gs" or not bucket or not name:
        raise ValueError(f"expected gs://bucket/name, found {uri!r}")
    return bucket, name


def suffix_of(name: str) -> str | None:
    """The suffix of the path grammar that an object's name ends with, or None."""
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), None)


def is_pending(dataset: str, name: str) -> bool:
    """Whether a landing object is a file of the dataset: `<dataset>/<anything>.csv` or `.csv.gz`."""
    return name.startswith(f"{dataset}/") and suffix_of(name.removeprefix(f"{dataset}/")) is not None


def batch_id(files: Iterable[SourceFile]) -> str:
    """The batch that these files are, in whatever order they come: 32 hex digits."""
    return _digest("\n".join(sorted(file.identity for file in files)), 32)


def replay_id(files: Iterable[SourceFile], run_id: str) -> str:
    """The batch in which a run reads these files again: each replay is one of its own."""
    identities = "\n".join(sorted(file.identity for file in files))
    return _digest(f"{identities}\nreplay {run_id}", 32)


def replay_run_id(dataset: str, run_id: str) -> str:
    """The run to which a run that found another batch open passes on its replay."""
    return f"{dataset}__replay_{_digest(run_id, 16)}"


def cluster_name(dataset: str, batch: str) -> str:
    """The batch's cluster: letters, digits and dashes, at most 51, unlike that of any other batch."""
    room = CLUSTER_NAME_LENGTH - len("lf--") - 12
    return f"lf-{dataset.replace('_', '-')[:room].strip('-')}-{batch[:12]}"


def spark_job_stem(cluster: str, run_id: str) -> str:
    """The beginning of the ids of a run's Spark jobs: an id stays taken for ever, so each run has its own."""
    return f"{cluster}-{_digest(run_id, 8)}"


def load_job_stem(kind: str, dataset: str, batch: str) -> str:
    """The beginning of the ids of a batch's load jobs of one kind (`raw`, `rejected`)."""
    return f"landfall_load_{kind}_{dataset}_{batch}"


def archive_name(dataset: str, file: SourceFile) -> str:
    """Where the archive keeps a file: one name for one generation of one landing name, safe in any tool.

    Raises ValueError for a name outside the path grammar.
    """
    name = split_uri(file.uri)[1]
    suffix = suffix_of(name)
    if suffix is None:
        raise ValueError(f"expected a name ending in {' or '.join(SUFFIXES)}, found {file.uri!r}")
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", name.rpartition("/")[2].removesuffix(suffix))[:_SLUG_LENGTH]
    return f"{dataset}/{file.created_at[:10]}/{file.generation}-{_digest(name, 12)}-{slug}{suffix}"


def _digest(text: str, digits: int) -> str:
    # An object's name may hold a lone surrogate when it came through a client that was not strict.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:digits]
