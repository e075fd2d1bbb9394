"""Reads how personal data is protected, and finds what would let it through or be of no use protected."""

from collections.abc import Mapping, Sequence

from bigquery.renderer import custom_properties
from bigquery.renderer.custom_properties import Found
from bigquery.renderer.model import DROP, HASH, MASK, TOKENISE, Column, Protection
from bigquery.renderer.problem import Problems

PERSONAL = "personal"
METHODS = (DROP, MASK, HASH, TOKENISE)

# Methods after which two values that differed still do.
_TELLING = (HASH, TOKENISE)


def read(
    classification: str | None, kind: str, custom: Mapping[str, Found], path: str, problems: Problems
) -> Protection | None:
    """The protection of a column of type `kind` at `path`; None where it is not personal."""
    found = custom.get("protection")
    if found is None:
        if classification == PERSONAL:
            remedy = f"add the custom property protection, with a method of {', '.join(METHODS)}"
            problems.add(f"{path}.customProperties", "protection for a personal column", None, remedy)
        return None
    if classification != PERSONAL:
        expected = "classification: personal, for a column with protection"
        problems.add(f"{path}.classification", expected, classification, "write personal")
    checks = {"method": _method, "keepLast": _keep_last}
    fields = custom_properties.record(found, "protection", checks, problems)
    if fields is None:
        return None
    protection = Protection(fields["method"], fields.get("keepLast", 0))
    _check(protection, kind, found, path, problems)
    return protection


def _method(value: object) -> str | None:
    return None if value in METHODS else f"one of {', '.join(METHODS)}"


def _keep_last(value: object) -> str | None:
    return None if value is None else custom_properties.whole_number(0)(value)


def _check(protection: Protection, kind: str, found: Found, path: str, problems: Problems) -> None:
    if protection.method != MASK and "keepLast" in found.value:
        expected = f"no keepLast, for {protection.method} keeps nothing readable"
        problems.add(f"{found.path}.keepLast", expected, protection.keep_last, "remove keepLast")
    if protection.method != DROP and kind != "STRING":
        expected = f"STRING, for a column that is kept as the text that {protection.method} makes of it"
        problems.add(f"{path}.physicalType", expected, kind, "write STRING, or protect it by drop")


def check_unknown_columns(columns: Sequence[Column], mode: str, problems: Problems) -> None:
    """Columns that the contract does not name are not kept beside personal ones: they may be renamed ones."""
    personal = [column.name for column in columns if column.protection]
    if personal and mode in ("rescue", "evolve"):
        expected = f"unknownColumns reject or ignore, for {personal[0]} may come under another name"
        problems.add("servers", expected, mode, "write reject")


def check_key(column: Column, path: str, problems: Problems) -> None:
    """A personal column identifies a row only while different values stay different."""
    if column.protection and column.protection.method not in _TELLING:
        expected = f"protection by {' or '.join(_TELLING)}, for a column of the key"
        found = f"{column.name}, protected by {column.protection.method}"
        problems.add(f"{path}.primaryKey", expected, found, "protect it so, or leave it out of the key")


def check_clustering(column: Column, path: str, problems: Problems) -> None:
    """Trusted is not clustered by a column that it lacks, nor by one whose values are masked alike."""
    if column.protection and column.protection.method not in _TELLING:
        expected = f"a column that is not personal, or protected by {' or '.join(_TELLING)}"
        found = f"{column.name}, protected by {column.protection.method}"
        problems.add(path, expected, found, "cluster by another column")
