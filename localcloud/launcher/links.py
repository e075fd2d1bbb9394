"""Where a browser finds what the ledger names, on a local cloud; Terraform makes the same kinds of links."""

from collections.abc import Mapping

from localcloud.launcher.cloud import BUCKETS, PROJECT, Cloud


def make_links(cloud: Cloud) -> Mapping[str, str]:
    """By kind, an address with placeholders in braces; `localcloud.deployment.links.fill` fills them in.

    `object` and `table` are no pages here: there is no console.
    """
    text_of_staging = f"{cloud.url('storage')}/_landfall/text/{BUCKETS['staging']}"
    return {
        "run": f"{cloud.url('api-server')}/dags/{{dag_id}}/runs/{{run_id}}",
        "bigquery_job": f"{cloud.url('bigquery')}/bigquery/v2/projects/{PROJECT}/jobs/{{job_id}}",
        # Its folder bears the name of a cluster that is gone, so the log is found by the job's.
        "dataproc_job": f"{text_of_staging}?matchGlob=**/jobs/{{job_id}}/driveroutput.*",
    }
