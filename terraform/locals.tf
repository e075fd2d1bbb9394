locals {
  labels = merge(var.labels, { app = "landfall", environment = var.environment })

  # Each dataset is a folder of rendered files; adding one touches nothing here.
  repository   = "${path.module}/.."
  datasets_dir = "${local.repository}/bigquery/datasets"
  datasets = {
    for file in fileset(local.datasets_dir, "*/pipeline.json") :
    dirname(file) => jsondecode(file("${local.datasets_dir}/${file}"))
  }

  # Bucket names are taken worldwide, project ids too: with the project in front they cannot clash.
  bucket_names = {
    for purpose in ["landing", "archive", "rejected", "lake", "code", "staging", "function-source", "composer"] :
    purpose => "${var.project}-${purpose}"
  }
}
