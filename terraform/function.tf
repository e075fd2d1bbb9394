# The function that hears of each object that lands and asks Airflow for its dataset's run; and what it shares with the
# control room: how a function's source gets to Cloud Build, and where the image of it is kept.

locals {
  functions_dir = "${local.repository}/functions"

  # What each function is made of: where a file lies, by its path in the archive.
  function_files = {
    trigger_ingest = {
      for file in fileset("${local.functions_dir}/trigger_ingest", "{*.py,requirements.txt}") :
      file => "${local.functions_dir}/trigger_ingest/${file}"
    }
    control_room = local.control_room_files
  }

  # Of the files, not of the archive: the same on every machine.
  function_hashes = {
    for name, files in local.function_files :
    name => sha256(join("\n", [for path, file in files : "${path} ${filesha256(file)}"]))
  }

  # One instance takes more events a second than any bucket sends (docs/scale.md). One process, so that its threads
  # share what they know of the runs that exist.
  function_threads = 16
}

data "archive_file" "function" {
  for_each = local.function_files

  type             = "zip"
  output_path      = "${path.root}/.terraform/${each.key}.zip"
  output_file_mode = "0644"

  dynamic "source" {
    for_each = each.value

    content {
      filename = source.key
      content  = file(source.value)
    }
  }
}

resource "google_storage_bucket_object" "function" {
  for_each = local.function_files

  bucket = google_storage_bucket.bucket["function-source"].name
  # Another name for other code: a function is built anew exactly when its files change.
  name         = "${each.key}-${local.function_hashes[each.key]}.zip"
  source       = data.archive_file.function[each.key].output_path
  content_type = "application/zip"
}

moved {
  from = google_storage_bucket_object.function
  to   = google_storage_bucket_object.function["trigger_ingest"]
}

# A repository of its own, not the one that Google would make: the build's account may write here and nowhere else.
resource "google_artifact_registry_repository" "function" {
  #checkov:skip=CKV_GCP_84:encrypted with kms_key where an environment has one, with Google's keys else; the images hold the functions' code, no data
  repository_id = "landfall-function"
  description   = "Images that Cloud Build makes of the functions' sources."
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
        bucket = google_storage_bucket_object.function["trigger_ingest"].bucket
        object = google_storage_bucket_object.function["trigger_ingest"].name
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
