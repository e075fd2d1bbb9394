"""Reads the columns of a contract: names, types, formats and tokens, each on its own."""

import re
from collections.abc import Sequence

from open_data_contract_standard.model import SchemaProperty

from bigquery.renderer import column_type, custom_properties
from bigquery.renderer.custom_properties import Found
from bigquery.renderer.model import Column
from bigquery.renderer.problem import Problems

CLASSIFICATIONS = ("public", "internal", "confidential", "restricted")

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,299}")

_DAY = frozenset({"%Y", "%m", "%d"})
_TIME = frozenset({"%H", "%M", "%S", "%f"})
_DIRECTIVES = {"DATE": _DAY, "DATETIME": _DAY | _TIME, "TIMESTAMP": _DAY | _TIME | {"%z"}}


def read(
    properties: Sequence[SchemaProperty], null_tokens: Sequence[str], path: str, problems: Problems
) -> tuple[Column, ...]:
    """The sound columns among `properties`, found at `path`; what is wrong with the others is noted.

    `null_tokens` are the texts that mean null in the files.
    """
    columns = []
    seen: dict[str, int] = {}
    for index, entry in enumerate(properties):
        here = f"{path}[{index}]"
        name = _name(entry, seen, index, here, problems)
        column = _column(entry, name, null_tokens, here, problems)
        if column:
            columns.append(column)
    return tuple(columns)


def _name(
    entry: SchemaProperty, seen: dict[str, int], index: int, path: str, problems: Problems
) -> str | None:
    name = entry.name or ""
    if name.startswith("_"):
        expected = "a name without a leading underscore, for those belong to lineage"
        problems.add(f"{path}.name", expected, name, "have the column renamed in the files and here")
        return None
    if not _NAME.fullmatch(name):
        expected = "a BigQuery column name: a letter, then letters, digits and underscores, at most 300"
        problems.add(f"{path}.name", expected, entry.name, "have the column renamed in the files and here")
        return None
    first = seen.setdefault(name.lower(), index)
    if first != index:
        expected = f"a name of its own, whatever its case, for properties[{first}] has it"
        problems.add(f"{path}.name", expected, name, "rename or remove one of the two")
    return name


def _column(
    entry: SchemaProperty, name: str | None, null_tokens: Sequence[str], path: str, problems: Problems
) -> Column | None:
    if not (entry.description or "").strip():
        problems.add(
            f"{path}.description", "a sentence", entry.description, "say what the column means, with its unit"
        )
    if entry.classification not in CLASSIFICATIONS:
        expected = f"one of {', '.join(CLASSIFICATIONS)}"
        problems.add(
            f"{path}.classification",
            expected,
            entry.classification,
            "say who may read it; internal is the usual",
        )
    kind = column_type.read(entry.physicalType, f"{path}.physicalType", problems)
    custom = custom_properties.read(entry.customProperties, "the column", path, problems)
    if kind is None:
        return None
    logical = column_type.LOGICAL[kind.name]
    if entry.logicalType != logical:
        problems.add(
            f"{path}.logicalType", f"{logical}, for a {kind.name}", entry.logicalType, f"write {logical}"
        )
    formats = _formats(kind.name, custom.get("formats"), path, problems)
    true_tokens, false_tokens = _bool_tokens(kind.name, null_tokens, custom, path, problems)
    if name is None:
        return None
    return Column(
        name=name,
        type=kind.name,
        description=" ".join((entry.description or "").split()),
        required=bool(entry.required),
        precision=kind.precision,
        scale=kind.scale,
        parameterised=kind.parameterised,
        formats=formats,
        true_tokens=true_tokens,
        false_tokens=false_tokens,
    )


def _formats(kind: str, found: Found | None, path: str, problems: Problems) -> tuple[str, ...]:
    known = _DIRECTIVES.get(kind)
    if known is None:
        if found:
            problems.add(found.path, f"no formats for a {kind}", found.value, "remove formats")
        return ()
    formats = custom_properties.texts(found, problems) if found else ()
    if not found or (not formats and found.value == []):
        remedy = 'add the custom property formats, such as ["%Y-%m-%d"]'
        problems.add(f"{path}.customProperties", f"formats for a {kind}", found and found.value, remedy)
    for index, written in enumerate(formats):
        _check_format(kind, written, f"{found.path if found else path}[{index}]", problems)
    return formats


def _check_format(kind: str, written: str, path: str, problems: Problems) -> None:
    directives = re.findall(r"%.?", written)
    allowed = ", ".join(sorted(_DIRECTIVES[kind]))
    for directive in directives:
        if directive not in _DIRECTIVES[kind]:
            problems.add(
                path, f"directives of a {kind}: {allowed}", f"{directive} in {written}", f"remove {directive}"
            )
    if len(set(directives)) < len(directives):
        problems.add(path, "each directive once", written, "remove the repeated directive")
    needed = _DAY if kind == "DATE" else _DAY | {"%H", "%M"}
    missing = sorted(needed - set(directives))
    if missing:
        problems.add(path, f"all of {', '.join(sorted(needed))}", written, f"add {', '.join(missing)}")


def _bool_tokens(
    kind: str, null_tokens: Sequence[str], custom: dict[str, Found], path: str, problems: Problems
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if kind != "BOOL":
        for name in ("trueTokens", "falseTokens"):
            if name in custom:
                found = custom[name]
                problems.add(found.path, f"no {name} for a {kind}", found.value, f"remove {name}")
        return (), ()
    true_tokens = _tokens("trueTokens", "Yes", null_tokens, custom, path, problems)
    false_tokens = _tokens("falseTokens", "No", (*null_tokens, *true_tokens), custom, path, problems)
    return true_tokens, false_tokens


def _tokens(
    name: str, example: str, taken: Sequence[str], custom: dict[str, Found], path: str, problems: Problems
) -> tuple[str, ...]:
    found = custom.get(name)
    if found is None or found.value == []:
        remedy = f'add the custom property {name}, such as ["{example}"]'
        problems.add(f"{path}.customProperties", f"{name} for a BOOL", found and found.value, remedy)
        return ()
    tokens = custom_properties.texts(found, problems)
    for index, token in enumerate(tokens):
        if token in taken:
            expected = "a text that means neither null nor the opposite"
            problems.add(f"{found.path}[{index}]", expected, token, "remove it here or there")
    return tokens
