# Values that are refused before anything is planned, each with the remedy in its message.

mock_provider "google" {}
mock_provider "archive" {}

variables {
  project      = "landfall-test"
  environment  = "test"
  alert_emails = ["data-oncall@example.com"]
}

run "names" {
  command = plan

  variables {
    project     = "Landfall_Test"
    environment = "production"
  }

  expect_failures = [var.project, var.environment]
}

run "figures" {
  command = plan

  variables {
    batch_window_seconds = 0
    run_grace_seconds    = 1.5
    delivery_attempts    = 4
    token_key_version    = 0
  }

  expect_failures = [var.batch_window_seconds, var.run_grace_seconds, var.delivery_attempts, var.token_key_version]
}

run "addresses" {
  command = plan

  variables {
    alert_emails     = []
    kms_key          = "data"
    subnetwork_range = "8.8.8.0/20"
    shared_vpc       = { project = "network-host", subnetwork = "projects/network-host/regions/us-central1/subnetworks/clusters" }
  }

  expect_failures = [var.alert_emails, var.kms_key, var.subnetwork_range, var.shared_vpc]
}

run "everybody" {
  command = plan

  variables {
    droppers         = ["allUsers"]
    readers          = ["allAuthenticatedUsers"]
    operators        = ["on-call@example.com"]
    original_readers = ["allUsers"]

    control_room_viewers = ["allAuthenticatedUsers"]
  }

  expect_failures = [var.droppers, var.readers, var.operators, var.original_readers, var.control_room_viewers]
}
