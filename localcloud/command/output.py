"""JSON on standard output: one document, or one a line."""

import json
import sys
from collections.abc import Mapping
from typing import Any


def print_document(document: Mapping[str, Any]) -> None:
    """Print one document, to be read by a program; on a terminal by a person too."""
    print(json.dumps(document, indent=2, ensure_ascii=sys.stdout.isatty()))


def print_line(document: Mapping[str, Any]) -> None:
    """Print one document on a line of its own, at once."""
    print(json.dumps(document, ensure_ascii=sys.stdout.isatty()), flush=True)
