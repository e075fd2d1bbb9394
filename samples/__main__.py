"""Write a sample file: `python -m samples DATASET --rows N [--seed S] [--output FILE|-]`.

The bytes depend on dataset, rows and seed alone. Memory does not grow with the rows. Files of two seeds
name the same assemblies and components, as two deliveries of one company would.
"""

import argparse
import sys
from itertools import islice
from pathlib import Path
from random import Random
from typing import BinaryIO

from samples import bill_of_materials, comp_boss, price_quote

DATASETS = {
    "bill_of_materials": bill_of_materials,
    "comp_boss": comp_boss,
    "price_quote": price_quote,
}
ROWS_AT_ONCE = 4096


def write_sample(dataset: str, rows: int, seed: int, output: BinaryIO) -> None:
    """Write a header and `rows` rows: UTF-8, commas, `NA` for null, LF after every line."""
    maker = DATASETS[dataset]
    lines = islice(maker.make_rows(Random(f"{dataset} {seed}")), rows)  # noqa: S311 - sample data, not a secret
    output.write(f"{maker.HEADER}\n".encode())
    while chunk := "".join(islice(lines, ROWS_AT_ONCE)):
        output.write(chunk.encode())


def main() -> None:
    """Parse the arguments and write the file."""
    parser = argparse.ArgumentParser(
        prog="python -m samples",
        description="Write a sample file of a dataset, the same bytes for the same seed.",
    )
    parser.add_argument("dataset", choices=sorted(DATASETS))
    parser.add_argument("--rows", type=_row_count, required=True, help="number of rows, without the header")
    parser.add_argument("--seed", type=int, default=1, help="default 1")
    parser.add_argument("--output", default="-", help="a file, or - for standard output, the default")
    arguments = parser.parse_args()

    if arguments.output == "-":
        write_sample(arguments.dataset, arguments.rows, arguments.seed, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    else:
        with Path(arguments.output).open("wb") as output:
            write_sample(arguments.dataset, arguments.rows, arguments.seed, output)


def _row_count(text: str) -> int:
    count = int(text)
    if count < 0:
        raise argparse.ArgumentTypeError(f"expected 0 or more, found {count}")
    return count


if __name__ == "__main__":
    main()
