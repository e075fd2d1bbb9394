# Clusters are made by the DAGs, one for each batch, and deleted with it. What they have in common is one file that the
# DAGs read too: here are the policies that it names, and the tests say what it must hold.

locals {
  cluster_template = jsondecode(file("${local.repository}/composer_dags/landfall_dags/cluster_template.json"))

  # By number of primaries: they keep the shuffle and must not be scaled (docs/adr/0016-autoscaling.md).
  autoscaling_policies = {
    for primaries in range(local.cluster_template.autoscaling.least_primaries, local.cluster_template.autoscaling.most_primaries + 1) :
    replace(local.cluster_template.autoscaling.policy_id, "{primaries}", primaries) => primaries
  }
}

resource "google_dataproc_autoscaling_policy" "primaries" {
  for_each = local.autoscaling_policies

  policy_id = each.key
  location  = var.region

  worker_config {
    min_instances = each.value
    max_instances = each.value
  }

  # Fewer Spot workers than primaries: with more, a zone that takes its Spot machines back stalls the job.
  secondary_worker_config {
    min_instances = 0
    max_instances = each.value - 1
  }

  basic_algorithm {
    cooldown_period = "120s"

    yarn_config {
      scale_up_factor = 1
      # Never down: a worker's one executor lives as long as the job, and the cluster ends with its batch.
      scale_down_factor             = 0
      graceful_decommission_timeout = "0s"
    }
  }

  depends_on = [google_project_service.api]
}
