"""Runs a PySpark job as Dataproc's agent does: copies its files to a folder, starts spark-submit there."""

import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from google.cloud.dataproc_v1.types import Cluster, Job

from . import spark
from .driver_log import last_words
from .processes import Session, end_working_in

_TAIL_BYTES = 1 << 16


class StagingError(Exception):
    """A file of the job cannot be had."""


@dataclass(frozen=True)
class Launch:
    """A job that is ready to start: its command, its folder and where its output goes."""

    command: spark.Command
    folder: Path
    output: Path


class Runner:
    """Starts jobs below one folder; `jvm_options` are asked for at every start."""

    def __init__(self, site: spark.Site, folder: Path, jvm_options: Callable[[], Iterable[str]]) -> None:
        self._site = site
        self._folder = folder
        self._jvm_options = jvm_options

    def stage(self, job: Job, cluster: Cluster) -> Launch:
        """Copy the job's files to its folder; StagingError names the one that is missing."""
        folder = self._folder / job.job_uuid
        (folder / "local").mkdir(parents=True)
        pyspark = job.pyspark_job
        staged = spark.Staged(
            main=self._copy(pyspark.main_python_file_uri, folder),
            python_files=tuple(self._copy(uri, folder) for uri in pyspark.python_file_uris),
            jars=tuple(self._copy(uri, folder) for uri in pyspark.jar_file_uris),
            files=tuple(self._copy(uri, folder) for uri in pyspark.file_uris),
            archives=tuple(self._copy(uri, folder) for uri in pyspark.archive_uris),
        )
        command = spark.command(
            site=self._site,
            staged=staged,
            args=pyspark.args,
            cluster_properties=cluster.config.software_config.properties,
            job_properties=pyspark.properties,
            folder=folder,
            bucket_names=sorted(path.name for path in self._site.buckets.iterdir() if path.is_dir()),
            jvm_options=self._jvm_options(),
        )
        return Launch(command, folder, self.output_of(job))

    def start(self, launch: Launch) -> Session:
        """Start spark-submit; its output goes to the job's first output object while it runs."""
        launch.output.parent.mkdir(parents=True, exist_ok=True)
        if launch.command.dropped:
            names = ", ".join(launch.command.dropped)
            launch.output.write_text(f"local Dataproc: dropped properties that only a cluster has: {names}\n")
        env = spark.environment(self._site, launch.folder, os.environ)
        return Session(launch.command.arguments, env, launch.folder, launch.output)

    def end_all(self) -> None:
        """End every process of any job, whoever started it."""
        end_working_in(self._folder)

    def last_words(self, job: Job) -> str:
        """Why the driver failed, as far as its output says."""
        output = self.output_of(job)
        if not output.exists():
            return ""
        with output.open("rb") as stream:
            stream.seek(max(0, output.stat().st_size - _TAIL_BYTES))
            return last_words(stream.read().decode(errors="replace"))

    def clear(self, job: Job) -> None:
        """Remove the job's folder; its output stays in the bucket."""
        shutil.rmtree(self._folder / job.job_uuid, ignore_errors=True)

    def output_of(self, job: Job) -> Path:
        """The file behind the first object of `driver_output_resource_uri`."""
        return self._path(f"{job.driver_output_resource_uri}.000000000")

    def _copy(self, uri: str, folder: Path) -> str:
        location, hash_sign, alias = uri.partition("#")
        source = self._path(location)
        if not source.is_file():
            raise StagingError(f"File not found: {location}")
        target = folder / source.name
        shutil.copyfile(source, target)
        return f"{target}{hash_sign}{alias}"

    def _path(self, uri: str) -> Path:
        if uri.startswith("file://"):
            return Path(uri.removeprefix("file://"))
        name = PurePosixPath(uri.removeprefix("gs://"))
        if ".." in name.parts:
            raise StagingError(f"File not found: {uri}")
        return self._site.buckets / name
