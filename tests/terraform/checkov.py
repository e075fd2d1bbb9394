"""checkov, in an environment of its own under build/: its dependencies exclude the project's."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.terraform.workspace import ROOT

LOCK = Path(__file__).with_name("checkov-requirements.txt")
FOLDER = ROOT / "build" / "checkov"
SKIP = re.compile(r"#\s*checkov:skip=(\w+)(?::\s*(.*))?$")


class NoCheckovError(Exception):
    """checkov cannot be installed here."""


class CheckovError(Exception):
    """checkov did not come to a result; the message is what it said."""


@dataclass(frozen=True, order=True)
class Finding:
    """A check that failed or was skipped: on which resource, in which file."""

    check: str
    resource: str
    file: str


@dataclass(frozen=True)
class Result:
    passed: int
    failed: tuple[Finding, ...]
    skipped: tuple[Finding, ...]


@dataclass(frozen=True, order=True)
class Skip:
    """A comment that has a check skipped, and the reason that it gives."""

    file: str
    line: int
    check: str
    reason: str

    @property
    def says_why(self) -> bool:
        """Whether the reason is a sentence, rather than a word."""
        return len(self.reason.split()) >= 5


def install() -> Path:
    """The locked checkov's executable, installed unless it is there. Raises NoCheckovError."""
    made, executable = FOLDER / "requirements.txt", FOLDER / "bin" / "checkov"
    if executable.exists() and made.exists() and made.read_text() == LOCK.read_text():
        return executable
    shutil.rmtree(FOLDER, ignore_errors=True)
    uv = Path(sys.executable).with_name("uv")
    for command in (
        (uv, "--quiet", "venv", "--python", sys.executable, FOLDER),
        (uv, "--quiet", "pip", "sync", "--require-hashes", "--python", FOLDER / "bin" / "python", LOCK),
    ):
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            raise NoCheckovError(f"checkov cannot be installed: {error}") from error
        if done.returncode:
            raise NoCheckovError(f"checkov cannot be installed: {done.stderr.strip()[-500:]}")
    shutil.copyfile(LOCK, made)
    return executable


def scan_source(executable: Path, folder: Path) -> Result:
    """The checks of a folder of .tf files."""
    return _scan(executable, "--directory", str(folder), "--framework", "terraform")


def scan_plans(executable: Path, plans: Iterable[Path], folder: Path) -> Result:
    """The checks of plans as JSON, with the skips that stand in the folder they were made from."""
    enrichment = ("--repo-root-for-plan-enrichment", str(folder))
    return _scan(executable, "--file", *map(str, plans), "--framework", "terraform_plan", *enrichment)


def skips(folder: Path) -> Iterator[Skip]:
    """Every skip in the .tf files of a folder."""
    for path in sorted(folder.rglob("*.tf")):
        for line, text in enumerate(path.read_text().splitlines(), start=1):
            if found := SKIP.search(text):
                yield Skip(path.name, line, found[1], (found[2] or "").strip())


def without_skips(folder: Path) -> None:
    """Take every skip out of the .tf files of a folder."""
    for path in folder.rglob("*.tf"):
        text = path.read_text()
        path.write_text(
            "".join(line for line in text.splitlines(keepends=True) if not SKIP.search(line.rstrip()))
        )


def _scan(executable: Path, *arguments: str) -> Result:
    done = subprocess.run(
        [executable, *arguments, "--skip-download", "--compact", "--output", "json"],
        # It asks no one whether there is a newer one.
        env={**os.environ, "CKV_SKIP_PACKAGE_UPDATE_CHECK": "true"},
        cwd=executable.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        document = json.loads(done.stdout)
        results = document["results"]
    except (ValueError, LookupError, TypeError) as error:
        raise CheckovError(
            f"expected a result of checkov, found: {done.stdout[-500:]}{done.stderr[-1500:]}"
        ) from error
    if results["parsing_errors"]:
        raise CheckovError(
            f"expected files that checkov can read, found errors in {results['parsing_errors']}"
        )
    return Result(
        len(results["passed_checks"]),
        *(tuple(_findings(results[f"{kind}_checks"])) for kind in ("failed", "skipped")),
    )


def _findings(checks: list[dict[str, str]]) -> Iterator[Finding]:
    for found in checks:
        yield Finding(found["check_id"], found["resource"], Path(found["file_path"]).name)
