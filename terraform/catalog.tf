# What the catalogue (Dataplex) says of each dataset: who owns it, by which version of its contract, how fresh it is.

# Dataplex names projects by number.
data "google_project" "landfall" {
  project_id = var.project
}

locals {
  catalogs = { for dataset in keys(local.datasets) : dataset => jsondecode(file("${local.datasets_dir}/${dataset}/catalog.json")) }
  # Of each dataset its columns by classification: { personal = ["email", "cpf"], internal = [...] }.
  classified = {
    for dataset, catalog in local.catalogs :
    dataset => { for column in catalog.columns : column.classification => column.name... }
  }

  # An index, once given, belongs to its field for good.
  contract_fields = [
    { name = "owner", type = "string", index = 1, required = true, title = "Owner", description = "Team that answers for the data." },
    { name = "contract_version", type = "string", index = 2, required = true, title = "Contract version", description = "Version of the contract that batches are claimed under from now on." },
    { name = "freshness_seconds", type = "int", index = 3, required = true, title = "Freshness", description = "Seconds from the landing of a file until it is promised in trusted." },
    { name = "raw_table", type = "string", index = 4, required = true, title = "Raw table", description = "Every accepted row of every batch." },
    { name = "columns", type = "map", index = 5, required = true, title = "Columns by classification", description = "The contract's columns, by how confidential they are; those of personal data are protected before they are written." },
  ]

  dataplex_location = "projects/${data.google_project.landfall.number}/locations/${var.region}"
}

resource "google_dataplex_aspect_type" "data_contract" {
  aspect_type_id = "data-contract"
  location       = var.region
  display_name   = "Data contract"
  description    = "What the contract of a dataset promises."

  metadata_template = jsonencode({
    name = "data-contract"
    type = "record"
    recordFields = [
      for field in local.contract_fields : merge(
        {
          name        = field.name
          type        = field.type
          index       = field.index
          constraints = { required = field.required }
          annotations = { displayName = field.title, description = field.description }
        },
        field.type == "map" ? { mapItems = { name = "item", type = "string" } } : null,
      )
    ]
  })

  depends_on = [google_project_service.api]
}

resource "google_dataplex_entry_type" "dataset" {
  entry_type_id = "landfall-dataset"
  location      = var.region
  display_name  = "landfall dataset"
  description   = "A dataset that files become."
  system        = "landfall"

  required_aspects {
    type = "${local.dataplex_location}/aspectTypes/${google_dataplex_aspect_type.data_contract.aspect_type_id}"
  }
}

resource "google_dataplex_entry_group" "datasets" {
  entry_group_id = "landfall"
  location       = var.region
  display_name   = "landfall"
  description    = "Datasets of environment ${var.environment}."

  depends_on = [google_project_service.api]
}

resource "google_dataplex_entry" "dataset" {
  for_each = local.datasets

  project        = data.google_project.landfall.number
  location       = var.region
  entry_group_id = google_dataplex_entry_group.datasets.entry_group_id
  entry_id       = each.key
  entry_type     = "${local.dataplex_location}/entryTypes/${google_dataplex_entry_type.dataset.entry_type_id}"

  entry_source {
    resource     = "//bigquery.googleapis.com/projects/${var.project}/datasets/${google_bigquery_table.trusted[each.key].dataset_id}/tables/${google_bigquery_table.trusted[each.key].table_id}"
    system       = "BigQuery"
    platform     = "Google Cloud"
    display_name = each.key
    description  = each.value.description
  }

  aspects {
    aspect_key = "${data.google_project.landfall.number}.${var.region}.${google_dataplex_aspect_type.data_contract.aspect_type_id}"

    aspect {
      data = jsonencode({
        owner             = each.value.owner
        contract_version  = each.value.contract_version
        freshness_seconds = each.value.freshness_seconds
        raw_table         = each.value.raw.table
        columns           = { for classification, columns in local.classified[each.key] : classification => join(", ", columns) }
      })
    }
  }
}
