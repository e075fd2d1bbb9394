"""Reads the columns of a contract: names, types, and all that is said of each on its own."""

import re
from collections.abc import Mapping, Sequence

from open_data_contract_standard.model import SchemaProperty

from bigquery.renderer import column_type, constraints, custom_properties, name_rules, notation, protection
from bigquery.renderer.custom_properties import Found
from bigquery.renderer.model import Column, CsvFormat
from bigquery.renderer.name_rules import NameRule
from bigquery.renderer.problem import Problems

CLASSIFICATIONS = ("public", "internal", "confidential", "restricted", protection.PERSONAL)

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,299}")


def read(
    properties: Sequence[SchemaProperty],
    csv: CsvFormat,
    rules: Sequence[NameRule],
    path: str,
    problems: Problems,
) -> tuple[Column, ...]:
    """The sound columns among `properties`, found at `path`; what is wrong with the others is noted."""
    columns = []
    names: dict[str, int] = {}
    headers = []
    for index, entry in enumerate(properties):
        here = f"{path}[{index}]"
        custom = custom_properties.read(entry.customProperties, "the column", here, problems)
        name = _name(entry, names, index, here, problems)
        header = _header(custom.get("header"), entry.name or "", csv, problems)
        headers.append(header)
        column = _column(entry, name, header, custom, csv, rules, here, problems)
        if column:
            columns.append(column)
    _check_headers(properties, headers, path, problems)
    return tuple(columns)


def _name(
    entry: SchemaProperty, seen: dict[str, int], index: int, path: str, problems: Problems
) -> str | None:
    name = entry.name or ""
    remedy = "write such a name, and the files' own as the custom property header"
    if name.startswith("_"):
        expected = "a name without a leading underscore, for those belong to lineage"
        problems.add(f"{path}.name", expected, name, remedy)
        return None
    if not _NAME.fullmatch(name):
        expected = "a BigQuery column name: a letter, then letters, digits and underscores, at most 300"
        problems.add(f"{path}.name", expected, entry.name, remedy)
        return None
    first = seen.setdefault(name.lower(), index)
    if first != index:
        expected = f"a name of its own, whatever its case, for properties[{first}] has it"
        problems.add(f"{path}.name", expected, name, "rename or remove one of the two")
    return name


def _header(found: Found | None, name: str, csv: CsvFormat, problems: Problems) -> str:
    if found is None:
        return name
    if not csv.header:
        problems.add(found.path, "no header, for the files name no columns", found.value, "remove header")
    elif not isinstance(found.value, str) or not found.value.strip():
        problems.add(found.path, "the column's name in the files", found.value, "write it as in the files")
    else:
        return found.value
    return name


def _check_headers(
    properties: Sequence[SchemaProperty], headers: Sequence[str], path: str, problems: Problems
) -> None:
    """No two columns are called alike in the files; those of equal names are noted as that already."""
    seen: dict[str, int] = {}
    for index, header in enumerate(headers):
        first = seen.setdefault(name_rules.folded(header), index)
        if (properties[first].name or "").lower() != (properties[index].name or "").lower():
            expected = f"a header of its own, whatever its case, for properties[{first}] has it"
            problems.add(f"{path}[{index}]", expected, header, "mend the header of one of the two")


def _column(
    entry: SchemaProperty,
    name: str | None,
    header: str,
    custom: Mapping[str, Found],
    csv: CsvFormat,
    rules: Sequence[NameRule],
    path: str,
    problems: Problems,
) -> Column | None:
    _check_words(entry, path, problems)
    kind = column_type.read(entry.physicalType, f"{path}.physicalType", problems)
    if kind is None:
        return None
    logical = column_type.LOGICAL[kind.name]
    if entry.logicalType != logical:
        problems.add(
            f"{path}.logicalType", f"{logical}, for a {kind.name}", entry.logicalType, f"write {logical}"
        )
    completed = name_rules.complete(custom, (entry.name or "", header), kind.name, rules)
    written = notation.read(kind.name, csv.null_tokens, completed, path, problems)
    constrained = constraints.read(entry, kind, csv.null_tokens, path, problems)
    protected = protection.read(entry.classification, kind.name, custom, path, problems)
    if name is None:
        return None
    return Column(
        name=name,
        type=kind.name,
        description=" ".join((entry.description or "").split()),
        required=bool(entry.required),
        header=header,
        precision=kind.precision,
        scale=kind.scale,
        parameterised=kind.parameterised,
        notation=written,
        constraints=constrained,
        protection=protected,
        classification=entry.classification or "",
    )


def _check_words(entry: SchemaProperty, path: str, problems: Problems) -> None:
    if not (entry.description or "").strip():
        problems.add(
            f"{path}.description", "a sentence", entry.description, "say what the column means, with its unit"
        )
    if entry.classification not in CLASSIFICATIONS:
        problems.add(
            f"{path}.classification",
            f"one of {', '.join(CLASSIFICATIONS)}",
            entry.classification,
            "say who may read it; internal is the usual",
        )
