# What each bucket is for: docs/architecture.md, "Where things lie".

variable "kms_key" {
  description = "Key of Cloud KMS for what is kept, as projects/P/locations/L/keyRings/R/cryptoKeys/K, in the environment's region; null: Google's own keys. docs/security.md says what must be done first."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key == null || can(regex("^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$", var.kms_key))
    error_message = "Expected projects/P/locations/L/keyRings/R/cryptoKeys/K, without a version, or null."
  }
}

variable "archive_classes" {
  description = "After how many days originals, which are read again by replays only, move to a cheaper class of storage that is dearer to read; {} keeps them in Standard."
  type        = map(number)
  default     = { NEARLINE = 30, COLDLINE = 90, ARCHIVE = 365 }

  validation {
    condition     = alltrue([for class, days in var.archive_classes : contains(["NEARLINE", "COLDLINE", "ARCHIVE"], class) && days >= 1])
    error_message = "Expected NEARLINE, COLDLINE or ARCHIVE, each with a number of days."
  }
}

locals {
  retention = { for dataset, pipeline in local.datasets : dataset => pipeline.retention }

  # For how many days what was deleted or overwritten can be brought back; 0 is not at all, else 7 to 90. Nobody who
  # deletes objects can shorten it. It also keeps what a lifecycle rule deletes, so it prolongs the days of a contract.
  soft_delete_days = {
    landing         = 7
    archive         = 30
    rejected        = 7
    lake            = 7
    composer        = 7
    code            = 0
    function-source = 0
    staging         = 0
  }

  # Buckets of code, where an earlier version is a way back. Elsewhere versions would only pile up: every file passes
  # through landing, and the journal is overwritten all day.
  versioned = ["code", "function-source"]

  # The rules of each bucket, most of them by dataset: its objects are those below its folder. What no rule names stays
  # for ever: in landing all that is pending, in lake the journal, manifests, contracts and metrics.
  lifecycle_rules = {
    landing = []
    archive = concat(
      [for class, days in var.archive_classes : { action = "SetStorageClass", class = class, age = days }],
      [for dataset, days in local.retention : { action = "Delete", age = days.archive_days, prefix = "${dataset}/" } if days.archive_days != null],
    )
    rejected = concat(
      [for class, days in var.archive_classes : { action = "SetStorageClass", class = class, age = days } if class == "NEARLINE"],
      [for dataset, days in local.retention : { action = "Delete", age = days.rejected_days, prefix = "${dataset}/" } if days.rejected_days != null],
    )
    # Parquet alone, and in raw it lives on. `_temporary` and the markers of folders weigh nothing.
    lake = [for dataset, days in local.retention : { action = "Delete", age = days.lake_days, prefix = "${dataset}/", suffix = ".parquet" }]
    # A cluster lives for hours; the driver's output of a failed job is looked at within days.
    staging         = [{ action = "Delete", age = 30 }]
    code            = [{ action = "Delete", superseded_for = 90 }]
    function-source = [{ action = "Delete", superseded_for = 90 }]
    # Logs of tasks are in Cloud Logging too.
    composer = [{ action = "Delete", age = 90, prefix = "logs/" }]
  }
}

# `prevent_destroy` takes no variable, and dev is torn down daily. In its place deletion_protection keeps Terraform from
# deleting a bucket with anything in it, and soft delete brings back an object, or a whole bucket, that someone deleted.
resource "google_storage_bucket" "bucket" {
  #checkov:skip=CKV_GCP_62:Cloud Audit Logs say who read or wrote which object (audit.tf); usage logs would say less, into one more bucket.
  #checkov:skip=CKV_GCP_78:Soft delete brings back what was overwritten or deleted; versions, where code lies, are kept beside it.
  #checkov:skip=CKV_GCP_63:There is no usage log that it could write to, see above.
  for_each = local.bucket_names

  project                     = var.project
  name                        = each.value
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = !var.deletion_protection

  soft_delete_policy {
    retention_duration_seconds = local.soft_delete_days[each.key] * 86400
  }

  versioning {
    enabled = contains(local.versioned, each.key)
  }

  dynamic "lifecycle_rule" {
    for_each = local.lifecycle_rules[each.key]

    content {
      action {
        type          = lifecycle_rule.value.action
        storage_class = try(lifecycle_rule.value.class, null)
      }

      condition {
        age                        = try(lifecycle_rule.value.age, null)
        send_age_if_zero           = false
        matches_prefix             = try([lifecycle_rule.value.prefix], null)
        matches_suffix             = try([lifecycle_rule.value.suffix], null)
        days_since_noncurrent_time = try(lifecycle_rule.value.superseded_for, null)
      }
    }
  }

  # What an upload in parts leaves behind when it breaks off is seen by nobody, and paid for.
  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }

    condition {
      age = 7
    }
  }

  dynamic "encryption" {
    for_each = var.kms_key[*]

    content {
      default_kms_key_name = encryption.value
    }
  }

  depends_on = [google_project_service.api, google_kms_crypto_key_iam_member.grant]
}
