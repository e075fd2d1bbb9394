"""Resource names of the API."""

from typing import NamedTuple


class Scope(NamedTuple):
    """The project and region in which a name is unique."""

    project: str
    region: str

    @property
    def path(self) -> str:
        """`projects/<project>/regions/<region>`."""
        return f"projects/{self.project}/regions/{self.region}"

    def cluster(self, name: str) -> str:
        """A cluster as messages name it."""
        return f"Cluster {self.path}/clusters/{name}"

    def job(self, job_id: str) -> str:
        """A job as messages name it."""
        return f"Job {self.path}/jobs/{job_id}"

    def operation(self, operation_id: str) -> str:
        """The full name of a long-running operation."""
        return f"{self.path}/operations/{operation_id}"


def instance_names(cluster: str, role: str, count: int) -> list[str]:
    """Names of the machines of a group, as Dataproc derives them; role is `m`, `w` or `sw`."""
    if role == "m" and count == 1:
        return [f"{cluster}-m"]
    return [f"{cluster}-{role}-{index}" for index in range(count)]
