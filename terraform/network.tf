# The network of the clusters. The function and Composer are outside of it: the one calls the other over the web, by IAM.

variable "shared_vpc" {
  description = <<-EOT
    Subnetwork of a host project for the clusters, in this environment's region: {project, subnetwork}. No network is
    made here then; the host needs Private Google Access on that subnetwork, a way to a Python package index, TCP, UDP and
    ICMP among the machines of the account landfall-dataproc, and roles/compute.networkUser on it for the project's
    Dataproc and Google APIs service agents. Null: a network of its own.
  EOT
  type = object({
    project    = string
    subnetwork = string
  })
  default = null

  validation {
    condition = var.shared_vpc == null ? true : (
      can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.shared_vpc.project)) &&
      can(regex("^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", var.shared_vpc.subnetwork))
    )
    error_message = "Expected the id of the host project, and the bare name of a subnetwork of it."
  }
}

variable "subnetwork_range" {
  description = "Addresses of the clusters' machines: a private IPv4 range, /20 for 4,092 of them."
  type        = string
  default     = "10.64.0.0/20"

  validation {
    condition     = can(cidrnetmask(var.subnetwork_range)) && can(regex("^(10\\.|172\\.(1[6-9]|2[0-9]|3[01])\\.|192\\.168\\.)", var.subnetwork_range))
    error_message = "Expected an IPv4 range of RFC 1918, such as 10.64.0.0/20."
  }
}

variable "cloud_nat" {
  description = "Whether the clusters' machines, which have no public address, reach the internet: they install pinned Python packages when they start. Off: give pip a mirror that they reach."
  type        = bool
  default     = true
}

locals {
  own_network = var.shared_vpc == null

  # Known before it is made, as a name and not as a resource: the local cloud makes the same one.
  dataproc_subnetwork = join("/", [
    "projects", try(var.shared_vpc.project, var.project),
    "regions", var.region,
    "subnetworks", try(var.shared_vpc.subnetwork, "landfall"),
  ])
}

resource "google_compute_network" "vpc" {
  count = local.own_network ? 1 : 0

  name                    = "landfall"
  description             = "Dataproc clusters of landfall."
  auto_create_subnetworks = false

  depends_on = [google_project_service.api]
}

resource "google_compute_subnetwork" "clusters" {
  count = local.own_network ? 1 : 0

  name          = "landfall"
  description   = "Machines of the Dataproc clusters, without public addresses."
  network       = google_compute_network.vpc[0].id
  region        = var.region
  ip_cidr_range = var.subnetwork_range

  # The only way of machines without a public address to Cloud Storage, Dataproc and Secret Manager.
  private_ip_google_access = true

  log_config {
    aggregation_interval = "INTERVAL_10_MIN"
    flow_sampling        = 0.1
    metadata             = "INCLUDE_ALL_METADATA"
  }
}

# A cluster's machines talk to each other on ports that YARN and Spark choose; nobody else has business with them.
resource "google_compute_firewall" "within_clusters" {
  count = local.own_network ? 1 : 0

  name                    = "landfall-within-clusters"
  description             = "Machines of the clusters' account, among themselves."
  network                 = google_compute_network.vpc[0].name
  direction               = "INGRESS"
  priority                = 1000
  source_service_accounts = [local.account_emails["dataproc"]]
  target_service_accounts = [local.account_emails["dataproc"]]

  allow {
    protocol = "tcp"
  }

  allow {
    protocol = "udp"
  }

  allow {
    protocol = "icmp"
  }
}

# What is refused anyway, as a rule of its own: refusals are logged, and no later rule of low priority lets anybody in.
resource "google_compute_firewall" "from_elsewhere" {
  count = local.own_network ? 1 : 0

  name          = "landfall-from-elsewhere"
  description   = "Nothing else gets in."
  network       = google_compute_network.vpc[0].name
  direction     = "INGRESS"
  priority      = 65000
  source_ranges = ["0.0.0.0/0"]

  deny {
    protocol = "all"
  }

  log_config {
    metadata = "INCLUDE_ALL_METADATA"
  }
}

resource "google_compute_router" "nat" {
  count = local.own_network && var.cloud_nat ? 1 : 0

  name    = "landfall"
  network = google_compute_network.vpc[0].id
  region  = var.region
}

resource "google_compute_router_nat" "nat" {
  count = local.own_network && var.cloud_nat ? 1 : 0

  name                               = "landfall"
  router                             = google_compute_router.nat[0].name
  region                             = var.region
  nat_ip_allocate_option             = "AUTO_ONLY"
  source_subnetwork_ip_ranges_to_nat = "LIST_OF_SUBNETWORKS"

  subnetwork {
    name                    = google_compute_subnetwork.clusters[0].id
    source_ip_ranges_to_nat = ["PRIMARY_IP_RANGE"]
  }

  log_config {
    enable = true
    filter = "ERRORS_ONLY"
  }
}
