"""Puts into the local cloud what Terraform puts into a real one: buckets, code, tables, procedures."""

from base64 import b64encode
from hashlib import md5
from pathlib import Path

from localcloud.launcher.archive import zip_package
from localcloud.launcher.clients import bigquery_client, storage_client
from localcloud.launcher.cloud import BIGQUERY_LOCATION, BUCKETS, Cloud
from localcloud.launcher.errors import CommandError

_TIMEOUT = 20


def provision_buckets(cloud: Cloud) -> str:
    """Create the buckets that are missing and upload the Spark job where it changed; returns a remark."""
    from google.api_core.exceptions import Conflict

    client = storage_client(cloud)
    for name in BUCKETS.values():
        try:
            client.create_bucket(name, timeout=_TIMEOUT)
        except Conflict:
            continue
    bucket = client.bucket(BUCKETS["code"])
    changed = 0
    for name, content in code_objects(cloud.place.root / "spark_jobs").items():
        blob = bucket.get_blob(name, timeout=_TIMEOUT)
        digest = b64encode(md5(content, usedforsecurity=False).digest()).decode()
        if blob is None or blob.md5_hash != digest:
            bucket.blob(name).upload_from_string(content, timeout=_TIMEOUT)
            changed += 1
    return f"{len(BUCKETS)} buckets" + (", Spark job uploaded" if changed else "")


def code_objects(folder: Path) -> dict[str, bytes]:
    """The objects that a Spark job is submitted with, by name."""
    return {
        "spark_jobs/csv_to_parquet.py": (folder / "csv_to_parquet.py").read_bytes(),
        "spark_jobs/landfall_spark.zip": zip_package(folder / "landfall_spark"),
    }


def provision_warehouse(cloud: Cloud) -> str:
    """Create or bring up to date the datasets, tables, views and procedures; returns a remark."""
    from localcloud import warehouse

    ops = cloud.place.root / "bigquery" / "ops"
    try:
        made = warehouse.provision(bigquery_client(cloud), cloud.place.datasets, ops, BIGQUERY_LOCATION)
    except warehouse.WarehouseError as error:
        raise CommandError(str(error)) from error
    return f"{len(made.tables)} tables, {len(made.procedures)} procedures"
