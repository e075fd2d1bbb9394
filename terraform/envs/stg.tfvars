# A project of your own: ids are taken worldwide.
project     = "landfall-stg"
environment = "stg"

# Who is told of alerts, and of what it costs: an address of yours.
alert_emails = ["data-oncall@example.com"]

# The account that pays for the project: `gcloud billing accounts list`. Without it, null, there is no budget.
billing_account = "000000-000000-000000"
monthly_budget  = 700
