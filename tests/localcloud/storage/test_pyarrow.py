"""The storage as pyarrow reaches it: Google's C++ client, with a token that the metadata server gives."""

import base64
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from localcloud.launcher.cloud import SERVERS, Cloud, endpoints
from localcloud.launcher.place import ROOT, Place
from tests.localcloud.storage.conftest import StorageProcess, free_port

# More than the client sends at once, and no whole number of its chunks.
LARGE = 20 * 2**20 + 12345
ROUND_TRIP = """
import hashlib, json, sys
import pyarrow as pa, pyarrow.fs as fs, pyarrow.parquet as pq
large, found = int(sys.argv[1]), {}
files, root = fs.FileSystem.from_uri("gs://lake/job")

def write(name, *pieces):
    with files.open_output_stream(f"{root}/{name}") as stream:
        for piece in pieces:
            stream.write(piece)

def read(name):
    with files.open_input_stream(f"{root}/{name}") as stream:
        return bytes(stream.read())

def names(folder, **options):
    selector = fs.FileSelector(f"{root}/{folder}", recursive=True, **options)
    return sorted(info.path.removeprefix(root) for info in files.get_file_info(selector) if info.is_file)

content = bytes(range(251)) * (large // 251 + 1)
write("large.bin", *(content[at : min(at + 1_000_003, large)] for at in range(0, large, 1_000_003)))
with files.open_input_file(f"{root}/large.bin") as file:
    found["size"] = file.size()
    spans = [(0, 1), (8 * 2**20 - 1, 3), (large - 5, 5), (large - 5, 50)]
    found["ranges"] = [bytes(file.read_at(n, at)) == content[at : min(at + n, large)] for at, n in spans]
found["sha256"] = hashlib.sha256(read("large.bin")).hexdigest() == hashlib.sha256(content[:large]).hexdigest()

write("a/empty")
write("a/odd %41 #1 ü.txt", b"odd")
write("a/b/c.txt", b"first")
write("a/b/c.txt", b"2nd")
found["texts"] = [read(name).decode() for name in ("a/empty", "a/odd %41 #1 ü.txt", "a/b/c.txt")]
found["names"] = names("a")
found["none"] = names("nothing", allow_not_found=True)
infos = files.get_file_info([f"{root}/{name}" for name in ("a", "a/empty", "x")])
found["kinds"] = [info.type.name for info in infos]
pq.write_table(pa.table({"n": [1, 2]}), f"{root}/t/part-0.parquet", filesystem=files, compression="zstd")
found["rows"] = pq.read_table(f"{root}/t", filesystem=files)["n"].to_pylist()
files.copy_file(f"{root}/a/b/c.txt", f"{root}/copy.txt")
files.delete_dir_contents(f"{root}/a")
found["left"] = names("")
for name in ("a/b/c.txt", "gone"):
    try:
        read(name)
    except FileNotFoundError:
        found[name] = "gone"
print(json.dumps(found))
"""


class _Airflow(BaseHTTPRequestHandler):
    """Gives a token, as the local Airflow does."""

    def do_GET(self) -> None:
        claims = base64.urlsafe_b64encode(json.dumps({"exp": int(time.time()) + 3600}).encode()).rstrip(b"=")
        body = json.dumps({"access_token": f"e30.{claims.decode()}.s"}).encode()
        self.send_response(201)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def metadata() -> Iterator[int]:
    """The port of a metadata server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Airflow) as airflow:
        threading.Thread(target=airflow.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        port = free_port()
        flags = ["--port", str(port), "--airflow-url", f"http://127.0.0.1:{airflow.server_port}"]
        process = subprocess.Popen(
            [sys.executable, "-m", "localcloud.metadata", *flags, "--project", "p"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        with process:
            assert process.stdout is not None
            process.stdout.readline()
            yield port
            process.terminate()
        airflow.shutdown()


@pytest.fixture
def environment(cloud: StorageProcess, metadata: int, tmp_path: Path) -> dict[str, str]:
    """What a part is told; its user has credentials that would lead to Google."""
    adc = tmp_path / ".config" / "gcloud" / "application_default_credentials.json"
    adc.parent.mkdir(parents=True)
    adc.write_text('{"type":"authorized_user","client_id":"i","client_secret":"s","refresh_token":"t"}')
    ports = dict.fromkeys(SERVERS, 1) | {"storage": cloud.port, "metadata": metadata}
    told = endpoints(Cloud(Place(ROOT, tmp_path), ports))
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **told}


def run(program: str, environment: dict[str, str]) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", program, str(LARGE)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_pyarrow_reads_what_it_wrote(cloud: StorageProcess, client: Any, environment: dict[str, str]) -> None:
    client.create_bucket("lake")
    assert run(ROUND_TRIP, environment) == {
        "size": LARGE,
        "ranges": [True] * 4,
        "sha256": True,
        "texts": ["", "odd", "2nd"],
        "names": ["/a/b/c.txt", "/a/empty", "/a/odd %41 #1 ü.txt"],
        "none": [],
        "kinds": ["Directory", "File", "NotFound"],
        "rows": [1, 2],
        "left": ["/copy.txt", "/large.bin", "/t/part-0.parquet"],
        "a/b/c.txt": "gone",
        "gone": "gone",
    }
    # Spark SQL and BigQuery see the same as plain files, and pyarrow what they write.
    folder = cloud.buckets / "lake" / "job"
    assert sorted(path.name for path in folder.rglob("*")) == ["copy.txt", "large.bin", "part-0.parquet", "t"]
    (folder / "t" / "part-1.parquet").write_bytes((folder / "t" / "part-0.parquet").read_bytes())
    again = 'import json, pyarrow.parquet as pq; print(json.dumps(pq.read_table("gs://lake/job/t")["n"].to_pylist()))'
    assert run(again, environment) == [1, 2, 1, 2]
