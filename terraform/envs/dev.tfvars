# A project of your own: ids are taken worldwide.
project     = "landfall-dev"
environment = "dev"

deletion_protection = false

# Who is told of alerts, and of what it costs: an address of yours.
alert_emails = ["data-oncall@example.com"]
# Composer may be off at night (docs/deploy.md): each morning's first batches are then late.
alert_when_late = false

# The account that pays for the project: `gcloud billing accounts list`. Without it, null, there is no budget.
billing_account = "000000-000000-000000"
monthly_budget  = 700
