"""`landfall rejects`: the rejected rows of a dataset, to look at, or as a file to correct and drop again."""

import csv
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

from google.cloud import bigquery
from rich.table import Table
from rich.text import Text

from localcloud.command import ledger
from localcloud.command.console import make_console, print_table
from localcloud.command.datasets import Dialect, read_datasets, read_dialect
from localcloud.command.session import find_cloud
from localcloud.launcher.clients import bigquery_client
from localcloud.launcher.errors import UsageError
from localcloud.launcher.place import Place

STDOUT = "-"
REASON_COLUMNS = (
    "record",
    "source_uri",
    "source_generation",
    "source_row",
    "code",
    "column",
    "value",
    "detail",
)
_SHOWN, _NAMED = 1000, 5
_WIDEST, _WIDEST_REASON = 1000, 60  # characters of a raw text, before it is cut to the room; of a reason
_NARROWEST, _GAP = 20, 2
_MEANS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def rejects(place: Place, dataset: str, batch: str | None, target: str | None) -> int:
    """Show the rejected rows, or write them to `target` (`-`: standard output) in the dataset's dialect.

    Raises UsageError for a dataset or batch that does not exist, and for a target that cannot be dropped or
    that would be overwritten.
    """
    names = sorted(read_datasets(place.datasets))
    if dataset not in names:
        raise UsageError(f"there is no dataset {dataset!r}; the datasets are {', '.join(names) or 'none'}.")
    if target not in (None, STDOUT):
        check_target(Path(str(target)))
    client = bigquery_client(find_cloud(place, "bigquery"))
    batch_id = batch and choose_batch(batch, dataset, ledger.list_batch_ids(client, dataset))
    rows = _ask(client, dataset, batch_id)
    first = next(rows, None)
    if first is None:
        nothing = f"Nothing was rejected in {dataset}" + (f", batch {batch_id[:12]}" if batch_id else "")
        print(f"{nothing}.", file=sys.stderr if target == STDOUT else sys.stdout)
        return 0
    rows = chain([first], rows)
    if target is None:
        _show(rows, dataset)
    elif target == STDOUT:
        write_rows(rows, read_dialect(place.datasets, dataset), sys.stdout.buffer)
    else:
        path = Path(target)
        count = _export(rows, read_dialect(place.datasets, dataset), path)
        print(
            f"{count} rejected row{'' if count == 1 else 's'} in {path}, the reasons in {reasons_of(path)}.\n"
            f"Correct it, then: landfall drop --wait --dataset {dataset} {path}"
        )
    return 0


def choose_batch(given: str, dataset: str, newest_first: Sequence[str]) -> str:
    """The one id that `given` is, or begins; raises UsageError, naming the newest, where that is not one."""
    matching = [batch for batch in newest_first if batch.startswith(given)] if given else []
    if len(matching) == 1:
        return matching[0]
    named = [batch[:12] for batch in (matching or newest_first)[:_NAMED]]
    found = f"{len(matching)} batches begin with {given!r}" if matching else f"there is no batch {given!r}"
    raise UsageError(
        f"{found} in {dataset}; "
        + (f"the newest are {', '.join(named)}." if named else "it has had none yet.")
    )


def check_target(path: Path) -> None:
    """Raise UsageError for a name that landing would ignore, or where something lies already."""
    if path.suffix != ".csv":
        raise UsageError(f"{path}: expected a name ending in .csv, so that the file can be dropped again.")
    for file in (path, reasons_of(path)):
        if file.exists():
            raise UsageError(
                f"{file}: expected nothing there, found a file. Give another name, or move it away."
            )
    if not path.parent.is_dir():
        raise UsageError(f"{path}: expected the folder {path.parent} to exist, found none. Make it first.")


def reasons_of(path: Path) -> Path:
    """Where the reasons lie, beside the rows in `path`."""
    return path.with_name(f"{path.name}.reasons.csv")


def write_rows(rows: Iterable[Mapping[str, Any]], dialect: Dialect, out: IO[bytes]) -> None:
    """The contract's header, then each raw text as it came, not one byte of it changed."""
    if dialect.header:
        out.write(encode(dialect.delimiter.join(dialect.columns), dialect))
    for row in rows:
        out.write(encode(row["raw"], dialect))


def encode(record: str, dialect: Dialect) -> bytes:
    """A record and its line end, in the dataset's encoding."""
    return f"{record}\n".encode(dialect.encoding)


def reason_lines(record: int, row: Mapping[str, Any]) -> Iterator[list[object]]:
    """REASON_COLUMNS, once for each reason; `record` counts the records of the file of rows from 1.

    A text that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    for reason in row["reasons"]:
        texts = (reason[name] for name in ("code", "column", "value", "detail"))
        yield [
            record,
            disarm(row["source_uri"]),
            row["source_generation"],
            row["source_row"],
            *(disarm(text) for text in texts),
        ]


def disarm(text: str | None) -> str:
    """A text that no spreadsheet computes; null is empty."""
    return f"'{text}" if text and text.startswith(_MEANS_FORMULA) else text or ""


def readable(text: str) -> str:
    """A text on one line, in which nothing steers a terminal."""
    shown = text[:_WIDEST].replace("\r\n", "⏎").replace("\n", "⏎")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown)


def describe_reason(reason: Mapping[str, Any]) -> str:
    """One line, such as `bad_type weight: expected a NUMERIC`."""
    head = " ".join(filter(None, (reason["code"], reason["column"])))
    return readable(": ".join(filter(None, (head, reason["detail"]))))


def _ask(client: bigquery.Client, dataset: str, batch_id: str | None) -> Iterator[Any]:
    # Oldest file first: should a key be in it twice, its newer row comes later, and so wins again.
    return ledger.ask(
        client,
        "SELECT source_uri, source_generation, source_row, raw, reasons FROM ops.rejected_rows "
        "WHERE dataset = @dataset AND (@batch = '' OR batch_id = @batch) "
        "ORDER BY source_generation, source_uri, source_row",
        {"dataset": dataset, "batch": batch_id or ""},
    )


def _export(rows: Iterable[Mapping[str, Any]], dialect: Dialect, path: Path) -> int:
    """Write both files, in one pass; returns how many rows there were."""
    count = 0
    with ExitStack() as files:
        out = files.enter_context(path.open("xb"))
        beside = files.enter_context(reasons_of(path).open("x", newline="", encoding="utf-8"))
        reasons = csv.writer(beside, lineterminator="\n")
        reasons.writerow(REASON_COLUMNS)

        def noted() -> Iterator[Mapping[str, Any]]:
            nonlocal count
            for count, row in enumerate(rows, 1):
                reasons.writerows(reason_lines(count, row))
                yield row

        write_rows(noted(), dialect, out)
    return count


def _show(rows: Iterator[Mapping[str, Any]], dataset: str) -> None:
    console = make_console()
    lines = [
        (
            readable(row["source_uri"].split("/", 3)[3]),
            str(row["source_row"]),
            [describe_reason(reason) for reason in row["reasons"]],
            readable(row["raw"]),
        )
        for row in islice(rows, _SHOWN)
    ]
    # Only a person needs lines that fold; what reads a pipe needs them whole.
    widest = _WIDEST_REASON if console.is_terminal else _WIDEST
    taken = (
        max(len(file) for file, *_ in lines)
        + max(len("row"), *(len(number) for _, number, *_ in lines))
        + min(max(len(reason) for _, _, reasons, _ in lines for reason in reasons), widest)
        + 3 * _GAP
    )
    room = max(console.width - taken, _NARROWEST)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
    table.add_column("file", overflow="fold")
    table.add_column("row", justify="right", no_wrap=True)
    table.add_column("reasons", overflow="fold", max_width=widest)
    table.add_column("raw", no_wrap=True)
    for file, number, reasons, raw in lines:
        cut = raw if len(raw) <= room else f"{raw[: room - 1]}…"
        table.add_row(Text(file), number, Text("\n".join(reasons)), Text(cut))
    print_table(console, table)
    more = sum(1 for _ in rows)
    if more:
        console.print(f"… and {more} more: landfall rejects {dataset} --csv FILE.csv")
