# The function that hears of each object that lands and asks Airflow for its dataset's run.

locals {
  function_dir   = "${local.repository}/functions/trigger_ingest"
  function_files = setunion(fileset(local.function_dir, "*.py"), ["requirements.txt"])
  # Of the files, not of the archive: the same on every machine.
  function_hash = sha256(join("\n", [for file in local.function_files : "${file} ${filesha256("${local.function_dir}/${file}")}"]))
  # One instance takes more events a second than any bucket sends (docs/scale.md). One process, so that its threads
  # share what they know of the runs that exist.
  function_threads = 16
}

data "archive_file" "function" {
  type             = "zip"
  output_path      = "${path.root}/.terraform/trigger_ingest.zip"
  output_file_mode = "0644"

  dynamic "source" {
    for_each = local.function_files

    content {
      filename = source.value
      content  = file("${local.function_dir}/${source.value}")
    }
  }
}

resource "google_storage_bucket_object" "function" {
  bucket = google_storage_bucket.bucket["function-source"].name
  # Another name for other code: the function is built anew exactly when its files change.
  name         = "trigger_ingest-${local.function_hash}.zip"
  source       = data.archive_file.function.output_path
  content_type = "application/zip"
}

# A repository of its own, not the one that Google would make: the build's account may write here and nowhere else.
resource "google_artifact_registry_repository" "function" {
  #checkov:skip=CKV_GCP_84:encrypted with kms_key where an environment has one, with Google's keys else; the images hold the function's code, no data
  repository_id = "landfall-function"
  description   = "Images that Cloud Build makes of the function's source."
  location      = var.region
  format        = "DOCKER"
  kms_key_name  = var.kms_key

  cleanup_policies {
    id     = "keep-newest"
    action = "KEEP"

    most_recent_versions {
      keep_count = 5
    }
  }

  cleanup_policies {
    id     = "delete-old"
    action = "DELETE"

    condition {
      older_than = "2592000s"
    }
  }

  depends_on = [google_project_service.api, google_kms_crypto_key_iam_member.grant]
}

# Of a new address that is not known yet, the provider would see no change in the function's environment
# (hashicorp/terraform-provider-google#22497), and the function would go on calling a Composer that is gone.
resource "terraform_data" "airflow_url" {
  input = local.airflow_url
}

resource "google_cloudfunctions2_function" "trigger_ingest" {
  count = var.composer_enabled ? 1 : 0

  name         = "trigger-ingest"
  description  = "An object lands, a run of its dataset's DAG is asked for."
  location     = var.region
  kms_key_name = var.kms_key

  build_config {
    runtime           = "python312"
    entry_point       = "trigger_ingest"
    service_account   = "projects/${var.project}/serviceAccounts/${local.account_emails["build"]}"
    docker_repository = "projects/${var.project}/locations/${var.region}/repositories/${google_artifact_registry_repository.function.repository_id}"

    source {
      storage_source {
        bucket = google_storage_bucket_object.function.bucket
        object = google_storage_bucket_object.function.name
      }
    }
  }

  service_config {
    service_account_email = local.account_emails["function"]
    # Eventarc and Pub/Sub of the same project count as internal.
    ingress_settings                 = "ALLOW_INTERNAL_ONLY"
    available_cpu                    = "1"
    available_memory                 = "512Mi"
    max_instance_request_concurrency = local.function_threads
    max_instance_count               = 3
    min_instance_count               = 0
    # Four times as long as the function waits for Airflow.
    timeout_seconds = 60

    environment_variables = merge(local.function_environment, {
      WORKERS = "1"
      THREADS = tostring(local.function_threads)
    })
  }

  event_trigger {
    event_type            = "google.cloud.storage.object.v1.finalized"
    trigger_region        = var.region
    retry_policy          = "RETRY_POLICY_RETRY"
    service_account_email = local.account_emails["trigger"]

    event_filters {
      attribute = "bucket"
      value     = google_storage_bucket.bucket["landing"].name
    }
  }

  lifecycle {
    replace_triggered_by = [terraform_data.airflow_url]
  }

  # The build and the trigger are refused without them; a service account's own grants are seen a while later.
  depends_on = [
    google_project_service.api,
    google_artifact_registry_repository_iam_member.grant,
    google_kms_crypto_key_iam_member.grant,
    google_project_iam_member.grant,
    google_storage_bucket_iam_member.grant,
  ]
}
