# Who read which original, and who asked for the token key. What the pipeline itself reads and writes all day is left
# out: its own ledger says that. BigQuery writes such logs unasked.
resource "google_project_iam_audit_config" "reads" {
  for_each = {
    "storage.googleapis.com"       = [local.members["composer"], local.members["dataproc"]]
    "secretmanager.googleapis.com" = []
  }

  project = var.project
  service = each.key

  dynamic "audit_log_config" {
    for_each = ["DATA_READ", "DATA_WRITE"]

    content {
      log_type         = audit_log_config.value
      exempted_members = each.value
    }
  }

  # An exempted account must exist.
  depends_on = [google_service_account.account]
}
