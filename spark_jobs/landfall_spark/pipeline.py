"""The contract's runtime form: how a dataset's files are written, and what each column must be."""

from __future__ import annotations

import re
from dataclasses import dataclass

from landfall_spark import documents, temporal
from landfall_spark.documents import Node
from landfall_spark.errors import PipelineError

PLAIN_TYPES = ("STRING", "INT64", "FLOAT64", "BOOL")
DECIMAL_TYPES = ("NUMERIC", "BIGNUMERIC")
TEMPORAL_TYPES = ("DATE", "DATETIME", "TIMESTAMP")
TYPES = PLAIN_TYPES + DECIMAL_TYPES + TEMPORAL_TYPES

# Spark's decimals have at most 38 digits; BigQuery's NUMERIC is DECIMAL(38, 9) where a contract does not
# narrow it.
MAX_PRECISION = 38
NUMERIC_SCALE = 9


@dataclass(frozen=True)
class Format:
    """The dialect of a dataset's CSV files: UTF-8, a header on line 1, quotes doubled within quotes."""

    delimiter: str
    quote: str
    null_tokens: tuple[str, ...]


@dataclass(frozen=True)
class Column:
    """One column of the contract. `precision` and `scale` count for the decimal types only."""

    name: str
    type: str
    required: bool
    formats: tuple[str, ...] = ()
    true_tokens: tuple[str, ...] = ()
    false_tokens: tuple[str, ...] = ()
    precision: int = MAX_PRECISION
    scale: int = NUMERIC_SCALE


@dataclass(frozen=True)
class Pipeline:
    """What the job has to know of a contract."""

    dataset: str
    format: Format
    columns: tuple[Column, ...]

    @property
    def header(self) -> list[str]:
        """The column names, in the order of the contract."""
        return [column.name for column in self.columns]


def parse_pipeline(text: str, uri: str) -> Pipeline:
    """Parse the text of pipeline.json; PipelineError names the field that is wrong."""
    root = documents.parse(text, uri, PipelineError)
    version = root.take("version", int)
    if version != 1:
        raise root.complain("version", "1", str(version))
    columns = tuple(_parse_column(node) for node in root.nodes("columns"))
    if not columns:
        raise root.complain("columns", "at least one column", "none")
    if len({column.name.lower() for column in columns}) != len(columns):
        raise root.complain("columns", "names that differ in more than case", "a name twice")
    return Pipeline(root.take("dataset", str), _parse_format(root.node("format")), columns)


def _parse_format(node: Node) -> Format:
    for name, expected in (("type", "csv"), ("encoding", "UTF-8")):
        found = node.take(name, str)
        if found != expected:
            raise node.complain(name, expected, found)
    if not node.take("header", bool):
        raise node.complain("header", "true", "false")
    delimiter, quote, escape = (node.take(name, str) for name in ("delimiter", "quote", "escape"))
    for name, character in (("delimiter", delimiter), ("quote", quote)):
        if len(character) != 1 or character in "\r\n" or not character.isascii():
            raise node.complain(name, "one ASCII character", repr(character))
    if delimiter == quote:
        raise node.complain("delimiter", "another character than the quote", repr(delimiter))
    if escape != quote:
        raise node.complain("escape", f"the quote {quote!r} (RFC 4180)", repr(escape))
    return Format(delimiter, quote, node.strings("null_tokens"))


def _parse_column(node: Node) -> Column:
    name, kind = node.take("name", str), node.take("type", str)
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise node.complain(
            "name", "a letter, then letters, digits and _ (names with _ first are lineage)", name
        )
    if kind not in TYPES:
        raise node.complain("type", "one of " + ", ".join(TYPES), kind)
    column = Column(
        name=name,
        type=kind,
        required=node.take("required", bool, False),
        formats=node.strings("formats"),
        true_tokens=node.strings("true_tokens"),
        false_tokens=node.strings("false_tokens"),
        precision=node.take("precision", int, MAX_PRECISION),
        scale=node.take("scale", int, NUMERIC_SCALE),
    )
    _check_column(node, column)
    return column


def _check_column(node: Node, column: Column) -> None:
    if column.type in TEMPORAL_TYPES:
        if not column.formats:
            raise node.complain("formats", "at least one format such as %Y-%m-%d", "none")
        for text in column.formats:
            try:
                temporal.translate(text, column.type)
            except ValueError as problem:
                raise node.complain("formats", str(problem), repr(text)) from problem
    if column.type == "BOOL":
        if not column.true_tokens or not column.false_tokens:
            raise node.complain("true_tokens, false_tokens", "at least one of each", "none")
        if set(column.true_tokens) & set(column.false_tokens):
            raise node.complain("true_tokens, false_tokens", "no token in both", "one in both")
    if column.type in DECIMAL_TYPES and not 0 <= column.scale <= column.precision <= MAX_PRECISION:
        expected = f"0 <= scale <= precision <= {MAX_PRECISION}"
        raise node.complain("precision, scale", expected, f"{column.precision}, {column.scale}")
