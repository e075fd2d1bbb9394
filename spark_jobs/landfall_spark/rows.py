"""Judge records by the contract, and shape what becomes of them: accepted rows, rejected rows.

Both are made of the same judged records, so that each record is in exactly one of the two.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from operator import and_, or_

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as sf

from landfall_spark import casting, pipeline, records
from landfall_spark.expressions import fold
from landfall_spark.manifest import Manifest, SourceFile
from landfall_spark.pipeline import Pipeline

ACCEPTED = "__accepted"
LINEAGE = "__lineage"

# Undecodable bytes become U+FFFD; a NUL in a text is damage too, and the parser drops one before a quote.
_DAMAGE = ("\ufffd", "\0")
_MAX_VALUE = 1000
# A quote that is never closed swallows the rest of its file, and BigQuery takes no row of 100 MB.
_MAX_RAW = 1_000_000
_LINEAGE_SCHEMA = "ARRAY<STRUCT<path: STRING, uri: STRING, generation: BIGINT, created_at: TIMESTAMP>>"


def judge(frame: DataFrame, contract: Pipeline) -> DataFrame:
    """Add the contract's columns, cast, under their names, and ACCEPTED, which is never null."""
    typed = {column.name: _typed(index, column, contract) for index, column in enumerate(contract.columns)}
    sound = [sf.col(records.WHOLE), ~_is_damaged(sf.col(records.RAW))]
    fits = [_fits(index, column, contract) for index, column in enumerate(contract.columns)]
    verdict = sf.coalesce(fold(and_, [*sound, *fits]), sf.lit(False))
    return frame.withColumns(typed).withColumn(ACCEPTED, verdict)


def trace(frame: DataFrame, session: SparkSession, files: Mapping[str, SourceFile]) -> DataFrame:
    """Join every record to its file (by the path that Spark reports) as the struct LINEAGE."""
    known = [
        {"path": path, "uri": file.uri, "generation": file.generation, "created_at": file.created_at}
        for path, file in files.items()
    ]
    table = session.sql(
        f"SELECT inline(from_json(:files, '{_LINEAGE_SCHEMA}'))", {"files": json.dumps(known)}
    )
    lineage = table.select(
        sf.col("path").alias(records.PATH), sf.struct("uri", "generation", "created_at").alias(LINEAGE)
    )
    return frame.join(sf.broadcast(lineage), records.PATH)


def select_accepted(frame: DataFrame, contract: Pipeline, manifest: Manifest) -> DataFrame:
    """Return the accepted rows as the raw table has them: the contract's columns, then lineage."""
    return frame.filter(ACCEPTED).select(
        *(sf.col(column.name) for column in contract.columns),
        sf.lit(manifest.batch_id).alias("_batch_id"),
        sf.col(f"{LINEAGE}.uri").alias("_source_uri"),
        sf.col(f"{LINEAGE}.generation").alias("_source_generation"),
        sf.col(records.ROW).alias("_source_row"),
        sf.col(f"{LINEAGE}.created_at").alias("_source_created_at"),
        sf.lit(manifest.claimed_at).cast("timestamp").alias("_ingested_at"),
    )


def select_rejected(frame: DataFrame, contract: Pipeline, manifest: Manifest) -> DataFrame:
    """Return the rejected rows as `ops.rejected_rows` has them, each with all its reasons."""
    return frame.filter(~sf.col(ACCEPTED)).select(
        sf.lit(manifest.dataset).alias("dataset"),
        sf.lit(manifest.batch_id).alias("batch_id"),
        sf.col(f"{LINEAGE}.uri").alias("source_uri"),
        sf.col(f"{LINEAGE}.generation").alias("source_generation"),
        sf.col(records.ROW).alias("source_row"),
        sf.left(records.raw_text(contract), sf.lit(_MAX_RAW)).alias("raw"),
        find_reasons(contract).alias("reasons"),
        sf.lit(manifest.claimed_at).cast("timestamp").alias("ingested_at"),
    )


def find_reasons(contract: Pipeline) -> Column:
    """List why a record is rejected. Fields that cannot be told apart are not judged one by one."""
    by_record = [_ragged(contract), _open_quote(contract), _damaged_record(contract)]
    by_field = [_field_reason(index, column, contract) for index, column in enumerate(contract.columns)]
    whole = sf.col(records.WHOLE)
    return sf.array_compact(sf.array(*by_record, *(sf.when(whole, reason) for reason in by_field)))


def _typed(index: int, column: pipeline.Column, contract: Pipeline) -> Column:
    text = sf.coalesce(sf.col(records.field(index)), sf.lit(""))
    return sf.when(~_is_null_token(index, contract), casting.cast(text, column))


def _fits(index: int, column: pipeline.Column, contract: Pipeline) -> Column:
    cast = sf.col(column.name).isNotNull()
    return cast if column.required else cast | _is_null_token(index, contract)


def _is_null_token(index: int, contract: Pipeline) -> Column:
    return sf.coalesce(sf.col(records.field(index)), sf.lit("")).isin(*contract.format.null_tokens)


def _is_damaged(text: Column) -> Column:
    return fold(or_, [sf.contains(text, sf.lit(mark)) for mark in _DAMAGE])


def _ragged(contract: Pipeline) -> Column:
    found = records.count_fields(contract)
    expected = len(contract.columns)
    detail = sf.concat(sf.lit(f"expected {expected} fields, found "), found.cast("string"))
    torn = ~sf.col(records.WHOLE) & ~records.has_open_quote(contract.format)
    return sf.when(torn, _reason("ragged_row", detail=detail))


def _open_quote(contract: Pipeline) -> Column:
    detail = sf.lit("expected a quote that opens a field to be closed at its end, found none")
    return sf.when(records.has_open_quote(contract.format), _reason("unterminated_quote", detail=detail))


def _damaged_record(contract: Pipeline) -> Column:
    fields = [
        _is_damaged(sf.coalesce(sf.col(records.field(i)), sf.lit(""))) for i in range(len(contract.columns))
    ]
    told = sf.col(records.WHOLE) & fold(or_, fields)
    return sf.when(_is_damaged(records.raw_text(contract)) & ~told, _bad_encoding())


def _field_reason(index: int, column: pipeline.Column, contract: Pipeline) -> Column:
    text = sf.coalesce(sf.col(records.field(index)), sf.lit(""))
    bad_type = _reason("bad_type", column.name, text, sf.lit(casting.describe(column)))
    missing = _reason("null_in_required", column.name, text, sf.lit("expected a value, found none"))
    is_null = _is_null_token(index, contract)
    reason = sf.when(_is_damaged(text), _bad_encoding(column.name, text))
    reason = reason.when(~is_null & sf.col(column.name).isNull(), bad_type)
    return reason.when(is_null, missing) if column.required else reason


def _bad_encoding(column: str | None = None, value: Column | None = None) -> Column:
    return _reason("bad_encoding", column, value, sf.lit("expected UTF-8 without NUL, found damaged text"))


def _reason(
    code: str, column: str | None = None, value: Column | None = None, detail: Column | None = None
) -> Column:
    return sf.struct(
        sf.lit(code).alias("code"),
        sf.lit(column).cast("string").alias("column"),
        (sf.lit(None).cast("string") if value is None else sf.left(value, sf.lit(_MAX_VALUE))).alias("value"),
        (sf.lit(None).cast("string") if detail is None else detail).alias("detail"),
    )
