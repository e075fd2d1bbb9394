# Where a browser finds what the ledger names. The local cloud has the same kinds, with addresses of its own
# (localcloud/launcher/links.py).

locals {
  console = "https://console.cloud.google.com"

  # The names in braces are filled in by whoever makes the link. A kind without a page is left out, such as a run while
  # Composer is away.
  links = merge(
    {
      bigquery_job = "${local.console}/bigquery?project=${var.project}&ws=!1m5!1m4!1m3!1s${var.project}!2s{job_id}!3s${var.bigquery_location}"
      dataproc_job = "${local.console}/dataproc/jobs/{job_id}?region=${var.region}&project=${var.project}"
      object       = "${local.console}/storage/browser/_details/{bucket}/{name}?project=${var.project}"
      table        = "${local.console}/bigquery?project=${var.project}&p=${var.project}&d={dataset}&t={table}&page=table"
    },
    var.composer_enabled ? { run = "${local.airflow_url}/dags/{dag_id}/runs/{run_id}" } : {},
  )
}
