"""Reads which roles may read a dataset: which rows, and which of the columns that are fenced."""

import re
from collections.abc import Sequence

from open_data_contract_standard.model import Role as WrittenRole

from bigquery.renderer import custom_properties
from bigquery.renderer.custom_properties import Found
from bigquery.renderer.model import FENCED, Column, Role
from bigquery.renderer.problem import Problems

# The policy of the pipeline's own account is called so.
PIPELINE = "pipeline"

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


def read(
    roles: Sequence[WrittenRole] | None, columns: Sequence[Column], problems: Problems
) -> tuple[Role, ...]:
    """The roles of a contract with these columns; what is wrong is noted."""
    read = [_role(role, f"roles[{index}]", columns, problems) for index, role in enumerate(roles or [])]
    for index, role in enumerate(read):
        if role.name in [earlier.name for earlier in read[:index]]:
            problems.add(f"roles[{index}].role", "each role once", role.name, "remove one of the two")
    return tuple(read)


def _role(role: WrittenRole, path: str, columns: Sequence[Column], problems: Problems) -> Role:
    name = role.role or ""
    if not _NAME.fullmatch(name) or name == PIPELINE:
        expected = (
            f"lower-case letters, digits and underscores, at most 63, a letter first, other than {PIPELINE}"
        )
        problems.add(f"{path}.role", expected, role.role, "rename the role")
    if role.access != "read":
        remedy = "write read; only the pipeline writes"
        problems.add(f"{path}.access", "read", role.access, remedy)
    if not (role.description or "").strip():
        problems.add(f"{path}.description", "a sentence", role.description, "say who these people are")
    custom = custom_properties.read(role.customProperties, "the role", path, problems)
    return Role(
        name=name,
        description=" ".join((role.description or "").split()),
        row_filter=_row_filter(custom.get("rowFilter"), problems),
        classifications=_classifications(custom.get("classifications"), columns, problems),
    )


def _row_filter(found: Found | None, problems: Problems) -> str:
    if found is None:
        return ""
    if not isinstance(found.value, str) or not found.value.strip():
        remedy = "write a condition over trusted's columns; a role without rowFilter reads all rows"
        problems.add(found.path, "SQL that is true or false of a row", found.value, remedy)
        return ""
    return " ".join(found.value.split())


def _classifications(found: Found | None, columns: Sequence[Column], problems: Problems) -> tuple[str, ...]:
    if found is None:
        return ()
    words = custom_properties.texts(found, problems)
    for index, word in enumerate(words):
        here = f"{found.path}[{index}]"
        if word not in FENCED:
            expected = f"only {', '.join(FENCED)}: whoever reads the table reads the columns of every other"
            problems.add(here, expected, word, "remove it")
        elif word not in [column.classification for column in columns if column.kept]:
            problems.add(here, f"a column that is {word}", None, "remove it, or classify the column so")
    return words
