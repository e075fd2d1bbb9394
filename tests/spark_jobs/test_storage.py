"""Files that cannot be read to their end."""

from __future__ import annotations

import pyarrow as pa
import pytest

from landfall_spark import storage
from landfall_spark.errors import JobError, SurroundingsError


class _Closing:
    """What pyarrow makes of a bucket whose object can be found but not read: its file closes itself."""

    def open_input_file(self, path: str) -> pa.NativeFile:
        file = pa.BufferReader(path.encode())
        file.close()
        return file


def test_a_read_that_fails_is_an_outage_and_not_the_files_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    uri = "gs://archive/orders/a.csv"
    monkeypatch.setattr(storage, "_locate", lambda uri: (_Closing(), uri))
    with pytest.raises(OSError, match=f"{uri}: expected its bytes") as outage:
        list(storage.read_range(uri))
    assert storage.is_outage(outage.value)
    with pytest.raises(SurroundingsError, match=uri):
        storage.read_head(uri, 10)
    with pytest.raises(SurroundingsError, match=uri):
        storage.read_text(uri, JobError)


def test_a_text_in_another_encoding_is_the_files_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    class Latin:
        def open_input_file(self, _: str) -> pa.NativeFile:
            return pa.BufferReader(b"\xe9")

    monkeypatch.setattr(storage, "_locate", lambda uri: (Latin(), uri))
    with pytest.raises(JobError) as problem:
        storage.read_text("gs://lake/manifest.json", JobError)
    assert not isinstance(problem.value, SurroundingsError)
