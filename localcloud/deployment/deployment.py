"""One installation of the bundle, as the commands need it, wherever it runs."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from localcloud.airflow.api import Airflow
from localcloud.command.datasets import Dataset, read_datasets
from localcloud.launcher.errors import UsageError

if TYPE_CHECKING:
    from google.cloud import storage  # type: ignore[attr-defined]

    from localcloud.deployment.bigquery import BigQuery


@dataclass(frozen=True)
class Look:
    """What `status` says of the installation itself.

    `head` opens its JSON document, `lines` its view. `blind` is why nothing can be said of files, empty where
    it can; `sound` whether all that should run does.
    """

    head: Mapping[str, Any]
    lines: Sequence[Text]
    blind: str
    sound: bool


class Deployment(ABC):
    """Clients, names and words of one installation. What is not there raises CommandError with the remedy.

    Attributes:
        command: how the user calls this command for it.
        contracts: a folder of rendered contracts for each dataset.
        buckets: the name of each bucket, by purpose.
        sees_events: whether it can be asked what became of an object's event.
        guards: whether it hides what contracts keep for their roles.
        pause: seconds between two looks at what is followed.
        patience: seconds for which files are followed, unless the user says otherwise.
    """

    command: str
    contracts: Path
    buckets: Mapping[str, str]
    sees_events: bool
    guards: bool
    pause: float
    patience: float

    @cached_property
    def contracted(self) -> dict[str, Dataset]:
        """The datasets that the checkout describes, by name."""
        return read_datasets(self.contracts)

    @property
    @abstractmethod
    def datasets(self) -> dict[str, Dataset]:
        """Those of them that it has."""

    def require_dataset(self, name: str) -> Dataset:
        """A dataset that it has; raises UsageError, naming those that there are, for another."""
        if name not in self.contracted:
            known = ", ".join(self.contracted) or "none (run `make render`)"
            raise UsageError(f"there is no dataset {name!r}; the datasets are {known}.")
        return self.contracted[name]

    def hides(self, dataset: Dataset) -> bool:
        """Whether rows of trusted may be there that the user does not see."""
        return self.guards and dataset.guarded

    @property
    @abstractmethod
    def links(self) -> Mapping[str, str]:
        """By kind of thing, where a browser finds one, for `links.fill`; a kind without pages is left out."""

    @property
    @abstractmethod
    def control_room(self) -> str | None:
        """The address of the control room, without a slash at its end; None where there is none."""

    @abstractmethod
    def require_all(self) -> None:
        """Raise CommandError when something is missing that a file needs to reach trusted."""

    @abstractmethod
    def storage(self) -> "storage.Client": ...

    @abstractmethod
    def bigquery(self) -> "BigQuery": ...

    @abstractmethod
    def airflow(self) -> Airflow: ...

    @abstractmethod
    def look(self) -> Look:
        """Look at the installation itself; never raises for what is down or away."""

    @abstractmethod
    def variables(self) -> dict[str, str]:
        """The variables that point other clients at it."""

    @abstractmethod
    def exports(self) -> str:
        """Lines for a POSIX shell that set them, and unset what would lead clients elsewhere."""

    def deliveries(self, uri: str, generation: int) -> list[dict[str, Any]]:
        """What became of the event of an object; only where `sees_events`."""
        raise NotImplementedError

    @abstractmethod
    def say_logs(self, dag: str, run: str) -> str:
        """Sentences on where the logs of a run lie."""

    @abstractmethod
    def say_where(self, step: str) -> str:
        """A sentence on who tells why a step of a file's way is not done, or why `Airflow` took no run."""
