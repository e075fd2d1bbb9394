"""Why a whole file is rejected, and none of its rows is read."""

from __future__ import annotations

from dataclasses import dataclass

EMPTY_FILE = "empty_file"
NOT_TEXT = "not_text"
HEADER_MISMATCH = "header_mismatch"
UNREADABLE = "unreadable"
TOO_LARGE = "too_large"


@dataclass(frozen=True)
class Refusal:
    """Why a whole file is rejected: a reason of metrics.json and a sentence about it."""

    reason: str
    detail: str


class Unreadable(Exception):  # noqa: N818 - a verdict about a file, as the outcome has it
    """A file turned out, while it was read, to be one that is rejected whole."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.detail)
        self.refusal = refusal
