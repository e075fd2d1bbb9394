terraform {
  required_version = ">= 1.9.0"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 6.50.0, < 9.0.0"
    }
    archive = {
      source  = "hashicorp/archive"
      version = ">= 2.7.0, < 3.0.0"
    }
  }

  # Which bucket, and the prefix within it: envs/<environment>.gcs.tfbackend.
  backend "gcs" {}
}

provider "google" {
  project        = var.project
  region         = var.region
  default_labels = local.labels
  # Budgets and other APIs that belong to no project count against this one, whoever runs Terraform.
  user_project_override = true
  billing_project       = var.project
}
