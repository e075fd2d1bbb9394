# Metrics from the log lines of the DAGs and of the function; docs/runbook.md lists the lines.
#
# What a task logs reaches Cloud Logging, as Composer's own source has it (GoogleCloudPlatform/composer-airflow,
# airflow-core/src/airflow/composer/patches/logging), in log `airflow-worker`, or `airflow-k8s-worker` under the
# Kubernetes executor: the message alone is `textPayload`, cut into entries of 4096 characters, of which what is
# extracted here stands in the first; `labels` name the DAG (`workflow`), the task (`task-id`), the run and the try.

locals {
  task_logs     = "resource.type=\"cloud_composer_environment\" AND (log_id(\"airflow-worker\") OR log_id(\"airflow-k8s-worker\"))"
  function_logs = "resource.type=\"cloud_run_revision\""

  # A line is `landfall.<line> {"dataset": "…", …}`, from its beginning, for what is in its middle may be a file's name
  # that a sender chose. Should Composer ever leave its own `[time] {file:line} LEVEL - ` before it, so be it. A dot
  # stands for a quotation mark, and what would need a backslash is in brackets, so that nothing hangs on how often
  # either is escaped on its way into the API.
  line_begins = "textPayload=~\"^([[][^]]*[]] [{][^}]*[}] [A-Z]+ - )?landfall[.]%s [{]\""
  in_line = {
    text   = "REGEXP_EXTRACT(textPayload, \".%s.: .([a-z][a-z0-9_]*)\")"
    number = "REGEXP_EXTRACT(textPayload, \".%s.: ([0-9.]+)\")"
  }

  # Of what the contract allows, 1 being all of it. An alert compares with one of these bounds, so that it is exact.
  quotient_bounds = [0, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 3, 5, 10, 24, 100]
  count_bounds    = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000]

  line_metrics = {
    batches = {
      description = "Batches that ended, and runs that failed with one, by state"
      line        = "batch"
      labels      = ["dataset", "state"]
    }
    rejected_used = {
      description = "Rejected share of a batch's rows, as a part of the contract's maxRejectedShare"
      line        = "batch"
      labels      = ["dataset"]
      value       = "rejected_used"
      bounds      = local.quotient_bounds
    }
    freshness_used = {
      description = "Time from the landing of a batch's oldest file until it was in trusted, as a part of the contract's freshness"
      line        = "batch"
      # A batch that was refused or divided came nowhere.
      where  = "textPayload=~\"state.: .succeeded\""
      labels = ["dataset"]
      value  = "freshness_used"
      bounds = local.quotient_bounds
    }
    waiting_used = {
      description = "Age of the oldest pending file or open batch at a sweep, as a part of the contract's freshness"
      line        = "dataset"
      labels      = ["dataset"]
      value       = "freshness_used"
      bounds      = local.quotient_bounds
    }
    pending_files = {
      description = "Files that a sweep found pending in landing"
      line        = "dataset"
      labels      = ["dataset"]
      value       = "pending"
      bounds      = local.count_bounds
    }
    files_loaded = {
      description = "Files of a batch that were read, whatever became of their rows"
      line        = "batch"
      labels      = ["dataset"]
      value       = "files_loaded"
      bounds      = local.count_bounds
    }
    files_rejected = {
      description = "Files of a batch that were rejected as a whole"
      line        = "batch"
      labels      = ["dataset"]
      value       = "files_rejected"
      bounds      = local.count_bounds
    }
    stuck = {
      description = "Files that are pending, and batches that are open, for longer than the contract's freshness, at each sweep"
      line        = "stuck"
      labels      = ["dataset", "state"]
    }
    sweeps = {
      description = "Sweeps that came to their end"
      line        = "sweep"
      labels      = []
    }
    clusters_left = {
      description = "Clusters that the sweep deleted because no run was going to"
      line        = "cluster_left"
      labels      = ["dataset"]
    }
    quality_warnings = {
      description = "Quality rules of severity warning that a batch broke"
      line        = "quality"
      labels      = ["dataset", "rule"]
    }
  }

  log_metrics = merge(
    {
      for name, metric in local.line_metrics : name => {
        description = metric.description
        filter = join(" AND ", compact([
          local.task_logs,
          format(local.line_begins, metric.line),
          lookup(metric, "where", null),
          # Where the number is null there is nothing to measure: a replay has no freshness.
          can(metric.value) ? "textPayload=~\"${metric.value}.: [0-9]\"" : null,
        ]))
        labels = { for label in metric.labels : label => format(local.in_line.text, label) }
        value  = can(metric.value) ? format(local.in_line.number, metric.value) : null
        bounds = lookup(metric, "bounds", [])
      }
    },
    {
      function_events = {
        description = "Events that the function answered, by outcome: triggered, joined, ignored, deferred or refused"
        filter      = "${local.function_logs} AND labels.outcome:*"
        labels      = { for label in ["dataset", "outcome"] : label => "EXTRACT(labels.${label})" }
        value       = null
        bounds      = []
      }
    },
  )
}

resource "google_logging_metric" "metric" {
  for_each = local.log_metrics

  name             = "landfall_${each.key}"
  description      = "${each.value.description}."
  filter           = each.value.filter
  label_extractors = each.value.labels
  value_extractor  = each.value.value

  metric_descriptor {
    display_name = "landfall: ${replace(each.key, "_", " ")}"
    metric_kind  = "DELTA"
    value_type   = each.value.value == null ? "INT64" : "DISTRIBUTION"
    unit         = "1"

    dynamic "labels" {
      for_each = each.value.labels

      content {
        key        = labels.key
        value_type = "STRING"
      }
    }
  }

  dynamic "bucket_options" {
    for_each = each.value.value == null ? [] : [each.value.bounds]

    content {
      explicit_buckets {
        bounds = bucket_options.value
      }
    }
  }

  depends_on = [google_project_service.api]
}
