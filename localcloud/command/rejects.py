"""`landfall rejects`: the rejected rows of a dataset, to look at, or as a file to correct and drop again."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from google.api_core.exceptions import NotFound
from rich.table import Table
from rich.text import Text

from localcloud.command import export, ledger
from localcloud.command.console import make_console, print_table
from localcloud.command.datasets import Dialect, parse_dialect
from localcloud.command.export import Form, Key, Original
from localcloud.command.originals import find_header, read_text
from localcloud.command.terminal import harmless
from localcloud.deployment.deployment import Deployment
from localcloud.launcher.errors import CommandError, UsageError

VERSION = 1
STDOUT = "-"
_SHOWN, _NAMED = 1000, 5
_WIDEST, _WIDEST_REASON = 1000, 60  # characters of a raw text, before it is cut to the room; of a reason
_NARROWEST, _GAP = 20, 2
_READ_AT_ONCE = 8 << 20
_NUMBERS = ("row", "offset", "bytes")
_JSON = {
    "uri": "source_uri",
    "generation": "source_generation",
    "batch_id": "batch_id",
    "row": "source_row",
    "offset": "text_offset",
    "bytes": "text_bytes",
    "raw": "raw",
}
_REASON = ("code", "column", "value", "detail")


def rejects(
    deployment: Deployment, dataset: str, batch: str | None, target: str | None, as_json: bool = False
) -> int:
    """Show the rejected rows, or write their originals to `target` (`-`: standard output).

    Raises UsageError for a dataset or batch that does not exist, and for a target that cannot be dropped or
    that would be overwritten; CommandError when an original cannot be read.
    """
    known = deployment.require_dataset(dataset)
    if target not in (None, STDOUT):
        check_target(Path(str(target)))
    bigquery = deployment.bigquery()
    batch_id = batch and choose_batch(batch, dataset, ledger.list_batch_ids(bigquery, dataset))
    if as_json:
        head = {"version": VERSION, "dataset": dataset, "batch_id": batch_id}
        write_json(head, ledger.list_rejected(bigquery, known, batch_id or ""), sys.stdout)
        return 0
    found = ledger.count_rejected(bigquery, known, batch_id or "")
    if not found:
        nothing = f"Nothing was rejected in {dataset}" + (f", batch {batch_id[:12]}" if batch_id else "")
        print(f"{nothing}.", file=sys.stderr if target == STDOUT else sys.stdout)
        return 0
    rows = ledger.list_rejected(bigquery, known, batch_id or "")
    if target is None:
        total = sum(file["row_count"] for file in found)
        _show(rows, total, f"{deployment.command} rejects {dataset} --csv FILE.csv")
        return 0
    archive = Archive(deployment)
    originals = {export.key_of(file): archive.describe(file) for file in found}
    if target == STDOUT:
        _print(rows, originals, archive)
    else:
        again = f"{deployment.command} drop --wait --dataset {dataset}"
        _export(rows, originals, archive, Path(target), again)
    return 0


def write_json(head: Mapping[str, Any], rows: Iterable[Mapping[str, Any]], out: TextIO) -> None:
    """One document: the head, and the rows, one a line as they come, each with its file and its reasons."""
    out.write(json.dumps(dict(head), ensure_ascii=out.isatty())[:-1] + ', "rows": [')
    separator = "\n"
    for row in rows:
        entry = {name: row[column] for name, column in _JSON.items()}
        entry["reasons"] = [{name: reason[name] for name in _REASON} for reason in row["reasons"]]
        out.write(separator + json.dumps(entry, ensure_ascii=out.isatty()))
        separator = ",\n"
    out.write("\n]}\n")


class Archive:
    """The originals, and the contract that each batch read them by."""

    def __init__(self, deployment: Deployment) -> None:
        self._client = deployment.storage()
        self._lake = self._client.bucket(deployment.buckets["lake"])
        self._contracts = deployment.contracts
        self._command = deployment.command
        self._dialects: dict[str, Dialect] = {}

    def open(self, uri: str) -> BinaryIO:
        """An original as a stream; CommandError when it is gone."""
        bucket, _, name = uri.removeprefix("gs://").partition("/")
        blob = self._client.bucket(bucket).get_blob(name, timeout=20)
        if blob is None:
            raise CommandError(f"{uri}: expected the original of rejected rows, found nothing there.")
        stream: BinaryIO = blob.open("rb", chunk_size=_READ_AT_ONCE)
        return stream

    def describe(self, file: Mapping[str, Any]) -> Original:
        """The original of a file with rejected rows, with its own header."""
        uri, name = file["archive_uri"], file["source_uri"]
        if uri is None:
            raise CommandError(
                f"{name}: expected its original in the ledger, found none yet: batch {file['batch_id'][:12]} "
                f"is still open. Wait for its end (`{self._command} status`)."
            )
        dialect, zipped = self._dialect(file["dataset"], file["batch_id"]), name.endswith(".gz")
        header = b""
        if dialect.header:
            with self.open(uri) as stream:
                header = find_header(next(read_text(stream, dialect.encoding, zipped), b""), dialect)
        return Original(uri, zipped, Form(dialect, header))

    def _dialect(self, dataset: str, batch_id: str) -> Dialect:
        if batch_id not in self._dialects:
            blob = self._lake.blob(f"{dataset}/{batch_id}/pipeline.json")
            try:
                text = blob.download_as_text(timeout=20)
            except NotFound:
                text = (self._contracts / dataset / "pipeline.json").read_text()
            self._dialects[batch_id] = parse_dialect(text)
        return self._dialects[batch_id]


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
    """Raise UsageError for a name that landing would ignore, or that cannot be written."""
    if path.suffix != ".csv":
        raise UsageError(f"{path}: expected a name ending in .csv, so that the file can be dropped again.")
    export.name_outputs(path, 1)
    if not path.parent.is_dir():
        raise UsageError(f"{path}: expected the folder {path.parent} to exist, found none. Make it first.")


def readable(text: str) -> str:
    """A text on one line, in which nothing steers a terminal."""
    return harmless(text[:_WIDEST].replace("\r\n", "⏎").replace("\n", "⏎")).replace("\t", "\\t")


def describe_reason(reason: Mapping[str, Any]) -> str:
    """One line, such as `bad_type weight: expected a NUMERIC`."""
    head = " ".join(filter(None, (reason["code"], reason["column"])))
    return readable(": ".join(filter(None, (head, reason["detail"]))))


def _print(rows: Iterable[Mapping[str, Any]], originals: Mapping[Key, Original], archive: Archive) -> None:
    """Write the rows alone to standard output; UsageError when they do not make one file."""
    form, *others = export.list_forms(originals.values())
    if others:
        raise UsageError(
            f"the rows come from files with {len(others) + 1} different headers, which are no one file: "
            "say --csv FILE.csv, which writes one for each, or --batch."
        )
    _warn("Keep this output to yourself.")
    export.write_head(form, sys.stdout.buffer)
    for _, _, pieces in export.cut_rows(rows, originals, archive):
        export.write_row(pieces, form.dialect, sys.stdout.buffer)


def _export(
    rows: Iterable[Mapping[str, Any]],
    originals: Mapping[Key, Original],
    archive: Archive,
    path: Path,
    again: str,
) -> None:
    paths = export.name_outputs(path, len(export.list_forms(originals.values())))
    counts = export.write_files(rows, originals, archive, paths)
    for count, one in zip(counts, paths, strict=True):
        what = f"{count} rejected row{'' if count == 1 else 's'}"
        print(f"{what} in {one}, the reasons in {export.reasons_of(one)}.")
    names, them = " ".join(map(str, paths)), "it" if len(paths) == 1 else "them"
    print(f"Correct {them}, then: {again} {names}")
    _warn(f"Only you can read {names}; delete {them} after the drop.")


def _warn(advice: str) -> None:
    print(f"landfall: originals may hold personal data in clear. {advice}", file=sys.stderr)


def _show(rows: Iterator[Mapping[str, Any]], total: int, all_of_them: str) -> None:
    console = make_console()
    lines = [
        (
            readable(row["source_uri"].split("/", 3)[3]),
            tuple(_number(row[name]) for name in ("source_row", "text_offset", "text_bytes")),
            [describe_reason(reason) for reason in row["reasons"]],
            "(withheld)" if row["raw"] is None else readable(row["raw"]),
        )
        for row in islice(rows, _SHOWN)
    ]
    # Only a person needs lines that fold; what reads a pipe needs them whole.
    widest = _WIDEST_REASON if console.is_terminal else _WIDEST
    wide = [
        max(map(len, column)) for column in zip(_NUMBERS, *(numbers for _, numbers, *_ in lines), strict=True)
    ]
    taken = (
        max(len(file) for file, *_ in lines)
        + min(max(len(reason) for _, _, reasons, _ in lines for reason in reasons), widest)
        + 2 * _GAP
    )
    # Where a row lies in its file matters to programs; a narrow terminal has its number alone.
    fits = not console.is_terminal or taken + sum(wide) + len(wide) * _GAP + _NARROWEST <= console.width
    shown = len(_NUMBERS) if fits else 1
    room = max(console.width - taken - sum(wide[:shown]) - shown * _GAP, _NARROWEST)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
    table.add_column("file", overflow="fold")
    for name in _NUMBERS[:shown]:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("reasons", overflow="fold", max_width=widest)
    table.add_column("raw", no_wrap=True)
    for file, numbers, reasons, raw in lines:
        cut = raw if len(raw) <= room else f"{raw[: room - 1]}…"
        table.add_row(Text(file), *numbers[:shown], Text("\n".join(reasons)), Text(cut))
    print_table(console, table)
    if total > len(lines):
        console.print(f"… and {total - len(lines)} more: {all_of_them}")


def _number(value: int | None) -> str:
    return "–" if value is None else str(value)
