"""What the pages of batches ask the ledger."""

from room.warehouse import Question, Value

#: How many batches, or files of one, a page shows. One more is asked for: whether there is a next page.
PAGE_SIZE = 50
_COLUMNS = """dataset, batch_id, state, detail, replay, files, rows_read, rows_accepted, rows_rejected,
  estimated_cost_usd, claimed_at, recorded_at"""


def list_batches(dataset: str, state: str, page: int) -> Question:
    """A page of batches, newest first; an empty dataset or state means all of them."""
    wanted: dict[str, Value] = {"dataset": dataset, "state": state}
    given = {name: value for name, value in wanted.items() if value}
    which = " AND ".join(f"{name} = @{name}" for name in given) or "TRUE"
    sql = f"""
        SELECT {_COLUMNS}
        FROM ops.batches WHERE {which}
        ORDER BY claimed_at DESC, batch_id LIMIT {PAGE_SIZE + 1} OFFSET {(page - 1) * PAGE_SIZE}
    """  # noqa: S608 names of columns and numbers of our own
    return Question(sql, given)


def find_batch(dataset: str, batch_id: str) -> Question:
    """One batch with its steps and quality rules."""
    sql = f"""
        SELECT {_COLUMNS},
          run_id, contract_version, files_rejected, files_superseded, bytes, rows_merged, cluster_name,
          vcpu_seconds, steps, quality, new_columns
        FROM ops.batches WHERE dataset = @dataset AND batch_id = @batch
    """  # noqa: S608 names of columns
    return Question(sql, {"dataset": dataset, "batch": batch_id})


def find_relatives(dataset: str, batch_id: str) -> Question:
    """The batches that replayed this one, and the one that was divided into it and others; newest first."""
    sql = """
        SELECT batch_id, state, claimed_at, IF(replay = @batch, 'replay', 'whole') AS relation
        FROM ops.batches
        WHERE dataset = @dataset AND batch_id != @batch
          AND (replay = @batch OR (state = 'divided' AND STRPOS(detail, @batch) > 0))
        ORDER BY claimed_at DESC LIMIT 20
    """
    return Question(sql, {"dataset": dataset, "batch": batch_id})


def list_files(dataset: str, batch_id: str, page: int) -> Question:
    """A page of a batch's files: those with something to tell first, then by name."""
    sql = f"""
        SELECT source_uri, source_generation, size, state, reason, detail, rows_read, rows_accepted,
          rows_rejected, source_created_at
        FROM ops.files WHERE dataset = @dataset AND batch_id = @batch
        ORDER BY state = 'loaded', COALESCE(rows_rejected, 0) = 0, source_uri, source_generation
        LIMIT {PAGE_SIZE + 1} OFFSET {(page - 1) * PAGE_SIZE}
    """  # noqa: S608 numbers of our own
    return Question(sql, {"dataset": dataset, "batch": batch_id})
