"""What the DAGs' clusters need of Terraform: both read one file."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from landfall_dags.cluster import Shape, autoscaling_policy, choose_shape, work_of
from landfall_dags.identity import SourceFile
from landfall_dags.pipeline import load_pipelines
from tests.terraform.plan import Plan, Values, of_type
from tests.terraform.workspace import ROOT

FILE = SourceFile("gs://landing/d/a.csv", 1, 100, "AAAAAA==", None, "2025-11-21T01:26:02.123456Z")


def policies(plan: Plan) -> dict[str, Values]:
    """The policies of a plan, by id."""
    found = of_type(plan, "google_dataproc_autoscaling_policy").values()
    return {policy["policy_id"]: policy for policy in found}


@pytest.mark.parametrize("environment", ["dev", "stg", "prod", "local"])
def test_every_policy_that_a_cluster_can_name_is_there_and_fits_it(
    plans: Mapping[str, Plan], environment: str
) -> None:
    """A cluster whose policy is missing, or moves its primaries, would not be made."""
    shapes = [
        Shape("e2-standard-4", primaries, secondaries)
        for primaries in range(40)
        for secondaries in range(primaries)
    ]
    named = {shape: policy_id for shape in shapes if (policy_id := autoscaling_policy(shape)) is not None}
    found = policies(plans[environment])
    assert set(named.values()) == found.keys()
    for shape, policy_id in named.items():
        (primaries,), (secondaries,) = (
            found[policy_id][group] for group in ("worker_config", "secondary_worker_config")
        )
        assert primaries["min_instances"] == primaries["max_instances"] == shape.primaries
        assert shape.secondaries <= secondaries["max_instances"] == shape.primaries - 1
        assert found[policy_id]["location"] == plans[environment]["variables"].get("region", {}).get(
            "value", "us-central1"
        )


def test_no_policy_takes_a_worker_away(plans: Mapping[str, Plan]) -> None:
    """With primaries that keep the shuffle, Dataproc does not support a worker's leaving gracefully."""
    for policy in policies(plans["dev"]).values():
        (algorithm,) = policy["basic_algorithm"]
        (yarn,) = algorithm["yarn_config"]
        assert yarn["scale_down_factor"] == 0
        assert yarn["graceful_decommission_timeout"] == "0s"


def test_the_largest_cluster_of_each_contract_has_its_policy() -> None:
    """A contract that asks for more Spot workers than there are policies for raises most_primaries."""
    for pipeline in load_pipelines(ROOT / "bigquery" / "datasets"):
        shape = choose_shape(work_of([replace(FILE, size=2**50)], splits=True), pipeline.compute)
        held_down = shape.secondaries < max(shape.primaries - 2, 1)
        assert held_down or autoscaling_policy(shape) is not None, pipeline.dataset
