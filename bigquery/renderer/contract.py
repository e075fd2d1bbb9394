"""Reads a contract: text in, a sound dataset out, or every problem of the text together."""

import re

from open_data_contract_standard.model import OpenDataContractStandard, SchemaObject, Team

from bigquery.renderer import (
    columns,
    custom_properties,
    document,
    file_format,
    layout,
    name_rules,
    protection,
    quality,
)
from bigquery.renderer.custom_properties import Found
from bigquery.renderer.model import Compute, CsvFormat, Dataset, Retries
from bigquery.renderer.problem import ContractError, Problems

_API_VERSION = re.compile(r"v3\.[0-2]\.[0-9]+")
_VERSION = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)){2}")
_DATASET_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_FRESHNESS_UNITS = ("m", "h", "d")


def read(text: str, folder: str) -> Dataset:
    """The dataset that the contract `text` describes; `folder` is the name of the folder that holds it.

    Raises ContractError with all that is wrong.
    """
    problems = Problems()
    odcs = document.parse(text, problems)
    _check_head(odcs, folder, problems)
    custom = custom_properties.read(odcs.customProperties, "the contract", "", problems)
    csv = file_format.read(odcs, folder, problems)
    table = _table(odcs, problems)
    compute = _compute(custom.get("compute"), problems)
    retries = _retries(custom.get("retries"), problems)
    share = _share(custom.get("maxRejectedShare"), problems)
    dataset = _dataset(odcs, table, csv, share, compute, retries, problems)
    if problems.found or dataset is None:
        raise ContractError(problems.found)
    return dataset


def _dataset(
    odcs: OpenDataContractStandard,
    table: SchemaObject,
    csv: CsvFormat,
    max_rejected_share: float,
    compute: Compute | None,
    retries: Retries | None,
    problems: Problems,
) -> Dataset | None:
    path = "schema[0].properties"
    properties = table.properties or []
    custom = custom_properties.read(table.customProperties, "the table", "schema[0]", problems)
    rules = name_rules.read(custom.get("nameRules"), problems)
    sound = columns.read(properties, csv, rules, path, problems)
    name_rules.check_use(rules, sound, problems)
    protection.check_unknown_columns(sound, csv.unknown_columns, problems)
    by_name = {column.name: column for column in sound}
    mode = layout.read_mode(custom.get("mode"), "schema[0]", problems)
    duplicate_keys = layout.read_duplicate_keys(custom.get("duplicateKeys"), problems)
    key = layout.read_key(properties, by_name, path, problems)
    partitioning = layout.read_partitioning(properties, by_name, path, problems)
    clustering = layout.read_clustering(custom.get("clustering"), properties, by_name, problems)
    measured = quality.read(table, by_name, problems)
    if compute is None or retries is None:
        return None
    return Dataset(
        name=odcs.name or "",
        version=odcs.version or "",
        description=" ".join((table.description or "").split()),
        owner=_owner(odcs),
        format=csv,
        mode=mode,
        columns=sound,
        key=key,
        duplicate_keys=duplicate_keys,
        partitioning=partitioning,
        clustering=clustering,
        max_rejected_share=max_rejected_share,
        quality=measured,
        compute=compute,
        retries=retries,
    )


def _check_head(odcs: OpenDataContractStandard, folder: str, problems: Problems) -> None:
    if not _API_VERSION.fullmatch(odcs.apiVersion or ""):
        problems.add("apiVersion", "v3.0.0 to v3.2.0", odcs.apiVersion, "write v3.2.0")
    if odcs.kind != "DataContract":
        problems.add("kind", "DataContract", odcs.kind, "write DataContract")
    if not odcs.id:
        problems.add(
            "id", "an identifier that never changes", odcs.id, f"write landfall-{folder.replace('_', '-')}"
        )
    if not _VERSION.fullmatch(odcs.version or ""):
        problems.add(
            "version", "MAJOR.MINOR.PATCH", odcs.version, "write 1.0.0 and raise it with every change"
        )
    if odcs.name != folder:
        remedy = "rename the folder or the dataset: the folder's name is the dataset's"
        problems.add("name", f"{folder}, the name of the folder", odcs.name, remedy)
    elif not _DATASET_NAME.fullmatch(folder):
        expected = "a lower-case letter, then lower-case letters, digits and underscores, at most 63"
        problems.add("name", expected, odcs.name, "rename the folder and the dataset")
    if not _owner(odcs):
        problems.add("team.name", "the team that owns the data", None, "write team: with its name")
    _check_freshness(odcs, problems)


def _check_freshness(odcs: OpenDataContractStandard, problems: Problems) -> None:
    agreed = [
        (index, entry)
        for index, entry in enumerate(odcs.slaProperties or [])
        if entry.property == "freshness"
    ]
    if len(agreed) != 1:
        expected = "one entry with property: freshness"
        problems.add(
            "slaProperties", expected, f"{len(agreed)} entries", "say how soon a file is readable in trusted"
        )
    for index, entry in agreed:
        number = (
            isinstance(entry.value, int | float) and not isinstance(entry.value, bool) and entry.value > 0
        )
        if not number or entry.unit not in _FRESHNESS_UNITS:
            expected = f"a number above 0 and a unit of {', '.join(_FRESHNESS_UNITS)}"
            found = f"value {entry.value}, unit {entry.unit}"
            problems.add(
                f"slaProperties[{index}]", expected, found, "write value: 15 and unit: m, or as agreed"
            )


def _owner(odcs: OpenDataContractStandard) -> str:
    return (odcs.team.name or "").strip() if isinstance(odcs.team, Team) else ""


def _table(odcs: OpenDataContractStandard, problems: Problems) -> SchemaObject:
    tables = odcs.schema_ or []
    if len(tables) != 1:
        problems.add(
            "schema", "one table", f"{len(tables)} tables", "describe each dataset in a folder of its own"
        )
    table = tables[0] if tables else SchemaObject()
    if table.name != odcs.name:
        problems.add(
            "schema[0].name", f"{odcs.name}, the name of the dataset", table.name, f"write {odcs.name}"
        )
    if not (table.description or "").strip():
        problems.add("schema[0].description", "a sentence", table.description, "say what the table holds")
    return table


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
    checks = {
        "attempts": custom_properties.whole_number(1),
        "delaySeconds": custom_properties.whole_number(0),
        "maxDelaySeconds": custom_properties.whole_number(0),
    }
    fields = custom_properties.record(found, "retries", checks, problems)
    if found and fields and fields["maxDelaySeconds"] < fields["delaySeconds"]:
        expected = f"delaySeconds, {fields['delaySeconds']}, or more"
        problems.add(f"{found.path}.maxDelaySeconds", expected, fields["maxDelaySeconds"], "raise it")
    return Retries(*(fields[name] for name in checks)) if fields else None
