"""Reads how the values of a column are written in the files: formats, tokens and separators."""

import re
from collections.abc import Mapping, Sequence

from bigquery.renderer import custom_properties
from bigquery.renderer.custom_properties import Found
from bigquery.renderer.model import Notation
from bigquery.renderer.problem import Problems

NUMBERS = ("INT64", "FLOAT64", "NUMERIC", "BIGNUMERIC")
TIMES = ("DATE", "DATETIME", "TIMESTAMP")

# The custom properties of a notation, each with the types that take it.
TAKEN_BY: Mapping[str, Sequence[str]] = {
    "formats": TIMES,
    "trueTokens": ("BOOL",),
    "falseTokens": ("BOOL",),
    "decimalSeparator": NUMBERS,
    "groupSeparator": NUMBERS,
}

_DAY = frozenset({"%Y", "%m", "%d"})
_TIME = frozenset({"%H", "%M", "%S", "%f"})
_DIRECTIVES = {"DATE": _DAY, "DATETIME": _DAY | _TIME, "TIMESTAMP": _DAY | _TIME | {"%z"}}

_DECIMAL_SEPARATORS = ".,"
_GROUP_SEPARATORS = ".,'_ \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{RIGHT SINGLE QUOTATION MARK}"


def read(
    kind: str, null_tokens: Sequence[str], custom: Mapping[str, Found], path: str, problems: Problems
) -> Notation:
    """The notation of a column of type `kind` at `path`; `null_tokens` are the texts that mean null."""
    for name, kinds in TAKEN_BY.items():
        if name in custom and kind not in kinds:
            found = custom[name]
            problems.add(found.path, f"no {name} for a {kind}", found.value, f"remove {name}")
    if kind in TIMES:
        return Notation(formats=_formats(kind, custom.get("formats"), path, problems))
    if kind == "BOOL":
        true_tokens = _tokens("trueTokens", "Yes", null_tokens, custom, path, problems)
        taken = (*null_tokens, *true_tokens)
        false_tokens = _tokens("falseTokens", "No", taken, custom, path, problems)
        return Notation(true_tokens=true_tokens, false_tokens=false_tokens)
    return _separators(custom, problems) if kind in NUMBERS else Notation()


def fits(kind: str, written: object) -> bool:
    """Whether `written` is a sound format of that type."""
    unfit = Problems()
    if isinstance(written, str):
        _check_format(kind, written, "", unfit)
    return isinstance(written, str) and not unfit.found


def _formats(kind: str, found: Found | None, path: str, problems: Problems) -> tuple[str, ...]:
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


def _tokens(
    name: str,
    example: str,
    taken: Sequence[str],
    custom: Mapping[str, Found],
    path: str,
    problems: Problems,
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


def _separators(custom: Mapping[str, Found], problems: Problems) -> Notation:
    decimal = _separator(custom.get("decimalSeparator"), _DECIMAL_SEPARATORS, problems)
    group = _separator(custom.get("groupSeparator"), _GROUP_SEPARATORS, problems)
    if group and group == (decimal or "."):
        expected = "another character than decimalSeparator, which is . where it is absent"
        problems.add(custom["groupSeparator"].path, expected, group, "write both, such as , and .")
    return Notation(decimal_separator=decimal, group_separator=group)


def _separator(found: Found | None, allowed: str, problems: Problems) -> str:
    if found is None:
        return ""
    value = found.value
    if not isinstance(value, str) or len(value) != 1 or value not in allowed:
        expected = f"one of {' '.join(map(repr, allowed))}"
        problems.add(found.path, expected, value, "write the one that the files have, between quotes")
        return ""
    return value
