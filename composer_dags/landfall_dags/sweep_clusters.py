"""The sweep's last look: clusters that no run will delete any more."""

import json
import logging
from typing import Any

from landfall_dags import dataproc, journal_object, store
from landfall_dags.dataproc import Cluster
from landfall_dags.errors import TerminalError
from landfall_dags.settings import Settings

# Its name, with which the messages begin too, is the one to alert on.
_log = logging.getLogger("landfall.cluster_left")


def delete_left_clusters(settings: Settings, context: Any) -> list[str]:
    """Delete clusters whose batch is closed, or whose dataset has no active run; returns their names.

    Only clusters with this environment's staging bucket count. A run that begins meanwhile and takes up such
    a cluster loses it, and the next one makes another.
    """
    api = dataproc.connect(settings.project, settings.region)
    # The clusters first: whatever is found in the journal after that was there when they were made.
    found = [
        cluster
        for cluster in api.labelled("labels.landfall_dataset = *")
        if cluster.staging_bucket == settings.staging_bucket and cluster.state != "DELETING"
    ]
    left = [cluster for cluster in found if _is_left(cluster, settings, context)]
    for cluster in left:
        line = {
            "dataset": cluster.labels["landfall_dataset"],
            "cluster": cluster.name,
            "state": cluster.state,
            "batch_id": cluster.labels.get("landfall_batch"),
        }
        # No run is going to use it.
        _log.warning("landfall.cluster_left %s", json.dumps(line))
        api.delete_cluster(cluster)
    return [cluster.name for cluster in left]


def _is_left(cluster: Cluster, settings: Settings, context: Any) -> bool:
    dataset = cluster.labels["landfall_dataset"]
    if not context["ti"].get_dr_count(dag_id=f"ingest_{dataset}", states=["running"]):
        return True
    try:
        journal = journal_object.read(store.connect(), settings.lake_bucket, dataset).journal
    except TerminalError:
        return False
    return journal.find(cluster.labels.get("landfall_batch", "")) is None
