"""`landfall doctor`: what this machine needs, what it has, and the remedy."""

import importlib.metadata
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from packaging.requirements import Requirement
from rich.text import Text

from localcloud.command.console import make_console
from localcloud.command.output import print_document
from localcloud.launcher.errors import CommandError
from localcloud.launcher.parts import name_parts
from localcloud.launcher.place import Place
from localcloud.launcher.ports import HOST
from localcloud.launcher.process import is_alive
from localcloud.launcher.state import read_state

VERSION = 1
JAVA = 17
MEMORY = 4.0  # GiB that the parts and one Spark job use at most, with some room
DISK = 2.0  # GiB
_MEMORY_LIMIT = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True)
class Finding:
    """What was looked at: `state` is ok, missing (required) or absent (optional, only told).

    `needed` is empty where nothing is required.
    """

    subject: str
    state: str
    found: str
    needed: str = ""
    remedy: str = ""


def doctor(place: Place, as_json: bool = False) -> int:
    """Show every finding; 1 if something required is missing."""
    findings = [*check_machine(place), *check_tools(shutil.which), *check_parts(place)]
    missing = [finding.subject for finding in findings if finding.state == "missing"]
    if as_json:
        told = [asdict(finding) for finding in findings]
        print_document({"version": VERSION, "missing": missing, "findings": told})
    else:
        _show(findings, missing)
    return 1 if missing else 0


def _show(findings: Iterable[Finding], missing: Sequence[str]) -> None:
    console = make_console()
    styles = {"ok": "green", "missing": "red", "absent": "yellow"}
    for finding in findings:
        line = Text(f"{finding.state:<8} ", styles[finding.state])
        needed = f" (needed: {finding.needed})" if finding.needed else ""
        line.append(f"{finding.subject:<14} {finding.found}{needed}", "default")
        console.print(line)
        if finding.state != "ok" and finding.remedy:
            console.print(f"{'':<23} → {finding.remedy}")
    console.print(
        f"\nMissing: {', '.join(missing)}." if missing else "\nThis machine has what landfall needs."
    )


def require(findings: Iterable[Finding]) -> None:
    """Raise CommandError with the remedy of everything required that is missing."""
    missing = [finding for finding in findings if finding.state == "missing"]
    if missing:
        raise CommandError(
            "this machine cannot run the local cloud yet.\n"
            + "\n".join(f"  {f.subject}: needed {f.needed}, found {f.found}. {f.remedy}" for f in missing)
        )


def check_machine(place: Place) -> list[Finding]:
    """What has to be right before anything can start."""
    return [
        check_python(sys.version_info[:2]),
        check_system(platform.system()),
        check_java(_java_version(), os.environ.get("JAVA_HOME", "")),
        check_packages(place.root / "requirements.txt", _installed_version),
        check_memory(read_memory(psutil.virtual_memory().total) / 2**30),
        check_disk(place.home),
        check_loopback(),
    ]


def check_python(version: tuple[int, int]) -> Finding:
    right = (3, 11) <= version < (3, 13)
    return Finding(
        "Python",
        "ok" if right else "missing",
        ".".join(map(str, version)),
        "3.11 or 3.12",
        "Install one of them and run `make install PYTHON=python3.12`.",
    )


def check_system(name: str) -> Finding:
    state = "ok" if name in ("Linux", "Darwin") else "missing"
    return Finding("System", state, name, "Linux or macOS", "On Windows, use WSL 2.")


def check_java(output: str | None, java_home: str = "") -> Finding:
    """`output` is what `java -version` said, None without a java; `java_home` is JAVA_HOME."""
    match = re.search(r'version "(\d+)', output or "")
    major = int(match[1]) if match else 0
    # Up to Java 8 the number was written 1.8.
    found = f"Java {major}" if major else "none" if output is None else output.strip()[:80]
    return Finding(
        "Java",
        "ok" if major >= JAVA else "missing",
        found,
        f"{JAVA} or newer, for Spark",
        f"JAVA_HOME={java_home} holds no java: unset it or correct it."
        if java_home and output is None
        else "`make install` installs it where it may; else `sudo apt-get install openjdk-17-jre-headless` "
        "(Debian 13: openjdk-21-jre-headless; macOS: `brew install openjdk@17` and set JAVA_HOME).",
    )


def check_packages(lock: Path, installed: Callable[[str], str | None]) -> Finding:
    """Whether the environment holds what requirements.txt locks."""
    wrong = []
    wanted = list(read_lock(lock))
    for requirement in wanted:
        version = installed(requirement.name)
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement.name} {version or 'absent'}")
    return Finding(
        "Packages",
        "missing" if wrong else "ok",
        f"{len(wrong)} of {len(wanted)} differ: {', '.join(wrong[:4])}"
        if wrong
        else f"{len(wanted)} as locked",
        "the versions in requirements.txt",
        "`make install` brings the environment in step.",
    )


def read_lock(lock: Path) -> Iterable[Requirement]:
    """The locked requirements that apply to this interpreter."""
    for line in lock.read_text().splitlines():
        if line and line[0] not in "# -":
            requirement = Requirement(line.split(" \\")[0].split(" #")[0])
            if requirement.marker is None or requirement.marker.evaluate():
                yield requirement


def read_memory(total: int, limit: Path = _MEMORY_LIMIT) -> int:
    """The machine's `total`, or what its container (cgroup v2) may use where that is less; in bytes."""
    try:
        text = limit.read_text().strip()
    except OSError:
        return total
    return min(total, int(text)) if text.isdigit() else total


def check_memory(total: float) -> Finding:
    """`total` in GiB."""
    return Finding(
        "Memory",
        "ok" if total >= MEMORY * 0.95 else "missing",
        f"{total:.1f} GiB",
        f"{MEMORY:.0f} GiB",
        "Give this machine (or its container) more memory.",
    )


def check_disk(home: Path) -> Finding:
    folder = next(path for path in (home, *home.parents) if path.exists())
    free = shutil.disk_usage(folder).free / 2**30
    return Finding(
        "Disk",
        "ok" if free >= DISK else "missing",
        f"{free:.1f} GiB free at {folder}",
        f"{DISK:.0f} GiB",
        "Make room there, or point LANDFALL_HOME at a folder on another disk.",
    )


def check_loopback() -> Finding:
    remedy = f"Allow this user to listen on {HOST} (a container or sandbox may forbid it)."
    try:
        with socket.socket() as server:
            server.bind((HOST, 0))
            server.listen()
            with socket.create_connection(server.getsockname(), timeout=2):
                return Finding("Loopback", "ok", f"{HOST} listens and answers", "ports on loopback")
    except OSError as error:
        return Finding("Loopback", "missing", str(error), "ports on loopback", remedy)


def check_tools(which: Callable[[str], str | None]) -> list[Finding]:
    """Google's own clients: nice to have."""
    remedy = "Optional: the Google Cloud CLI has it; `landfall env` points it here."
    return [
        Finding(tool, "ok" if which(tool) else "absent", which(tool) or "none", remedy=remedy)
        for tool in ("gcloud", "bq")
    ]


def check_parts(place: Place) -> list[Finding]:
    """The parts: down is nothing to mend, some down while others run is."""
    state = read_state(place.state)
    names, running = name_parts(state.faults), state.parts
    alive = {name for name in names if name in running and is_alive(running[name])}
    if not alive:
        return [Finding("Parts", "ok", "down; `landfall up` starts them")]
    return [
        Finding(
            part,
            "ok" if part in alive else "missing",
            f"runs as process {running[part].pid}" if part in alive else "down",
            "running",
            f"`landfall logs {part}` says why; `landfall up` starts it again.",
        )
        for part in names
    ]


def _installed_version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _java_version() -> str | None:
    java = find_java()
    if java is None:
        return None
    done = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)  # noqa: S603 found on PATH
    return done.stderr + done.stdout


def find_java() -> str | None:
    """The java that Spark will take: JAVA_HOME's, else the first on PATH."""
    home = os.environ.get("JAVA_HOME")
    return shutil.which(str(Path(home) / "bin" / "java")) if home else shutil.which("java")
