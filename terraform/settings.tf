# What the functions and the DAGs are told about their surroundings. The local cloud sets the same names
# (localcloud/launcher/cloud.py); a test compares the two.
locals {
  window_environment = {
    LANDFALL_PROJECT              = var.project
    LANDFALL_LANDING_BUCKET       = local.bucket_names["landing"]
    LANDFALL_BATCH_WINDOW_SECONDS = tostring(var.batch_window_seconds)
    LANDFALL_RUN_GRACE_SECONDS    = tostring(var.run_grace_seconds)
  }

  function_environment = merge(local.window_environment, {
    LANDFALL_AIRFLOW_URL = local.airflow_url
  })

  control_room_environment = {
    LANDFALL_PROJECT           = var.project
    LANDFALL_REGION            = var.region
    LANDFALL_ENVIRONMENT       = var.environment
    LANDFALL_BIGQUERY_LOCATION = var.bigquery_location
    LANDFALL_LANDING_BUCKET    = local.bucket_names["landing"]
    LANDFALL_LAKE_BUCKET       = local.bucket_names["lake"]
    LANDFALL_CATALOG_DIR       = "catalog"
    LANDFALL_LINEAGE_URL       = "https://datalineage.googleapis.com"
    LANDFALL_LINKS             = jsonencode(local.links)
  }

  dag_environment = merge(local.window_environment, {
    LANDFALL_REGION                   = var.region
    LANDFALL_BIGQUERY_LOCATION        = var.bigquery_location
    LANDFALL_ARCHIVE_BUCKET           = local.bucket_names["archive"]
    LANDFALL_REJECTED_BUCKET          = local.bucket_names["rejected"]
    LANDFALL_LAKE_BUCKET              = local.bucket_names["lake"]
    LANDFALL_CODE_BUCKET              = local.bucket_names["code"]
    LANDFALL_STAGING_BUCKET           = local.bucket_names["staging"]
    LANDFALL_DATASETS_DIR             = "/home/airflow/gcs/dags/datasets"
    LANDFALL_DATAPROC_SERVICE_ACCOUNT = local.account_emails["dataproc"]
    LANDFALL_DATAPROC_SUBNETWORK      = local.dataproc_subnetwork
    LANDFALL_TOKEN_KEY                = local.token_key
  })
}
