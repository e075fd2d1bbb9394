# What is told to those on call. Each has a section of docs/runbook.md under its title, which says what to do.

variable "alert_emails" {
  description = "Addresses that alerts and the budget write to."
  type        = list(string)

  validation {
    condition     = length(var.alert_emails) > 0 && alltrue([for email in var.alert_emails : can(regex("^[^@\\s]+@[^@\\s]+$", email))])
    error_message = "Expected at least one address, such as [\"data-oncall@example.com\"]: an alert that reaches nobody is none."
  }

  validation {
    condition     = length(var.alert_emails) <= 5
    error_message = "Expected at most 5 addresses, for a budget takes no more: write to a group."
  }
}

variable "runbook_url" {
  description = "Where those on call read docs/runbook.md, such as its address in your repository; each alert adds the section."
  type        = string
  default     = "docs/runbook.md"
}

variable "alert_when_late" {
  description = "Whether a batch that came later than its contract promises is alerted on. Off where Composer is taken away at night: the first batches of each morning are late then, and nothing is wrong."
  type        = bool
  default     = true
}

locals {
  # A log-based metric in PromQL, of the one resource that its lines come from.
  line_series  = { for name, metric in google_logging_metric.metric : name => "logging_googleapis_com:user_${metric.name}" }
  in_composer  = "monitored_resource=\"cloud_composer_environment\""
  in_function  = "monitored_resource=\"cloud_run_revision\""
  line_buckets = { for name in keys(local.line_series) : name => "${local.line_series[name]}_bucket{${local.in_composer}}" }

  # `query` holds while something is wrong, `duration` is how long it must hold. A bucket's upper bound stands for what
  # is in it, so a value above a bound is always above it here, and a value below never.
  alerts = {
    stuck = {
      title    = "a file is stuck"
      severity = "ERROR"
      what     = "A file of $${metric.label.dataset} is pending, or a batch of it open, for longer than its contract promises; or its journal cannot be read."
      look     = "`landfall --env ${var.environment} status`, then the Airflow UI: is DAG `ingest_$${metric.label.dataset}` paused, and what did its last run say?"
      query    = "sum by (dataset) (increase(${local.line_series["stuck"]}{${local.in_composer}}[15m])) > 0"
      # Longer than the window: two sweeps in a row say so. One alone is what the first sweep after a night says.
      duration = "1200s"
    }
    failed_batch = {
      title    = "a batch failed"
      severity = "ERROR"
      what     = "A batch of $${metric.label.dataset} is $${metric.label.state}. `failed` is tried again by itself; `rejected` is closed, and no row of it is in trusted."
      look     = "`SELECT batch_id, state, detail FROM ops.batches WHERE dataset = '$${metric.label.dataset}' ORDER BY claimed_at DESC LIMIT 5`."
      query    = "sum by (dataset, state) (increase(${local.line_series["batches"]}{${local.in_composer}, state=~\"failed|rejected\"}[10m])) > 0"
      duration = "0s"
    }
    rejected_share = {
      title    = "many rows are rejected"
      severity = "WARNING"
      what     = "More than half of the rejected rows that the contract of $${metric.label.dataset} allows were in one batch. Above all of them the next one is refused."
      look     = "`landfall --env ${var.environment} rejects $${metric.label.dataset}`: which reason, of which file?"
      query    = "histogram_quantile(1, sum by (dataset, le) (increase(${local.line_buckets["rejected_used"]}[10m]))) > 0.5"
      duration = "0s"
    }
    late_batch = {
      title    = "data came late"
      severity = "WARNING"
      what     = "A batch of $${metric.label.dataset} was in trusted later after its oldest file landed than its contract promises."
      look     = "`steps` of the batch in `ops.batches` says which task took the time; `claimed_at` how long it waited before."
      query    = "histogram_quantile(1, sum by (dataset, le) (increase(${local.line_buckets["freshness_used"]}[10m]))) > 1"
      duration = "0s"
    }
    cluster_left = {
      title    = "a cluster was left behind"
      severity = "WARNING"
      what     = "The sweep deleted a cluster of $${metric.label.dataset} that no run was going to use or delete."
      look     = "The line `landfall.cluster_left` names the cluster and the batch; the run of that batch, in the Airflow UI, says why it did not delete it."
      query    = "sum by (dataset) (increase(${local.line_series["clusters_left"]}{${local.in_composer}}[10m])) > 0"
      duration = "0s"
    }
    quality_warning = {
      title    = "a quality rule warns"
      severity = "WARNING"
      what     = "A batch of $${metric.label.dataset} broke quality rule $${metric.label.rule}, of severity warning. It was loaded."
      look     = "`quality` of the batch in `ops.batches` has what was found."
      query    = "sum by (dataset, rule) (increase(${local.line_series["quality_warnings"]}{${local.in_composer}}[10m])) > 0"
      duration = "0s"
    }
    sweep_missing = {
      title    = "the sweep does not come"
      severity = "ERROR"
      what     = "No sweep came to its end for more than an hour; one is due every ten minutes. Nobody finds what lost events leave behind, and nothing says what is stuck."
      look     = "The Airflow UI: is DAG `sweep` paused, do its runs fail, does the scheduler run?"
      # Neither an absent series nor a zero is enough alone: which of the two Cloud Logging writes is not documented.
      query = "(sum(increase(${local.line_series["sweeps"]}{${local.in_composer}}[30m])) or vector(0)) < 0.5"
      # Long enough for a new Composer to begin: what was never there is missing too.
      duration = "2700s"
    }
    composer_unhealthy = {
      title    = "Composer is unhealthy"
      severity = "CRITICAL"
      what     = "Airflow did not run Composer's own test for a quarter of an hour. Files wait in landing; none is lost."
      look     = "The monitoring page of the environment in the console: which component is down, and is an upgrade or a maintenance under way?"
      # The part of Composer's own tests that went well; one is due every five minutes.
      query    = "avg(avg_over_time(composer_googleapis_com:environment_healthy{${local.in_composer}}[15m])) < 0.5"
      duration = "300s"
    }
    event_refused = {
      title    = "the function refuses events"
      severity = "ERROR"
      what     = "The function acknowledged an event that it can never handle (dataset: $${metric.label.dataset}). Its file waits for the sweep."
      look     = "`gcloud logging read 'labels.outcome=\"refused\" AND resource.type=\"cloud_run_revision\"' --limit=5` says what was expected and what was found."
      query    = "sum by (dataset) (increase(${local.line_series["function_events"]}{${local.in_function}, outcome=\"refused\"}[10m])) > 0"
      duration = "0s"
    }
    events_deferred = {
      title    = "Airflow does not take events"
      severity = "ERROR"
      what     = "For half an hour the function has had events delivered again, because Airflow does not answer, or not as it should."
      look     = "`gcloud logging read 'labels.outcome=\"deferred\" AND resource.type=\"cloud_run_revision\"' --limit=5` has Airflow's answer."
      query    = "sum(increase(${local.line_series["function_events"]}{${local.in_function}, outcome=\"deferred\"}[15m])) > 0"
      # An event comes again after ten minutes at most: the window has one as long as it lasts, and no maintenance does.
      duration = "1800s"
    }
    dead_letter = {
      title    = "an event is a dead letter"
      severity = "ERROR"
      what     = "An event could not be delivered to the function for hours. Its file waits in landing, and the sweep finds it."
      look     = "`gcloud pubsub subscriptions pull ${google_pubsub_subscription.dead_letter.name} --project=${var.project} --limit=5` shows them and keeps them."
      query    = "max(pubsub_googleapis_com:subscription_num_undelivered_messages{monitored_resource=\"pubsub_subscription\", subscription_id=\"${google_pubsub_subscription.dead_letter.name}\"}) > 0"
      duration = "0s"
    }
  }

  # Without Composer there is nothing to be silent or unhealthy.
  alerts_left_out = concat(
    var.composer_enabled ? [] : ["sweep_missing", "composer_unhealthy"],
    var.alert_when_late ? [] : ["late_batch"],
  )
}

resource "google_monitoring_notification_channel" "email" {
  for_each = toset(var.alert_emails)

  display_name = "landfall ${var.environment}: ${each.key}"
  type         = "email"
  labels       = { email_address = each.key }

  # An address that goes is deleted after the alerts let go of it; before, the API refuses.
  lifecycle {
    create_before_destroy = true
  }

  depends_on = [google_project_service.api]
}

resource "google_monitoring_alert_policy" "alert" {
  for_each = { for name, alert in local.alerts : name => alert if !contains(local.alerts_left_out, name) }

  display_name = "landfall ${var.environment}: ${each.value.title}"
  combiner     = "OR"
  severity     = each.value.severity
  user_labels  = merge(local.labels, { alert = replace(each.key, "_", "-") })

  conditions {
    display_name = each.value.title

    # PromQL, and unvalidated, because a log-based metric can be queried only some minutes after it was made: one apply
    # makes both.
    condition_prometheus_query_language {
      query                     = each.value.query
      duration                  = each.value.duration
      evaluation_interval       = "60s"
      disable_metric_validation = true
    }
  }

  alert_strategy {
    auto_close = "1800s"
  }

  documentation {
    subject   = "landfall ${var.environment}: ${each.value.title}"
    mime_type = "text/markdown"
    content   = <<-EOT
      ${each.value.what}

      **First look:** ${each.value.look}

      **Then:** ${var.runbook_url}#${replace(lower(each.value.title), " ", "-")}
    EOT
  }

  notification_channels = [for channel in google_monitoring_notification_channel.email : channel.id]

  # Once Composer is there, and its first runs: silence before that means nothing.
  depends_on = [google_composer_environment.airflow]
}
