"""What a process has written so far, while it goes on writing."""

from pathlib import Path


def read_whole_lines(path: Path) -> list[str]:
    """The lines of a text without the one that is being written; none where there is no file yet."""
    return path.read_text(errors="replace").split("\n")[:-1] if path.exists() else []
