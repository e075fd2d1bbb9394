# The warehouse, from files that bigquery/ holds or bigquery/renderer writes beside each contract: adding a dataset or a
# mart touches nothing here. The local cloud makes its own from the same files; tests/terraform/test_drift.py compares.

locals {
  bigquery_dir = "${local.repository}/bigquery"
  ops_dir      = "${local.bigquery_dir}/ops"

  layers = jsondecode(file("${local.bigquery_dir}/layers.json"))
  ledger = jsondecode(file("${local.ops_dir}/tables.json"))
  warehouse = {
    for dataset in keys(local.datasets) :
    dataset => jsondecode(file("${local.datasets_dir}/${dataset}/warehouse.json"))
  }

  # Every file is a whole statement, to be read and run as it is; the API takes its parts.
  view_parts      = "(?s)\nCREATE OR REPLACE VIEW (?P<dataset>\\w+)\\.(?P<name>\\w+)\nOPTIONS \\(\n  description = '(?P<description>[^']+)'\n\\) AS\n(?P<query>.+);\n$"
  procedure_parts = "(?s)\n(?P<body>BEGIN\n.+\nEND);\n$"

  # BigQuery refuses a view, made through its API, of tables that do not say their project.
  table_reference = "/\\b(FROM|JOIN|MERGE) (raw|trusted|ops|marts)\\./"
  full_reference  = "$1 `${var.project}`.$2."

  live_views = {
    for dataset in keys(local.datasets) :
    dataset => regex(local.view_parts, file("${local.datasets_dir}/${dataset}/live.sql"))
  }
  ops_views = {
    for path in concat(
      ["${local.datasets_dir}/rejected_rows.sql"],
      [for file in fileset(local.ops_dir, "*.sql") : "${local.ops_dir}/${file}"],
    ) :
    trimsuffix(basename(path), ".sql") => regex(local.view_parts, file(path))
  }
  marts = {
    for file in fileset("${local.bigquery_dir}/marts", "*.sql") :
    trimsuffix(file, ".sql") => regex(local.view_parts, file("${local.bigquery_dir}/marts/${file}"))
  }
  # What each reads, but for trusted; and those that read the ledger, which their readers may not.
  marts_beyond_trusted = {
    for name, mart in local.marts :
    name => distinct(flatten(regexall("\\b(?:FROM|JOIN) ((?:raw|ops|marts)\\.\\w+)", mart.query)))
  }
  ledger_marts = toset([for name, tables in local.marts_beyond_trusted : name if length(tables) > 0])

  procedures = merge([
    for dataset, facts in local.warehouse : {
      for procedure in facts.procedures :
      trimprefix(procedure.name, "ops.") => merge(procedure, {
        body = regex(local.procedure_parts, file("${local.datasets_dir}/${dataset}/${procedure.file}")).body
      })
    }
  ]...)

  # Policy tags are the environment's, so they are no part of the rendered schemas: governance.tf has them.
  schemas = {
    for pair in setproduct(keys(local.datasets), ["raw", "trusted"]) :
    "${pair[1]}.${pair[0]}" => jsonencode([
      for column in jsondecode(file("${local.datasets_dir}/${pair[0]}/${pair[1]}.schema.json")) : merge(column, {
        for tagged in setintersection([column.name], local.warehouse[pair[0]].restricted_columns) :
        "policyTags" => { names = [google_data_catalog_policy_tag.restricted[pair[0]].name] }
      })
    ])
  }

  # Of partitions 0 days are for ever: left out, the days that a table once had would stay.
  day_ms = 24 * 60 * 60 * 1000
}

resource "google_bigquery_dataset" "layer" {
  #checkov:skip=CKV_GCP_15:iam.tf grants access, and no access block stands here; a plan that leaves it to the API is taken for a public one
  #checkov:skip=CKV_GCP_81:the key is the environment's to give, by kms_key; without one Google's own encrypt
  for_each = local.layers

  dataset_id  = each.key
  location    = var.bigquery_location
  description = each.value

  # A week, the most there is: how long a wrong MERGE can be looked up and undone.
  max_time_travel_hours      = "168"
  delete_contents_on_destroy = !var.deletion_protection

  dynamic "default_encryption_configuration" {
    for_each = var.kms_key[*]
    content {
      kms_key_name = default_encryption_configuration.value
    }
  }

  depends_on = [google_project_service.api, google_kms_crypto_key_iam_member.grant]
}

resource "google_bigquery_table" "raw" {
  #checkov:skip=CKV_GCP_80:the key is the environment's to give, by kms_key; without one Google's own encrypt
  #checkov:skip=CKV_GCP_121:deletion_protection is the environment's: on unless a var-file says otherwise
  for_each = local.warehouse

  dataset_id               = google_bigquery_dataset.layer["raw"].dataset_id
  table_id                 = each.key
  description              = each.value.tables.raw.description
  labels                   = each.value.labels
  schema                   = local.schemas["raw.${each.key}"]
  clustering               = each.value.tables.raw.clustering
  require_partition_filter = each.value.tables.raw.partitioning.require_filter
  deletion_protection      = var.deletion_protection
  # Where a contract says evolve, loads add columns. Terraform leaves them; what a contract adds it adds all the same.
  # It also keeps it from dropping a column that left the contract, with all that it holds.
  ignore_auto_generated_schema = true

  time_partitioning {
    type          = each.value.tables.raw.partitioning.type
    field         = each.value.tables.raw.partitioning.field
    expiration_ms = coalesce(each.value.tables.raw.partitioning.expiration_days, 0) * local.day_ms
  }

  dynamic "encryption_configuration" {
    for_each = var.kms_key[*]
    content {
      kms_key_name = encryption_configuration.value
    }
  }
}

resource "google_bigquery_table" "trusted" {
  #checkov:skip=CKV_GCP_80:the key is the environment's to give, by kms_key; without one Google's own encrypt
  #checkov:skip=CKV_GCP_121:deletion_protection is the environment's: on unless a var-file says otherwise
  for_each = local.warehouse

  dataset_id                   = google_bigquery_dataset.layer["trusted"].dataset_id
  table_id                     = each.key
  description                  = each.value.tables.trusted.description
  labels                       = each.value.labels
  schema                       = local.schemas["trusted.${each.key}"]
  clustering                   = length(each.value.tables.trusted.clustering) > 0 ? each.value.tables.trusted.clustering : null
  deletion_protection          = var.deletion_protection
  ignore_auto_generated_schema = true

  dynamic "time_partitioning" {
    for_each = each.value.tables.trusted.partitioning[*]
    content {
      type          = time_partitioning.value.type
      field         = time_partitioning.value.field
      expiration_ms = coalesce(time_partitioning.value.expiration_days, 0) * local.day_ms
    }
  }

  # BigQuery does not hold anyone to it, but plans queries by it. That it is true is the procedure's promise.
  table_constraints {
    primary_key {
      columns = each.value.tables.trusted.primary_key
    }
  }

  dynamic "encryption_configuration" {
    for_each = var.kms_key[*]
    content {
      kms_key_name = encryption_configuration.value
    }
  }
}

resource "google_bigquery_table" "rejected_rows" {
  #checkov:skip=CKV_GCP_80:the key is the environment's to give, by kms_key; without one Google's own encrypt
  #checkov:skip=CKV_GCP_121:deletion_protection is the environment's: on unless a var-file says otherwise
  for_each = local.warehouse

  dataset_id                   = google_bigquery_dataset.layer["ops"].dataset_id
  table_id                     = trimprefix(each.value.tables.rejected.table, "ops.")
  description                  = each.value.tables.rejected.description
  labels                       = each.value.labels
  schema                       = file("${local.ops_dir}/rejected_rows.schema.json")
  clustering                   = each.value.tables.rejected.clustering
  deletion_protection          = var.deletion_protection
  ignore_auto_generated_schema = true

  time_partitioning {
    type          = each.value.tables.rejected.partitioning.type
    field         = each.value.tables.rejected.partitioning.field
    expiration_ms = coalesce(each.value.tables.rejected.partitioning.expiration_days, 0) * local.day_ms
  }

  dynamic "encryption_configuration" {
    for_each = var.kms_key[*]
    content {
      kms_key_name = encryption_configuration.value
    }
  }
}

resource "google_bigquery_table" "ledger" {
  #checkov:skip=CKV_GCP_80:the key is the environment's to give, by kms_key; without one Google's own encrypt
  #checkov:skip=CKV_GCP_121:deletion_protection is the environment's: on unless a var-file says otherwise
  for_each = local.ledger

  dataset_id                   = google_bigquery_dataset.layer["ops"].dataset_id
  table_id                     = each.key
  description                  = each.value.description
  schema                       = file("${local.ops_dir}/${each.key}.schema.json")
  clustering                   = each.value.clustering
  deletion_protection          = var.deletion_protection
  ignore_auto_generated_schema = true

  time_partitioning {
    type          = each.value.partitioning.type
    field         = each.value.partitioning.field
    expiration_ms = coalesce(each.value.partitioning.expiration_days, 0) * local.day_ms
  }

  dynamic "encryption_configuration" {
    for_each = var.kms_key[*]
    content {
      kms_key_name = encryption_configuration.value
    }
  }
}

resource "google_bigquery_table" "live" {
  #checkov:skip=CKV_GCP_80:a view holds no data
  #checkov:skip=CKV_GCP_121:a view holds no data
  for_each = local.live_views

  dataset_id          = google_bigquery_dataset.layer[each.value.dataset].dataset_id
  table_id            = each.value.name
  description         = each.value.description
  labels              = local.warehouse[each.key].labels
  deletion_protection = false

  view {
    query          = replace(each.value.query, local.table_reference, local.full_reference)
    use_legacy_sql = false
  }

  depends_on = [google_bigquery_table.raw, google_bigquery_table.ledger]
}

resource "google_bigquery_table" "ops_view" {
  #checkov:skip=CKV_GCP_80:a view holds no data
  #checkov:skip=CKV_GCP_121:a view holds no data
  for_each = local.ops_views

  dataset_id          = google_bigquery_dataset.layer[each.value.dataset].dataset_id
  table_id            = each.value.name
  description         = each.value.description
  deletion_protection = false

  view {
    query          = replace(each.value.query, local.table_reference, local.full_reference)
    use_legacy_sql = false
  }

  depends_on = [google_bigquery_table.ledger, google_bigquery_table.rejected_rows]
}

resource "google_bigquery_table" "mart" {
  #checkov:skip=CKV_GCP_80:a view holds no data
  #checkov:skip=CKV_GCP_121:a view holds no data
  for_each = local.marts

  dataset_id          = google_bigquery_dataset.layer["marts"].dataset_id
  table_id            = each.key
  description         = each.value.description
  schema              = file("${local.bigquery_dir}/marts/${each.key}.schema.json")
  deletion_protection = false

  view {
    query          = replace(each.value.query, local.table_reference, local.full_reference)
    use_legacy_sql = false
  }

  lifecycle {
    precondition {
      condition     = "${each.value.dataset}.${each.value.name}" == "marts.${each.key}"
      error_message = "Expected bigquery/marts/${each.key}.sql to make marts.${each.key}, found ${each.value.dataset}.${each.value.name}: rename one of the two."
    }
    precondition {
      condition     = length(setsubtract(local.marts_beyond_trusted[each.key], ["ops.batches", "ops.files"])) == 0
      error_message = "Expected bigquery/marts/${each.key}.sql to read trusted, ops.batches and ops.files alone, found ${join(", ", local.marts_beyond_trusted[each.key])}: take what it needs from those."
    }
  }

  depends_on = [google_bigquery_table.trusted, google_bigquery_table.ledger]
}

# Who reads marts may not read the ledger, where names of files and reasons stand; a view of counts and times may, in
# their place. iam.tf grants on the same dataset: the provider keeps each from undoing the other since 6.39.
resource "google_bigquery_dataset_access" "ledger" {
  for_each = local.ledger_marts

  dataset_id = google_bigquery_dataset.layer["ops"].dataset_id

  view {
    project_id = var.project
    dataset_id = google_bigquery_table.mart[each.key].dataset_id
    table_id   = google_bigquery_table.mart[each.key].table_id
  }

  # BigQuery asks for the access anew when the view is another.
  lifecycle {
    replace_triggered_by = [google_bigquery_table.mart[each.key].view]
  }
}

resource "google_bigquery_routine" "procedure" {
  for_each = local.procedures

  dataset_id      = google_bigquery_dataset.layer["ops"].dataset_id
  routine_id      = each.key
  routine_type    = "PROCEDURE"
  language        = "SQL"
  description     = each.value.description
  definition_body = replace(each.value.body, local.table_reference, local.full_reference)

  dynamic "arguments" {
    for_each = each.value.arguments
    content {
      name          = arguments.value.name
      argument_kind = "FIXED_TYPE"
      data_type     = jsonencode(arguments.value.data_type)
    }
  }

  # BigQuery resolves the body when it takes it.
  depends_on = [google_bigquery_table.raw, google_bigquery_table.trusted, google_bigquery_table.ledger]
}
