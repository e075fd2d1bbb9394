# A project of your own: ids are taken worldwide.
project     = "landfall-prod"
environment = "prod"

# A run and a cluster for each dataset that something landed for, every quarter of an hour.
batch_window_seconds = 900

# Several datasets at a time: a task waits for a slot, and slots are memory of the workers.
composer_workloads = {
  scheduler = { cpu = 1, memory_gb = 4 }
  worker    = { cpu = 1, memory_gb = 4, max_count = 6 }
}

# Who is told of alerts, and of what it costs: an address of yours.
alert_emails = ["data-oncall@example.com"]

# The account that pays for the project: `gcloud billing accounts list`. Without it, null, there is no budget.
billing_account = "000000-000000-000000"
monthly_budget  = 2000
