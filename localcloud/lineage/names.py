"""Names as Dataplex makes them of OpenLineage's: a dataset's fully qualified name, ids of the rest. Pure."""

import hashlib
import re

_RESERVED = re.compile(r"[:.`\s]")


def qualified(namespace: str, name: str) -> str:
    """The fully qualified name of a dataset: `gcs:b.f` of `gs://b` and `f`; a table's is `bigquery:p.d.t`.

    A bucket or path with a character that separates is put between backticks. Of systems that the pipeline
    does not use the two names are joined.
    """
    if namespace.startswith("gs://"):
        return f"gcs:{_segment(namespace.removeprefix('gs://'))}.{_segment(name)}"
    return f"{namespace}:{name}"


def _segment(text: str) -> str:
    return f"`{text.replace('`', '``')}`" if _RESERVED.search(text) else text


def identifier(*parts: str) -> str:
    """An id that is the same whenever the same parts are given."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
