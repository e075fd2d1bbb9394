# What must hold of the environments that are deployed: prod in full, dev and stg where they differ from it.
# No provider runs: nothing is asked of Google, and no credentials are needed.

mock_provider "google" {}
mock_provider "archive" {}

run "environments" {
  command = plan

  module {
    source = "./tests/environments"
  }
}

run "prod" {
  command = plan

  variables {
    project              = run.environments.values["prod"].project
    environment          = run.environments.values["prod"].environment
    batch_window_seconds = run.environments.values["prod"].batch_window_seconds
    composer_workloads   = run.environments.values["prod"].composer_workloads
    alert_emails         = run.environments.values["prod"].alert_emails
    billing_account      = run.environments.values["prod"].billing_account
    monthly_budget       = run.environments.values["prod"].monthly_budget
  }

  # Who may do what.

  assert {
    condition = alltrue([
      for grant in concat(
        values(google_project_iam_member.grant), values(google_storage_bucket_iam_member.grant), values(google_bigquery_dataset_iam_member.grant),
        values(google_service_account_iam_member.grant), values(google_secret_manager_secret_iam_member.grant), values(google_cloud_run_v2_service_iam_member.grant),
      ) : !contains(["roles/owner", "roles/editor", "roles/viewer", "roles/browser"], grant.role)
    ])
    error_message = "A primitive role is granted."
  }
  assert {
    condition = alltrue([
      for grant in concat(
        values(google_project_iam_member.grant), values(google_storage_bucket_iam_member.grant), values(google_bigquery_dataset_iam_member.grant),
        values(google_service_account_iam_member.grant), values(google_secret_manager_secret_iam_member.grant), values(google_cloud_run_v2_service_iam_member.grant),
      ) : !contains(["allUsers", "allAuthenticatedUsers"], grant.member)
    ])
    error_message = "Everybody is granted a role."
  }
  assert {
    condition     = alltrue([for grant in google_secret_manager_secret_iam_member.grant : endswith(grant.member, "landfall-dataproc@${var.project}.iam.gserviceaccount.com")])
    error_message = "Another account than that of the clusters reads the token key."
  }

  # What is deleted only on purpose.

  assert {
    condition     = var.deletion_protection
    error_message = "prod is not protected from deletion."
  }
  assert {
    condition     = alltrue([for bucket in google_storage_bucket.bucket : !bucket.force_destroy])
    error_message = "A bucket would be deleted with the objects in it."
  }
  assert {
    condition = alltrue([
      for table in concat(values(google_bigquery_table.raw), values(google_bigquery_table.trusted), values(google_bigquery_table.rejected_rows), values(google_bigquery_table.ledger)) :
      table.deletion_protection
    ])
    error_message = "A table of prod is not protected from deletion."
  }
  assert {
    condition     = google_secret_manager_secret.token_key.deletion_protection
    error_message = "The token key of prod is not protected from deletion."
  }

  # Buckets.

  assert {
    condition     = toset(keys(google_storage_bucket.bucket)) == toset(keys(local.bucket_names))
    error_message = "A bucket that the pipeline is told of is not made."
  }
  assert {
    condition     = alltrue([for bucket in google_storage_bucket.bucket : bucket.uniform_bucket_level_access])
    error_message = "A bucket has access lists of its objects."
  }
  assert {
    condition     = alltrue([for bucket in google_storage_bucket.bucket : bucket.public_access_prevention == "enforced"])
    error_message = "A bucket can be made public."
  }
  assert {
    condition     = anytrue([for rule in google_storage_bucket.bucket["staging"].lifecycle_rule : one(rule.action).type == "Delete" && one(rule.condition).age != null])
    error_message = "What clusters leave in the staging bucket is kept for ever."
  }
  assert {
    condition = alltrue([
      for rule in google_storage_bucket.bucket["lake"].lifecycle_rule :
      one(rule.action).type != "Delete" || length(coalesce(one(rule.condition).matches_suffix, [])) > 0
    ])
    error_message = "A rule of the lake deletes by age alone: the journal, manifests and metrics lie there too."
  }

  # The function, its trigger, and what becomes of events that it never takes.

  assert {
    condition     = one(google_cloudfunctions2_function.trigger_ingest[0].event_trigger).retry_policy == "RETRY_POLICY_RETRY"
    error_message = "An event that the function could not handle is not delivered again."
  }
  assert {
    condition     = one(google_cloudfunctions2_function.trigger_ingest[0].service_config).ingress_settings == "ALLOW_INTERNAL_ONLY"
    error_message = "The function can be called from outside."
  }
  assert {
    condition     = one(google_cloudfunctions2_function.trigger_ingest[0].service_config).max_instance_request_concurrency == tonumber(one(google_cloudfunctions2_function.trigger_ingest[0].service_config).environment_variables["THREADS"])
    error_message = "An instance of the function is sent other than as many events at once as it has threads."
  }
  assert {
    condition     = one(google_pubsub_subscription.dead_letter.expiration_policy).ttl == ""
    error_message = "The subscription of dead letters expires when none came for a month."
  }

  # The control room shows no more than the reader's account may see.

  assert {
    condition     = one(google_cloudfunctions2_function.control_room.service_config).service_account_email == local.account_emails["reader"]
    error_message = "The control room runs as another account than the reader."
  }
  assert {
    condition     = alltrue([for dataset in keys(local.datasets) : contains(keys(local.control_room_files), "catalog/datasets/${dataset}/catalog.json")])
    error_message = "The control room is deployed without a contract."
  }

  # Clusters.

  assert {
    condition     = local.cluster_template.secondary_machine.preemptibility == "SPOT"
    error_message = "The secondary workers of a cluster are not Spot machines."
  }
  assert {
    condition     = local.cluster_template.cluster.lifecycle_config.idle_delete_ttl.seconds <= 3600
    error_message = "An idle cluster lives for more than an hour."
  }
  assert {
    condition     = local.cluster_template.cluster.lifecycle_config.auto_delete_ttl.seconds <= 86400
    error_message = "A cluster lives for more than a day."
  }
  assert {
    condition     = local.cluster_template.cluster.gce_cluster_config.internal_ip_only
    error_message = "The machines of a cluster have public addresses."
  }
  assert {
    condition     = google_compute_subnetwork.clusters[0].private_ip_google_access
    error_message = "Machines without a public address do not reach Google's APIs."
  }
  assert {
    condition     = local.dataproc_subnetwork == "projects/${var.project}/regions/${var.region}/subnetworks/${google_compute_subnetwork.clusters[0].name}"
    error_message = "Clusters are told of another subnetwork than the one that is made."
  }

  # The warehouse: every contract has what its rows pass through.

  assert {
    condition = length(local.datasets) > 0 && alltrue([
      for made in [google_bigquery_table.raw, google_bigquery_table.trusted, google_bigquery_table.rejected_rows, google_bigquery_table.live] :
      toset(keys(made)) == toset(keys(local.datasets))
    ])
    error_message = "A contract is without one of its tables, or its view."
  }
  assert {
    condition     = toset(keys(google_bigquery_routine.procedure)) == toset(flatten([for dataset in keys(local.datasets) : ["sp_trusted_${dataset}", "sp_replay_${dataset}"]]))
    error_message = "A contract is without one of its procedures."
  }
  assert {
    condition     = alltrue([for table in google_bigquery_table.raw : coalesce(table.require_partition_filter, false)])
    error_message = "A raw table can be read as a whole by a query that forgets its partition."
  }
  assert {
    condition = alltrue([
      for table in concat(values(google_bigquery_table.raw), values(google_bigquery_table.rejected_rows), values(google_bigquery_table.ledger)) :
      length(table.time_partitioning) == 1
    ])
    error_message = "A table that grows with time is not partitioned."
  }

  # Alerts.

  assert {
    condition     = alltrue([for alert in google_monitoring_alert_policy.alert : length(alert.notification_channels) > 0])
    error_message = "An alert is told to nobody."
  }
  assert {
    condition     = length(google_monitoring_notification_channel.email) == length(var.alert_emails)
    error_message = "Somebody who is to be told has no channel."
  }
  assert {
    condition     = one(one(google_billing_budget.month[*].amount)).specified_amount[0].units == tostring(var.monthly_budget)
    error_message = "No budget watches what the environment costs."
  }
}

run "dev" {
  command = plan

  variables {
    project             = run.environments.values["dev"].project
    environment         = run.environments.values["dev"].environment
    deletion_protection = run.environments.values["dev"].deletion_protection
    alert_emails        = run.environments.values["dev"].alert_emails
    alert_when_late     = run.environments.values["dev"].alert_when_late
    billing_account     = run.environments.values["dev"].billing_account
    monthly_budget      = run.environments.values["dev"].monthly_budget
  }

  assert {
    condition     = length(setintersection(values(local.bucket_names), values(run.prod.buckets))) == 0
    error_message = "dev and prod want buckets of the same name."
  }
  assert {
    condition     = length(setintersection([for email in values(local.account_emails) : email], [for account in values(run.prod.accounts) : account])) == 0
    error_message = "dev and prod share an account."
  }
  assert {
    condition     = alltrue([for bucket in google_storage_bucket.bucket : bucket.force_destroy]) && !google_bigquery_table.ledger["batches"].deletion_protection
    error_message = "dev cannot be deleted with what is in it."
  }
}

run "stg" {
  command = plan

  variables {
    project         = run.environments.values["stg"].project
    environment     = run.environments.values["stg"].environment
    alert_emails    = run.environments.values["stg"].alert_emails
    billing_account = run.environments.values["stg"].billing_account
    monthly_budget  = run.environments.values["stg"].monthly_budget
  }

  assert {
    condition     = length(setintersection(values(local.bucket_names), concat(values(run.prod.buckets), values(run.dev.buckets)))) == 0
    error_message = "stg wants a bucket that dev or prod has."
  }
  assert {
    condition     = alltrue([for bucket in google_storage_bucket.bucket : !bucket.force_destroy])
    error_message = "stg, where a release is tried as in prod, is not protected as prod is."
  }
}

run "night" {
  command = plan

  variables {
    project             = run.environments.values["dev"].project
    environment         = run.environments.values["dev"].environment
    deletion_protection = run.environments.values["dev"].deletion_protection
    alert_emails        = run.environments.values["dev"].alert_emails
    composer_enabled    = false
  }

  assert {
    condition     = length(google_composer_environment.airflow) == 0 && length(google_cloudfunctions2_function.trigger_ingest) == 0
    error_message = "Composer or the function is still there at night."
  }
  assert {
    condition     = output.airflow_url == "" && output.function == ""
    error_message = "The outputs name what is away."
  }
  assert {
    condition     = one(google_cloudfunctions2_function.control_room.service_config).service_account_email != "" && !contains(keys(output.links), "run")
    error_message = "At night the control room is away, or it links to runs of an Airflow that is."
  }
  assert {
    condition     = values(output.buckets) == values(run.dev.buckets) && length(google_bigquery_table.trusted) == length(local.datasets)
    error_message = "What holds data is away with Composer."
  }
}

run "own_key" {
  command = plan

  variables {
    project      = "landfall-key"
    environment  = "key"
    alert_emails = ["data-oncall@example.com"]
    kms_key      = "projects/keys/locations/us-central1/keyRings/landfall/cryptoKeys/data"
  }

  assert {
    condition     = alltrue([for bucket in google_storage_bucket.bucket : one(bucket.encryption).default_kms_key_name == var.kms_key])
    error_message = "A bucket is not encrypted with the environment's key."
  }
  assert {
    condition     = alltrue([for layer in google_bigquery_dataset.layer : one(layer.default_encryption_configuration).kms_key_name == var.kms_key])
    error_message = "A dataset of BigQuery is not encrypted with the environment's key."
  }
  assert {
    condition     = google_pubsub_topic.dead_letter.kms_key_name == var.kms_key
    error_message = "Dead letters are not encrypted with the environment's key."
  }
  assert {
    condition     = one(one(one(one(google_secret_manager_secret.token_key.replication).user_managed).replicas).customer_managed_encryption).kms_key_name == var.kms_key
    error_message = "The token key is not encrypted with the environment's key."
  }
}

run "shared_vpc" {
  command = plan

  variables {
    project      = "landfall-guest"
    environment  = "guest"
    alert_emails = ["data-oncall@example.com"]
    shared_vpc   = { project = "network-host", subnetwork = "clusters" }
  }

  assert {
    condition     = length(google_compute_network.vpc) + length(google_compute_subnetwork.clusters) + length(google_compute_router.nat) + length(google_compute_router_nat.nat) == 0
    error_message = "A network is made although the host project has one."
  }
  assert {
    condition     = local.dataproc_subnetwork == "projects/network-host/regions/us-central1/subnetworks/clusters"
    error_message = "Clusters do not use the host's subnetwork."
  }
}
