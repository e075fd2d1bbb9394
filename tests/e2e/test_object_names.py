"""Names that somebody would give an object to break something, through the whole chain."""

import json
import os
import pty
import select
import subprocess
import time
from pathlib import Path

import pytest
import requests
from google.api_core.exceptions import BadRequest

from tests.e2e.local_cloud import LANDFALL, Cloud, sample

pytestmark = pytest.mark.e2e

# What follows `<dataset>/`. Each is one file of rows that no other file has.
NAMES = (
    "../../../etc/passwd.csv",
    "..%2f..%2fescape.csv",
    "./a/../b//c.csv",
    "/absolute.csv",
    "'; DROP TABLE trusted.comp_boss; --.csv",
    '"quoted" `backticks` $(touch pwned) ; | & > < * ? ~ !.csv',
    "{{ 7 * 7 }} {% raw %} ${HOME} %s %(x)s \\x41 \\.csv",
    "[red]markup[/nothing] :smile:.csv",
    "\x1b[2J\x1b]0;owned\x07\x9b31m.csv",
    "tab\tvertical\x0bbell\x07nul\x00del\x7f.csv",
    "\u202efdp.exe\u202c \u200bzero\ufeffwidth.csv",
    "e\u0301 é 日本語 😀 ﷺ.csv",
    "#1?generation=2&alt=media.csv",
    "gs:" + "//other-bucket/file#17.csv",
    ".csv",
    "x" * (1024 - len("comp_boss/.csv")) + ".csv",
    "é" * ((1024 - len("comp_boss/.csv")) // 2) + ".csv",
)
BAD = "bad \x1b[31m'; SELECT 1 -- [/x].csv"
# Outside the grammar: they stay in landing, and are shown as ignored.
IGNORED = ("comp_boss/..", "no_such/\x1b[2J.csv", "Comp_Boss/a.csv")


def on_a_terminal(cloud: Cloud, *arguments: str) -> bytes:
    """What `landfall ARGUMENTS` writes to a terminal of 200 columns."""
    ours, its = pty.openpty()
    environment = cloud.environment | {"TERM": "xterm", "COLUMNS": "200", "CI": "1"}
    with subprocess.Popen(
        [str(LANDFALL), *arguments], env=environment, stdin=its, stdout=its, stderr=its
    ) as process:
        os.close(its)
        written, deadline = b"", time.monotonic() + 120
        while time.monotonic() < deadline:
            # Asked before: what it writes at its very end is then there to be read.
            is_over = process.poll() is not None
            if select.select([ours], [], [], 0.2)[0]:
                try:
                    written += os.read(ours, 65536)
                except OSError:  # its other end is closed, and everything was read
                    break
            elif is_over:
                break
        process.kill()
    os.close(ours)
    return written


@pytest.fixture(scope="module")
def landed(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Everything is uploaded at once; returns what each pending name holds, when all are recorded."""
    folder = tmp_path_factory.mktemp("files")
    lines = sample(folder, "comp_boss", 3 * len(NAMES), seed=21).read_bytes().splitlines(keepends=True)
    bucket = cloud.bucket("landing")
    contents = {BAD: b"not,the,header\n1,2,3\n"}
    for number, name in enumerate(NAMES):
        contents[name] = lines[0] + b"".join(lines[1 + 3 * number : 4 + 3 * number])
    for name in IGNORED:
        bucket.blob(name).upload_from_string(b"ignored", content_type="text/csv")
    for name, content in contents.items():
        bucket.blob(f"comp_boss/{name}").upload_from_string(content, content_type="text/csv")
    cloud.wait_for(
        "every file is in the ledger",
        lambda: (
            cloud.query("SELECT COUNT(*) AS n FROM ops.files")[0]["n"] in (len(contents), str(len(contents)))
        ),
    )
    return contents


def test_every_name_reaches_trusted_under_its_own_identity(cloud: Cloud, landed: dict[str, bytes]) -> None:
    files = cloud.query("SELECT source_uri, source_generation, state, rows_accepted FROM ops.files")
    landing = cloud.exports()["LANDFALL_LANDING_BUCKET"]
    assert {row["source_uri"]: (row["state"], int(row["rows_accepted"] or 0)) for row in files} == {
        f"gs://{landing}/comp_boss/{name}": ("rejected", 0) if name == BAD else ("loaded", 3)
        for name in landed
    }
    rows = cloud.query("SELECT _source_uri, COUNT(*) AS n FROM trusted.comp_boss GROUP BY _source_uri")
    assert {row["_source_uri"]: int(row["n"]) for row in rows} == {
        f"gs://{landing}/comp_boss/{name}": 3 for name in NAMES
    }


def test_the_originals_are_archived_byte_for_byte_under_safe_names(
    cloud: Cloud, landed: dict[str, bytes]
) -> None:
    archive = cloud.bucket("archive")
    rows = cloud.query("SELECT source_uri, archive_uri FROM ops.files")
    assert len({row["archive_uri"] for row in rows}) == len(landed)
    for row in rows:
        name = row["archive_uri"].split("/", 3)[3]
        assert name.isascii() and name.isprintable() and " " not in name and ".." not in name.split("/")
        assert archive.blob(name).download_as_bytes() == landed[row["source_uri"].split("/comp_boss/", 1)[1]]


def test_a_file_that_cannot_be_read_is_kept_beside_its_report(cloud: Cloud, landed: dict[str, bytes]) -> None:
    kept, report = sorted(blob.name for blob in cloud.bucket("rejected").list_blobs())
    assert report == f"{kept}.error.json"
    assert cloud.bucket("rejected").blob(kept).download_as_bytes() == landed[BAD]
    document = json.loads(cloud.bucket("rejected").blob(report).download_as_bytes())
    assert any(BAD in str(value) for value in document.values())


def test_what_is_outside_the_grammar_stays_and_is_explained(cloud: Cloud, landed: dict[str, bytes]) -> None:
    ignored = {file["uri"].split("/", 3)[3] for file in cloud.status()["files"] if file["state"] == "ignored"}
    assert ignored == set(IGNORED) == set(cloud.pending())


@pytest.mark.parametrize("name", ["..", ".", "a\nb.csv", "a\rb.csv", "é" * 513])
def test_a_name_that_cloud_storage_refuses_is_refused(cloud: Cloud, name: str) -> None:
    with pytest.raises(BadRequest):
        cloud.bucket("landing").blob(name).upload_from_string(b"x")


@pytest.mark.parametrize(
    "command",
    [
        ("status",),
        ("status", "--json"),
        ("where", BAD),
        ("logs", "function", "--lines", "500"),
        ("logs", "storage", "--lines", "500"),
        ("query", "SELECT source_uri, detail FROM ops.files"),
        ("query", "SELECT source_uri FROM ops.files", "--csv"),
        ("query", "SELECT source_uri FROM ops.files", "--json"),
    ],
    ids=lambda command: " ".join(command).encode("unicode_escape").decode(),
)
def test_no_name_steers_a_terminal(cloud: Cloud, landed: dict[str, bytes], command: tuple[str, ...]) -> None:
    shown = on_a_terminal(cloud, *command)
    assert b"Traceback" not in shown and b"landfall:" not in shown, shown[-500:]
    assert len(shown) > 300
    text = shown.decode()
    for code in ("\x1b[2J", "\x1b]0;", "\x9b", "\x07", "\x00", "\x7f", "\x0b", "\u202e", "\u200b"):
        assert code not in text, f"{code!r} reached the terminal of landfall {' '.join(command)}"


def test_a_forged_event_of_a_name_that_cannot_be_starts_nothing_that_harms(
    cloud: Cloud, landed: dict[str, bytes], tmp_path: Path
) -> None:
    ports = {part["name"]: part["port"] for part in cloud.status()["parts"]}
    for name in ("comp_boss/a\nb.csv", "comp_boss/never_was.csv"):
        answer = requests.post(
            f"http://127.0.0.1:{ports['function']}/",
            headers={
                "ce-id": "forged",
                "ce-specversion": "1.0",
                "ce-type": "google.cloud.storage.object.v1.finalized",
                "ce-source": "//storage.googleapis.com/projects/_/buckets/x",
            },
            json={
                "bucket": cloud.exports()["LANDFALL_LANDING_BUCKET"],
                "name": name,
                "generation": "17",
                "metageneration": "1",
                "size": "1",
            },
            timeout=60,
        )
        assert answer.status_code == 200
    good = sample(tmp_path, "comp_boss", 5, seed=22, name="comp_boss_after.csv")
    cloud.run("drop", "--wait", str(good))
    assert int(cloud.query("SELECT COUNT(*) AS n FROM ops.files")[0]["n"]) == len(landed) + 1
