"""What Terraform says of an environment: the file that `make deploy` writes, read and checked."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from localcloud.launcher.errors import CommandError, UsageError

PURPOSES = ("landing", "archive", "rejected", "lake", "code", "staging")
#: As terraform/variables.tf has it; a name is also the name of a file.
_NAME = re.compile(r"[a-z][a-z0-9]{1,7}")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Outputs:
    """The outputs of an environment that commands need; `airflow_url` is None while Composer is away.

    `control_room_url` is None, and there are no `links`, of one that was deployed before it had them.
    """

    environment: str
    project: str
    region: str
    bigquery_location: str
    buckets: Mapping[str, str]
    datasets: Sequence[str]
    airflow_url: str | None
    function: str
    control_room_url: str | None
    links: Mapping[str, str]


def read_outputs(home: Path, environment: str) -> Outputs:
    """The outputs of an environment, kept in the state folder.

    Raises UsageError for what can be no environment's name, CommandError, with the remedy, for a file that is
    absent or says something else than expected.
    """
    if not _NAME.fullmatch(environment):
        raise UsageError(
            f"--env: expected the name of an environment, 2 to 8 lower-case letters and digits, "
            f"found {environment!r}."
        )
    path = home / "environments" / f"{environment}.json"
    remedy = f"`make outputs ENV={environment}` writes it anew."
    try:
        text = path.read_text()
    except FileNotFoundError:
        raise CommandError(_absent(path, environment)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path}: expected the outputs of Terraform, found {error}. {remedy}") from error
    try:
        outputs = parse_outputs(text)
    except ValueError as error:
        raise CommandError(f"{path}: {error}. {remedy}") from error
    if outputs.environment != environment:
        raise CommandError(
            f"{path}: expected the environment {environment}, found {outputs.environment}. {remedy}"
        )
    return outputs


def parse_outputs(text: str) -> Outputs:
    """What `terraform output -json` printed; ValueError with everything that is wrong with it."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ValueError(f"expected the JSON of `terraform output -json`, found none ({error})") from error
    if not isinstance(document, dict):
        raise ValueError(f"expected an object of outputs, found {type(document).__name__}")
    reader = _Reader(document)
    outputs = Outputs(
        reader.text("environment"),
        reader.text("project"),
        reader.text("region"),
        reader.text("bigquery_location"),
        reader.buckets(),
        reader.names("datasets"),
        reader.url("airflow_url"),
        reader.text("function", may_be_empty=True),
        reader.url("control_room_url") if "control_room_url" in document else None,
        reader.links() if "links" in document else {},
    )
    if reader.problems:
        raise ValueError("; ".join(reader.problems))
    return outputs


class _Reader:
    """Reads one output after the other and remembers what is wrong instead of stopping at the first."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self.problems: list[str] = []

    def text(self, name: str, may_be_empty: bool = False) -> str:
        value = self._value(name)
        if isinstance(value, str) and (value or may_be_empty):
            return value
        self._expect(name, "a text", value)
        return ""

    def names(self, name: str) -> tuple[str, ...]:
        value = self._value(name)
        if isinstance(value, list) and all(isinstance(one, str) and one for one in value):
            return tuple(value)
        self._expect(name, "a list of names", value)
        return ()

    def buckets(self) -> dict[str, str]:
        value = self._value("buckets")
        if not isinstance(value, dict):
            self._expect("buckets", "a bucket's name by purpose", value)
            return {}
        for purpose in PURPOSES:
            if not isinstance(value.get(purpose), str) or not value[purpose]:
                self._expect(f"buckets.{purpose}", "a bucket's name", value.get(purpose))
        return {str(purpose): str(name) for purpose, name in value.items()}

    def links(self) -> dict[str, str]:
        value = self._value("links")
        if not isinstance(value, dict):
            self._expect("links", "an address by kind", value)
            return {}
        for kind, address in value.items():
            if not (isinstance(address, str) and _is_safe(address)):
                self._expect(f"links.{kind}", "an https address", address)
        return {str(kind): str(address) for kind, address in value.items()}

    def url(self, name: str) -> str | None:
        """An address that a token can be sent to; None for an empty one."""
        value = self.text(name, may_be_empty=True).rstrip("/")
        if value and not _is_safe(value):
            self._expect(name, "an https address, or none", value)
        return value or None

    def _value(self, name: str) -> Any:
        output = self._document.get(name)
        return output.get("value") if isinstance(output, dict) else None

    def _expect(self, name: str, expected: str, found: Any) -> None:
        self.problems.append(
            f"{name}: expected {expected}, found {'nothing' if found is None else json.dumps(found)[:80]}"
        )


def _is_safe(address: str) -> bool:
    parts = urlsplit(address)
    loopback = parts.scheme == "http" and parts.hostname in _LOOPBACK
    return bool(parts.hostname and (parts.scheme == "https" or loopback))


def _absent(path: Path, environment: str) -> str:
    others = sorted(file.stem for file in path.parent.glob("*.json"))
    known = f" Known here: {', '.join(others)}." if others else ""
    return (
        f"{path}: expected the outputs of the environment {environment}, found no file.{known} "
        f"`make outputs ENV={environment}` writes it for one that is deployed; "
        f"`make deploy ENV={environment}` deploys it (docs/deploy.md)."
    )
