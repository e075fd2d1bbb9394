"""What apply does by gcloud: the first token key, and the dead letters of the trigger's subscription.

One body for a stand-in of gcloud, which is always there, and for gcloud itself where it is installed; both
speak to a Google in this process.
"""

import base64
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.terraform.google_stand_in import SECRET, SUBSCRIPTION, TRIGGER, Google, Server
from tests.terraform.workspace import ROOT, Terraform

SCRIPTS = ROOT / "terraform" / "scripts"
FAKE = Path(__file__).parent / "gcloud"
TOPIC = "projects/landfall-dev/topics/landfall-dead-letters"
AGENT = "service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com"
MAY_TAKE = {"role": "roles/pubsub.subscriber", "members": [f"serviceAccount:{AGENT}"]}
POLICY = {"deadLetterTopic": TOPIC, "maxDeliveryAttempts": 50}


class Gcloud:
    """Runs the scripts with a gcloud on PATH that finds `google`."""

    def __init__(self, google: Google, environment: dict[str, str]) -> None:
        self.google = google
        self.environment = environment

    def run(self, script: str, *arguments: str, seconds: float = 5) -> subprocess.CompletedProcess[str]:
        environment = {**self.environment, "BIND_SECONDS": str(seconds), "BIND_PAUSE": "0.05"}
        return subprocess.run(
            [SCRIPTS / script, *arguments], env=environment, capture_output=True, text=True, check=False
        )

    def make_token_key(self, version: int = 1) -> subprocess.CompletedProcess[str]:
        return self.run("make-token-key", SECRET, str(version))

    def bind_dead_letters(
        self, trigger: str = TRIGGER, seconds: float = 5
    ) -> subprocess.CompletedProcess[str]:
        return self.run("bind-dead-letters", trigger, TOPIC, "50", AGENT, seconds=seconds)


@pytest.fixture(params=["stand-in", "gcloud"])
def gcloud(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Gcloud]:
    installed = shutil.which("gcloud")
    if request.param == "gcloud" and installed is None:
        pytest.skip("gcloud is not installed: the scripts were run with its stand-in only")
    with Server(Google()) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        folder = FAKE if request.param == "stand-in" else Path(installed or "").parent
        yield Gcloud(server.google, environment_of(server, folder, tmp_path))
        server.shutdown()


def environment_of(server: Server, folder: Path, home: Path) -> dict[str, str]:
    """An environment in which the gcloud of a folder knows no user and asks nobody but the server."""
    apis = ("SECRETMANAGER", "EVENTARC", "PUBSUB")
    return {
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "FAKE_GOOGLE": server.url,
        "CLOUDSDK_CONFIG": str(home / "gcloud"),
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "true",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
        "NO_PROXY": "127.0.0.1",
        **{f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api}": f"{server.url}/" for api in apis},
    }


def test_a_new_secret_gets_one_key_that_nobody_sees(gcloud: Gcloud) -> None:
    first, second = gcloud.make_token_key(), gcloud.make_token_key()
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    (key,) = gcloud.google.keys
    assert len(key) == 32
    shown = first.stdout + first.stderr + second.stdout + second.stderr
    for text in (key.hex(), base64.b64encode(key).decode(), base64.urlsafe_b64encode(key).decode()):
        assert text not in shown


@pytest.mark.parametrize("state", ["DESTROYED", "DISABLED"])
def test_a_secret_that_had_a_key_gets_no_other(gcloud: Gcloud, state: str) -> None:
    """Another key makes other tokens: that is for somebody to decide."""
    gcloud.google.states = [state]
    completed = gcloud.make_token_key()
    assert completed.returncode == 1
    assert f"expected version 1 of {SECRET} to be enabled, found {state.lower()}" in completed.stderr
    assert gcloud.google.writes == 0


def test_a_version_that_is_not_there_is_told_before_a_batch_needs_it(gcloud: Gcloud) -> None:
    gcloud.google.states = ["ENABLED"]
    assert gcloud.make_token_key(1).returncode == 0
    completed = gcloud.make_token_key(2)
    assert completed.returncode == 1
    assert "found no such version. Set token_key_version" in completed.stderr
    gcloud.google.states += ["DISABLED"] * 9
    assert gcloud.make_token_key(1).returncode == 0
    assert gcloud.make_token_key(10).returncode == 1
    assert gcloud.google.writes == 0


def test_where_versions_cannot_be_listed_none_is_made(gcloud: Gcloud) -> None:
    gcloud.google.refused = {f"{SECRET}/versions"}
    assert gcloud.make_token_key().returncode != 0
    assert gcloud.google.writes == 0


def test_dead_letters_are_bound_once_however_often(gcloud: Gcloud) -> None:
    other = {"role": "roles/pubsub.viewer", "members": ["user:somebody@example.com"]}
    gcloud.google.bindings = [other]
    for _ in range(2):
        completed = gcloud.bind_dead_letters()
        assert completed.returncode == 0, completed.stderr
        assert gcloud.google.dead_letter_policy == POLICY
        assert sorted(gcloud.google.bindings, key=str) == sorted([other, MAY_TAKE], key=str)
    assert f"{SUBSCRIPTION} sends what it could not deliver in 50 attempts to {TOPIC}" in completed.stdout


def test_a_new_trigger_is_awaited(gcloud: Gcloud) -> None:
    gcloud.google.looks_before = 2
    assert gcloud.bind_dead_letters(seconds=60).returncode == 0
    assert gcloud.google.dead_letter_policy == POLICY


def test_a_trigger_without_a_subscription_is_told_in_the_end(gcloud: Gcloud) -> None:
    gcloud.google.looks_before = 1000
    completed = gcloud.bind_dead_letters(seconds=1)
    assert completed.returncode == 1
    assert f"expected {TRIGGER} to have a subscription by now, found none" in completed.stderr
    assert gcloud.google.writes == 0


def test_a_trigger_that_is_not_there_is_told_at_once(gcloud: Gcloud) -> None:
    completed = gcloud.bind_dead_letters(f"{TRIGGER}-gone", seconds=300)
    assert completed.returncode != 0
    assert "trigger-ingest-gone" in completed.stderr
    assert gcloud.google.writes == 0


def test_without_the_right_to_take_events_nothing_is_bound(gcloud: Gcloud) -> None:
    """Pub/Sub would count attempts and never move anything."""
    gcloud.google.refused = {f"{SUBSCRIPTION}:setIamPolicy"}
    assert gcloud.bind_dead_letters().returncode != 0
    assert gcloud.google.dead_letter_policy == {}


@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        ("make-token-key", (SECRET, "1")),
        ("bind-dead-letters", (TRIGGER, TOPIC, "50", AGENT)),
    ],
)
def test_without_gcloud_the_remedy_is_told(tmp_path: Path, script: str, arguments: tuple[str, ...]) -> None:
    (tmp_path / "bash").symlink_to(shutil.which("bash") or "bash")
    environment = {"PATH": str(tmp_path)}
    completed = subprocess.run(
        [SCRIPTS / script, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert completed.returncode == 3
    assert "expected gcloud on PATH, found none" in completed.stderr
    assert "-var=gcloud_steps=false" in completed.stderr


@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        ("make-token-key", ("token-key", "1")),
        ("make-token-key", (SECRET,)),
        ("bind-dead-letters", (TRIGGER, TOPIC, "50")),
        ("bind-dead-letters", ("trigger-ingest", TOPIC, "50", AGENT)),
        ("bind-dead-letters", (TRIGGER, "landfall-dead-letters", "50", AGENT)),
    ],
)
def test_names_that_are_not_whole_are_refused(script: str, arguments: tuple[str, ...]) -> None:
    completed = subprocess.run([SCRIPTS / script, *arguments], capture_output=True, text=True, check=False)
    assert completed.returncode == 2
    assert f"usage: {script} projects/" in completed.stderr


def test_one_apply_makes_the_key_and_binds_dead_letters_and_the_state_holds_no_key(
    terraform: Terraform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not terraform.offline:
        pytest.skip("applying without a cloud needs the stub providers of terraform-offline: set TERRAFORM")
    targets = ("-target=terraform_data.token_key", "-target=terraform_data.dead_letters")
    workspace = terraform.copy("gcloud_steps")
    with Server(Google()) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for name, value in environment_of(server, FAKE, tmp_path).items():
            monkeypatch.setenv(name, value)
        apply = ("apply", "-input=false", "-auto-approve", "-var-file=envs/dev.tfvars", *targets)
        workspace.run(*apply, check=True)
        google = server.google
        assert (len(google.keys), google.dead_letter_policy, google.bindings) == (1, POLICY, [MAY_TAKE])
        state = (workspace.folder / "terraform.tfstate").read_bytes()
        for text in (google.keys[0].hex().encode(), base64.b64encode(google.keys[0])):
            assert text not in state
        # More attempts are told to the subscription; the key stays.
        workspace.run(*apply, "-var=delivery_attempts=60", check=True)
        assert google.dead_letter_policy == {**POLICY, "maxDeliveryAttempts": 60}
        assert google.states == ["ENABLED"]
        server.shutdown()
