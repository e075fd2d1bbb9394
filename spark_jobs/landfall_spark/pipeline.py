"""The contract's runtime form: how a dataset's files are written, what each column must be, and what a batch
must show."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from landfall_spark import documents
from landfall_spark.column import DECIMAL_TYPES as DECIMAL_TYPES
from landfall_spark.column import Column as Column
from landfall_spark.column import Protection as Protection
from landfall_spark.column import Value, check_pattern, parse_column, parse_value
from landfall_spark.documents import Node
from landfall_spark.errors import PipelineError

VERSION = 2
ENCODINGS = ("UTF-8", "UTF-16", "ISO-8859-1", "windows-1252")
UNKNOWN_COLUMNS = ("reject", "ignore", "rescue", "evolve")
DUPLICATE_KEYS = ("keep_last", "reject")
METRICS = ("rowCount", "nullValues", "invalidValues", "duplicateValues")
OPERATORS = {
    "mustBe": 1,
    "mustNotBe": 1,
    "mustBeGreaterThan": 1,
    "mustBeGreaterOrEqualTo": 1,
    "mustBeLessThan": 1,
    "mustBeLessOrEqualTo": 1,
    "mustBeBetween": 2,
    "mustNotBeBetween": 2,
}
UNITS = ("rows", "percent")
SEVERITIES = ("fail", "warn")
# What a file may hold once decompressed, where the contract says nothing.
MAX_TEXT_BYTES = 16 * 1024**3


@dataclass(frozen=True)
class Format:
    """The dialect of a dataset's CSV files. `escape` is None where quotes are doubled only.

    `max_text_bytes` bounds a gzip file once decompressed.
    """

    delimiter: str
    quote: str
    null_tokens: tuple[str, ...]
    escape: str | None = None
    encoding: str = "UTF-8"
    header: bool = True
    unknown_columns: str = "reject"
    max_text_bytes: int = MAX_TEXT_BYTES


@dataclass(frozen=True)
class Rule:
    """What a batch's accepted rows must show: `metric` of `columns`, by `operator`, against `threshold`.

    `valid_values` (of the column's type) or `pattern` say which values are valid, for `invalidValues` only.
    """

    name: str
    metric: str
    columns: tuple[str, ...]
    operator: str
    threshold: tuple[float, ...]
    unit: str
    severity: str
    valid_values: tuple[Value, ...] = ()
    pattern: str | None = None


@dataclass(frozen=True)
class Pipeline:
    """What the job has to know of a contract."""

    dataset: str
    format: Format
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    duplicate_keys: str = "keep_last"
    quality: tuple[Rule, ...] = ()

    @property
    def header(self) -> list[str]:
        """The names of the columns in a file, in the order of the contract."""
        return [column.header for column in self.columns]

    @cached_property
    def personal(self) -> bool:
        """Say whether any column is personal."""
        return any(column.personal for column in self.columns)

    @property
    def tokenises(self) -> bool:
        """Say whether the job needs the token key."""
        return any(column.protection and column.protection.method == "tokenise" for column in self.columns)


def fold_name(name: str) -> str:
    """Return the form in which names of columns are compared: NFC, trimmed of white space, case folded."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).strip().casefold())


def parse_pipeline(text: str, uri: str) -> Pipeline:
    """Parse the text of pipeline.json; PipelineError names the field that is wrong."""
    root = documents.parse(text, uri, PipelineError)
    version = root.take("version", int)
    if version != VERSION:
        raise root.complain("version", f"{VERSION} (render the contracts again)", str(version))
    columns = tuple(parse_column(node) for node in root.nodes("columns"))
    contract = Pipeline(
        dataset=root.take("dataset", str),
        format=_parse_format(root.node("format")),
        columns=columns,
        key=root.strings("key"),
        duplicate_keys=root.take("duplicate_keys", str, "keep_last"),
        quality=tuple(_parse_rule(node, columns) for node in root.nodes("quality", optional=True)),
    )
    _check_columns(root, contract)
    _check_key(root, contract)
    return contract


def _parse_format(node: Node) -> Format:
    kind = node.take("type", str)
    if kind != "csv":
        raise node.complain("type", "csv", kind)
    dialect = Format(
        delimiter=node.take("delimiter", str),
        quote=node.take("quote", str),
        null_tokens=node.strings("null_tokens"),
        escape=node.optional("escape", str),
        encoding=_choose(node, "encoding", ENCODINGS),
        header=node.take("header", bool),
        unknown_columns=_choose(node, "unknown_columns", UNKNOWN_COLUMNS, "reject"),
        max_text_bytes=node.take("max_text_bytes", int, MAX_TEXT_BYTES),
    )
    _check_dialect(node, dialect)
    if dialect.max_text_bytes < 1:
        raise node.complain("max_text_bytes", "at least 1", str(dialect.max_text_bytes))
    if not dialect.header and dialect.unknown_columns != "reject":
        raise node.complain("unknown_columns", "reject, for files without a header", dialect.unknown_columns)
    return dialect


def _check_dialect(node: Node, dialect: Format) -> None:
    marks = {"delimiter": dialect.delimiter, "quote": dialect.quote}
    if dialect.escape is not None:
        marks["escape"] = dialect.escape
    for name, character in marks.items():
        if len(character) != 1 or character in "\r\n\0" or not character.isascii():
            raise node.complain(name, "one ASCII character", repr(character))
    if dialect.delimiter == dialect.quote:
        raise node.complain("delimiter", "another character than the quote", repr(dialect.delimiter))
    if dialect.escape in (dialect.delimiter, dialect.quote):
        expected = "another character than delimiter and quote (doubled quotes need none: leave it out)"
        raise node.complain("escape", expected, repr(dialect.escape))


def _parse_rule(node: Node, columns: Sequence[Column]) -> Rule:
    metric, operator = _choose(node, "metric", METRICS), _choose(node, "operator", tuple(OPERATORS))
    names, pattern = node.strings("columns"), node.optional("pattern", str)
    threshold = node.numbers("threshold")
    if len(threshold) != OPERATORS[operator]:
        raise node.complain("threshold", f"{OPERATORS[operator]} numbers for {operator}", f"{len(threshold)}")
    known = {column.name: column for column in columns}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise node.complain("columns", "columns of the contract", ", ".join(unknown))
    if bool(names) == (metric == "rowCount"):
        raise node.complain("columns", "none for rowCount, at least one for another metric", f"{len(names)}")
    about = [known[name] for name in names]
    return Rule(
        name=node.take("rule", str),
        metric=metric,
        columns=names,
        operator=operator,
        threshold=threshold,
        unit=_choose(node, "unit", UNITS, "rows"),
        severity=_choose(node, "severity", SEVERITIES),
        valid_values=_parse_valid_values(node, metric, about),
        pattern=_parse_rule_pattern(node, pattern, metric, about),
    )


def _parse_valid_values(node: Node, metric: str, about: Sequence[Column]) -> tuple[Value, ...]:
    texts = node.strings("valid_values")
    if metric != "invalidValues":
        if texts:
            raise node.complain("valid_values", "metric invalidValues", metric)
        return ()
    if len(about) != 1 or bool(texts) == node.has("pattern"):
        raise node.complain(
            "valid_values, pattern", "one column, and one of the two", f"{len(about)} columns"
        )
    try:
        return tuple(parse_value(text, about[0]) for text in texts)
    except ValueError as problem:
        raise node.complain("valid_values", str(problem), "another value") from None


def _parse_rule_pattern(node: Node, pattern: str | None, metric: str, about: Sequence[Column]) -> str | None:
    if pattern is None:
        return None
    if metric != "invalidValues" or about[0].type != "STRING":
        raise node.complain("pattern", "metric invalidValues of a STRING column", metric)
    try:
        check_pattern(pattern)
    except ValueError as problem:
        raise node.complain("pattern", str(problem), repr(pattern)) from None
    return pattern


def _check_columns(root: Node, contract: Pipeline) -> None:
    columns = contract.columns
    if not any(not column.dropped for column in columns):
        raise root.complain("columns", "at least one column that is not dropped", "none")
    if len({column.name.lower() for column in columns}) != len(columns):
        raise root.complain("columns", "names that differ in more than case", "a name twice")
    if len({fold_name(column.header) for column in columns}) != len(columns):
        raise root.complain("columns", "headers that differ in more than case and white space", "one twice")
    mode = contract.format.unknown_columns
    if contract.personal and mode in ("rescue", "evolve"):
        expected = "reject or ignore beside a personal column (an unknown one may be it, renamed)"
        raise root.complain("format: unknown_columns", expected, mode)


def _check_key(root: Node, contract: Pipeline) -> None:
    _check_choice(root, "duplicate_keys", contract.duplicate_keys, DUPLICATE_KEYS)
    known = {column.name: column for column in contract.columns}
    for name in contract.key:
        if name not in known:
            raise root.complain("key", "columns of the contract", name)
        protection = known[name].protection
        if protection and protection.method not in ("hash", "tokenise"):
            raise root.complain(
                "key", f"{name} hashed or tokenised, so that it stays a key", protection.method
            )


def _choose(node: Node, name: str, choices: Sequence[str], default: str | None = None) -> str:
    found = node.take(name, str, default)
    _check_choice(node, name, found, choices)
    return found


def _check_choice(node: Node, name: str, found: str, choices: Sequence[str]) -> None:
    if found not in choices:
        raise node.complain(name, "one of " + ", ".join(choices), found)
