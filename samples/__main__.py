"""Write a sample file: `python -m samples DATASET --rows N|--size SIZE [--seed S] [--output FILE|-]`.

The bytes depend on dataset, rows or size, and seed alone; a longer file begins like a shorter one. Memory
does not grow with the file. Files of two seeds name the same assemblies and components, as two deliveries of
one company would.
"""

import argparse
import re
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from random import Random
from typing import BinaryIO

from samples import bank_statement, bill_of_materials, comp_boss, price_quote

DATASETS = {
    "bank_statement": bank_statement,
    "bill_of_materials": bill_of_materials,
    "comp_boss": comp_boss,
    "price_quote": price_quote,
}
UNITS = {"": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3}
LINES_AT_ONCE = 4096


def make_lines(dataset: str, seed: int) -> Iterator[str]:
    """Make the header's line, then rows without end.

    A character is one byte in the dataset's encoding, whichever it is.
    """
    maker = DATASETS[dataset]
    rows = maker.make_rows(Random(f"{dataset} {seed}"))  # noqa: S311 - sample data, not a secret
    # The header ends as the rows do.
    first = next(rows)
    yield f"{maker.HEADER}{first[len(first.rstrip()) :]}"
    yield first
    yield from rows


def take_rows(lines: Iterable[str], rows: int) -> Iterator[str]:
    """Take the header and `rows` rows."""
    return islice(lines, rows + 1)


def take_size(lines: Iterable[str], size: int) -> Iterator[str]:
    """Take the header, and the rows that fit into a file of `size` bytes, all of them whole."""
    for number, line in enumerate(lines):
        size -= len(line)
        if number and size < 0:
            return
        yield line


def write_sample(dataset: str, lines: Iterable[str], output: BinaryIO) -> None:
    """Write lines of `make_lines` in the dataset's encoding."""
    encoding = DATASETS[dataset].ENCODING
    lines = iter(lines)
    while chunk := "".join(islice(lines, LINES_AT_ONCE)):
        output.write(chunk.encode(encoding))


def main() -> None:
    """Parse the arguments and write the file."""
    parser = argparse.ArgumentParser(
        prog="python -m samples",
        description="Write a sample file of a dataset, the same bytes for the same seed.",
    )
    parser.add_argument("dataset", choices=sorted(DATASETS))
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--rows", type=_row_count, help="number of rows, without the header")
    length.add_argument("--size", type=_file_size, help="as many rows as fit, such as 250MB or 1GB (1000 MB)")
    parser.add_argument("--seed", type=int, default=1, help="default 1")
    parser.add_argument("--output", default="-", help="a file, or - for standard output, the default")
    arguments = parser.parse_args()

    lines = make_lines(arguments.dataset, arguments.seed)
    lines = take_rows(lines, arguments.rows) if arguments.size is None else take_size(lines, arguments.size)
    if arguments.output == "-":
        write_sample(arguments.dataset, lines, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    else:
        with Path(arguments.output).open("wb") as output:
            write_sample(arguments.dataset, lines, output)


def _row_count(text: str) -> int:
    count = int(text)
    if count < 0:
        raise argparse.ArgumentTypeError(f"expected 0 or more, found {count}")
    return count


def _file_size(text: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMG]B|)", text.upper())
    if not found:
        raise argparse.ArgumentTypeError(f"expected a size such as 250MB or 1GB, found {text}")
    return round(float(found[1]) * UNITS[found[2]])


if __name__ == "__main__":
    main()
