"""Reads the landing server of a contract: where the files of a dataset lie and how they are written."""

from collections.abc import Mapping

from open_data_contract_standard.model import OpenDataContractStandard, Server

from bigquery.renderer import custom_properties
from bigquery.renderer.custom_properties import Found
from bigquery.renderer.model import CsvFormat
from bigquery.renderer.problem import Problems

ENCODINGS = ("UTF-8", "UTF-16", "ISO-8859-1", "windows-1252")
UNKNOWN_COLUMNS = ("reject", "ignore", "rescue", "evolve")
MAX_TEXT_BYTES = 16 * 1024**3

_ALIASES = {
    "utf8": "UTF-8",
    "utf16": "UTF-16",
    "latin1": "ISO-8859-1",
    "iso88591": "ISO-8859-1",
    "cp1252": "windows-1252",
    "windows1252": "windows-1252",
    "ansi": "windows-1252",
}


def read(odcs: OpenDataContractStandard, folder: str, problems: Problems) -> CsvFormat:
    """The dialect of the files in the landing bucket's folder `folder`."""
    server, path = _landing(odcs, folder, problems)
    for field, wanted in {"path": f"{folder}/", "format": "csv"}.items():
        if getattr(server, field) != wanted:
            problems.add(f"{path}.{field}", wanted, getattr(server, field), f"write {wanted}")
    custom = custom_properties.read(server.customProperties, "the landing server", path, problems)
    tokens = custom_properties.texts(custom["nullTokens"], problems) if "nullTokens" in custom else ("",)
    csv = CsvFormat(
        delimiter=_character(Found(server.delimiter, f"{path}.delimiter"), problems),
        quote=_character(custom.get("quote", Found('"', path)), problems),
        escape=_character(custom["escape"], problems) if "escape" in custom else "",
        encoding=_encoding(server.encoding, f"{path}.encoding", problems),
        header=_header(custom.get("header"), problems),
        null_tokens=tokens,
        unknown_columns=custom_properties.choice(
            custom.get("unknownColumns"), "reject", UNKNOWN_COLUMNS, problems
        ),
        max_text_bytes=_max_text_bytes(custom.get("maxTextBytes"), problems),
    )
    _check(csv, custom, path, problems)
    return csv


def _landing(odcs: OpenDataContractStandard, folder: str, problems: Problems) -> tuple[Server, str]:
    landing = [(index, entry) for index, entry in enumerate(odcs.servers or []) if entry.server == "landing"]
    if len(landing) != 1:
        expected = "one server called landing, with the format of the files"
        problems.add(
            "servers", expected, f"{len(landing)} of them", "copy it from another dataset's contract"
        )
    if not landing:
        return Server(path=f"{folder}/", format="csv", encoding="UTF-8", delimiter=","), "servers[0]"
    index, server = landing[0]
    return server, f"servers[{index}]"


def _character(found: Found, problems: Problems) -> str:
    value = found.value
    if not isinstance(value, str) or len(value) != 1 or not value.isascii() or value in "\r\n\0":
        problems.add(
            found.path, "one ASCII character other than a line break", value, 'write one, such as ","'
        )
        return ""
    return value


def _encoding(written: str | None, path: str, problems: Problems) -> str:
    if written in ENCODINGS:
        return written
    known = _ALIASES.get("".join(filter(str.isalnum, written or "")).lower())
    remedy = f"write {known}" if known else "write the one that the files are saved in"
    problems.add(path, f"one of {', '.join(ENCODINGS)}", written, remedy)
    return ENCODINGS[0]


def _header(found: Found | None, problems: Problems) -> bool:
    if found is None or isinstance(found.value, bool):
        return found is None or found.value
    problems.add(found.path, "true or false", found.value, "write false where the files name no columns")
    return True


def _max_text_bytes(found: Found | None, problems: Problems) -> int:
    expected = custom_properties.whole_number(1)(found.value) if found else None
    if found is None or expected:
        if found and expected:
            problems.add(found.path, expected, found.value, "write a number of bytes")
        return MAX_TEXT_BYTES
    return int(found.value)


def _check(csv: CsvFormat, custom: Mapping[str, Found], path: str, problems: Problems) -> None:
    if csv.delimiter and csv.delimiter == csv.quote:
        problems.add(f"{path}.delimiter", "another character than quote", csv.delimiter, "write another one")
    if csv.escape and csv.escape in (csv.delimiter, csv.quote):
        expected = "another character than delimiter and quote, for a doubled quote needs no escape"
        problems.add(custom["escape"].path, expected, csv.escape, "remove escape, or write such as \\")
    if not csv.header and csv.unknown_columns != "reject":
        expected = "reject, where the files name no columns"
        problems.add(custom["unknownColumns"].path, expected, csv.unknown_columns, "remove unknownColumns")
