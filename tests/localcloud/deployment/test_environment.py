"""An environment as a user meets it: a stand-in of Google's APIs refuses, redirects, or is not there."""

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from google.api_core.exceptions import NotFound
from google.auth.credentials import Credentials
from google.auth.exceptions import TransportError

from localcloud.cli import main
from localcloud.command.terminal import harmless
from localcloud.deployment.environment import Environment
from localcloud.deployment.local import make_exports, render_local_exports
from localcloud.deployment.remedy import explained
from localcloud.launcher.cloud import SERVERS, Cloud
from localcloud.launcher.errors import CommandError, UsageError
from localcloud.launcher.place import ROOT, Place
from tests.localcloud.deployment.local_outputs import local_outputs, write_outputs

BUCKET = "landfall-local-landing"
DENIED = "reader@example.com does not have the permission."


def refusal(status: int, reason: str = "forbidden", message: str = DENIED) -> tuple[int, dict[str, Any]]:
    """An error as the JSON APIs of Google write it."""
    errors = [{"message": message, "domain": "global", "reason": reason}]
    return status, {"error": {"code": status, "message": message, "errors": errors}}


@dataclass
class Google:
    """Answers of one server that stands for every API: by how a path begins, the longest first."""

    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, path: str) -> tuple[int, Any]:
        found = [begin for begin in self.answers if path.startswith(begin)]
        return self.answers[max(found, key=len)] if found else refusal(404, "notFound", f"nothing at {path}")


@pytest.fixture
def google() -> Iterator[Google]:
    """Its Airflow is healthy."""
    stand_in = Google()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            stand_in.tokens.append(self.headers.get("Authorization", ""))
            status, body = stand_in.answer(self.path)
            content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain" if isinstance(body, str) else "application/json")
            self.send_header("Content-Length", str(len(content)))
            if 300 <= status < 400:
                self.send_header("Location", f"{stand_in.url}/login")
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    stand_in.answers = {
        "/api/v2/monitor/health": (
            200,
            {"scheduler": {"status": "healthy"}, "triggerer": {"status": "healthy"}, "dag_processor": None},
        ),
        "/login": (200, "<html>Sign in</html>"),
    }
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        stand_in.port = server.server_port
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield stand_in
        server.shutdown()


@pytest.fixture
def home(tmp_path: Path, google: Google) -> Path:
    write_outputs(tmp_path, local_outputs(google.url, environment="dev"))
    return tmp_path


class Mine(Credentials):
    """What a user has who signed in."""

    def refresh(self, request: object) -> None:
        self.token = "mine"


@dataclass(frozen=True)
class Done:
    """How the command ended."""

    returncode: int
    stdout: str
    stderr: str


Landfall = Callable[..., Done]


@pytest.fixture
def stranger(
    home: Path, google: Google, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Landfall:
    """The command on the environment dev, for somebody who has not signed in."""
    for name in ("STORAGE_EMULATOR_HOST", "BIGQUERY_EMULATOR_HOST"):
        monkeypatch.setenv(name, google.url)
    for name, value in {
        "LANDFALL_HOME": home,
        "CLOUDSDK_CONFIG": home / "gcloud",
        "NO_GCE_CHECK": True,
    }.items():
        monkeypatch.setenv(name, str(value))
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "LANDFALL_DATASETS_DIR"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str, env: str = "dev") -> Done:
        code = main(["--env", env, *arguments])
        said = capfd.readouterr()
        return Done(code, said.out, said.err)

    return run


@pytest.fixture
def landfall(stranger: Landfall, monkeypatch: pytest.MonkeyPatch) -> Landfall:
    """The same, for somebody who has."""
    monkeypatch.setattr("localcloud.deployment.google.find_credentials", Mine)
    return stranger


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "price_quote.csv"
    path.write_text("a\n1\n")
    return str(path)


def elsewhere(google: Google) -> str:
    """What every error of Google's says where Google is a stand-in."""
    return (
        f"This shell takes {google.url} for Google (STORAGE_EMULATOR_HOST); "
        '`eval "$(landfall --env dev env)"` brings it back.'
    )


LACKS = "Your account lacks a right. Expected it among {} in terraform/envs/dev.tfvars: docs/security.md"
DROPPERS = "`droppers` (who may not replace a file that still lies there), with --wait also `operators`"


@pytest.mark.parametrize(
    ("arguments", "members"),
    [
        (["drop", "FILE"], DROPPERS),
        (
            ["query", "SELECT 1"],
            "`readers`, for raw and ops `operators`, for what a contract restricts its `role_members`",
        ),
        (["rejects", "price_quote"], "`operators`, with --csv also `original_readers`"),
        (["replay", "price_quote.csv"], "`operators`"),
        (["status"], "`operators`"),
    ],
)
def test_a_right_that_is_lacking_is_said_with_who_has_it(
    landfall: Landfall, google: Google, file: str, arguments: list[str], members: str
) -> None:
    google.answers |= {"/": refusal(403, "accessDenied")}
    done = landfall(*(file if one == "FILE" else one for one in arguments))
    assert done.returncode == 1
    assert DENIED in done.stderr
    assert LACKS.format(members) in done.stderr
    assert "Traceback" not in done.stderr
    assert set(google.tokens) == {"Bearer mine"}


def test_a_spent_quota_is_no_lack_of_a_right(landfall: Landfall, google: Google) -> None:
    google.answers |= {"/bigquery/": refusal(403, "quotaExceeded", "Quota exceeded.")}
    done = landfall("query", "SELECT 1")
    assert done.returncode == 1
    assert done.stderr == f"landfall: BigQuery says: Quota exceeded. {elsewhere(google)}\n"


def stored(name: str) -> tuple[int, dict[str, Any]]:
    created = "2026-11-21T12:00:00.000Z"
    return 200, {"name": name, "bucket": BUCKET, "generation": "7", "timeCreated": created}


def test_who_may_drop_and_not_look_is_told_so_at_once(
    landfall: Landfall, home: Path, google: Google, file: str
) -> None:
    google.answers |= {
        "/": refusal(403),
        f"/upload/storage/v1/b/{BUCKET}": stored("price_quote/price_quote.csv"),
    }
    done = landfall("drop", "--wait", file)
    landed = f"gs://{BUCKET}/price_quote/price_quote.csv#7"
    assert f"{landed}  landed, and goes on its way; it cannot be followed" in done.stdout
    assert LACKS.format(DROPPERS) in done.stderr
    assert done.returncode == 1
    assert landfall("drop", file).stdout == f"{landed}\n"


@pytest.mark.parametrize("arguments", [["query", "SELECT 1"], ["drop", "FILE"], ["status"]])
def test_whoever_has_not_signed_in_is_told_how(stranger: Landfall, file: str, arguments: list[str]) -> None:
    done = stranger(*(file if one == "FILE" else one for one in arguments))
    assert done.returncode == 1
    assert "Your default credentials were not found" in done.stderr
    assert "`gcloud auth application-default login` gives you credentials." in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_token_that_google_refuses_is_said_with_the_remedy(landfall: Landfall, google: Google) -> None:
    google.answers |= {"/bigquery/": refusal(401, "authError", "Invalid credentials.")}
    done = landfall("query", "SELECT 1")
    assert done.stderr == (
        "landfall: BigQuery says: Invalid credentials. "
        f"`gcloud auth application-default login` gives you credentials. {elsewhere(google)}\n"
    )


def test_a_bucket_that_is_gone_is_said_with_the_remedy(
    landfall: Landfall, home: Path, google: Google, file: str
) -> None:
    google.answers |= {"/upload/": refusal(404, "notFound", "The specified bucket does not exist.")}
    done = landfall("drop", file)
    assert done.returncode == 1
    assert (
        f"{file}: could not be put at gs://{BUCKET}/price_quote/price_quote.csv: The specified" in done.stderr
    )
    assert "`make outputs ENV=dev` says where it is now" in done.stderr


def test_a_table_that_never_was_is_no_reason_to_look_for_the_environment(
    landfall: Landfall, google: Google
) -> None:
    google.answers |= {"/bigquery/": refusal(404, "notFound", "Not found: Table trusted.nope")}
    done = landfall("query", "SELECT * FROM trusted.nope")
    assert done.returncode == 1
    assert done.stderr == f"landfall: BigQuery says: Not found: Table trusted.nope. {elsewhere(google)}\n"


def test_in_a_shell_that_asks_google_itself_nothing_is_said_of_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("STORAGE_EMULATOR_HOST", "BIGQUERY_EMULATOR_HOST"):
        monkeypatch.delenv(name, raising=False)
    with (
        pytest.raises(CommandError, match=r"^no such bucket\. Where dev .* makes it\.$"),
        explained("drop", "dev"),
    ):
        raise NotFound("no such bucket")
    with pytest.raises(CommandError, match=r"^no network\.$"), explained("drop", "dev"):
        raise TransportError("no network")


def test_a_dataset_that_only_the_checkout_has_is_not_dropped_into_nothing(
    landfall: Landfall, home: Path, google: Google, file: str
) -> None:
    write_outputs(home, local_outputs(google.url, environment="dev", datasets=["comp_boss"]))
    for arguments in (["drop", file], ["drop", "--dataset", "price_quote", file], ["rejects", "price_quote"]):
        done = landfall(*arguments)
        assert done.returncode == 2
        assert done.stderr == (
            "landfall: price_quote is a dataset of this checkout that dev has not got yet. "
            "`make deploy ENV=dev` brings it.\n"
        )
    assert google.tokens == []


EMPTY: dict[str, tuple[int, Any]] = {
    f"/storage/v1/b/{BUCKET}/o": (200, {"kind": "storage#objects", "items": []}),
    "/bigquery/v2/projects/landfall-local/queries": (
        200,
        {
            "jobComplete": True,
            "totalRows": "0",
            "schema": {"fields": [{"name": "n", "type": "INTEGER"}]},
            "jobReference": {"projectId": "landfall-local", "jobId": "j", "location": "us-central1"},
        },
    ),
    "/bigquery/v2/projects/landfall-local/jobs": (
        200,
        {
            "jobReference": {"projectId": "landfall-local", "jobId": "j", "location": "us-central1"},
            "configuration": {"query": {"query": "SELECT 1"}},
            "status": {"state": "DONE"},
        },
    ),
}


def test_composer_may_be_away_and_files_still_land(
    landfall: Landfall, home: Path, google: Google, file: str
) -> None:
    write_outputs(home, local_outputs("", environment="dev"))
    google.answers |= {**EMPTY, "/upload/": stored("price_quote/price_quote.csv")}
    dropped = landfall("drop", file)
    assert (dropped.returncode, dropped.stderr) == (0, "")
    sent = len(google.tokens)
    for arguments in (["drop", "--wait", file], ["replay", "price_quote.csv"]):
        refused = landfall(*arguments)
        assert refused.returncode == 1
        assert "expected Airflow in dev, found Composer switched off" in refused.stderr
        assert "`make deploy ENV=dev` brings it back" in refused.stderr
    assert len(google.tokens) == sent
    shown = landfall("status")
    assert shown.returncode == 0
    assert "airflow  away  Composer is switched off; what lands waits in landing" in shown.stdout


@pytest.mark.parametrize(
    ("health", "state", "detail"),
    [
        ((200, {"scheduler": {"status": "healthy"}, "triggerer": None}), "healthy", None),
        ((200, {"scheduler": {"status": "unhealthy"}, "triggerer": {"status": "healthy"}}), "unhealthy",
         "scheduler unhealthy"),
        ((302, "elsewhere"), "unknown", "answered 302"),
        ((503, "busy"), "unknown", "answered 503: busy"),
        ((200, "<html>"), "unknown", "expected JSON, found b'<html>'"),
    ],
)  # fmt: skip
def test_status_says_how_airflow_is(
    landfall: Landfall, home: Path, google: Google, health: tuple[int, Any], state: str, detail: str | None
) -> None:
    write_outputs(home, local_outputs(google.url, environment="dev", datasets=["comp_boss", "zebra"]))
    google.answers |= {**EMPTY, "/api/v2/monitor/health": health}
    done = landfall("status", "--json")
    document = json.loads(done.stdout)
    assert document["airflow"]["state"] == state
    assert (detail or "") in (document["airflow"]["detail"] or "")
    assert done.returncode == (0 if state == "healthy" else 1)
    assert [one["dataset"] for one in document["datasets"]] == ["comp_boss"]
    assert document["undeployed"] == ["bank_statement", "bill_of_materials", "price_quote"]
    assert document["unknown"] == ["zebra"]
    assert {"environment": "dev", "project": "landfall-local", "version": 1}.items() <= document.items()


def test_what_may_be_hidden_is_not_counted(landfall: Landfall, google: Google) -> None:
    google.answers |= EMPTY
    done = landfall("status", "--json")
    counted = {one["dataset"]: one["trusted_rows"] for one in json.loads(done.stdout)["datasets"]}
    assert counted["bank_statement"] is None


@pytest.mark.parametrize(
    ("command", "instead"),
    [
        (["up"], "`make deploy ENV=dev` makes an environment"),
        (["down"], "`make deploy ENV=dev COMPOSER=off`"),
        (["reset", "--yes"], "`make destroy ENV=dev`"),
        (["doctor"], "`landfall --env dev status`"),
        (["chaos"], "nothing else can be made to fail on purpose"),
        (["logs", "function"], "Cloud Logging"),
    ],
)
def test_what_is_only_local_is_refused_with_what_there_is_instead(
    stranger: Landfall, home: Path, command: list[str], instead: str
) -> None:
    done = stranger(*command)
    assert done.returncode == 2
    assert f"`landfall {command[0]}` is for the local cloud alone: " in done.stderr
    assert instead in done.stderr
    assert [path.name for path in home.iterdir()] == ["environments"]


def read_by_shell(script: str) -> Mapping[str, str]:
    clean = {"PATH": "/usr/bin:/bin", "CLOUDSDK_CONFIG": "/mine"}
    done = subprocess.run(["sh", "-c", f"{script}\nenv -0"], env=clean, capture_output=True, check=True)
    return dict(line.split("=", 1) for line in done.stdout.decode().split("\0") if line)


def test_a_shell_is_pointed_at_an_environment(home: Path) -> None:
    found = read_by_shell(Environment(Place(ROOT, home), "dev").exports())
    assert found["LANDFALL_LANDING_BUCKET"] == BUCKET
    assert found["CLOUDSDK_CORE_PROJECT"] == "landfall-local"
    assert found["CLOUDSDK_CONFIG"] == "/mine"
    assert not any("TOKEN" in name for name in found)


def test_a_shell_that_was_pointed_at_a_local_cloud_forgets_it(home: Path) -> None:
    cloud = Cloud(Place(ROOT, home / "elsewhere"), dict.fromkeys(SERVERS, 20001))
    local = make_exports(cloud, "token")
    write_outputs(home, local_outputs("https://airflow.example.com", environment="dev"))
    exports = Environment(Place(ROOT, home), "dev").exports()
    found = read_by_shell(f"{render_local_exports(local)}\n{exports}")
    assert found["AIRFLOW_API_URL"] == "https://airflow.example.com/api/v2"
    left = {
        name for name in local if name in found and name not in exports.replace("unset", "").split("test")[0]
    }
    # Where the state folder is has nothing to do with where the cloud is.
    assert left == {"LANDFALL_HOME"}


def test_an_environment_is_never_a_path(stranger: Landfall, home: Path) -> None:
    with pytest.raises(UsageError):
        Environment(Place(ROOT, home), "../environments/dev")
    done = stranger("status", env="\x1b[31m")
    assert done.returncode == 2
    assert harmless(done.stderr) == done.stderr
