"""Stands for spark-submit, without a JVM: `python FOLDER [OPTIONS] MAIN [ARGUMENTS]` is the whole job.

The program finds the small `pyspark` beside this file instead of the real one. Its own code runs as it is.
"""

import argparse
import runpy
import sys
from pathlib import Path

# Also when this is run as a module, the program must find this folder's `pyspark` first.
sys.path.insert(0, str(Path(__file__).resolve().parent))

from pyspark import settings


def main(arguments: list[str]) -> None:
    """Run the program as `__main__`; its exit code is this process's."""
    options = _parser().parse_args(arguments)
    settings.update(text.split("=", 1) for text in options.conf)
    packages = [path for path in options.py_files.split(",") if path]
    sys.path[:0] = [str(Path(options.main).parent), *packages]
    sys.argv = [options.main, *options.arguments]
    runpy.run_path(options.main, run_name="__main__")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fast_spark", description=__doc__, allow_abbrev=False)
    parser.add_argument("--conf", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--py-files", default="", metavar="PATH,…")
    for name in ("jars", "files", "archives"):
        parser.add_argument(f"--{name}", metavar="PATH,…", help="accepted, and not used")
    parser.add_argument("main")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    return parser


if __name__ == "__main__":
    main(sys.argv[1:])
