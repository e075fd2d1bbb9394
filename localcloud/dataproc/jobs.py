"""The life of jobs: PENDING, SETUP_DONE, RUNNING, then DONE, ERROR or CANCELLED; a process each."""

import logging
import threading
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from google.cloud.dataproc_v1.types import (
    CancelJobRequest,
    Cluster,
    ClusterStatus,
    DeleteJobRequest,
    GetJobRequest,
    Job,
    JobStatus,
    ListJobsRequest,
    ListJobsResponse,
    SubmitJobRequest,
)

from localcloud.faults.reader import Faults
from localcloud.faults.rules import Rule

from . import filters, job_faults, validation
from .clusters import enter
from .errors import already_exists, failed_precondition, invalid_argument, not_found, unimplemented
from .names import Scope
from .processes import Session
from .runner import Launch, Runner, StagingError
from .store import Store

State = JobStatus.State
NO_AGENT = "No agent on master node(s) found to be active"
# Of a job whose cluster is gone, and with it the agent that knew of it.
TASK_NOT_FOUND = "Task not found"
STOPPED = "The local Dataproc was stopped while the job was active."
_JOIN_SECONDS = 4.0
_log = logging.getLogger(__name__)


class Ending(NamedTuple):
    """How a job is to end that someone ends."""

    state: int
    details: str


class Key(NamedTuple):
    """A job of a scope."""

    scope: Scope
    job_id: str


class Jobs:
    """The jobs of the store, and the threads of those that are active."""

    def __init__(self, store: Store, runner: Runner, clock: Callable[[], datetime], faults: Faults) -> None:
        self._store = store
        self._runner = runner
        self._clock = clock
        self._faults = faults
        self._threads: dict[Key, threading.Thread] = {}
        self._sessions: dict[Key, Session] = {}
        self._endings: dict[Key, Ending] = {}

    def submit(self, request: SubmitJobRequest) -> Job:
        """Accept a job and start it; it is returned as PENDING."""
        scope = Scope(request.project_id, request.region)
        if problems := validation.submit_job_problems(request):
            raise invalid_argument(problems)
        if (kind := Job.pb(request.job).WhichOneof("type_job")) != "pyspark_job":
            raise unimplemented(f"A job of type {kind}")
        with self._store.transaction():
            first = self._store.target_of_request("SubmitJob", scope, request.request_id)
            if request.request_id and first:
                return self._find(Key(scope, first))
            cluster = self._running_cluster(scope, request.job.placement.cluster_name)
            job = _completed(request.job, scope, cluster, self._clock())
            key = Key(scope, job.reference.job_id)
            if self._store.job(*key) is not None:
                raise already_exists("submit job", scope.job(key.job_id))
            self._store.put_job(scope, job)
            self._store.remember_request("SubmitJob", scope, request.request_id, key.job_id)
            rules = job_faults.choose(self._faults, key.job_id)
            thread = threading.Thread(
                target=self._work, args=(key, Job(job), cluster, rules), name=f"job {key.job_id}"
            )
            self._threads[key] = thread
            thread.start()
            return job

    def get(self, request: GetJobRequest) -> Job:
        """The job; NOT_FOUND if there is none of that id."""
        return self._find(Key(Scope(request.project_id, request.region), request.job_id))

    def list(self, request: ListJobsRequest) -> ListJobsResponse:
        """The jobs that match filter or state matcher and the cluster, newest first, in pages."""
        scope = Scope(request.project_id, request.region)
        terms = filters.parse(request.filter, ("status.state",))
        matcher = filters.JOB_MATCHERS.ALL if terms else request.job_state_matcher
        found = [
            job
            for job in self._store.jobs(scope)
            if request.cluster_name in ("", job.placement.cluster_name)
            and filters.job_matches(job, terms)
            and filters.job_state_matches(job, matcher)
        ]
        page = filters.page(len(found), request.page_size, request.page_token)
        return ListJobsResponse(jobs=found[page.start : page.stop], next_page_token=page.next_token)

    def cancel(self, request: CancelJobRequest) -> Job:
        """Ask an active job to end; it is CANCELLED once its processes are gone."""
        key = Key(Scope(request.project_id, request.region), request.job_id)
        with self._store.transaction():
            job = self._find(key)
            if job.status.state in filters.FINAL_JOB_STATES:
                raise failed_precondition(
                    f"Cannot cancel job '{key.job_id}' in state {job.status.state.name}."
                )
            if key not in self._endings:
                self._enter(key, State.CANCEL_PENDING)
                self._enter(key, State.CANCEL_STARTED)
                self._end(key, Ending(State.CANCELLED, "The job was cancelled."))
            return self._find(key)

    def delete(self, request: DeleteJobRequest) -> None:
        """Forget a job that is not active."""
        key = Key(Scope(request.project_id, request.region), request.job_id)
        with self._store.transaction():
            job = self._find(key)
            if job.status.state not in filters.FINAL_JOB_STATES:
                raise failed_precondition(
                    f"Cannot delete job '{key.job_id}' in state {job.status.state.name}: cancel it first."
                )
            self._store.drop_job(*key)

    def end_of_cluster(self, cluster_uuid: str, details: str) -> None:
        """End the active jobs of a cluster that is being deleted, or that is gone."""
        for scope, job in self._store.jobs_of_cluster(cluster_uuid):
            if job.status.state not in filters.FINAL_JOB_STATES:
                self._end(Key(scope, job.reference.job_id), Ending(State.ERROR, details))

    def recover(self) -> None:
        """End what is left of the processes of an earlier run, and mark the jobs it left active as ERROR."""
        self._runner.end_all()
        for scope, job in self._store.every_job():
            if job.status.state not in filters.FINAL_JOB_STATES:
                with self._store.transaction():
                    self._enter(Key(scope, job.reference.job_id), State.ERROR, STOPPED)
                    self._break_cluster(scope, job)
                self._runner.clear(job)

    def stop(self) -> None:
        """End every active job, and wait until its processes are gone."""
        with self._store.transaction():
            threads = dict(self._threads)
            for key in threads:
                self._break_cluster(key.scope, self._find(key))
                self._end(key, Ending(State.ERROR, STOPPED))
        for thread in threads.values():
            thread.join(_JOIN_SECONDS)

    def _work(self, key: Key, job: Job, cluster: Cluster, rules: Sequence[Rule]) -> None:
        try:
            ending = self._run(key, job, cluster, rules)
        except StagingError as error:
            ending = Ending(State.ERROR, str(error))
        except Exception as error:
            _log.exception("job %s", key.job_id)
            ending = Ending(State.ERROR, f"The local Dataproc failed to run the job: {error!r}")
        self._runner.clear(job)
        with self._store.transaction():
            self._sessions.pop(key, None)
            self._threads.pop(key, None)
            ending = self._endings.pop(key, ending)
            self._enter(key, ending.state, ending.details)

    def _run(self, key: Key, job: Job, cluster: Cluster, rules: Sequence[Rule]) -> Ending:
        launch = self._runner.stage(job, cluster)
        session = self._start(key, launch)
        if session:
            job_faults.strike(self._faults, rules, session, lambda: self._lose(cluster.cluster_uuid))
        code = session.wait() if session else 0
        if code == 0:
            return Ending(State.DONE, "")
        return Ending(
            State.ERROR,
            f"{_killed(code)}Google Cloud Dataproc Agent reports job failure (exit code {code}). The "
            f"driver's output is at {job.driver_output_resource_uri}.*; it ends with:\n"
            f"{self._runner.last_words(job)}",
        )

    def _start(self, key: Key, launch: Launch) -> Session | None:
        with self._store.transaction():
            if key in self._endings:
                return None
            self._enter(key, State.SETUP_DONE)
            session = self._runner.start(launch)
            self._sessions[key] = session
            self._enter(key, State.RUNNING)
            return session

    def _break_cluster(self, scope: Scope, job: Job) -> None:
        """Put a job's cluster in ERROR: what ends with this process are machines, not the job's own doing."""
        placement, states = job.placement, ClusterStatus.State
        cluster = self._store.cluster(scope, placement.cluster_name)
        is_its_own = cluster is not None and cluster.cluster_uuid == placement.cluster_uuid
        if cluster and is_its_own and cluster.status.state == states.RUNNING:
            enter(cluster, states.ERROR, self._clock(), STOPPED)
            self._store.put_cluster(scope, cluster)

    def _lose(self, cluster_uuid: str) -> Sequence[str]:
        """Let a running cluster be gone, without an operation; its jobs stay, in ERROR. Returns its name."""
        with self._store.transaction():
            clusters = {one.cluster_uuid: one for one in self._store.clusters()}
            cluster = clusters.get(cluster_uuid)
            if cluster is None or cluster.status.state != ClusterStatus.State.RUNNING:
                return ()
            self._store.drop_cluster(cluster_uuid)
            self.end_of_cluster(cluster_uuid, TASK_NOT_FOUND)
            return (cluster.cluster_name,)

    def _end(self, key: Key, ending: Ending) -> None:
        self._endings[key] = ending
        if session := self._sessions.get(key):
            threading.Thread(target=session.end, name=f"end of job {key.job_id}").start()

    def _enter(self, key: Key, state: int, details: str = "") -> None:
        job = self._find(key)
        job.status_history.append(job.status)
        job.status = JobStatus(state=state, details=details, state_start_time=self._clock())
        job.done = state in filters.FINAL_JOB_STATES
        self._store.put_job(key.scope, job)

    def _find(self, key: Key) -> Job:
        job = self._store.job(*key)
        if job is None:
            raise not_found(key.scope.job(key.job_id))
        return job

    def _running_cluster(self, scope: Scope, name: str) -> Cluster:
        cluster = self._store.cluster(scope, name)
        if cluster is None:
            raise not_found(scope.cluster(name))
        if (state := cluster.status.state) != ClusterStatus.State.RUNNING:
            words = f"Unable to submit job, cluster '{name}' is in state {state.name} and cannot accept jobs."
            dead = [NO_AGENT] if state == ClusterStatus.State.ERROR else []
            raise failed_precondition(*dead, words)
        return cluster


def _killed(code: int) -> str:
    """What Dataproc says first of a driver that a signal ended; a shell's code is 128 and the signal."""
    if code >= 0:
        return ""
    return (
        f"Driver received SIGTERM/SIGKILL signal and exited with {128 - code} code, which potentially "
        "signifies a memory pressure.\n"
    )


def _completed(asked: Job, scope: Scope, cluster: Cluster, now: datetime) -> Job:
    """The job with what Dataproc adds: identity, placement, status and where its output will be."""
    job = Job(asked)
    job.reference.project_id = scope.project
    job.reference.job_id = job.reference.job_id or str(uuid.uuid4())
    job.placement.cluster_uuid = cluster.cluster_uuid
    job.job_uuid = str(uuid.uuid4())
    job.status = JobStatus(state=State.PENDING, state_start_time=now)
    job.status_history = []
    bucket, cluster_uuid, job_id = cluster.config.config_bucket, cluster.cluster_uuid, job.reference.job_id
    prefix = f"gs://{bucket}/google-cloud-dataproc-metainfo/{cluster_uuid}/jobs/{job_id}/"
    job.driver_control_files_uri = prefix
    job.driver_output_resource_uri = f"{prefix}driveroutput"
    return job
