"""One rule for a family of columns: how values are written where a name has a certain word in it."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bigquery.renderer import custom_properties, notation
from bigquery.renderer.custom_properties import Found
from bigquery.renderer.model import Column
from bigquery.renderer.problem import Problems


@dataclass(frozen=True)
class NameRule:
    """Custom properties for the columns whose name, or name in the files, contains one of the words."""

    words: tuple[str, ...]
    given: Mapping[str, Found]
    path: str

    def gives(self, names: Sequence[str], kind: str) -> dict[str, Found]:
        """What the rule gives to a column with these names, of type `kind`: what that type takes of it."""
        called = [folded(name) for name in names]
        if not any(folded(word) in name for word in self.words for name in called):
            return {}
        taken = {name: found for name, found in self.given.items() if kind in notation.TAKEN_BY[name]}
        if "formats" in taken:
            found = taken.pop("formats")
            formats = [written for written in found.value if notation.fits(kind, written)]
            taken |= {"formats": Found(formats, found.path)} if formats else {}
        return taken


def read(found: Found | None, problems: Problems) -> tuple[NameRule, ...]:
    """The sound rules of the property `nameRules`, in order."""
    if found is None:
        return ()
    if not isinstance(found.value, list):
        remedy = 'write a list of {contains: ["data"], formats: ["%d/%m/%Y"]}'
        problems.add(found.path, "a list of rules", found.value, remedy)
        return ()
    rules = (_rule(entry, f"{found.path}[{index}]", problems) for index, entry in enumerate(found.value))
    return tuple(rule for rule in rules if rule)


def complete(
    own: Mapping[str, Found], names: Sequence[str], kind: str, rules: Sequence[NameRule]
) -> dict[str, Found]:
    """A column's own custom properties, and each other one that the first rule for it gives."""
    completed = dict(own)
    for rule in rules:
        completed = rule.gives(names, kind) | completed
    return completed


def check_use(rules: Sequence[NameRule], columns: Sequence[Column], problems: Problems) -> None:
    """A rule that gives nothing to any column is a mistake in its words."""
    for rule in rules:
        if not any(rule.gives((column.name, column.header), column.type) for column in columns):
            expected = "a word in the name of a column whose type takes what the rule gives"
            problems.add(f"{rule.path}.contains", expected, list(rule.words), "mend it, or remove the rule")


def folded(name: str) -> str:
    """A name as headers are compared: whatever its Unicode form, its case and the space around it."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).strip().casefold())


def _rule(entry: object, path: str, problems: Problems) -> NameRule | None:
    if not isinstance(entry, dict) or "contains" not in entry or len(entry) < 2:
        expected = f"a mapping of contains and of {', '.join(notation.TAKEN_BY)}"
        remedy = 'write such as {contains: ["data"], formats: ["%d/%m/%Y"]}'
        problems.add(path, expected, entry, remedy)
        return None
    before = len(problems.found)
    fields = {str(name): Found(value, f"{path}.{name}") for name, value in entry.items()}
    words = _words(fields.pop("contains"), problems)
    for name, found in fields.items():
        if name not in notation.TAKEN_BY:
            expected = f"one of contains, {', '.join(notation.TAKEN_BY)}"
            problems.add(found.path, expected, name, f"remove {name}, or write it at each column")
    _check_formats(fields.get("formats"), problems)
    return NameRule(words, fields, path) if len(problems.found) == before else None


def _words(found: Found, problems: Problems) -> tuple[str, ...]:
    words = custom_properties.texts(found, problems)
    if found.value == [] or "" in words:
        problems.add(found.path, "words, none of them empty", found.value, 'write them, such as ["data"]')
    return words


def _check_formats(found: Found | None, problems: Problems) -> None:
    """Formats of a rule may be of several types; each column takes those of its own."""
    for index, written in enumerate(custom_properties.texts(found, problems) if found else ()):
        if found and not any(notation.fits(kind, written) for kind in notation.TIMES):
            expected = f"a format of a {', '.join(notation.TIMES)}"
            problems.add(f"{found.path}[{index}]", expected, written, "mend it as for a column's formats")
