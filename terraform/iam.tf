# Who may do what, and why: one list. Everything below it only hands the list out, and docs/security.md prints it.

variable "droppers" {
  description = "Principals who may put files into landing; they can neither read, replace nor list there."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.droppers : can(regex("^((user|group|serviceAccount):|principal(Set)?://).+", member))])
    error_message = "Expected members such as group:senders@example.com or serviceAccount:NAME@PROJECT.iam.gserviceaccount.com."
  }
}

variable "readers" {
  description = "Principals who may query trusted and marts, as the reader account may. Columns and rows that a contract restricts are another matter."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.readers : can(regex("^((user|group|serviceAccount):|principal(Set)?://).+", member))])
    error_message = "Expected members such as group:analysts@example.com or serviceAccount:NAME@PROJECT.iam.gserviceaccount.com."
  }
}

variable "operators" {
  description = "Principals on call: they see what is pending, open and failed, trigger runs, and query all datasets; no originals."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.operators : can(regex("^((user|group|serviceAccount):|principal(Set)?://).+", member))])
    error_message = "Expected members such as group:on-call@example.com."
  }
}

variable "original_readers" {
  description = "Principals who may read files as they came, personal data in clear: for exporting rejected rows, and for replacing a file."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.original_readers : can(regex("^((user|group|serviceAccount):|principal(Set)?://).+", member))])
    error_message = "Expected members such as group:data-stewards@example.com."
  }
}

# These two also make the account, which a new project does not have yet.
data "google_storage_project_service_account" "agent" {
  project = var.project
}

data "google_bigquery_default_service_account" "agent" {
  count = var.kms_key == null ? 0 : 1

  project = var.project
}

locals {
  # Accounts of Google's own services in this project.
  agents = merge(
    {
      "storage agent" = data.google_storage_project_service_account.agent.email_address
      "pubsub agent"  = "service-${data.google_project.landfall.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
    },
    {
      for agent, account in {
        "artifact registry agent" = "service-%s@gcp-sa-artifactregistry"
        "composer agent"          = "service-%s@cloudcomposer-accounts"
        "eventarc agent"          = "service-%s@gcp-sa-eventarc"
        "functions agent"         = "service-%s@gcf-admin-robot"
        "run agent"               = "service-%s@serverless-robot-prod"
        "secret manager agent"    = "service-%s@gcp-sa-secretmanager"
      } : agent => "${format(account, data.google_project.landfall.number)}.iam.gserviceaccount.com" if var.kms_key != null
    },
    { for account in data.google_bigquery_default_service_account.agent : "bigquery agent" => account.email },
  )

  people = {
    droppers         = var.droppers
    readers          = var.readers
    operators        = var.operators
    original_readers = var.original_readers

    control_room_viewers = var.control_room_viewers
  }

  principals = merge(
    { for who, member in local.members : who => [member] },
    { for who, email in local.agents : who => ["serviceAccount:${email}"] },
    { for who, members in local.people : who => tolist(members) },
  )

  # Roles where Google's narrowest holds more than the code calls.
  custom_roles = {
    airflow_caller = {
      title       = "Call Airflow"
      description = "Pass Composer's web server; what may be done behind it is Airflow's own role."
      permissions = ["composer.environments.get"]
    }
    cluster_maker = {
      title       = "Make clusters and run jobs on them"
      description = "What the DAGs call of Dataproc (composer_dags/landfall_dags/dataproc.py)."
      permissions = [
        "dataproc.autoscalingPolicies.use",
        "dataproc.clusters.create",
        "dataproc.clusters.delete",
        "dataproc.clusters.get",
        "dataproc.clusters.list",
        "dataproc.clusters.use",
        "dataproc.jobs.cancel",
        "dataproc.jobs.create",
        "dataproc.jobs.get",
        "dataproc.jobs.list",
      ]
    }
    # roles/dataproc.worker without its objects of every bucket in the project. Those of dataproc are the seven that
    # Dataproc asks of a machine's account before it makes a cluster.
    cluster_machine = {
      title       = "Be a machine of a cluster"
      description = "Take Dataproc's tasks, write logs and metrics; no data."
      permissions = [
        "dataproc.agents.create",
        "dataproc.agents.delete",
        "dataproc.agents.get",
        "dataproc.agents.update",
        "dataproc.tasks.lease",
        "dataproc.tasks.listInvalidatedLeases",
        "dataproc.tasks.reportStatus",
        "logging.logEntries.create",
        "logging.logEntries.route",
        "monitoring.metricDescriptors.create",
        "monitoring.metricDescriptors.get",
        "monitoring.metricDescriptors.list",
        "monitoring.monitoredResourceDescriptors.get",
        "monitoring.monitoredResourceDescriptors.list",
        "monitoring.timeSeries.create",
      ]
    }
    file_taker = {
      title       = "Take files away"
      description = "List, read and delete objects; make none."
      permissions = ["storage.objects.delete", "storage.objects.get", "storage.objects.list"]
    }
    name_lister = {
      title       = "See which files there are"
      description = "Names, sizes and times of objects, not their content."
      permissions = ["storage.buckets.get", "storage.objects.list"]
    }
    # roles/bigquery.dataEditor without deleting and exporting tables, and without touching procedures and views. To
    # create and update tables is what BigQuery asks of whoever loads into one.
    table_loader = {
      title       = "Load into tables, and change their rows"
      description = "Load jobs and MERGE, and calling the procedures beside the tables; deletes no table."
      permissions = [
        "bigquery.datasets.get",
        "bigquery.routines.get",
        "bigquery.tables.create",
        "bigquery.tables.get",
        "bigquery.tables.getData",
        "bigquery.tables.list",
        "bigquery.tables.update",
        "bigquery.tables.updateData",
      ]
    }
    table_merger = {
      title       = "Change the rows of tables"
      description = "MERGE; neither makes, alters nor deletes a table."
      permissions = [
        "bigquery.datasets.get",
        "bigquery.tables.get",
        "bigquery.tables.getData",
        "bigquery.tables.list",
        "bigquery.tables.updateData",
      ]
    }
  }

  attempts = {
    title       = "attempts"
    description = "What the tries of the Spark job write; neither manifests, elected metrics nor the journal."
    expression = join(" && ", [
      "resource.name.extract('/attempts/{rest}') != ''",
      "!resource.name.startsWith('projects/_/buckets/${local.bucket_names["lake"]}/objects/journal/')",
    ])
  }

  # What is open, and which files it claimed.
  open_batches = {
    title       = "open_batches"
    description = "The journal; no rows."
    expression  = "resource.name.startsWith('projects/_/buckets/${local.bucket_names["lake"]}/objects/journal/')"
  }

  build_sources = {
    title       = "function_sources"
    description = "The bucket that Cloud Run functions makes and copies a function's source to."
    expression  = "resource.name.startsWith('projects/_/buckets/gcf-v2-sources-${data.google_project.landfall.number}-${var.region}')"
  }

  # to: an account, an agent of Google's or a list of people. on: a kind of resource. name: which one of that kind, by
  # its key. role: Google's, or one of the above.
  grants = concat(
    [
      # The function asks for runs, and touches no data.
      { to = "function", role = "airflow_caller", on = "project", name = "", why = "asks Airflow for runs; Composer can be granted per project only" },

      # An event on its way: Cloud Storage, Pub/Sub, Eventarc, the function.
      { to = "storage agent", role = "roles/pubsub.publisher", on = "project", name = "", why = "publishes that an object landed; the topic is Eventarc's, made with the trigger" },
      { to = "trigger", role = "roles/eventarc.eventReceiver", on = "project", name = "", why = "receives events of Cloud Storage; cannot be granted on less" },
      { to = "trigger", role = "roles/run.invoker", on = "service", name = "trigger-ingest", why = "calls the function, which nobody else may" },
      { to = "pubsub agent", role = "roles/pubsub.publisher", on = "topic", name = "dead_letter", why = "puts events aside that the function never took" },

      # The functions' images.
      { to = "build", role = "roles/logging.logWriter", on = "project", name = "", why = "writes the log of the build; cannot be granted on less" },
      { to = "build", role = "roles/artifactregistry.writer", on = "repository", name = "function", why = "writes the functions' images" },
      { to = "build", role = "roles/storage.objectViewer", on = "bucket", name = "function-source", why = "reads the functions' sources" },
      { to = "build", role = "roles/storage.objectViewer", on = "project", name = "", condition = local.build_sources, why = "reads the copy of the source; Google makes its bucket at the first build" },

      # The DAGs.
      { to = "composer", role = "roles/composer.worker", on = "project", name = "", why = "runs Airflow; Composer demands this very role, which holds the objects of every bucket" },
      { to = "composer", role = "cluster_maker", on = "project", name = "", why = "makes a cluster for each batch, and deletes what is left of others" },
      { to = "composer", role = "roles/iam.serviceAccountUser", on = "account", name = "dataproc", why = "gives the clusters their account, and can give them no other" },
      { to = "composer", role = "roles/bigquery.jobUser", on = "project", name = "", why = "runs load jobs and queries; cannot be granted on less" },
      { to = "composer", role = "file_taker", on = "bucket", name = "landing", why = "takes claimed files away" },
      { to = "composer", role = "roles/storage.objectUser", on = "bucket", name = "archive", why = "keeps the originals; reads them for what is rejected or replayed" },
      { to = "composer", role = "roles/storage.objectUser", on = "bucket", name = "rejected", why = "puts rejected files and their reports there" },
      { to = "composer", role = "roles/storage.objectUser", on = "bucket", name = "lake", why = "keeps journal and manifests; its load jobs read the Parquet" },
      { to = "composer", role = "name_lister", on = "bucket", name = "lake", why = "BigQuery looks at the bucket itself before it loads from it" },
      { to = "composer", role = "table_loader", on = "dataset", name = "raw", why = "loads accepted rows, and adds the columns of contracts that evolve" },
      { to = "composer", role = "table_loader", on = "dataset", name = "ops", why = "loads rejected rows, keeps the ledger, calls the procedures" },
      { to = "composer", role = "table_merger", on = "dataset", name = "trusted", why = "the procedures run as whoever calls them" },
      { to = "composer", role = "roles/datalineage.producer", on = "project", name = "", why = "reports what a batch read and wrote; cannot be granted on less" },

      # The Spark job.
      { to = "dataproc", role = "cluster_machine", on = "project", name = "", why = "is the account of the clusters' machines; clusters live for minutes under new names" },
      { to = "dataproc", role = "roles/storage.objectViewer", on = "bucket", name = "archive", why = "reads the originals" },
      { to = "dataproc", role = "roles/storage.objectViewer", on = "bucket", name = "code", why = "reads the job's own code" },
      { to = "dataproc", role = "roles/storage.objectViewer", on = "bucket", name = "lake", why = "reads manifest and contract, and finds its own output" },
      { to = "dataproc", role = "roles/storage.objectUser", on = "bucket", name = "lake", condition = local.attempts, why = "writes its output: the attempt's own folder" },
      { to = "dataproc", role = "roles/storage.objectUser", on = "bucket", name = "staging", why = "keeps what Dataproc passes between machines, and the driver's output" },
      { to = "dataproc", role = "name_lister", on = "bucket", name = "staging", why = "Dataproc looks at the bucket itself before it uses it" },
      { to = "dataproc", role = "roles/secretmanager.secretAccessor", on = "secret", name = "token_key", why = "makes tokens" },
    ],

    # Whoever reads the results, as an account or in person.
    flatten([for reader in ["reader", "readers"] : [
      { to = reader, role = "roles/bigquery.jobUser", on = "project", name = "", why = "runs queries; cannot be granted on less" },
      { to = reader, role = "roles/bigquery.dataViewer", on = "dataset", name = "trusted", why = "reads the current rows" },
      { to = reader, role = "roles/bigquery.dataViewer", on = "dataset", name = "marts", why = "reads what is made of them" },
    ]]),

    # The control room, which runs as the reader: what became of files that people may not read. Whoever may open it
    # sees no more than it, and needs no right of their own on any of this.
    [
      { to = "reader", role = "roles/bigquery.dataViewer", on = "dataset", name = "ops", why = "the control room shows the ledger, and rejected rows as they are kept there: masked" },
      { to = "reader", role = "name_lister", on = "bucket", name = "landing", why = "the control room shows what is pending" },
      { to = "reader", role = "name_lister", on = "bucket", name = "lake", why = "tells a batch that is not open from one that may not be read" },
      { to = "reader", role = "roles/storage.objectViewer", on = "bucket", name = "lake", condition = local.open_batches, why = "the control room shows what is open, and which files are in it" },
      { to = "reader", role = "roles/datalineage.viewer", on = "project", name = "", why = "the control room asks what flows where; cannot be granted on less" },
    ],
    flatten([for viewer in ["control_room_viewers", "operators"] : [
      { to = viewer, role = "roles/run.invoker", on = "service", name = "control-room", why = "opens the control room" },
      { to = viewer, role = "roles/run.viewer", on = "service", name = "control-room", why = "gcloud asks for its address before it opens it" },
    ]]),

    # Whoever sends files.
    [
      { to = "droppers", role = "roles/storage.objectCreator", on = "bucket", name = "landing", why = "sends files; reads and replaces none" },
    ],

    # Whoever is on call.
    [
      { to = "operators", role = "roles/composer.user", on = "project", name = "", why = "opens Airflow, triggers runs; cannot be granted on less" },
      { to = "operators", role = "roles/dataproc.viewer", on = "project", name = "", why = "looks at clusters and jobs, which come and go under new names" },
      { to = "operators", role = "roles/logging.viewer", on = "project", name = "", why = "reads logs, without those of who read what" },
      { to = "operators", role = "roles/monitoring.viewer", on = "project", name = "", why = "reads metrics, alerts and the dashboard" },
      { to = "operators", role = "roles/bigquery.jobUser", on = "project", name = "", why = "runs queries; cannot be granted on less" },
      { to = "operators", role = "name_lister", on = "bucket", name = "landing", why = "sees what is pending" },
      { to = "operators", role = "name_lister", on = "bucket", name = "archive", why = "sees which originals there are" },
      { to = "operators", role = "name_lister", on = "bucket", name = "rejected", why = "sees which files were rejected" },
      { to = "operators", role = "roles/storage.objectViewer", on = "bucket", name = "lake", why = "reads journal, manifests and metrics" },
      { to = "operators", role = "roles/storage.objectViewer", on = "bucket", name = "staging", why = "reads the driver's output" },
      { to = "operators", role = "roles/pubsub.subscriber", on = "subscription", name = "dead_letter", why = "looks at dead letters" },
    ],
    [
      for dataset in ["raw", "trusted", "ops", "marts"] :
      { to = "operators", role = "roles/bigquery.dataViewer", on = "dataset", name = dataset, why = "finds out what became of a file, a batch, a row" }
    ],

    # Whoever needs the originals.
    [
      for bucket in ["landing", "archive", "rejected"] :
      { to = "original_readers", role = "roles/storage.objectViewer", on = "bucket", name = bucket, why = "reads originals, personal data in clear" }
    ],

    # Without it the service cannot use the key that it is told to.
    [
      for agent in keys(local.agents) :
      { to = agent, role = "roles/cloudkms.cryptoKeyEncrypterDecrypter", on = "key", name = "kms_key", why = "encrypts what its service keeps for us" } if var.kms_key != null
    ],
  )

  # One principal may be in two lists: it is granted once, for both reasons.
  grants_on = {
    for on in ["project", "bucket", "dataset", "account", "secret", "service", "topic", "subscription", "repository", "key"] :
    on => {
      for key, same in {
        for grant in flatten([
          for grant in local.grants : [
            for member in local.principals[grant.to] : {
              who       = contains(keys(local.people), grant.to) ? member : grant.to
              member    = member
              name      = grant.name
              role      = startswith(grant.role, "roles/") ? grant.role : "projects/${var.project}/roles/${google_project_iam_custom_role.role[grant.role].role_id}"
              title     = trimprefix(grant.role, "roles/")
              condition = try(grant.condition, null)
              why       = grant.why
            }
          ] if grant.on == on
        ]) : join(" ", compact([grant.who, grant.title, grant.name, try(grant.condition.title, "")])) => grant...
      } : key => merge(same[0], { why = join("; ", distinct(same[*].why)) })
    }
  }
}

resource "google_project_iam_custom_role" "role" {
  for_each = local.custom_roles

  project     = var.project
  role_id     = "landfall_${each.key}"
  title       = "landfall: ${each.value.title}"
  description = each.value.description
  permissions = each.value.permissions

  depends_on = [google_project_service.api]
}

resource "google_project_iam_member" "grant" {
  #checkov:skip=CKV_GCP_49:Composer demands roles/composer.worker of its account, which may start builds; every role here is in a list that tests/terraform/test_iam.py holds.
  for_each = local.grants_on["project"]

  project = var.project
  role    = each.value.role
  member  = each.value.member

  dynamic "condition" {
    for_each = each.value.condition[*]

    content {
      title       = condition.value.title
      description = condition.value.description
      expression  = condition.value.expression
    }
  }
}

resource "google_storage_bucket_iam_member" "grant" {
  for_each = local.grants_on["bucket"]

  bucket = google_storage_bucket.bucket[each.value.name].name
  role   = each.value.role
  member = each.value.member

  dynamic "condition" {
    for_each = each.value.condition[*]

    content {
      title       = condition.value.title
      description = condition.value.description
      expression  = condition.value.expression
    }
  }
}

resource "google_bigquery_dataset_iam_member" "grant" {
  for_each = local.grants_on["dataset"]

  project    = var.project
  dataset_id = google_bigquery_dataset.layer[each.value.name].dataset_id
  role       = each.value.role
  # The provider knows a principal:// of a dataset by this name alone.
  member = startswith(each.value.member, "principal") ? "iamMember:${each.value.member}" : each.value.member
}

resource "google_service_account_iam_member" "grant" {
  for_each = local.grants_on["account"]

  service_account_id = "projects/${var.project}/serviceAccounts/${local.account_emails[each.value.name]}"
  role               = each.value.role
  member             = each.value.member
}

resource "google_secret_manager_secret_iam_member" "grant" {
  for_each = local.grants_on["secret"]

  project   = var.project
  secret_id = google_secret_manager_secret.token_key.secret_id
  role      = each.value.role
  member    = each.value.member
}

# A function of the 2nd generation is called as the Cloud Run service of its name.
locals {
  services = merge(
    { control-room = google_cloudfunctions2_function.control_room.name },
    { for function in google_cloudfunctions2_function.trigger_ingest : "trigger-ingest" => function.name },
  )
}

resource "google_cloud_run_v2_service_iam_member" "grant" {
  for_each = { for key, grant in local.grants_on["service"] : key => grant if var.composer_enabled || grant.name == "control-room" }

  project  = var.project
  location = var.region
  name     = local.services[each.value.name]
  role     = each.value.role
  member   = each.value.member

  # A function that is made anew comes without its grants, under the name that it had.
  lifecycle {
    replace_triggered_by = [terraform_data.airflow_url]
  }
}

resource "google_pubsub_topic_iam_member" "grant" {
  for_each = local.grants_on["topic"]

  project = var.project
  topic   = google_pubsub_topic.dead_letter.name
  role    = each.value.role
  member  = each.value.member
}

resource "google_pubsub_subscription_iam_member" "grant" {
  for_each = local.grants_on["subscription"]

  project      = var.project
  subscription = google_pubsub_subscription.dead_letter.name
  role         = each.value.role
  member       = each.value.member
}

resource "google_artifact_registry_repository_iam_member" "grant" {
  for_each = local.grants_on["repository"]

  project    = var.project
  location   = var.region
  repository = google_artifact_registry_repository.function.repository_id
  role       = each.value.role
  member     = each.value.member
}

resource "google_kms_crypto_key_iam_member" "grant" {
  for_each = local.grants_on["key"]

  crypto_key_id = var.kms_key
  role          = each.value.role
  member        = each.value.member

  depends_on = [google_project_service.api]
}

output "grants" {
  description = "Why each grant is made, by its address: docs/security.md prints it."
  value = merge(concat(
    [
      for on, type in {
        project      = "google_project_iam_member"
        bucket       = "google_storage_bucket_iam_member"
        dataset      = "google_bigquery_dataset_iam_member"
        account      = "google_service_account_iam_member"
        secret       = "google_secret_manager_secret_iam_member"
        service      = "google_cloud_run_v2_service_iam_member"
        topic        = "google_pubsub_topic_iam_member"
        subscription = "google_pubsub_subscription_iam_member"
        repository   = "google_artifact_registry_repository_iam_member"
        key          = "google_kms_crypto_key_iam_member"
      } : { for key, grant in local.grants_on[on] : "${type}.grant[\"${key}\"]" => grant.why }
    ],
    # Who reads what a contract restricts: governance.tf.
    [
      for address, grant in {
        "google_data_catalog_policy_tag_iam_member.pipeline" = { keys = keys(google_data_catalog_policy_tag_iam_member.pipeline), why = "reads every column that the procedures merge" }
        "google_data_catalog_policy_tag_iam_member.role"     = { keys = keys(google_data_catalog_policy_tag_iam_member.role), why = "the contract lets this role read restricted columns" }
        "google_bigquery_table_iam_member.role"              = { keys = keys(google_bigquery_table_iam_member.role), why = "the contract lets this role read the table" }
      } : { for key in grant.keys : "${address}[\"${key}\"]" => grant.why }
    ],
  )...)
}
