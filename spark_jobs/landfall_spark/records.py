"""Read CSV files into records: every record with its fields as text, its raw text, its file and its number.

Spark hands out the raw text of a record only where the number of its fields is not that of the schema. So
the schema has one field more than the contract: a record that is right in the eyes of the contract is one
short, and comes with its raw text (measured: at no cost). The one kind that comes without has exactly one
field too many.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from operator import add

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as sf

from landfall_spark.errors import JobError
from landfall_spark.expressions import fold
from landfall_spark.pipeline import Format, Pipeline

RAW = "__raw"
PATH = "__path"
ROW = "__row"
SURPLUS = "__surplus"
WHOLE = "__whole"

# monotonically_increasing_id() is the partition in the upper bits, the record's number in it in the lower 33.
_ROW_BITS = (1 << 33) - 1
# Spark's parser fails a file, not a record, above this; 20,480 unless told.
_MAX_FIELDS = 100_000


def field(index: int) -> str:
    """Return the name of the text column that holds the contract's column `index`."""
    return f"__field_{index}"


def read_records(session: SparkSession, uris: Sequence[str], pipeline: Pipeline) -> DataFrame:
    """Read the files into columns `field(0)`…, SURPLUS, RAW, PATH, ROW (from 1) and WHOLE, all in one scan.

    WHOLE says that the record has exactly the contract's number of fields, each quoted well or not at all.
    Blank lines are no records and have no number. An absent field, an empty one and a quoted empty one are
    all null.
    """
    scan = _scan(session, uris, pipeline).withColumn(PATH, sf.input_file_name())
    records = scan.filter(sf.col(RAW).isNull() | ~sf.col(RAW).isin("", "\r"))
    numbered = records.withColumn(ROW, sf.monotonically_increasing_id().bitwiseAND(_ROW_BITS) + 1)
    last = field(len(pipeline.columns) - 1)
    return numbered.withColumns({WHOLE: is_whole(pipeline), last: _without_line_end(last, pipeline.format)})


def _scan(session: SparkSession, uris: Sequence[str], pipeline: Pipeline) -> DataFrame:
    names = [*(field(index) for index in range(len(pipeline.columns))), SURPLUS, RAW]
    reader = session.read.schema(", ".join(f"`{name}` STRING" for name in names)).options(
        mode="PERMISSIVE",
        columnNameOfCorruptRecord=RAW,
        # Pruned to fewer columns, Spark would count fewer fields and call the record whole.
        columnPruning=False,
        header=True,
        encoding="UTF-8",
        sep=pipeline.format.delimiter,
        quote=pipeline.format.quote,
        escape=pipeline.format.quote,
        multiLine=True,
        # Found by Spark, it would turn \r\n within quotes into \n; so \r at a line's end is taken off
        # afterwards.
        lineSep="\n",
        unescapedQuoteHandling="STOP_AT_DELIMITER",
        ignoreLeadingWhiteSpace=False,
        ignoreTrailingWhiteSpace=False,
        maxCharsPerColumn=-1,
        maxColumns=max(_MAX_FIELDS, 2 * len(pipeline.columns)),
        # A folder named k=v is a name, not a column.
        recursiveFileLookup=True,
    )
    scan = reader.csv([_literal(uri) for uri in uris])
    if len(scan.inputFiles()) != len(uris):
        raise JobError(
            f"expected Spark to list {len(uris)} files, found {len(scan.inputFiles())}: "
            "it hides names that begin with _ or ."
        )
    return scan


def _literal(uri: str) -> str:
    """Spark reads a path as a pattern; this one matches only itself."""
    return re.sub(r"([\\\[\]{}*?])", r"\\\1", uri)


def is_whole(pipeline: Pipeline) -> Column:
    """Say whether a record has exactly the contract's fields.

    Without a quote, it has if its text is as long as its fields and the delimiters between them: that needs
    no second look at the text. With quotes, the delimiters outside of them are counted.
    """
    delimiters = len(pipeline.columns) - 1
    raw, dialect = sf.col(RAW), pipeline.format
    lengths = [
        sf.coalesce(sf.octet_length(field(index)), sf.lit(0)) for index in range(len(pipeline.columns))
    ]
    last = sf.col(field(delimiters))
    # \r before the line end is in the last field, and in the raw text only at the very end of a file.
    line_end = sf.when(sf.endswith(last, sf.lit("\r")) & ~sf.endswith(raw, sf.lit("\r")), 1).otherwise(0)
    plain = sf.octet_length(raw) == fold(add, lengths) + delimiters - line_end
    quoted = (count_fields(pipeline) == delimiters + 1) & ~has_open_quote(dialect)
    return sf.coalesce(
        sf.when(sf.contains(raw, sf.lit(dialect.quote)), quoted).otherwise(plain), sf.lit(False)
    )


def count_fields(pipeline: Pipeline) -> Column:
    """Count the fields of a record in its raw text."""
    skeleton, dialect = _skeleton(pipeline.format), pipeline.format
    without = sf.replace(skeleton, sf.lit(dialect.delimiter), sf.lit(""))
    surplus = sf.lit(len(pipeline.columns) + 1)
    return sf.coalesce(sf.octet_length(skeleton) - sf.octet_length(without) + 1, surplus)


def has_open_quote(dialect: Format) -> Column:
    """Say whether a quote opens a field and never closes it: other records may have been swallowed."""
    at_start = f"(?:^|{re.escape(dialect.delimiter)}){re.escape(dialect.quote)}"
    return sf.coalesce(_skeleton(dialect).rlike(at_start), sf.lit(False))


def _skeleton(dialect: Format) -> Column:
    """The raw text without its well quoted fields. Doubled quotes go first: what is left opens or closes."""
    delimiter, quote = re.escape(dialect.delimiter), re.escape(dialect.quote)
    single = sf.replace(sf.col(RAW), sf.lit(dialect.quote * 2), sf.lit(""))
    return sf.regexp_replace(
        single, rf"(?<=^|{delimiter}){quote}[^{quote}]*+{quote}(?=\r?\z|{delimiter})", ""
    )


def raw_text(pipeline: Pipeline) -> Column:
    """Return a record's text without its line end, rebuilt from its fields where Spark did not keep it."""
    fields = [sf.col(field(index)) for index in range(len(pipeline.columns))]
    # Spark keeps the text of all records but those of one field too many, which end in that field.
    texts = [sf.coalesce(text, sf.lit("")) for text in (*fields, _strip_return(sf.col(SURPLUS)))]
    rebuilt = sf.concat_ws(pipeline.format.delimiter, *(_encode(text, pipeline.format) for text in texts))
    return sf.coalesce(_strip_return(sf.col(RAW)), rebuilt)


def _encode(text: Column, dialect: Format) -> Column:
    quote = dialect.quote
    doubled = sf.concat(sf.lit(quote), sf.replace(text, sf.lit(quote), sf.lit(quote * 2)), sf.lit(quote))
    return sf.when(text.rlike(f"[{re.escape(quote + dialect.delimiter)}\r\n]"), doubled).otherwise(text)


def _without_line_end(last: str, dialect: Format) -> Column:
    """Take \\r\\n's \\r off the last field, unless it stands within quotes."""
    quoted = sf.endswith(_strip_return(sf.col(RAW)), sf.lit(dialect.quote))
    return sf.when(sf.coalesce(quoted, sf.lit(False)), sf.col(last)).otherwise(_strip_return(sf.col(last)))


def _strip_return(text: Column) -> Column:
    stripped = sf.left(text, sf.length(text) - 1)
    return sf.when(sf.endswith(text, sf.lit("\r")), stripped).otherwise(text)
