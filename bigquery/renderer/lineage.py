"""The columns that every row carries beside its contract's own, in this order, in raw and in trusted."""

from bigquery.renderer.model import Column

LINEAGE = (
    Column("_batch_id", "STRING", "Identity of the batch that brought the row.", required=True),
    Column(
        "_source_uri", "STRING", "Object in the landing bucket that the row was read from.", required=True
    ),
    Column("_source_generation", "INT64", "Generation of that object.", required=True),
    Column(
        "_source_row",
        "INT64",
        "Number of the record in the object; the first after the header is 1.",
        required=True,
    ),
    Column(
        "_source_created_at",
        "TIMESTAMP",
        "When that object was created in the landing bucket.",
        required=True,
    ),
    Column("_ingested_at", "TIMESTAMP", "When the batch was claimed; the partition of raw.", required=True),
)

# In raw alone, before those of lineage, where the contract's unknownColumns is rescue.
RESCUED = Column(
    "_rescued",
    "STRING",
    "Columns of the file that the contract does not name: a JSON object of name and text; null without any.",
)

# A total order: whatever the order of arrival, exactly one source of a key is the newest.
NEWEST_FIRST = ("_source_created_at", "_source_generation", "_source_row", "_source_uri")
