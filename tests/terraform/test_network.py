"""The network of the clusters: nobody gets in, and Google's own services are reached from within."""

from collections.abc import Mapping

import pytest

from tests.terraform.plan import Plan, of_type, planned
from tests.terraform.workspace import Terraform

SUBNETWORK = "google_compute_subnetwork.clusters[0]"


def told_subnetwork(plan: Plan) -> str:
    """The subnetwork that the DAGs are told of."""
    (software,) = planned(plan)["google_composer_environment.airflow[0]"]["config"][0]["software_config"]
    return str(software["env_variables"]["LANDFALL_DATAPROC_SUBNETWORK"])


@pytest.mark.parametrize("environment", ["dev", "stg", "prod", "local"])
def test_the_dags_are_told_of_the_subnetwork_that_is_made(
    plans: Mapping[str, Plan], environment: str
) -> None:
    subnetwork = planned(plans[environment])[SUBNETWORK]
    place = f"projects/{subnetwork['project']}/regions/{subnetwork['region']}"
    assert told_subnetwork(plans[environment]) == f"{place}/subnetworks/{subnetwork['name']}"
    assert subnetwork["private_ip_google_access"] is True
    assert subnetwork["log_config"]
    assert planned(plans[environment])["google_compute_network.vpc[0]"]["auto_create_subnetworks"] is False


def test_only_machines_of_clusters_reach_each_other(plans: Mapping[str, Plan]) -> None:
    rules = of_type(plans["prod"], "google_compute_firewall").values()
    dataproc = ["landfall-dataproc@landfall-prod.iam.gserviceaccount.com"]
    allowing = [rule for rule in rules if rule["allow"]]
    for rule in allowing:
        assert rule["source_service_accounts"] == rule["target_service_accounts"] == dataproc
        assert not rule["source_ranges"]
    (refusing,) = [rule for rule in rules if rule["deny"]]
    assert [entry["protocol"] for entry in refusing["deny"]] == ["all"]
    assert refusing["source_ranges"] == ["0.0.0.0/0"]
    # The lower number is asked first.
    assert allowing and all(rule["priority"] < refusing["priority"] for rule in allowing)


def test_nat_serves_the_clusters_subnetwork_alone_and_can_be_left_out(
    terraform: Terraform, plans: Mapping[str, Plan]
) -> None:
    (nat,) = of_type(plans["dev"], "google_compute_router_nat").values()
    assert nat["source_subnetwork_ip_ranges_to_nat"] == "LIST_OF_SUBNETWORKS"
    assert [entry["source_ip_ranges_to_nat"] for entry in nat["subnetwork"]] == [["PRIMARY_IP_RANGE"]]
    without = planned(terraform.copy("no_nat").plan("dev", "-var=cloud_nat=false"))
    assert planned(plans["dev"]).keys() - without.keys() == {
        "google_compute_router.nat[0]",
        "google_compute_router_nat.nat[0]",
    }


def test_in_a_shared_network_nothing_of_a_network_is_made(terraform: Terraform) -> None:
    host = '{project = "network-host", subnetwork = "data"}'
    plan = terraform.copy("shared_vpc").plan("dev", f"-var=shared_vpc={host}")
    assert told_subnetwork(plan) == "projects/network-host/regions/us-central1/subnetworks/data"
    assert not of_type(plan, "google_compute_network")
    assert not [address for address in planned(plan) if address.startswith("google_compute_")]
