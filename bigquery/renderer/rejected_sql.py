"""`rejected_rows.sql`: the view over the rejected rows of every dataset."""

import json
from collections.abc import Iterable
from pathlib import Path

from bigquery.renderer.batch_sql import listed
from bigquery.renderer.reserved_words import quoted

FILE = "rejected_rows.sql"
VIEW = "ops.rejected_rows"
_SCHEMA = Path(__file__).parents[1] / "ops" / "rejected_rows.schema.json"


def render(datasets: Iterable[str]) -> str:
    """The text of `rejected_rows.sql` for the datasets of these names: one `CREATE OR REPLACE VIEW`."""
    columns = [quoted(field["name"]) for field in json.loads(_SCHEMA.read_text(encoding="utf-8"))]
    tables = [f"SELECT\n{listed(columns, '  ')}\nFROM {VIEW}_{name}" for name in sorted(datasets)]
    return _HEAD + "\nUNION ALL\n".join(tables) + ";\n"


_HEAD = f"""\
-- Rendered from the contracts by `python -m bigquery.renderer`: change them, not this file.
--
-- The rejected rows of all datasets. Each has a table of its own, for BigQuery takes 1,500 load jobs a table
-- and day. Whoever asks for one dataset reads less from its own table.
CREATE OR REPLACE VIEW {VIEW}
OPTIONS (
  description = 'Rows that do not fulfil their contract, each with its source and every reason.'
) AS
"""
