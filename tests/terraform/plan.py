"""What a plan says, as `terraform show -json` prints it, and what a test asks of it."""

import re
from collections.abc import Iterator
from typing import Any

Plan = dict[str, Any]
Values = dict[str, Any]

# A resource's address without the key of its instance.
_INSTANCE = re.compile(r"\[[^]]*\]$")


def planned(plan: Plan) -> dict[str, Values]:
    """The values of every resource that the plan makes, by address, without what only apply knows."""
    return {
        change["address"]: change["change"]["after"]
        for change in plan["resource_changes"]
        if change["mode"] == "managed" and "create" in change["change"]["actions"]
    }


def unknown(plan: Plan, address: str) -> Values:
    """What of a resource is known only after apply: True in the place of each such value."""
    found: Values = next(
        change["change"]["after_unknown"]
        for change in plan["resource_changes"]
        if change["address"] == address
    )
    return found


def of_type(plan: Plan, resource_type: str) -> dict[str, Values]:
    """The part of `planned` that is of one type."""
    return {
        address: values
        for address, values in planned(plan).items()
        if address.startswith(f"{resource_type}.")
    }


def instances(plan: Plan, resource: str) -> dict[str, Values]:
    """The part of `planned` that one resource block makes, by address: "google_storage_bucket.bucket"."""
    return {
        address: values for address, values in planned(plan).items() if _INSTANCE.sub("", address) == resource
    }


def key(address: str) -> str:
    """The key of an instance: `landing` of `google_storage_bucket.bucket["landing"]`."""
    found = re.search(r'\["(.*)"\]$', address)
    assert found, f"expected an address with a key, found {address}"
    return found[1]


def strings(value: object) -> Iterator[str]:
    """Every text within a value, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def references(plan: Plan, address: str) -> set[str]:
    """The addresses that the block of a resource, or an output, refers to in the configuration."""
    module = plan["configuration"]["root_module"]
    if address.startswith("output."):
        return set(_references(module["outputs"][address.removeprefix("output.")]))
    for resource in module["resources"]:
        if resource["address"] == address:
            return set(_references(resource)) | set(resource.get("depends_on", ()))
    raise KeyError(address)


def _references(expression: object) -> Iterator[str]:
    if isinstance(expression, dict):
        for name, inner in expression.items():
            if name == "references":
                yield from inner
            else:
                yield from _references(inner)
    elif isinstance(expression, list):
        for inner in expression:
            yield from _references(inner)
