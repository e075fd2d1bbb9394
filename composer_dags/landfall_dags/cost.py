"""What a cluster costs, estimated from list prices. Pure.

Prices are on-demand list prices in us-central1, in US dollars an hour, from Compute Engine's and Dataproc's
public price pages. Not counted: disks, discounts, other regions' prices. The estimate is for comparing
batches, not for bills.
"""

from dataclasses import dataclass

from landfall_dags.cluster import Shape
from landfall_dags.machine import parse_machine

DATAPROC_PER_VCPU_HOUR = 0.010
# Spot prices move; Google promises 60 to 91 % off. The least of it is assumed.
SPOT_SHARE = 0.40
LEAST_BILLED_SECONDS = 60
# family: (a vCPU, a GB of memory)
_HOURLY = {"e2": (0.02181159, 0.00292353), "n2": (0.031611, 0.004237)}
_GB_PER_VCPU = {"standard": 4, "highmem": 8, "highcpu": 1}


@dataclass(frozen=True)
class Cost:
    """vCPU seconds of the whole cluster; dollars is None when the machine type's price is not known here."""

    vcpu_seconds: float | None
    dollars: float | None


def estimate(shape: Shape, seconds: float) -> Cost:
    """The cost of a cluster that lived for `seconds`: billed by the second, one minute at least."""
    machine = parse_machine(shape.machine_type)
    if machine is None:
        return Cost(None, None)
    billed = max(seconds, LEAST_BILLED_SECONDS)
    machines = 1 + shape.primaries + shape.secondaries
    vcpu_seconds = machines * machine.vcpus * billed
    if machine.family not in _HOURLY or machine.kind not in _GB_PER_VCPU:
        return Cost(vcpu_seconds, None)
    a_vcpu, a_gigabyte = _HOURLY[machine.family]
    a_machine = machine.vcpus * (a_vcpu + a_gigabyte * _GB_PER_VCPU[machine.kind])
    paid_machines = 1 + shape.primaries + SPOT_SHARE * shape.secondaries
    hourly = paid_machines * a_machine + machines * machine.vcpus * DATAPROC_PER_VCPU_HOUR
    return Cost(vcpu_seconds, round(hourly * billed / 3600, 6))
