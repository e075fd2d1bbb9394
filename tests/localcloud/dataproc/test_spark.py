"""The command line of a job, and the words of a failed driver."""

import shlex
from collections.abc import Mapping
from pathlib import Path

import pytest

from localcloud.dataproc.driver_log import last_words
from localcloud.dataproc.spark import (
    Command,
    Site,
    Staged,
    command,
    driver_memory,
    environment,
    gs_properties,
)

GIB = 1 << 30
SITE = Site(Path("/spark"), Path("/env/bin/python"), cores=2, memory=16 * GIB, buckets=Path("/buckets"))


def command_of(cluster: Mapping[str, str], job: Mapping[str, str], staged: Staged | None = None) -> Command:
    staged = staged or Staged("/job/main.py")
    return command(SITE, staged, ["--date", "a b"], cluster, job, Path("/job"), ["one", "two.example.com"])


def properties_of(made: Command) -> dict[str, str]:
    arguments = made.arguments
    pairs = [arguments[index + 1] for index, word in enumerate(arguments) if word == "--conf"]
    return dict(pair.split("=", 1) for pair in pairs)


def test_job_wins_over_cluster_and_machine_over_both() -> None:
    made = command_of(
        {"spark:spark.sql.shuffle.partitions": "10", "spark:spark.sql.ansi.enabled": "true", "yarn:x": "1"},
        {"spark.sql.shuffle.partitions": "4", "spark.driver.memory": "64g", "spark.master": "yarn"},
    )
    properties = properties_of(made)
    assert properties["spark.sql.shuffle.partitions"] == "4"
    assert properties["spark.sql.ansi.enabled"] == "true"
    assert properties["spark.driver.memory"] == "2048m"
    assert properties["spark.master"] == "local[2,4]"
    assert made.dropped == ["spark.master"]
    assert "spark.sql.session.timeZone" not in properties


def test_properties_of_a_real_cluster_are_dropped_by_name() -> None:
    asked = {
        "spark.dynamicAllocation.enabled": "true",
        "spark.shuffle.service.enabled": "true",
        "spark.yarn.queue": "q",
        "spark.executor.instances": "8",
        "spark.hadoop.fs.gs.block.size": "1",
        "spark.hadoop.parquet.block.size": "2",
        "spark.executor.memory": "4g",
    }
    made = command_of({}, asked)
    assert made.dropped == sorted(asked.keys() - {"spark.hadoop.parquet.block.size", "spark.executor.memory"})
    assert not properties_of(made).keys() & set(made.dropped)


def test_every_bucket_is_mounted() -> None:
    properties = properties_of(command_of({}, {}))
    mounts = {name: value for name, value in properties.items() if "mounttable" in name}
    assert mounts == {
        "spark.hadoop.fs.viewfs.mounttable.one.linkFallback": "rawlocal:///buckets/one",
        "spark.hadoop.fs.viewfs.mounttable.two.example.com.linkFallback": "rawlocal:///buckets/two.example.com",
    }


def test_a_path_with_a_space_stays_whole() -> None:
    properties = gs_properties(Path("/my files/100%"), ["one"])
    assert properties["spark.hadoop.fs.viewfs.mounttable.one.linkFallback"] == (
        "rawlocal:///my%20files/100%25/one"
    )
    option = "-XX:SharedArchiveFile=/my files/spark.jsa"
    made = command(SITE, Staged("/job/main.py"), [], {}, {}, Path("/job"), [], jvm_options=[option])
    assert option in shlex.split(properties_of(made)["spark.driver.defaultJavaOptions"])


def test_files_and_arguments_keep_their_order() -> None:
    staged = Staged(
        "/job/main.py", ("/job/a.zip", "/job/b.py"), ("/job/c.jar",), ("/job/d",), ("/job/e.zip#e",)
    )
    arguments = command_of({}, {}, staged).arguments
    assert arguments[0] == "/spark/bin/spark-submit"
    assert arguments[arguments.index("--py-files") :] == [
        *("--py-files", "/job/a.zip,/job/b.py", "--jars", "/job/c.jar", "--files", "/job/d"),
        *("--archives", "/job/e.zip#e", "/job/main.py", "--date", "a b"),
    ]


@pytest.mark.parametrize(
    ("asked", "memory", "expected"),
    [
        (None, 16 * GIB, "2048m"),
        ("1g", 16 * GIB, "1024m"),
        ("1500m", 16 * GIB, "1500m"),
        ("12g", 4 * GIB, "1024m"),
        ("1", 16 * GIB, "512m"),
        (None, GIB, "512m"),
        ("nonsense", 16 * GIB, "2048m"),
    ],
)
def test_driver_memory(asked: str | None, memory: int, expected: str) -> None:
    assert driver_memory(asked, memory) == expected


def test_environment_brings_no_spark_of_the_user() -> None:
    local = {"CLOUD_STORAGE_EMULATOR_ENDPOINT": "http://127.0.0.1:1", "GCE_METADATA_ROOT": "127.0.0.1:2"}
    users = {"SPARK_CONF_DIR": "/mine", "PYTHONPATH": "/mine", "PATH": "/bin", "HOME": "/me"}
    found = environment(SITE, Path("/job"), {**users, **local})
    assert "/mine" not in found.values()
    assert found.items() >= {**local, "HOME": "/me"}.items()
    assert found["PATH"] == "/bin"
    assert found["PYSPARK_PYTHON"] == "/env/bin/python"


PYTHON_ERROR = """Using Spark's default log4j profile
26/11/21 02:00:00 INFO SparkContext: Running
Traceback (most recent call last):
  File "/job/main.py", line 3, in <module>
    run()
pyspark.errors.AnalysisException: [PATH_NOT_FOUND] Path does not exist: gs://b/x.
26/11/21 02:00:01 INFO ShutdownHookManager: Shutdown hook called
"""
CHAINED_ERROR = """Traceback (most recent call last):
  File "main.py", line 1, in <module>
KeyError: 'a'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "main.py", line 2, in <module>
ValueError: expected a
found b
"""
SYNTAX_ERROR = """WARNING: Using incubator modules: jdk.incubator.vector
  File "/job/main.py", line 1
    def
       ^
SyntaxError: invalid syntax
26/11/21 02:00:01 INFO ShutdownHookManager: Shutdown hook called
"""


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (PYTHON_ERROR, "pyspark.errors.AnalysisException: [PATH_NOT_FOUND] Path does not exist: gs://b/x."),
        (CHAINED_ERROR, "ValueError: expected a\nfound b"),
        (SYNTAX_ERROR, '  File "/job/main.py", line 1\n    def\n       ^\nSyntaxError: invalid syntax'),
        ("26/11/21 02:00:00 INFO SparkContext: Running\n", ""),
        ("", ""),
    ],
)
def test_last_words(output: str, expected: str) -> None:
    assert last_words(output) == expected
