"""Reads a contract: text in, a sound dataset out, or every problem of the text together."""

import re

from open_data_contract_standard.model import (
    OpenDataContractStandard,
    SchemaObject,
    ServiceLevelAgreementProperty,
    Team,
)

from bigquery.renderer import (
    access,
    columns,
    custom_properties,
    document,
    documentation,
    file_format,
    layout,
    name_rules,
    operation,
    protection,
    quality,
)
from bigquery.renderer.model import CsvFormat, Dataset, Operation
from bigquery.renderer.problem import ContractError, Problems

_API_VERSION = re.compile(r"v3\.[0-2]\.[0-9]+")
_VERSION = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)){2}")
_DATASET_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}(?<!_live)")  # raw.<dataset>_live is a view
_SECONDS = {"m": 60, "h": 60 * 60, "d": 24 * 60 * 60}


def read(text: str, folder: str) -> Dataset:
    """The dataset that the contract `text` describes; `folder` is the name of the folder that holds it.

    Raises ContractError with all that is wrong.
    """
    problems = Problems()
    odcs = document.parse(text, problems)
    _check_head(odcs, folder, problems)
    freshness = _freshness(odcs, problems)
    custom = custom_properties.read(odcs.customProperties, "the contract", "", problems)
    csv = file_format.read(odcs, folder, problems)
    table = _table(odcs, problems)
    conduct = operation.read(custom, problems)
    dataset = _dataset(odcs, table, csv, freshness, conduct, problems)
    if problems.found or dataset is None:
        raise ContractError(problems.found)
    return dataset


def _dataset(
    odcs: OpenDataContractStandard,
    table: SchemaObject,
    csv: CsvFormat,
    freshness: int,
    conduct: Operation | None,
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
    roles = access.read(odcs.roles, sound, problems)
    if conduct is None:
        return None
    return Dataset(
        name=odcs.name or "",
        version=odcs.version or "",
        description=" ".join((table.description or "").split()),
        owner=_owner(odcs),
        freshness_seconds=freshness,
        format=csv,
        mode=mode,
        columns=sound,
        key=key,
        duplicate_keys=duplicate_keys,
        partitioning=partitioning,
        clustering=clustering,
        quality=measured,
        roles=roles,
        operation=conduct,
        documentation=documentation.read(odcs, table),
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
        expected = (
            "lower-case letters, digits and underscores, at most 63, a letter first, not _live at the end"
        )
        problems.add("name", expected, odcs.name, "rename the folder and the dataset")
    if not _owner(odcs):
        problems.add("team.name", "the team that owns the data", None, "write team: with its name")


def _freshness(odcs: OpenDataContractStandard, problems: Problems) -> int:
    """The seconds that are promised, one at least; 0, and a problem noted, where no such promise is made."""
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
    return sum(_seconds(entry, f"slaProperties[{index}]", problems) for index, entry in agreed)


def _seconds(entry: ServiceLevelAgreementProperty, path: str, problems: Problems) -> int:
    value, unit = entry.value, entry.unit or ""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 < float(value or 0) < float("inf") or unit not in _SECONDS:
        expected = f"a number above 0 and a unit of {', '.join(_SECONDS)}"
        found = f"value {value}, unit {entry.unit}"
        problems.add(path, expected, found, "write value: 15 and unit: m, or as agreed")
        return 0
    return max(round(float(value or 0) * _SECONDS[unit]), 1)


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
