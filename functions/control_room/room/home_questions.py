"""What the first page asks the ledger."""

from datetime import datetime

from room.warehouse import Question

# One pass over the table for all of it. BigQuery's grammar wants a WHERE before QUALIFY.
_LAST_BATCHES = """
SELECT
  dataset, batch_id, state, detail, files, files_rejected, rows_read, rows_accepted, rows_rejected,
  claimed_at, recorded_at,
  MAX(IF(state = 'succeeded' AND files > COALESCE(files_rejected, 0), recorded_at, NULL))
    OVER of_dataset AS trusted_at,
  SUM(IF(recorded_at >= @today AND state IN ('succeeded', 'rejected'), COALESCE(files, 0), 0))
    OVER of_dataset AS files_today,
  SUM(IF(recorded_at >= @today AND state = 'succeeded', COALESCE(rows_accepted, 0), 0))
    OVER of_dataset AS accepted_today,
  SUM(IF(recorded_at >= @today, COALESCE(rows_rejected, 0), 0)) OVER of_dataset AS rejected_today
FROM ops.batches
WHERE TRUE
QUALIFY ROW_NUMBER() OVER (PARTITION BY dataset ORDER BY recorded_at DESC, batch_id) = 1
WINDOW of_dataset AS (PARTITION BY dataset)
"""


def last_batches(now: datetime) -> Question:
    """Of each dataset the last batch that was recorded, when one last loaded a file, what today brought.

    Today is the UTC day of `now`; its rows are those of the batches that ended in it, whenever they came.
    """
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return Question(_LAST_BATCHES, {"today": today})
