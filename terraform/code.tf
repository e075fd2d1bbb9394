# The code that runs in Composer and on the clusters, file by file: what changed is uploaded, what is gone is deleted.

locals {
  dags_dir = "${local.repository}/composer_dags"
  # .airflowignore keeps Airflow from reading the package for DAGs.
  dag_files = setunion(
    [".airflowignore"],
    fileset(local.dags_dir, "*.py"),
    fileset(local.dags_dir, "landfall_dags/**/*.{json,py,sql}"),
  )

  spark_dir   = "${local.repository}/spark_jobs"
  spark_files = fileset(local.spark_dir, "landfall_spark/**/*.{json,py}")

  content_types = {
    airflowignore = "text/plain"
    json          = "application/json"
    py            = "text/x-python"
    sql           = "application/sql"
  }
}

# Composer shows its bucket's folder dags/ to Airflow as /home/airflow/gcs/dags.
resource "google_storage_bucket_object" "dag" {
  for_each = local.dag_files

  bucket         = google_storage_bucket.bucket["composer"].name
  name           = "dags/${each.key}"
  source         = "${local.dags_dir}/${each.key}"
  source_md5hash = filemd5("${local.dags_dir}/${each.key}")
  content_type   = local.content_types[regex("[^.]+$", each.key)]
}

resource "google_storage_bucket_object" "pipeline" {
  for_each = local.datasets

  bucket         = google_storage_bucket.bucket["composer"].name
  name           = "dags/datasets/${each.key}/pipeline.json"
  source         = "${local.datasets_dir}/${each.key}/pipeline.json"
  source_md5hash = filemd5("${local.datasets_dir}/${each.key}/pipeline.json")
  content_type   = local.content_types["json"]
}

# What the lineage of a dataset says of its tables and columns.
resource "google_storage_bucket_object" "catalog" {
  for_each = local.datasets

  bucket         = google_storage_bucket.bucket["composer"].name
  name           = "dags/datasets/${each.key}/catalog.json"
  source         = "${local.datasets_dir}/${each.key}/catalog.json"
  source_md5hash = filemd5("${local.datasets_dir}/${each.key}/catalog.json")
  content_type   = local.content_types["json"]
}

# The names are the DAG's: SPARK_MAIN and SPARK_PACKAGE in composer_dags/ingest.py.
resource "google_storage_bucket_object" "spark_main" {
  bucket         = google_storage_bucket.bucket["code"].name
  name           = "spark_jobs/csv_to_parquet.py"
  source         = "${local.spark_dir}/csv_to_parquet.py"
  source_md5hash = filemd5("${local.spark_dir}/csv_to_parquet.py")
  content_type   = local.content_types["py"]
}

# The package's folder lies at the top of the archive: Spark puts the archive on Python's path as it is.
data "archive_file" "landfall_spark" {
  type             = "zip"
  output_path      = "${path.root}/.terraform/landfall_spark.zip"
  output_file_mode = "0644"

  dynamic "source" {
    for_each = local.spark_files

    content {
      filename = source.value
      content  = file("${local.spark_dir}/${source.value}")
    }
  }
}

resource "google_storage_bucket_object" "spark_package" {
  bucket = google_storage_bucket.bucket["code"].name
  name   = "spark_jobs/landfall_spark.zip"
  source = data.archive_file.landfall_spark.output_path
  # Of the files, not of the archive: the same on every machine.
  source_md5hash = md5(join("\n", [for file in local.spark_files : "${file} ${filemd5("${local.spark_dir}/${file}")}"]))
  content_type   = "application/zip"
}
