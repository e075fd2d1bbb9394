"""When a cluster deletes itself. Pure."""

from datetime import datetime
from typing import Any

from google.cloud.dataproc_v1.types import LifecycleConfig


def deletion_time(config: LifecycleConfig, created: datetime, idle_since: datetime | None) -> datetime | None:
    """The moment at which the cluster's TTLs delete it, or None if they never do.

    `created` is the time of the request, from which `auto_delete_ttl` runs; `idle_since` is the later of the
    time at which the cluster became RUNNING and of the end of its last job, or None while a job is active.
    """
    fields: Any = config
    moments = []
    if "idle_delete_ttl" in config and idle_since is not None:
        moments.append(idle_since + fields.idle_delete_ttl)
    if "auto_delete_ttl" in config:
        moments.append(created + fields.auto_delete_ttl)
    if "auto_delete_time" in config:
        moments.append(fields.auto_delete_time)
    return min(moments, default=None)
