"""Reads a contract's text as a document of the Open Data Contract Standard, and finds what is not of it."""

import difflib
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import yaml
from open_data_contract_standard.model import OpenDataContractStandard
from pydantic import ValidationError

from bigquery.renderer.problem import ContractError, Problems, shown

_ROOT_FIELDS = [field.alias or name for name, field in OpenDataContractStandard.model_fields.items()]


def parse(text: str, problems: Problems) -> OpenDataContractStandard:
    """The document in `text`; fields unknown to the standard are noted in `problems`.

    Raises ContractError, with what `problems` holds already, where the text is no such document at all.
    """
    tree = _tree(text, problems)
    known = {name: value for name, value in tree.items() if name in _ROOT_FIELDS}
    try:
        document = OpenDataContractStandard.model_validate(known, strict=True)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            expected = detail["msg"].removeprefix("Input should be ")
            problems.add(_path(detail["loc"]), expected, detail["input"], "write it as the standard does")
        raise ContractError(problems.found) from error
    for path, siblings in _unknown(tree, document.model_dump(by_alias=True), ""):
        name = path.rpartition(".")[2]
        near = difflib.get_close_matches(name, siblings, 1)
        remedy = (
            f"write {near[0]}"
            if near
            else "remove it, or move it into customProperties if it is in the README's table"
        )
        problems.add(path, "a field of the Open Data Contract Standard", name, remedy)
    return document


def _tree(text: str, problems: Problems) -> dict[str, Any]:
    try:
        tree = yaml.load(text, _UniqueKeyLoader)  # noqa: S506 - a SafeLoader that also refuses repeated keys
    except yaml.YAMLError as error:
        problems.add("(file)", "YAML", " ".join(str(error).split()), "mend the YAML at that line")
        raise ContractError(problems.found) from error
    except ValueError as error:
        remedy = "put it between quotes where it is a text, and mend it where it is a day"
        problems.add("(file)", "YAML with days that exist", str(error), remedy)
        raise ContractError(problems.found) from error
    if not isinstance(tree, dict):
        problems.add(
            "(file)",
            "a mapping with apiVersion, kind, name, schema",
            tree,
            "start from another dataset's contract",
        )
        raise ContractError(problems.found)
    return tree


def _unknown(written: object, understood: object, path: str) -> Iterator[tuple[str, list[str]]]:
    """Paths of the fields that were written and not understood, each with the names it could have had."""
    if isinstance(written, dict) and isinstance(understood, dict):
        for name, value in written.items():
            here = f"{path}.{name}" if path else str(name)
            if name in understood:
                yield from _unknown(value, understood[name], here)
            else:
                yield here, list(understood)
    elif isinstance(written, list) and isinstance(understood, list):
        for index, (value, counterpart) in enumerate(zip(written, understood, strict=True)):
            yield from _unknown(value, counterpart, f"{path}[{index}]")


def _path(location: Sequence[str | int]) -> str:
    steps = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in location]
    return "".join(steps).removeprefix(".")


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML keeps the last of two equal keys in silence; a contract must not."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                continue
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{shown(key)} is written twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)
