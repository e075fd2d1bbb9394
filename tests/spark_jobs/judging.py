"""Judge the records of a text, as a task does, and say what became of each."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from landfall_spark.header import Layout, match
from landfall_spark.judge import Reason, judge, torn_reasons
from landfall_spark.pipeline import Pipeline, parse_pipeline
from landfall_spark.protection import raw_text, torn_raw
from landfall_spark.records import read_blocks
from landfall_spark.token_key import TokenKey

URI = "gs://lake/d/0/pipeline.json"
KEY = TokenKey("projects/p/secrets/s/versions/1", b"k" * 32)
FORMAT = {
    "type": "csv",
    "delimiter": ",",
    "quote": '"',
    "encoding": "UTF-8",
    "header": True,
    "null_tokens": ["", "NA"],
}


def contract(*columns: dict[str, Any], rest: dict[str, Any] | None = None, **dialect: Any) -> Pipeline:
    """Parse a pipeline.json of these columns; `rest` are fields beside them."""
    document = {
        "version": 2,
        "dataset": "d",
        "format": {**FORMAT, **dialect},
        "columns": list(columns),
        **(rest or {}),
    }
    return parse_pipeline(json.dumps(document), URI)


@dataclass
class Outcome:
    """Accepted rows as lists of values; rejected ones by number, with raw text and reasons."""

    accepted: dict[int, list[Any]] = field(default_factory=dict)
    rejected: dict[int, tuple[str | None, list[Reason]]] = field(default_factory=dict)
    found: dict[str, list[bool]] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)

    def codes(self, row: int) -> list[tuple[str, str | None]]:
        """Return a rejected row's reasons, as code and column."""
        return [(reason.code, reason.column) for reason in self.rejected[row][1]]

    def everything(self) -> str:
        """Return all that may be written anywhere, as text."""
        return repr((self.accepted, self.rejected))


def run(pipeline: Pipeline, *lines: str | bytes, header: list[str] | None = None) -> Outcome:
    """Judge the lines below a header, which is the contract's own unless another is given."""
    layout = match(header or pipeline.header, pipeline)
    assert isinstance(layout, Layout)
    text = b"".join((line.encode() if isinstance(line, str) else line) + b"\n" for line in lines)
    outcome = Outcome()
    for block in read_blocks([text], layout, pipeline.format):
        judged = judge(block, layout, pipeline, KEY)
        outcome.names = judged.accepted.schema.names
        rows = [list(row.values()) for row in judged.accepted.to_pylist()]
        outcome.accepted.update(zip(block.rows[judged.accepted_index].tolist(), rows, strict=True))
        for index, reasons in judged.rejected:
            outcome.rejected[int(block.rows[index])] = (raw_text(block, index, layout, pipeline), reasons)
        for torn in block.torn:
            outcome.rejected[torn.row] = (torn_raw(torn, pipeline), torn_reasons(torn, pipeline))
        for name, mask in judged.found.items():
            outcome.found.setdefault(name, []).extend(mask.tolist())
    return outcome
