variable "billing_account" {
  description = "Billing account of the project, such as 012345-6789AB-CDEF01; null makes no budget."
  type        = string
  default     = null

  validation {
    condition     = var.billing_account == null || can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.billing_account))
    error_message = "Expected three groups of six hexadecimal digits in upper case: see `gcloud billing accounts list`."
  }
}

variable "monthly_budget" {
  description = "What the environment may cost in a month, in whole units of the billing account's currency."
  type        = number
  default     = 700

  validation {
    condition     = var.monthly_budget > 0 && floor(var.monthly_budget) == var.monthly_budget
    error_message = "Expected a whole number above 0."
  }
}

resource "google_billing_budget" "month" {
  count = var.billing_account == null ? 0 : 1

  billing_account = var.billing_account
  display_name    = "landfall ${var.environment}"

  budget_filter {
    projects        = ["projects/${data.google_project.landfall.number}"]
    calendar_period = "MONTH"
  }

  amount {
    specified_amount {
      units = tostring(var.monthly_budget)
    }
  }

  dynamic "threshold_rules" {
    for_each = [0.5, 0.9, 1]

    content {
      threshold_percent = threshold_rules.value
      spend_basis       = "CURRENT_SPEND"
    }
  }

  threshold_rules {
    threshold_percent = 1
    spend_basis       = "FORECASTED_SPEND"
  }

  all_updates_rule {
    monitoring_notification_channels = [for channel in google_monitoring_notification_channel.email : channel.id]
  }

  depends_on = [google_project_service.api]
}
