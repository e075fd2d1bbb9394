"""The spark-submit command of a PySpark job on one machine. Pure: paths and facts in, arguments out.

Order of properties, later wins: what one machine needs by default, `spark:` properties of the cluster,
properties of the job, what one machine forces. Properties that only a cluster understands are dropped.
"""

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

MEBIBYTE = 1 << 20
MOST_DRIVER_MEMORY = 2048 * MEBIBYTE
LEAST_DRIVER_MEMORY = 512 * MEBIBYTE
TASK_ATTEMPTS = 4

# The first tier of the compiler, and a simple collector: local jobs are short, and most of their time is
# the start. `spark.driver.extraJavaOptions=-XX:TieredStopAtLevel=4` gives a long job the second tier back.
QUICK_JVM = ("-XX:TieredStopAtLevel=1", "-XX:+UseParallelGC")
QUICK_LAUNCHER = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto"

# Meaningless on one machine, or in the way of its gs:// paths.
DROPPED = re.compile(
    r"spark\.(master|submit\.deployMode|yarn\..*|kubernetes\..*|dynamicAllocation\..*|shuffle\.service\..*"
    r"|executor\.(instances|cores)|driver\.(host|port|bindAddress)|blockManager\.port|driver\.blockManager\.port"
    r"|local\.dir|eventLog\..*|history\..*|ui\.(enabled|port)|pyspark\.(driver\.)?python"
    r"|decommission\..*|storage\.decommission\..*|dataproc\..*"
    r"|hadoop\.(fs\.gs\..*|fs\.AbstractFileSystem\.gs\..*|fs\.viewfs\..*|fs\.defaultFS|yarn\..*|mapreduce\..*|hdfs\..*))"
)
_SIZE = re.compile(r"(?P<number>\d+)\s*(?P<unit>[kmgt]?)i?b?", re.IGNORECASE)
_UNITS = {"k": 1 << 10, "": MEBIBYTE, "m": MEBIBYTE, "g": 1 << 30, "t": 1 << 40}


@dataclass(frozen=True)
class Site:
    """What is the same for every job: the machine (memory in bytes), Spark, Python and the buckets.

    `spark_submit` is the command that takes the arguments of spark-submit; None: that of `spark_home`.
    """

    spark_home: Path
    python: Path
    cores: int
    memory: int
    buckets: Path
    spark_submit: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Staged:
    """The job's files as spark-submit takes them: paths, an archive perhaps with `#alias`."""

    main: str
    python_files: tuple[str, ...] = ()
    jars: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    archives: tuple[str, ...] = ()


@dataclass(frozen=True)
class Command:
    """A command line, and the names of the properties that it leaves out."""

    arguments: list[str]
    dropped: list[str] = field(default_factory=list)


def command(
    site: Site,
    staged: Staged,
    args: Iterable[str],
    cluster_properties: Mapping[str, str],
    job_properties: Mapping[str, str],
    folder: Path,
    bucket_names: Iterable[str],
    jvm_options: Iterable[str] = (),
) -> Command:
    """The spark-submit command of a job that works in `folder`."""
    asked = {**spark_properties(cluster_properties), **job_properties}
    kept = {name: value for name, value in asked.items() if not DROPPED.fullmatch(name)}
    properties = {
        **_defaults(folder),
        **kept,
        **_forced(site, folder, kept, jvm_options),
        **gs_properties(site.buckets, bucket_names),
    }
    arguments = list(site.spark_submit or [str(site.spark_home / "bin" / "spark-submit")])
    for name, value in sorted(properties.items()):
        arguments += ["--conf", f"{name}={value}"]
    for option, values in (
        ("--py-files", staged.python_files),
        ("--jars", staged.jars),
        ("--files", staged.files),
        ("--archives", staged.archives),
    ):
        if values:
            arguments += [option, ",".join(values)]
    return Command([*arguments, staged.main, *args], sorted(asked.keys() - kept.keys()))


def spark_properties(cluster_properties: Mapping[str, str]) -> dict[str, str]:
    """The properties of a cluster that go to spark-defaults.conf: those with the prefix `spark:`."""
    return {
        name.removeprefix("spark:"): value
        for name, value in cluster_properties.items()
        if name.startswith("spark:")
    }


def gs_properties(buckets: Path, names: Iterable[str]) -> dict[str, str]:
    """Settings that make `gs://<bucket>/…` the folder `<buckets>/<bucket>/…` for every bucket named.

    The folder is reached through RawLocalFileSystem under a scheme of its own, so that no .crc files appear
    beside the objects and `file:` stays as it is. A bucket that is not named has no mount table: Hadoop then
    asks for the class below, whose name is the message.
    """
    overload = "spark.hadoop.fs.viewfs"
    properties = {
        "spark.hadoop.fs.gs.impl": "org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme",
        "spark.hadoop.fs.rawlocal.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
        f"{overload}.overload.scheme.target.gs.impl": "no.such.bucket.in.the.local.cloud",
    }
    for name in names:
        # Hadoop reads the target as a URI, in which a space would end it.
        target = f"rawlocal://{quote(str(buckets / name))}"
        properties[f"{overload}.mounttable.{name}.linkFallback"] = target
    return properties


def environment(site: Site, folder: Path, inherited: Mapping[str, str]) -> dict[str, str]:
    """The environment of spark-submit: the caller's, without its own Spark and Python settings."""
    own = re.compile(r"(SPARK|PYSPARK|HADOOP|YARN)_.*|PYTHONPATH|PYTHONHOME")
    return {name: value for name, value in inherited.items() if not own.fullmatch(name)} | {
        "SPARK_HOME": str(site.spark_home),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_DIRS": str(folder / "local"),
        "SPARK_LAUNCHER_OPTS": QUICK_LAUNCHER,
        "PYSPARK_PYTHON": str(site.python),
        "PYSPARK_DRIVER_PYTHON": str(site.python),
        "PYTHONUNBUFFERED": "1",
    }


def driver_memory(asked: str | None, machine_memory: int) -> str:
    """What was asked, but at most 2 GiB and a quarter of the machine, and at least 512 MiB."""
    most = max(LEAST_DRIVER_MEMORY, min(MOST_DRIVER_MEMORY, machine_memory // 4))
    found = _SIZE.fullmatch(asked.strip()) if asked else None
    wanted = int(found["number"]) * _UNITS[found["unit"].lower()] if found else most
    return f"{max(LEAST_DRIVER_MEMORY, min(wanted, most)) // MEBIBYTE}m"


def _defaults(folder: Path) -> dict[str, str]:
    return {"spark.sql.warehouse.dir": f"file://{folder}/warehouse"}


def _forced(site: Site, folder: Path, kept: Mapping[str, str], jvm_options: Iterable[str]) -> dict[str, str]:
    java = "spark.driver.defaultJavaOptions"
    return {
        # A task is tried as often as on a cluster; of itself local mode gives up at the first failure.
        "spark.master": f"local[{site.cores},{TASK_ATTEMPTS}]",
        "spark.submit.deployMode": "client",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": driver_memory(kept.get("spark.driver.memory"), site.memory),
        "spark.ui.enabled": "false",
        # Spark takes the string apart as a shell does.
        java: " ".join([*QUICK_JVM, *map(shlex.quote, jvm_options), kept.get(java, "")]).strip(),
    }
