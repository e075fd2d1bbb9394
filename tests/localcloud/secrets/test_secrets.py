"""The local Secret Manager: its process as a client sees it, and the key files."""

import base64
import json
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import google_crc32c
import pytest

from localcloud.launcher.cloud import TOKEN_SECRET, Cloud, names
from localcloud.launcher.home import delete_home, make_home
from localcloud.launcher.place import ROOT, Place
from localcloud.secrets.keys import list_versions, make_first_version

PATH = "/v1/projects/landfall-local/secrets/token-key/versions/{}:access"
TOKEN = {"Authorization": "Bearer a-token"}


@dataclass(frozen=True)
class Secrets:
    """The running part and its folder of keys."""

    url: str
    keys: Path

    def get(self, path: str, headers: dict[str, str] | None = TOKEN) -> tuple[int, dict[str, Any]]:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        request = urllib.request.Request(self.url + path, headers=headers or {})  # noqa: S310 loopback
        try:
            with opener.open(request) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secrets]:
    keys = tmp_path_factory.mktemp("keys")
    (keys / "token-key").mkdir()
    for version, content in (("2", b"second"), ("10", b"tenth"), ("1", b"\x00" * 32), (".new", b"half")):
        (keys / "token-key" / version).write_bytes(content)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    flags = ("--port", str(port), "--keys", str(keys), "--project", "landfall-local")
    part = subprocess.Popen(
        [sys.executable, "-m", "localcloud.secrets", *flags], cwd=ROOT, stdout=subprocess.PIPE
    )
    running = Secrets(f"http://127.0.0.1:{port}", keys)
    assert part.stdout is not None
    # It listens before it says so.
    assert running.url.encode() in part.stdout.readline()
    yield running
    part.terminate()
    assert part.wait(timeout=30) == 0
    part.stdout.close()


@pytest.mark.parametrize(
    ("asked", "version", "content"),
    [("1", 1, b"\x00" * 32), ("2", 2, b"second"), ("10", 10, b"tenth"), ("latest", 10, b"tenth")],
)
def test_a_version_is_given_as_google_gives_it(
    secrets: Secrets, asked: str, version: int, content: bytes
) -> None:
    status, body = secrets.get(PATH.format(asked))
    assert (status, body["name"]) == (200, f"projects/1/secrets/token-key/versions/{version}")
    assert base64.b64decode(body["payload"]["data"]) == content
    assert body["payload"]["dataCrc32c"] == str(google_crc32c.value(content))


@pytest.mark.parametrize(
    ("path", "code", "status", "message"),
    [
        (PATH.format(3), 404, "NOT_FOUND", "[projects/1/secrets/token-key/versions/3] not found"),
        (PATH.format("x"), 400, "INVALID_ARGUMENT", "expected format"),
        (PATH.format(1).replace("token-key", "other"), 404, "NOT_FOUND", "has no versions"),
        (PATH.format(1).replace("token-key", ".."), 404, "NOT_FOUND", "has no versions"),
        (PATH.format("..%2F..%2Fetc"), 404, "NOT_FOUND", "Expected a path"),
        (PATH.format(1).replace("-local", "-dev"), 403, "PERMISSION_DENIED", "versions.access"),
        ("/v1/projects/landfall-local/secrets", 404, "NOT_FOUND", "Expected a path"),
    ],
)
def test_an_error_has_googles_form(secrets: Secrets, path: str, code: int, status: str, message: str) -> None:
    found, body = secrets.get(path)
    assert (found, body["error"]["code"], body["error"]["status"]) == (code, code, status)
    assert message in body["error"]["message"]


@pytest.mark.parametrize("headers", [None, {"Authorization": "Bearer "}, {"Authorization": "Basic YTpi"}])
def test_without_a_token_nothing_is_given(secrets: Secrets, headers: dict[str, str] | None) -> None:
    status, body = secrets.get(PATH.format(1), headers)
    assert (status, body["error"]["status"]) == (401, "UNAUTHENTICATED")


def test_a_key_file_that_comes_later_is_the_latest(secrets: Secrets) -> None:
    (secrets.keys / "late").mkdir()
    for version in (1, 2):
        (secrets.keys / "late" / str(version)).write_bytes(b"%d" % version)
        _, body = secrets.get(PATH.format("latest").replace("token-key", "late"))
        assert body["name"].endswith(f"/versions/{version}")


def test_the_first_key_is_random_private_and_stays(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    for secret in ("a", "b"):
        make_first_version(keys, secret)
    first, other = (keys / "a" / "1").read_bytes(), (keys / "b" / "1").read_bytes()
    assert (len(first), first == other) == (32, False)
    modes = [path.stat().st_mode & 0o777 for path in (keys, keys / "a", keys / "a" / "1")]
    assert modes == [0o700, 0o700, 0o600]
    make_first_version(keys, "a")
    assert (keys / "a" / "1").read_bytes() == first
    (keys / "a" / "1").rename(keys / "a" / "2")
    (keys / "a" / ".new").write_bytes(b"half")  # as a command that was killed leaves it
    make_first_version(keys, "a")
    assert list_versions(keys, "a") == [2]


def test_up_names_the_newest_key_and_reset_deletes_all(tmp_path: Path) -> None:
    place = Place(ROOT, tmp_path / "home")
    cloud = Cloud(place, {"secrets": 20001})
    make_home(place)
    told = names(cloud)
    assert told["LANDFALL_TOKEN_KEY"] == "projects/landfall-local/secrets/token-key/versions/1"
    assert told["LANDFALL_SECRETS_URL"] == "http://127.0.0.1:20001"
    (place.keys / TOKEN_SECRET / "2").write_bytes(b"x" * 32)
    assert names(cloud)["LANDFALL_TOKEN_KEY"].endswith("/versions/2")
    assert delete_home(place)
    assert not place.home.exists()
