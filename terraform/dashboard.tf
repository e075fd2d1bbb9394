# One page for those on call: what waits, what came, what failed, and what it runs on.

locals {
  # A number each, the most urgent first.
  scorecards = [
    {
      title     = "Files pending"
      query     = "sum(sum by (dataset) (increase(${local.line_series["pending_files"]}_sum{${local.in_composer}}[15m])) / sum by (dataset) (increase(${local.line_series["pending_files"]}_count{${local.in_composer}}[15m])))"
      threshold = null
    },
    {
      title     = "Stuck at the last sweep"
      query     = "sum(increase(${local.line_series["stuck"]}{${local.in_composer}}[10m])) or vector(0)"
      threshold = 0
    },
    {
      title     = "Batches in a day"
      query     = "sum(increase(${local.line_series["batches"]}{${local.in_composer}, state=\"succeeded\"}[24h])) or vector(0)"
      threshold = null
    },
    {
      title     = "Failed or refused in a day"
      query     = "sum(increase(${local.line_series["batches"]}{${local.in_composer}, state=~\"failed|rejected\"}[24h])) or vector(0)"
      threshold = 0
    },
    {
      title     = "Dead letters"
      query     = "max(pubsub_googleapis_com:subscription_num_undelivered_messages{monitored_resource=\"pubsub_subscription\", subscription_id=\"${google_pubsub_subscription.dead_letter.name}\"})"
      threshold = 0
    },
    {
      title     = "Clusters"
      query     = "count(count by (cluster_name) (dataproc_googleapis_com:cluster_yarn_nodemanagers{monitored_resource=\"cloud_dataproc_cluster\"})) or vector(0)"
      threshold = null
    },
  ]

  # Two a row. `unit` is the axis's; a threshold is the one that an alert has, or what a contract promises.
  charts = [
    {
      title     = "Files that wait in landing"
      unit      = "files"
      plot      = "STACKED_AREA"
      threshold = null
      lines = [{
        query  = "sum by (dataset) (increase(${local.line_series["pending_files"]}_sum{${local.in_composer}}[15m])) / sum by (dataset) (increase(${local.line_series["pending_files"]}_count{${local.in_composer}}[15m]))"
        legend = "$${labels.dataset}"
      }]
    },
    {
      title     = "Oldest file or batch that waits, as a part of the promised freshness"
      unit      = "of the contract's freshness"
      plot      = "LINE"
      threshold = { value = 1, label = "stuck" }
      lines = [{
        query  = "histogram_quantile(1, sum by (dataset, le) (increase(${local.line_buckets["waiting_used"]}[15m])))"
        legend = "$${labels.dataset}"
      }]
    },
    {
      title     = "Files by what became of them"
      unit      = "files an hour"
      plot      = "STACKED_BAR"
      threshold = null
      lines = [
        {
          query  = "sum(increase(${local.line_series["files_loaded"]}_sum{${local.in_composer}}[1h]))"
          legend = "loaded"
        },
        {
          query  = "sum(increase(${local.line_series["files_rejected"]}_sum{${local.in_composer}}[1h]))"
          legend = "rejected"
        },
      ]
    },
    {
      title     = "Freshness of what came, as a part of the promise"
      unit      = "of the contract's freshness"
      plot      = "LINE"
      threshold = { value = 1, label = "late" }
      lines = [{
        query  = "histogram_quantile(1, sum by (dataset, le) (increase(${local.line_buckets["freshness_used"]}[1h])))"
        legend = "$${labels.dataset}"
      }]
    },
    {
      title     = "Batches by how they ended"
      unit      = "batches an hour"
      plot      = "STACKED_BAR"
      threshold = null
      lines = [{
        query  = "sum by (state) (increase(${local.line_series["batches"]}{${local.in_composer}}[1h]))"
        legend = "$${labels.state}"
      }]
    },
    {
      title     = "Rejected rows, as a part of what the contract allows"
      unit      = "of the contract's maxRejectedShare"
      plot      = "LINE"
      threshold = { value = 0.5, label = "alert; refused at 1" }
      lines = [{
        query  = "histogram_quantile(1, sum by (dataset, le) (increase(${local.line_buckets["rejected_used"]}[1h])))"
        legend = "$${labels.dataset}"
      }]
    },
    {
      title     = "Failed and refused batches"
      unit      = "batches an hour"
      plot      = "STACKED_BAR"
      threshold = null
      lines = [{
        query  = "sum by (dataset, state) (increase(${local.line_series["batches"]}{${local.in_composer}, state=~\"failed|rejected|divided\"}[1h]))"
        legend = "$${labels.dataset}: $${labels.state}"
      }]
    },
    {
      title     = "Quality rules that warned, clusters left behind"
      unit      = "an hour"
      plot      = "STACKED_BAR"
      threshold = null
      lines = [
        {
          query  = "sum by (dataset, rule) (increase(${local.line_series["quality_warnings"]}{${local.in_composer}}[1h]))"
          legend = "$${labels.dataset}: $${labels.rule}"
        },
        {
          query  = "sum by (dataset) (increase(${local.line_series["clusters_left"]}{${local.in_composer}}[1h]))"
          legend = "$${labels.dataset}: cluster left"
        },
      ]
    },
    {
      title     = "Function: events by outcome"
      unit      = "events a minute"
      plot      = "STACKED_BAR"
      threshold = null
      lines = [{
        query  = "sum by (outcome) (rate(${local.line_series["function_events"]}{${local.in_function}}[5m])) * 60"
        legend = "$${labels.outcome}"
      }]
    },
    {
      title     = "Function: time to answer"
      unit      = "milliseconds"
      plot      = "LINE"
      threshold = null
      lines = [for quantile in [0.5, 0.99] : {
        query  = "histogram_quantile(${quantile}, sum by (le) (rate(run_googleapis_com:request_latencies_bucket{${local.in_function}, service_name=\"trigger-ingest\"}[5m])))"
        legend = "quantile ${quantile}"
      }]
    },
    {
      title     = "Composer: part of its own tests that went well"
      unit      = "of the last quarter of an hour"
      plot      = "LINE"
      threshold = { value = 0.5, label = "alert" }
      lines = [{
        query  = "avg(avg_over_time(composer_googleapis_com:environment_healthy{${local.in_composer}}[15m]))"
        legend = "healthy"
      }]
    },
    {
      title     = "Airflow: sweeps in an hour, tasks in the queue"
      unit      = "sweeps, tasks"
      plot      = "LINE"
      threshold = { value = 6, label = "sweeps that are due" }
      lines = [
        {
          query  = "sum(increase(${local.line_series["sweeps"]}{${local.in_composer}}[1h]))"
          legend = "sweeps"
        },
        {
          query  = "sum(composer_googleapis_com:environment_task_queue_length{${local.in_composer}})"
          legend = "tasks"
        },
      ]
    },
    {
      title     = "Events that could not be delivered"
      unit      = "events"
      plot      = "STACKED_BAR"
      threshold = null
      lines = [{
        query  = "max(pubsub_googleapis_com:subscription_num_undelivered_messages{monitored_resource=\"pubsub_subscription\", subscription_id=\"${google_pubsub_subscription.dead_letter.name}\"})"
        legend = "dead letters"
      }]
    },
    {
      title     = "Dataproc: nodes by cluster"
      unit      = "nodes"
      plot      = "STACKED_AREA"
      threshold = null
      lines = [{
        query  = "sum by (cluster_name) (dataproc_googleapis_com:cluster_yarn_nodemanagers{monitored_resource=\"cloud_dataproc_cluster\", status=\"active\"})"
        legend = "$${labels.cluster_name}"
      }]
    },
    {
      title     = "BigQuery: slots in use"
      unit      = "slots"
      plot      = "LINE"
      threshold = null
      lines = [{
        query  = "sum(bigquery_googleapis_com:slots_allocated_for_project{monitored_resource=\"global\"})"
        legend = "slots"
      }]
    },
    {
      title     = "BigQuery: what queries are billed for"
      unit      = "GiB an hour"
      plot      = "STACKED_BAR"
      threshold = null
      lines = [{
        query  = "sum(increase(bigquery_googleapis_com:query_scanned_bytes_billed{monitored_resource=\"global\"}[1h])) / 1073741824"
        legend = "GiB"
      }]
    },
  ]

  # A nought and an empty list are left out: the API does not give them back, and each plan would put them in again.
  dashboard_tiles = concat(
    [for index, card in local.scorecards : merge(index == 0 ? {} : { xPos = index * 6 }, {
      width                                                               = 6
      height                                                              = 8
      widget = {
        title = card.title
        scorecard = merge(
          {
            timeSeriesQuery = { prometheusQuery = card.query }
            sparkChartView  = { sparkChartType = "SPARK_LINE" }
          },
          card.threshold == null ? {} : {
            thresholds = [merge(card.threshold == 0 ? {} : { value = card.threshold }, { color = "RED", direction = "ABOVE" })]
          },
        )
      }
    })],
    [{
      xPos   = 6 * length(local.scorecards)
      width  = 48 - 6 * length(local.scorecards)
      height = 8
      widget = {
        title        = "Open alerts"
        incidentList = {}
      }
    }],
    [for index, chart in local.charts : merge(index % 2 == 0 ? {} : { xPos = 24 }, {
      yPos                                                                 = 8 + floor(index / 2) * 14
      width                                                                = 24
      height                                                               = 14
      widget = {
        title = chart.title
        xyChart = merge(
          {
            dataSets = [for line in chart.lines : {
              plotType        = chart.plot
              legendTemplate  = line.legend
              timeSeriesQuery = { prometheusQuery = line.query }
            }]
            yAxis        = { label = chart.unit, scale = "LINEAR" }
            chartOptions = { mode = "COLOR" }
          },
          chart.threshold == null ? {} : { thresholds = [chart.threshold] },
        )
      }
    })],
  )
}

resource "google_monitoring_dashboard" "landfall" {
  dashboard_json = jsonencode({
    displayName  = "landfall ${var.environment}"
    labels       = { landfall = "" }
    mosaicLayout = { columns = 48, tiles = local.dashboard_tiles }
  })

  depends_on = [google_project_service.api]
}
