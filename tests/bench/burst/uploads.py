"""The files of the burst, and how they arrive: evenly over some seconds, from several senders at once."""

import threading
import time
import urllib.parse
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import requests

SENDERS = 16
ROWS = 10
_HEADER = (
    "component_id,component_type_id,type,connection_type_id,outside_shape,base_type,height_over_tube,"
    "bolt_pattern_long,bolt_pattern_wide,groove,base_diameter,shoulder_diameter,unique_feature,orientation,weight"
)


@dataclass(frozen=True)
class Truth:
    """What the files of one dataset add up to."""

    files: int
    rows: int
    weight: int


def make_file(number: int) -> bytes:
    """The file of this number: rows whose keys no other file has, and whose weight is its number."""
    rows = [f"C-{number:06}-{row},CP-001,Boss,,,,1.5,,,No,,,Yes,No,{number}" for row in range(ROWS)]
    return "\n".join([_HEADER, *rows, ""]).encode()


def find_truth(datasets: Sequence[str], files: int) -> dict[str, Truth]:
    """What each dataset must hold in the end; file n is of dataset n modulo their number."""
    numbers = {name: range(place, files, len(datasets)) for place, name in enumerate(datasets)}
    return {name: Truth(len(n), len(n) * ROWS, sum(n) * ROWS) for name, n in numbers.items()}


def upload(url: str, bucket: str, datasets: Sequence[str], files: int, seconds: float) -> float:
    """Upload every file, the last one due after `seconds`; returns how long it took in fact."""
    own = threading.local()
    start = time.monotonic()

    def send(number: int) -> None:
        if not hasattr(own, "session"):
            own.session = requests.Session()
            own.session.trust_env = False
        time.sleep(max(0.0, start + seconds * number / files - time.monotonic()))
        name = f"{datasets[number % len(datasets)]}/2026/part-{number:06}.csv"
        query = urllib.parse.urlencode({"uploadType": "media", "name": name})
        answer = own.session.post(
            f"{url}/upload/storage/v1/b/{bucket}/o?{query}",
            data=make_file(number),
            headers={"Content-Type": "text/csv"},
            timeout=60,
        )
        answer.raise_for_status()

    with ThreadPoolExecutor(SENDERS) as senders:
        for done in senders.map(send, range(files)):
            assert done is None
    return time.monotonic() - start
