# What `landfall --env` and the one on call need to find their way; nothing secret.
# localcloud/deployment/outputs.py reads them.

output "environment" {
  description = "Short name of the environment."
  value       = var.environment
}

output "project" {
  description = "Id of the project that holds the environment."
  value       = var.project
}

output "region" {
  description = "Region of buckets, function, Composer and clusters."
  value       = var.region
}

output "bigquery_location" {
  description = "Where BigQuery's datasets lie, and so where its jobs run."
  value       = var.bigquery_location
}

output "buckets" {
  description = "Name of each bucket, by purpose."
  value       = { for purpose, bucket in google_storage_bucket.bucket : purpose => bucket.name }
}

output "datasets" {
  description = "The datasets that files can land for."
  value       = sort(keys(local.datasets))
}

# An output that is null is left out of `terraform output -json`; what is away is an empty string.
output "airflow_url" {
  description = "Address of Airflow's web server and API; empty while Composer is away."
  value       = local.airflow_url
}

output "composer" {
  description = "Name of the Composer environment; empty while it is away."
  value       = try(google_composer_environment.airflow[0].name, "")
}

output "function" {
  description = "Name of the function that asks for runs; empty while Composer is away."
  value       = try(google_cloudfunctions2_function.trigger_ingest[0].name, "")
}

output "dead_letters" {
  description = "The subscription that keeps events which the function never took."
  value       = google_pubsub_subscription.dead_letter.id
}

output "token_key" {
  description = "The version of the secret with which the Spark job makes tokens; its name, never its value."
  value       = local.token_key
}

output "accounts" {
  description = "E-mail address of each service account, by what runs as it."
  value       = { for key, account in google_service_account.account : key => account.email }
}

output "control_room_url" {
  description = "Address of the control room; it answers 403 without a token of who may open it: docs/deploy.md says how a browser opens it."
  value       = google_cloudfunctions2_function.control_room.service_config[0].uri
}

output "links" {
  description = "Where a browser finds what the ledger names, by kind; names in braces are to be filled in."
  value       = local.links
}

output "report_url" {
  description = "Opens a report over the marts in Looker Studio: docs/report.md."
  value       = local.report_url
}
