"""The custom properties that landfall gives a meaning: which there are, where, and how each is read."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from open_data_contract_standard.model import CustomProperty

from bigquery.renderer.problem import Problems

# Where a custom property may stand, and its meaning in one line. The README's table is checked against this.
RECOGNISED: Mapping[str, Mapping[str, str]] = {
    "the contract": {
        "compute": "the cluster of a batch",
        "retries": "how often a failed step is tried again",
        "isolation": "what becomes of a batch that makes run after run fail",
        "maxRejectedShare": "the share of rejected rows above which a batch is refused",
        "retention": "how long each copy of the data is kept",
    },
    "the landing server": {
        "nullTokens": "texts that mean null",
        "quote": "the character that encloses a field",
        "escape": "the character that makes the next one data",
        "header": "whether the first record names the columns",
        "unknownColumns": "what becomes of columns that the contract does not name",
        "maxTextBytes": "the largest text that a packed file may hold",
    },
    "the table": {
        "mode": "how trusted is kept",
        "clustering": "columns that trusted is clustered by",
        "duplicateKeys": "what becomes of a key that a file holds more than once",
        "nameRules": "how the values of columns with a word in their name are written",
    },
    "the column": {
        "formats": "how a date or a time is written in the files",
        "trueTokens": "texts that mean true",
        "falseTokens": "texts that mean false",
        "decimalSeparator": "the character before the decimals",
        "groupSeparator": "the character between thousands",
        "header": "the column's name in the files",
        "protection": "what becomes of a personal value",
        "partitionGranularity": "width of trusted's partitions",
    },
    "the role": {
        "rowFilter": "which rows it reads",
        "classifications": "which fenced columns it reads",
    },
}


@dataclass(frozen=True)
class Found:
    """A value of a custom property and its path in the contract."""

    value: Any
    path: str


def read(
    properties: Sequence[CustomProperty] | None, scope: str, path: str, problems: Problems
) -> dict[str, Found]:
    """The recognised custom properties of what is at `path` (empty for the contract itself), by name."""
    found: dict[str, Found] = {}
    recognised = RECOGNISED[scope]
    for index, entry in enumerate(properties or []):
        here = f"{path}.customProperties[{index}]".removeprefix(".")
        name = entry.property or ""
        if name not in recognised:
            problems.add(
                f"{here}.property", f"one of {', '.join(recognised)}", entry.property, _remedy(name, scope)
            )
        elif name in found:
            problems.add(f"{here}.property", f"{name} once", f"{name} again", "remove one of the two")
        else:
            found[name] = Found(entry.value, f"{here}.value")
    return found


def texts(found: Found, problems: Problems) -> tuple[str, ...]:
    """A list of distinct texts; empty, and a problem noted, where it is anything else."""
    value = found.value
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        problems.add(
            found.path, "a list of texts", value, 'write a list, with quotes around each text: ["Yes"]'
        )
        return ()
    if len(set(value)) < len(value):
        problems.add(found.path, "each text once", value, "remove the repeated text")
    return tuple(dict.fromkeys(value))


def choice(found: Found | None, default: str, choices: Sequence[str], problems: Problems) -> str:
    """One of the words in `choices`; the default where the property is absent or, as noted, another word."""
    if found is None or found.value in choices:
        return found.value if found else default
    problems.add(found.path, f"one of {', '.join(choices)}", found.value, _nearest(found.value, choices))
    return default


def whole_number(minimum: int) -> Callable[[object], str | None]:
    """A check that answers what was expected where a value is not a whole number of at least `minimum`."""

    def check(value: object) -> str | None:
        sound = isinstance(value, int) and not isinstance(value, bool) and value >= minimum
        return None if sound else f"a whole number, {minimum} or more"

    return check


def record(
    found: Found | None, name: str, checks: Mapping[str, Callable[[object], str | None]], problems: Problems
) -> dict[str, Any] | None:
    """The fields of a mapping, each passed by its check; None, and every problem noted, where one is not."""
    wanted = ", ".join(checks)
    if found is None:
        problems.add("customProperties", f"the property {name}", None, f"add {name} with {wanted}")
        return None
    if not isinstance(found.value, dict):
        problems.add(
            found.path, f"a mapping of {wanted}", found.value, f"write {wanted} below {name}'s value"
        )
        return None
    before = len(problems.found)
    for field in found.value:
        if field not in checks:
            problems.add(f"{found.path}.{field}", f"one of {wanted}", field, _nearest(field, list(checks)))
    for field, check in checks.items():
        expected = check(found.value.get(field))
        if expected:
            problems.add(
                f"{found.path}.{field}", expected, found.value.get(field), f"write such a value for {field}"
            )
    return found.value if len(problems.found) == before else None


def _remedy(name: str, scope: str) -> str:
    if name.lower() in {"key", "keys", "primarykey", "businesskey"}:
        return "a key is made of columns: mark each with primaryKey: true and its primaryKeyPosition"
    if name.lower() in {"validvalues", "allowedvalues"}:
        return "write the column's field enum, which the standard has for it: a list of {value: …}"
    elsewhere = [place for place, names in RECOGNISED.items() if name in names and place != scope]
    if elsewhere:
        return f"move it to the custom properties of {elsewhere[0]}"
    return _nearest(name, list(RECOGNISED[scope]))


def _nearest(name: object, candidates: Sequence[str]) -> str:
    near = difflib.get_close_matches(str(name), candidates, 1)
    return f"write {near[0]}" if near else "remove it"
