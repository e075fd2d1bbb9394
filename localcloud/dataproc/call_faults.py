"""What a call suffers by the rules of faults: an error, a delay, a lost answer, the end of its caller."""

import contextlib
import time
from collections.abc import Callable
from typing import TypeVar

import grpc

from localcloud.faults.client import kill_client
from localcloud.faults.reader import Faults
from localcloud.faults.rules import Rule

from .errors import ApiError

PART = "dataproc"
_CODES = {
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    500: grpc.StatusCode.INTERNAL,
    503: grpc.StatusCode.UNAVAILABLE,
}
# What a client of gRPC reports of a connection that was closed before the answer.
_LOST = ApiError(grpc.StatusCode.UNAVAILABLE, "Socket closed")

T = TypeVar("T")


def suffer(faults: Faults, path: str, peer: str, port: int, call: Callable[[], T]) -> T:
    """Make the call, unless a rule says otherwise; `path` is `<service>/<method>`, `port` this server's."""
    rule = faults.choose(PART, path.rpartition("/")[2], path)
    if rule is None:
        return call()
    if rule.action == "error":
        words = f"The call failed on purpose, by the rule {rule.id} of faults; it had no effect."
        raise ApiError(_CODES[rule.status], words)
    if rule.action == "delay":
        time.sleep(rule.seconds)
        return call()
    if rule.action.endswith("_after"):
        # The answer is lost, whatever it is.
        with contextlib.suppress(ApiError):
            call()
    if rule.action.startswith("kill_client"):
        killed = kill_client(int(peer.rpartition(":")[2]), port)
        faults.note(PART, rule.id, "killed", process=killed)
    raise _LOST


def choose_for(faults: Faults, service: str, method: str, name: str, action: str) -> Rule | None:
    """The rule by which `action` befalls the resource of a call that is accepted.

    Its path is `<service>/<method>/<name of the cluster or id of the job>`.
    """
    path = f"google.cloud.dataproc.v1.{service}/{method}/{name}"
    return faults.choose(PART, method, path, among=(action,))
