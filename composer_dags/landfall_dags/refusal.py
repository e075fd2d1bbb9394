"""Whether a batch may be loaded at all. Pure."""

from dataclasses import replace

from landfall_dags.metrics import REJECTED, FileResult, Metrics, Rows
from landfall_dags.quality import FAIL

TOO_MANY_REJECTED_ROWS = "too_many_rejected_rows"
QUALITY_FAILED = "quality_failed"


def refuse(metrics: Metrics, most: float, where: str) -> Metrics:
    """Refuse a batch of which a greater share of rows than `most` (0 to 1) is rejected, or that fails a rule.

    Then every file that was loaded is rejected too, with the reason; its counts stay what Spark found.
    """
    rows = metrics.rows
    grounds = [rule.sentence for rule in metrics.broken_rules(FAIL)]
    too_many = rows.read > 0 and rows.rejected / rows.read > most
    if too_many:
        grounds.insert(
            0,
            f"expected a share of at most {most:g} of the batch's rows to be rejected, the contract's "
            f"maxRejectedShare; found {rows.rejected} of {rows.read}",
        )
    if not grounds:
        return metrics
    files = tuple(
        file if file.state == REJECTED else _reject(file, rows, most if too_many else None, grounds)
        for file in metrics.files
    )
    refusal = (
        f"{where}: {'; '.join(grounds)}. No row of the batch was loaded: look into ops.rejected_rows and "
        "ops.batches, then correct the files, which are in the rejected bucket, and drop them again."
    )
    return replace(metrics, files=files, refusal=refusal)


def _reject(file: FileResult, rows: Rows, most: float | None, grounds: list[str]) -> FileResult:
    if most is None:
        return replace(file, state=REJECTED, reason=QUALITY_FAILED, detail="; ".join(grounds) + ".")
    detail = (
        f"{rows.rejected} of {rows.read} rows of the batch were rejected, of this file "
        f"{file.rows.rejected} of {file.rows.read}; the contract allows a share of {most:g}."
    )
    return replace(file, state=REJECTED, reason=TOO_MANY_REJECTED_ROWS, detail=detail)
