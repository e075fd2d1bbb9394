# Who reads what of trusted, where a contract says so: columns that are restricted, and roles with their rows. Where no
# contract does, nothing is made here, and whoever reads the dataset reads all of it.

variable "role_members" {
  description = "Who holds the roles of the contracts (bigquery/datasets/*/contract.yaml), by role: [\"group:treasury@example.com\"]."
  type        = map(list(string))
  default     = {}

  validation {
    condition     = alltrue([for role in keys(var.role_members) : contains(local.role_names, role)])
    error_message = "Expected roles of the contracts (${join(", ", local.role_names)}), found ${join(", ", keys(var.role_members))}."
  }

  validation {
    condition = alltrue([
      for member in flatten(values(var.role_members)) :
      can(regex("^((user|group|serviceAccount):[^@[:space:]]+@[^@[:space:]]+|domain:[^[:space:]]+|principal(Set)?://[^[:space:]]+)$", member))
    ])
    error_message = "Expected principals such as group:treasury@example.com, user:… or serviceAccount:…; everyone (allUsers, allAuthenticatedUsers) is none."
  }
}

locals {
  restricted = { for dataset, facts in local.warehouse : dataset => facts.restricted_columns if length(facts.restricted_columns) > 0 }

  roles = merge([
    for dataset, facts in local.warehouse : {
      for role in facts.roles :
      "${dataset} ${role.role}" => merge(role, {
        dataset = dataset
        members = lookup(var.role_members, role.role, [])
      })
    }
  ]...)
  role_names = distinct(flatten([for facts in values(local.warehouse) : facts.roles[*].role]))
  held_roles = { for key, role in local.roles : key => role if length(role.members) > 0 }

  role_holders = merge([
    for key, role in local.held_roles : { for member in role.members : "${key} ${member}" => merge(role, { member = member }) }
  ]...)

  # A table with one row policy hides every row from whoever has none of its policies.
  fenced = toset([for role in values(local.roles) : role.dataset if role.row_filter != null])
}

resource "google_data_catalog_taxonomy" "columns" {
  for_each = toset(length(local.restricted) > 0 ? ["restricted"] : [])

  # It lies where the tables lie, under a name that the whole organisation has once.
  region                 = lower(var.bigquery_location)
  display_name           = "${var.project} ${each.key} columns"
  description            = "Columns that only the pipeline and the roles of their contract read."
  activated_policy_types = ["FINE_GRAINED_ACCESS_CONTROL"]

  depends_on = [google_project_service.api]
}

# A tag for each dataset: who may read what is restricted of one may not for that read what is of another.
resource "google_data_catalog_policy_tag" "restricted" {
  for_each = local.restricted

  taxonomy     = google_data_catalog_taxonomy.columns["restricted"].id
  display_name = each.key
  description  = "Restricted columns of ${each.key}: ${join(", ", each.value)}."
}

# The procedures read every column that they merge.
resource "google_data_catalog_policy_tag_iam_member" "pipeline" {
  for_each = local.restricted

  policy_tag = google_data_catalog_policy_tag.restricted[each.key].name
  role       = "roles/datacatalog.categoryFineGrainedReader"
  member     = local.members["composer"]
}

resource "google_data_catalog_policy_tag_iam_member" "role" {
  for_each = { for key, holder in local.role_holders : key => holder if contains(holder.classifications, "restricted") }

  policy_tag = google_data_catalog_policy_tag.restricted[each.value.dataset].name
  role       = "roles/datacatalog.categoryFineGrainedReader"
  member     = each.value.member
}

resource "google_bigquery_table_iam_member" "role" {
  for_each = local.role_holders

  dataset_id = google_bigquery_table.trusted[each.value.dataset].dataset_id
  table_id   = google_bigquery_table.trusted[each.value.dataset].table_id
  role       = "roles/bigquery.dataViewer"
  member     = each.value.member
}

# A MERGE needs every row, and a policy that says no more than TRUE.
resource "google_bigquery_row_access_policy" "pipeline" {
  for_each = local.fenced

  dataset_id       = google_bigquery_table.trusted[each.key].dataset_id
  table_id         = google_bigquery_table.trusted[each.key].table_id
  policy_id        = "pipeline"
  filter_predicate = "TRUE"
  grantees         = [local.members["composer"]]

  # BigQuery drops the policies of a table with it, which a plan that replaces the table would not see. Those of roles
  # come back with the next apply; until then their holders see nothing, which harms nobody.
  lifecycle {
    replace_triggered_by = [google_bigquery_table.trusted[each.key].creation_time]
  }

  # BigQuery takes no grantee that does not exist yet.
  depends_on = [google_service_account.account]
}

resource "google_bigquery_row_access_policy" "role" {
  for_each = { for key, role in local.held_roles : key => role if contains(local.fenced, role.dataset) }

  dataset_id       = google_bigquery_table.trusted[each.value.dataset].dataset_id
  table_id         = google_bigquery_table.trusted[each.value.dataset].table_id
  policy_id        = each.value.role
  filter_predicate = coalesce(each.value.row_filter, "TRUE")
  grantees         = each.value.members

  # Else there is a moment in which a policy hides all rows from the pipeline.
  depends_on = [google_bigquery_row_access_policy.pipeline]
}
