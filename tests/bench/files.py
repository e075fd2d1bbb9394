"""The files that the bench reads, and what is true of them, known from the generator and from no reader."""

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact, localcontext
from pathlib import Path
from typing import BinaryIO

from samples.__main__ import make_lines

ROWS_AT_ONCE = 65_536
# A sum that would have to be rounded is an error.
EXACT = Context(prec=60, traps=[Inexact])


@dataclass(frozen=True)
class Source:
    """One file of price quotes: `size` as asked for, `length` as it is, both in bytes."""

    path: Path
    size: int
    length: int
    rows: int
    cost: Decimal


def write_sources(folder: Path, sizes: Sequence[int], seed: int) -> list[Source]:
    """Write a file of each size, by ascending size, each as `python -m samples price_quote --size` writes it.

    The longest is written once; the others are its beginnings.
    """
    longest = folder / f"price_quote_{max(sizes)}.csv"
    with longest.open("wb") as output, localcontext(EXACT):
        sources = _write_longest(output, make_lines("price_quote", seed), folder, sorted(set(sizes)))
    for source in sources[:-1]:
        shutil.copyfile(longest, source.path)
        os.truncate(source.path, source.length)
    return sources


def _write_longest(
    output: BinaryIO, lines: Iterator[str], folder: Path, sizes: Sequence[int]
) -> list[Source]:
    length, cost = output.write(next(lines).encode()), Decimal(0)
    sources: list[Source] = []
    chunk: list[str] = []
    for rows, line in enumerate(lines):
        while length + len(line) > sizes[len(sources)]:
            size = sizes[len(sources)]
            sources.append(Source(folder / f"price_quote_{size}.csv", size, length, rows, cost))
            if len(sources) == len(sizes):
                output.write("".join(chunk).encode())
                return sources
        chunk.append(line)
        length += len(line)
        cost += Decimal(line[line.rindex(",") + 1 :])
        if len(chunk) == ROWS_AT_ONCE:
            output.write("".join(chunk).encode())
            chunk.clear()
    raise AssertionError("the generator has no end")


def warm(path: Path) -> None:
    """Read a file once, so that it is in the page cache for whoever comes next."""
    with path.open("rb", buffering=0) as file:
        while file.read(1 << 20):
            pass
