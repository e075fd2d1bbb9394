# Every API that the bundle calls, or that a resource of it needs. The first two must be on before the first apply,
# for Terraform asks them about everything else: docs/deploy.md.
resource "google_project_service" "api" {
  for_each = setunion(
    [
      "cloudresourcemanager.googleapis.com",
      "serviceusage.googleapis.com",
      "artifactregistry.googleapis.com",
      "bigquery.googleapis.com",
      "billingbudgets.googleapis.com",
      "cloudbuild.googleapis.com",
      "cloudfunctions.googleapis.com",
      "composer.googleapis.com",
      "compute.googleapis.com",
      "datacatalog.googleapis.com",
      "datalineage.googleapis.com",
      "dataplex.googleapis.com",
      "dataproc.googleapis.com",
      "eventarc.googleapis.com",
      "iam.googleapis.com",
      "logging.googleapis.com",
      "monitoring.googleapis.com",
      "pubsub.googleapis.com",
      "run.googleapis.com",
      "secretmanager.googleapis.com",
      "storage.googleapis.com",
    ],
    var.kms_key == null ? [] : ["cloudkms.googleapis.com"],
  )

  service = each.key
  # Off is off for the whole project: what else calls the API is not asked.
  disable_on_destroy = false
}
