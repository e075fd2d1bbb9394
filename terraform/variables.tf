# What differs between environments: envs/<environment>.tfvars.

variable "project" {
  description = "Id of the project that holds this environment and nothing else: datasets are named raw, trusted, ops and marts in each."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "Expected a project id: 6 to 30 lower-case letters, digits and hyphens, a letter first."
  }
}

variable "environment" {
  description = "Short name of the environment; a label on everything that takes labels."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,7}$", var.environment))
    error_message = "Expected 2 to 8 lower-case letters and digits, a letter first, such as dev."
  }
}

variable "region" {
  description = "Region of buckets, function, Composer and clusters."
  type        = string
  default     = "us-central1"
}

variable "bigquery_location" {
  description = "Location of the BigQuery datasets: the region, or a multi-region that contains it."
  type        = string
  default     = "us-central1"
}

variable "batch_window_seconds" {
  description = "Length of a batch window: files that land within one share a run."
  type        = number
  default     = 60

  validation {
    condition     = var.batch_window_seconds >= 1 && var.batch_window_seconds <= 3600 && floor(var.batch_window_seconds) == var.batch_window_seconds
    error_message = "Expected whole seconds from 1 to 3600."
  }
}

variable "run_grace_seconds" {
  description = "How long after the end of its window a run starts."
  type        = number
  default     = 5

  validation {
    condition     = var.run_grace_seconds >= 0 && var.run_grace_seconds <= 3600 && floor(var.run_grace_seconds) == var.run_grace_seconds
    error_message = "Expected whole seconds from 0 to 3600."
  }
}

variable "deletion_protection" {
  description = "Whether Terraform refuses to delete what holds data: tables, datasets with content, buckets with objects."
  type        = bool
  default     = true
}

variable "labels" {
  description = "Labels besides the bundle's own, such as a cost centre."
  type        = map(string)
  default     = {}
}
