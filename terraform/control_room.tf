# The control room: pages for people, over what the ledger and the marts say. It has no need of Composer, so it stays
# when that is away. Who opens it: docs/deploy.md, "The control room".

variable "control_room_viewers" {
  description = "Principals who may open the control room besides the operators. They see the ledger, the contracts, rejected rows with personal data masked, and the report, all through its account."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.control_room_viewers : can(regex("^((user|group|serviceAccount):|principal(Set)?://).+", member))])
    error_message = "Expected members such as group:analysts@example.com; everybody (allUsers, allAuthenticatedUsers) is none."
  }
}

locals {
  control_room_dir = "${local.functions_dir}/control_room"

  # The folder, without what tools leave in it, and beside it the rendered catalogue, laid out as in bigquery/.
  control_room_files = merge(
    {
      for file in fileset(local.control_room_dir, "**/*.{css,html,js,json,py,svg,txt}") :
      file => "${local.control_room_dir}/${file}" if !can(regex("(^|/)\\.", file))
    },
    {
      for file in setunion(fileset(local.bigquery_dir, "datasets/*/catalog.json"), fileset(local.bigquery_dir, "marts/catalog.json")) :
      "catalog/${file}" => "${local.bigquery_dir}/${file}"
    },
  )

  # A page waits for BigQuery most of its time.
  control_room_threads = 8
}

resource "google_cloudfunctions2_function" "control_room" {
  #checkov:skip=CKV_GCP_124:people open it from their own machines; IAM lets in those alone who are listed, and tests hold that nobody is everybody
  name         = "control-room"
  description  = "Pages: datasets, batches, files, rejected rows, report, catalogue."
  location     = var.region
  kms_key_name = var.kms_key

  build_config {
    runtime           = "python312"
    entry_point       = "control_room"
    service_account   = "projects/${var.project}/serviceAccounts/${local.account_emails["build"]}"
    docker_repository = "projects/${var.project}/locations/${var.region}/repositories/${google_artifact_registry_repository.function.repository_id}"

    source {
      storage_source {
        bucket = google_storage_bucket_object.function["control_room"].bucket
        object = google_storage_bucket_object.function["control_room"].name
      }
    }
  }

  service_config {
    service_account_email = local.account_emails["reader"]
    # From the machines of those who look at it. What keeps everybody else out is IAM: the service has no public invoker.
    ingress_settings                 = "ALLOW_ALL"
    available_cpu                    = "1"
    available_memory                 = "512Mi"
    max_instance_request_concurrency = local.control_room_threads
    max_instance_count               = 2
    min_instance_count               = 0
    timeout_seconds                  = 60

    environment_variables = merge(local.control_room_environment, {
      WORKERS = "1"
      THREADS = tostring(local.control_room_threads)
    })
  }

  # The address of Airflow is in its links; see terraform_data.airflow_url. Nothing is in it that would be lost.
  lifecycle {
    replace_triggered_by = [terraform_data.airflow_url]
  }

  # The build is refused without them; the pages say what the account may not see.
  depends_on = [
    google_project_service.api,
    google_artifact_registry_repository_iam_member.grant,
    google_bigquery_dataset_iam_member.grant,
    google_kms_crypto_key_iam_member.grant,
    google_project_iam_member.grant,
    google_storage_bucket_iam_member.grant,
  ]
}
