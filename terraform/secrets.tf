# The key that tokens of personal data are made with. Its value is made by a script and never passes through Terraform,
# whose state would keep it in clear.

variable "token_key_version" {
  description = "Version of the secret token-key that new batches make their tokens with; docs/runbook.md says how to rotate it."
  type        = number
  default     = 1

  validation {
    condition     = var.token_key_version >= 1 && floor(var.token_key_version) == var.token_key_version
    error_message = "Expected the number of a version of the secret, 1 or more."
  }
}

variable "gcloud_steps" {
  description = "Whether apply calls gcloud, as whoever is signed in to it, for what Terraform itself cannot make: the first token key, and the dead-letter policy of the trigger. Off: run terraform/scripts/ by hand."
  type        = bool
  default     = true
}

locals {
  # By number, never latest: the ledger says which version made a batch's tokens.
  token_key = "projects/${var.project}/secrets/token-key/versions/${var.token_key_version}"
}

resource "google_secret_manager_secret" "token_key" {
  secret_id           = "token-key"
  deletion_protection = var.deletion_protection
  # A version that was destroyed by mistake can be brought back for a month: without it no token is ever made again.
  version_destroy_ttl = "2592000s"

  replication {
    user_managed {
      replicas {
        location = var.region

        dynamic "customer_managed_encryption" {
          for_each = var.kms_key[*]

          content {
            kms_key_name = customer_managed_encryption.value
          }
        }
      }
    }
  }

  depends_on = [google_project_service.api, google_kms_crypto_key_iam_member.grant]
}

resource "terraform_data" "token_key" {
  count = var.gcloud_steps ? 1 : 0

  triggers_replace = {
    secret  = google_secret_manager_secret.token_key.id
    version = var.token_key_version
  }

  provisioner "local-exec" {
    command = "\"$SCRIPT\" \"$SECRET\" \"$VERSION\""
    environment = {
      SCRIPT  = abspath("${path.module}/scripts/make-token-key")
      SECRET  = google_secret_manager_secret.token_key.id
      VERSION = var.token_key_version
    }
  }
}
