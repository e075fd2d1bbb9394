# Composer runs the DAGs. Public mode, and why: docs/adr/0017-composer-public-mode.md.

variable "composer_enabled" {
  description = "Whether Composer and the function that calls it exist. Off, everything that holds data stays: what lands waits in landing, and the sweep takes it up once they are back."
  type        = bool
  default     = true
}

variable "composer_image" {
  description = "Image of Composer: version 3, and a version of Airflow with all three numbers. The newest build of it is taken when the environment is made; a later build is no change."
  type        = string
  default     = "composer-3-airflow-3.3.1"

  validation {
    condition     = can(regex("^composer-3-airflow-3\\.[0-9]+\\.[0-9]+(-build\\.[0-9]+)?$", var.composer_image))
    error_message = "Expected Composer 3 with Airflow 3, such as composer-3-airflow-3.3.1; `gcloud composer` lists what there is."
  }
}

variable "composer_size" {
  description = "Size of what Composer keeps for itself, its database above all: small is made for 50 DAGs and 18 tasks at a time."
  type        = string
  default     = "small"

  validation {
    condition     = contains(["small", "medium", "large"], var.composer_size)
    error_message = "Expected small, medium or large."
  }
}

variable "composer_workloads" {
  description = <<-EOT
    Machines of Airflow's parts: vCPU (0.5, 1, 2, …), GB of memory (1 to 8 for each vCPU) and of disk, and how many. As
    small as Composer allows unless told otherwise. Workers come and go between min_count and max_count. No operator of
    the bundle defers, so there is no triggerer.
  EOT
  type = object({
    scheduler     = optional(object({ cpu = optional(number, 0.5), memory_gb = optional(number, 2), storage_gb = optional(number, 1), count = optional(number, 1) }), {})
    dag_processor = optional(object({ cpu = optional(number, 0.5), memory_gb = optional(number, 2), storage_gb = optional(number, 1), count = optional(number, 1) }), {})
    # Below 3 GB the web server of Airflow runs out of memory now and then.
    web_server = optional(object({ cpu = optional(number, 1), memory_gb = optional(number, 4), storage_gb = optional(number, 1) }), {})
    worker     = optional(object({ cpu = optional(number, 0.5), memory_gb = optional(number, 2), storage_gb = optional(number, 1), min_count = optional(number, 1), max_count = optional(number, 3) }), {})
    triggerer  = optional(object({ cpu = optional(number, 0.5), memory_gb = optional(number, 2), count = optional(number, 0) }), {})
  })
  default = {}

  validation {
    condition     = alltrue([for part in values(var.composer_workloads) : part.memory_gb >= 2 && part.memory_gb >= part.cpu && part.memory_gb <= 8 * part.cpu])
    error_message = "Expected at least 2 GB of memory for each part, and 1 to 8 GB for each vCPU."
  }

  validation {
    condition     = alltrue([for part in values(var.composer_workloads) : contains([0.5, 1], part.cpu) || part.cpu % 2 == 0])
    error_message = "Expected 0.5, 1 or an even number of vCPU for each part."
  }

  validation {
    condition     = var.composer_workloads.worker.min_count >= 1 && var.composer_workloads.worker.max_count >= var.composer_workloads.worker.min_count
    error_message = "Expected at least one worker, and max_count no less than min_count."
  }

  validation {
    condition     = var.composer_workloads.web_server.cpu >= 1 && var.composer_workloads.web_server.cpu <= 4
    error_message = "Expected 1 to 4 vCPU for the web server."
  }

  validation {
    condition     = var.composer_workloads.scheduler.cpu <= 1 && var.composer_workloads.triggerer.cpu <= 1
    error_message = "Expected at most 1 vCPU for a scheduler and a triggerer: more of them is more."
  }

  validation {
    condition     = alltrue([for part in [var.composer_workloads.scheduler, var.composer_workloads.dag_processor] : part.count >= 1 && part.count <= 3])
    error_message = "Expected 1 to 3 schedulers and DAG processors."
  }
}

variable "composer_maintenance" {
  description = "When Google may work on Composer, in UTC: start and end of the first window, and the days of its recurrence; 12 hours a week at least."
  type = object({
    start_time = optional(string, "2026-01-03T00:00:00Z")
    end_time   = optional(string, "2026-01-03T06:00:00Z")
    days       = optional(set(string), ["SA", "SU"])
  })
  default = {}

  validation {
    condition     = length(var.composer_maintenance.days) > 0 && length(setsubtract(var.composer_maintenance.days, ["MO", "TU", "WE", "TH", "FR", "SA", "SU"])) == 0
    error_message = "Expected days of the week by their first two letters, such as SA."
  }

  validation {
    condition = try(timecmp(
      timeadd(var.composer_maintenance.start_time, "${max(240, ceil(720 / length(var.composer_maintenance.days)))}m"),
      var.composer_maintenance.end_time,
    ) <= 0, false)
    error_message = "Expected moments such as 2026-01-03T00:00:00Z, the end 4 hours after the start or later, and 12 hours a week over all days."
  }
}

locals {
  # Empty while Composer is away, never null: an output that is null is left out.
  airflow_url = try(google_composer_environment.airflow[0].config[0].airflow_uri, "")

  # The connection that the DAGs name, and which every Airflow has from its environment, also the local one.
  airflow_connections = {
    AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT = jsonencode({ conn_type = "google_cloud_platform", extra = { project = var.project } })
  }

  airflow_options = {
    # Half a GB for each task, and 24 tasks are the most that Composer allows a worker: its process takes about 0.26 GB once the Google provider is imported.
    "celery-worker_concurrency" = tostring(min(24, floor(2 * var.composer_workloads.worker.memory_gb)))
    # The DAG of a new dataset is there a minute after its files, and takes files at once: a paused one would only
    # queue its runs.
    "dag_processor-refresh_interval"   = "60"
    "core-dags_are_paused_at_creation" = "False"
    # Whoever comes for the first time, by the API or by a browser, is registered with this role: it may ask for runs,
    # look at them and clear them. Composer's own default, Op, may change connections and variables too.
    "api-composer_auth_user_registration_role" = "User"
    "api-rbac_user_registration_role"          = "User"
    # The DAGs tell lineage themselves, of batches that are recorded. What Airflow's provider would tell of a task has
    # the run's conf in it, and errors, which may quote what is in a file. Other DAGs are not meant. localcloud's
    # airflow/config.py has the same rule.
    "openlineage-emission_policy" = jsonencode([{
      scope      = { dag_id = "ingest_.+|sweep" }
      match_mode = "regex"
      controls   = { emit = false }
      locked     = true
    }])
  }
}

resource "google_composer_environment" "airflow" {
  count = var.composer_enabled ? 1 : 0

  name   = "landfall"
  region = var.region

  # One of ours: it stays while Composer is away, and Composer finds the DAGs in it when it is back.
  storage_config {
    bucket = google_storage_bucket.bucket["composer"].name
  }

  config {
    environment_size = "ENVIRONMENT_SIZE_${upper(var.composer_size)}"
    # Lost runs are found again by the sweep, files wait in landing: a second scheduler would be paid for an outage
    # that costs minutes. For the same reason there are no snapshots of Airflow's database.
    resilience_mode            = "STANDARD_RESILIENCE"
    enable_private_environment = false

    software_config {
      image_version            = var.composer_image
      airflow_config_overrides = local.airflow_options
      env_variables            = merge(local.dag_environment, local.airflow_connections)

      # Where OpenLineage's events go: to the Data Lineage API of the project and region.
      cloud_data_lineage_integration {
        enabled = true
      }
    }

    node_config {
      service_account = local.account_emails["composer"]
    }

    # Whom IAM lets in, from anywhere: the function calls from addresses that nobody can name beforehand.
    web_server_network_access_control {
      allowed_ip_range {
        value       = "0.0.0.0/0"
        description = "IPv4; access is by IAM"
      }
      allowed_ip_range {
        value       = "::0/0"
        description = "IPv6; access is by IAM"
      }
    }

    workloads_config {
      scheduler {
        cpu        = var.composer_workloads.scheduler.cpu
        memory_gb  = var.composer_workloads.scheduler.memory_gb
        storage_gb = var.composer_workloads.scheduler.storage_gb
        count      = var.composer_workloads.scheduler.count
      }

      dag_processor {
        cpu        = var.composer_workloads.dag_processor.cpu
        memory_gb  = var.composer_workloads.dag_processor.memory_gb
        storage_gb = var.composer_workloads.dag_processor.storage_gb
        count      = var.composer_workloads.dag_processor.count
      }

      web_server {
        cpu        = var.composer_workloads.web_server.cpu
        memory_gb  = var.composer_workloads.web_server.memory_gb
        storage_gb = var.composer_workloads.web_server.storage_gb
      }

      worker {
        cpu        = var.composer_workloads.worker.cpu
        memory_gb  = var.composer_workloads.worker.memory_gb
        storage_gb = var.composer_workloads.worker.storage_gb
        min_count  = var.composer_workloads.worker.min_count
        max_count  = var.composer_workloads.worker.max_count
      }

      # None is no block, which is Composer's default; one of zeros could be read back as none, and be a change for ever.
      dynamic "triggerer" {
        for_each = var.composer_workloads.triggerer.count > 0 ? [var.composer_workloads.triggerer] : []

        content {
          cpu       = triggerer.value.cpu
          memory_gb = triggerer.value.memory_gb
          count     = triggerer.value.count
        }
      }
    }

    maintenance_window {
      start_time = var.composer_maintenance.start_time
      end_time   = var.composer_maintenance.end_time
      recurrence = "FREQ=WEEKLY;BYDAY=${join(",", [for day in ["MO", "TU", "WE", "TH", "FR", "SA", "SU"] : day if contains(var.composer_maintenance.days, day)])}"
    }

    # The ledger in BigQuery remembers; of Airflow's own history nothing older is asked for. 30 is the least.
    data_retention_config {
      airflow_metadata_retention_config {
        retention_mode = "RETENTION_MODE_ENABLED"
        retention_days = 30
      }
    }

    dynamic "encryption_config" {
      for_each = var.kms_key[*]

      content {
        kms_key_name = encryption_config.value
      }
    }
  }

  # Composer refuses an account without its roles; and the sweep runs as soon as there is an Airflow.
  depends_on = [
    google_project_service.api,
    google_bigquery_dataset_iam_member.grant,
    google_kms_crypto_key_iam_member.grant,
    google_project_iam_member.grant,
    google_service_account_iam_member.grant,
    google_storage_bucket_iam_member.grant,
  ]
}
