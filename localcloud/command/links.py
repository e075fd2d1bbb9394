"""Where a browser finds what a file's story names, as far as the installation has pages for it."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from localcloud.command.datasets import Dataset
from localcloud.deployment.links import fill

_JOBS = {
    "csv_to_parquet": ("dataproc_job", "Spark driver"),
    "load_raw": ("bigquery_job", "load of raw"),
    "load_rejected": ("bigquery_job", "load of rejected rows"),
    "call_trusted": ("bigquery_job", "merge into trusted"),
}

Link = dict[str, str]


def list_links(
    templates: Mapping[str, str], control_room: str | None, story: Mapping[str, Any], dataset: Dataset | None
) -> list[Link]:
    """Each link as what it leads to and its address, the newest reading's first."""
    found = [*_readings(templates, story), *_objects(templates, story)]
    if dataset:
        found += _tables(templates, story, dataset)
    if control_room:
        asked = urlencode({"uri": story["uri"], "generation": story["generation"]})
        found.insert(0, _link("control room", f"{control_room}/file?{asked}"))
    return found


def _readings(templates: Mapping[str, str], story: Mapping[str, Any]) -> Iterator[Link]:
    several = len(story["readings"]) > 1
    for reading in reversed(story["readings"]):
        of = f" ({reading['batch_id'][:12]})" if several and reading["batch_id"] else ""
        if reading["run_id"]:
            dag = f"ingest_{story['dataset']}"
            yield from _fill(templates, "run", f"Airflow run{of}", dag_id=dag, run_id=reading["run_id"])
        for task, (kind, what) in _JOBS.items():
            if job := reading["resources"].get(task):
                yield from _fill(templates, kind, what + of, job_id=job)


def _objects(templates: Mapping[str, str], story: Mapping[str, Any]) -> Iterator[Link]:
    landed = None if story["batch_id"] else story["uri"]
    for what, uri in (
        ("object", landed),
        ("original", story["archive_uri"]),
        ("rejected original", story["rejected_uri"]),
    ):
        bucket, _, name = (uri or "").removeprefix("gs://").partition("/")
        # A browser would take such a segment for a folder of the address, and leave the bucket.
        if name and not {".", ".."} & set(name.split("/")):
            yield from _fill(templates, "object", what, bucket=bucket, name=name)


def _tables(templates: Mapping[str, str], story: Mapping[str, Any], dataset: Dataset) -> Iterator[Link]:
    tables = {"trusted table": dataset.trusted} if story["state"] == "loaded" else {}
    if story["rows_rejected"]:
        tables["rejected rows"] = dataset.rejected
    for what, name in tables.items():
        layer, _, table = name.partition(".")
        yield from _fill(templates, "table", what, dataset=layer, table=table)


def _fill(templates: Mapping[str, str], kind: str, what: str, **values: str) -> Iterator[Link]:
    if kind in templates:
        yield _link(what, fill(templates[kind], **values))


def _link(what: str, url: str) -> Link:
    return {"what": what, "url": url}
