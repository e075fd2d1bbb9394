from collections.abc import Iterable
from typing import Any

import pytest

from localcloud.command import replay as subject
from localcloud.command.replay import Replay, choose
from localcloud.launcher.errors import UsageError

BATCH = "ab12" + "0" * 28
URI = "gs://landing/price_quote/a.csv"


def file(
    uri: str = URI, generation: int = 7, dataset: str = "price_quote", batch: str = BATCH
) -> dict[str, Any]:
    return {"dataset": dataset, "batch_id": batch, "source_uri": uri, "source_generation": generation}


def test_a_batch_is_all_its_files() -> None:
    members = [file(generation=9), file("gs://landing/price_quote/0.csv")]
    assert choose("ab12", {BATCH: members}, []) == Replay(
        "price_quote", BATCH, (("gs://landing/price_quote/0.csv", 7), (URI, 9))
    )


@pytest.mark.parametrize("given", ["a.csv", "price_quote/a.csv", URI])
def test_a_file_is_its_newest_generation_however_often_it_was_read(given: str) -> None:
    found = [file(generation=7), file(generation=9), file(generation=9, batch="cd" * 16)]
    assert choose(given, {}, found) == Replay("price_quote", f"{URI}#9", ((URI, 9),))


@pytest.mark.parametrize(
    ("batches", "files", "message"),
    [
        (("ab12", "ab34"), [], "2 batches begin with 'x': ab12, ab34"),
        (
            (),
            [file(), file("gs://landing/price_quote/deep/a.csv"), file(generation=8)],
            "2 files are called 'x'; give one of these:\n  gs://landing/price_quote/a.csv#8\n"
            "  gs://landing/price_quote/deep/a.csv#7",
        ),
        ((), [], "no archived file and no batch 'x' in the ledger"),
    ],
)
def test_what_names_none_or_several_is_refused(
    batches: Iterable[str], files: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        choose("x", {batch: [file(batch=batch)] for batch in batches}, files)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("given", "looked_for"),
    [("ab12", True), (BATCH, True), ("ab1", False), ("abcdefg", False), ("a.csv", False)],
)
def test_what_cannot_begin_a_batch_is_not_looked_for(
    given: str, looked_for: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject.ledger, "list_archived", lambda *_: [file()])
    assert bool(subject._batches(None, given)) is looked_for  # type: ignore[arg-type]
