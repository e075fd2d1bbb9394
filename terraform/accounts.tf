# One account for each thing that runs, none with a key: each is attached to what runs as it, or impersonated.
locals {
  accounts = {
    function = "The function that asks Airflow for runs"
    trigger  = "The event trigger that calls the function"
    build    = "The build of the function's image"
    composer = "Airflow: the DAGs claim, load and merge as this account"
    dataproc = "The machines of the clusters: the Spark job runs as this account"
    reader   = "The control room, and what else reads the results: trusted and marts"
  }

  # From what a plan knows already, so that a plan says who is granted what. Google gives no other address.
  account_emails = {
    for key, account in google_service_account.account :
    key => "${account.account_id}@${account.project}.iam.gserviceaccount.com"
  }
  members = { for key, email in local.account_emails : key => "serviceAccount:${email}" }
}

resource "google_service_account" "account" {
  for_each = local.accounts

  project      = var.project
  account_id   = "landfall-${each.key}"
  display_name = "landfall ${each.key}"
  description  = each.value

  depends_on = [google_project_service.api]
}
