"""Reads how the batches of a dataset are run and kept: cluster, retries, isolation, limits."""

import re
from collections.abc import Mapping
from typing import Any

from bigquery.renderer import custom_properties, retention
from bigquery.renderer.custom_properties import Found
from bigquery.renderer.model import Compute, Isolation, Operation, Retries
from bigquery.renderer.problem import Problems


def read(custom: Mapping[str, Found], problems: Problems) -> Operation | None:
    """What the contract's custom properties say of it; None, and the problems noted, where one is unsound."""
    compute = _compute(custom.get("compute"), problems)
    retries = _retries(custom.get("retries"), problems)
    isolation = _isolation(custom.get("isolation"), problems)
    share = _share(custom.get("maxRejectedShare"), problems)
    kept = retention.read(custom.get("retention"), isolation, problems)
    if compute is None or retries is None or isolation is None or kept is None:
        return None
    return Operation(share, compute, retries, isolation, kept)


def _share(found: Found | None, problems: Problems) -> float:
    if found is None:
        return 1.0
    value = found.value
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
        remedy = "write 0.1 for a tenth of the rows; without the property there is no limit"
        problems.add(found.path, "a number from 0 to 1", value, remedy)
        return 1.0
    return float(value)


def _machine_type(value: object) -> str | None:
    sound = isinstance(value, str) and re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)+", value)
    return None if sound else "a machine type of Compute Engine, such as e2-standard-4"


def _compute(found: Found | None, problems: Problems) -> Compute | None:
    checks = {
        "machineType": _machine_type,
        "primaryWorkers": custom_properties.whole_number(2),
        "maxSecondaryWorkers": custom_properties.whole_number(0),
        "bytesPerWorker": custom_properties.whole_number(1),
    }
    fields = custom_properties.record(found, "compute", checks, problems)
    return Compute(*(fields[name] for name in checks)) if fields else None


def _retries(found: Found | None, problems: Problems) -> Retries | None:
    fields = _tries(found, "retries", "attempts", "delaySeconds", "maxDelaySeconds", problems)
    return Retries(*fields) if fields else None


def _isolation(found: Found | None, problems: Problems) -> Isolation | None:
    fields = _tries(found, "isolation", "runs", "pauseSeconds", "maxPauseSeconds", problems)
    return Isolation(*fields) if fields else None


def _tries(
    found: Found | None, name: str, times: str, first: str, longest: str, problems: Problems
) -> list[Any] | None:
    """How often something is tried, then the first pause and the longest, of the property `name`."""
    checks = {
        times: custom_properties.whole_number(1),
        first: custom_properties.whole_number(0),
        longest: custom_properties.whole_number(0),
    }
    fields = custom_properties.record(found, name, checks, problems)
    if found and fields and fields[longest] < fields[first]:
        expected = f"{first}, {fields[first]}, or more"
        problems.add(f"{found.path}.{longest}", expected, fields[longest], "raise it")
    return [fields[field] for field in checks] if fields else None
