# The report in Looker Studio, which nothing can make but a person in a browser: here is the address that begins it, with
# the data that it shows. docs/report.md says how it goes on.

variable "report_template" {
  description = "Id of a report in Looker Studio, made once over marts.fact_quote, that report_url opens a copy of; empty for a new report. docs/report.md says how to make one."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^[0-9A-Za-z_-]*$", var.report_template))
    error_message = "Expected the id of a report, the part between /reporting/ and the next / of its address."
  }
}

locals {
  # A new report has one source, without an alias; of a template every source is replaced.
  report_source = var.report_template == "" ? "ds" : "ds.*"
  report_parameters = merge(
    {
      "r.reportName"                            = "Quotes (landfall ${var.environment})"
      "${local.report_source}.connector"        = "bigQuery"
      "${local.report_source}.datasourceName"   = "fact_quote (landfall ${var.environment})"
      "${local.report_source}.type"             = "TABLE"
      "${local.report_source}.projectId"        = var.project
      "${local.report_source}.billingProjectId" = var.project
      "${local.report_source}.datasetId"        = google_bigquery_table.mart["fact_quote"].dataset_id
      "${local.report_source}.tableId"          = google_bigquery_table.mart["fact_quote"].table_id
    },
    var.report_template == "" ? { "c.mode" = "edit" } : { "c.reportId" = var.report_template },
  )
  # https://developers.google.com/looker-studio/integrate/linking-api
  report_url = "https://lookerstudio.google.com/reporting/create?${join("&", [
    for name, value in local.report_parameters : "${urlencode(name)}=${urlencode(value)}"
  ])}"
}
