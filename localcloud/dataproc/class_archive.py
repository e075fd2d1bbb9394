"""Spark's classes, parsed once: an archive that every driver JVM maps instead of loading them from jars.

The JVM checks the archive against itself and the class path and goes on without it where they differ. It is
made by a small Spark job, at the lowest priority, the first time that a part runs with a Java and a Spark.
"""

import fcntl
import hashlib
import logging
import os
import shutil
import sys
import threading
from dataclasses import replace
from pathlib import Path

from . import spark
from .processes import Session

# Beside the checkout's other caches, so that a new state folder, as tests have, need not make it again.
FOLDER = Path(__file__).resolve().parents[2] / ".cache" / "spark"

_WARM_UP = Path(__file__).with_name("warm_up.py")
_SILENT = "-Xlog:cds=off", "-Xlog:cds+dynamic=off"
_log = logging.getLogger(__name__)


class ClassArchive:
    """The archive for the Java and Spark of a site."""

    def __init__(self, site: spark.Site, folder: Path = FOLDER) -> None:
        self._site = site
        self._path = folder / f"{_fingerprint(site)}.jsa"
        self._session: Session | None = None
        self._stopped = threading.Event()

    def jvm_options(self) -> tuple[str, ...]:
        """The options of a driver JVM: none while the archive does not exist."""
        return (f"-XX:SharedArchiveFile={self._path}", *_SILENT) if self._path.exists() else ()

    def make_in_background(self) -> None:
        """Make the archive unless it exists; jobs that start meanwhile do without it."""
        if not self._path.exists():
            threading.Thread(target=self._make_alone, name="class archive", daemon=True).start()

    def stop(self) -> None:
        """End the making, if it is under way."""
        self._stopped.set()
        if self._session:
            self._session.end(grace=0)

    def _make_alone(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_suffix(".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                _log.info("%s is being made by another process", self._path)
                return
            self._make()

    def _make(self) -> None:
        folder = self._path.with_suffix(".making")
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "buckets" / "warm-up").mkdir(parents=True)
        made = folder / self._path.name
        command = spark.command(
            site=replace(self._site, buckets=folder / "buckets"),
            staged=spark.Staged(main=str(_WARM_UP)),
            args=["gs://warm-up"],
            cluster_properties={},
            job_properties={},
            folder=folder,
            bucket_names=["warm-up"],
            jvm_options=(f"-XX:ArchiveClassesAtExit={made}", *_SILENT),
        )
        env = spark.environment(self._site, folder, os.environ)
        self._session = Session(["nice", "-n", "19", *command.arguments], env, folder, folder / "log")
        if self._stopped.is_set():
            self._session.end(grace=0)
        code = self._session.wait()
        if code == 0 and made.exists():
            made.replace(self._path)
            shutil.rmtree(folder)
        elif not self._stopped.is_set():
            _log.warning("no class archive: spark-submit ended with %s, see %s", code, folder / "log")


def _fingerprint(site: spark.Site) -> str:
    java = Path(os.environ["JAVA_HOME"], "bin", "java") if "JAVA_HOME" in os.environ else shutil.which("java")
    home = Path(java or "java").resolve().parent.parent
    release = home / "release"
    facts = [str(home), release.read_text() if release.exists() else "", str(site.spark_home), sys.version]
    facts.append(_WARM_UP.read_text())
    jars = (site.spark_home / "jars").glob("spark-*.jar")
    # The JVM takes no archive of jars that were installed anew since, even if they are the same.
    facts += sorted(f"{path.name} {path.stat().st_mtime_ns}" for path in jars)
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:12]
