from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landfall_dags.identity import (
    SourceFile,
    archive_name,
    batch_id,
    cluster_name,
    is_pending,
    load_job_stem,
    replay_id,
    spark_job_stem,
    split_uri,
    timestamp,
)

FILE = SourceFile(
    "gs://landing/price_quote/in/a b.csv",
    1763688362123456,
    7,
    "AAAAAA==",
    None,
    "2025-11-21T01:26:02.123456Z",
)
NAMES = st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]), max_size=60)


def test_a_batch_is_the_hash_of_its_sorted_identities() -> None:
    other = replace(FILE, generation=1)
    expected = sha256(f"{other.uri}#1\n{FILE.uri}#1763688362123456".encode()).hexdigest()[:32]
    assert batch_id([FILE, other]) == batch_id([other, FILE]) == expected
    assert batch_id([FILE]) != batch_id([other])


@pytest.mark.parametrize(
    ("name", "pending"),
    [
        ("price_quote/a.csv", True),
        ("price_quote/2025/11/a.csv.gz", True),
        ("price_quote/.csv", True),
        ('price_quote/ä "x"#?%2F.csv', True),
        ("price_quote/a.CSV", False),
        ("price_quote/a.csv.zip", False),
        ("price_quote/a.txt", False),
        ("price_quote/", False),
        ("price_quote.csv", False),
        ("price_quote_old/a.csv", False),
        ("other/price_quote/a.csv", False),
    ],
)
def test_the_grammar_of_landing(name: str, pending: bool) -> None:
    assert is_pending("price_quote", name) is pending


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.csv", "a.csv"),
        ("deep/er/a.csv.gz", "a.csv.gz"),
        ("a b/c d.csv", "c-d.csv"),
        ("..csv", "..csv"),
        (".csv", ".csv"),
        ("../../etc/passwd.csv", "passwd.csv"),
        ("Grüße 🎈 & co.csv", "Gr-e-co.csv"),
        ("x" * 200 + ".csv.gz", "x" * 80 + ".csv.gz"),
        ("a\\b:c*d.csv", "a-b-c-d.csv"),
        ("a.csv.csv.gz", "a.csv.csv.gz"),
    ],
)
def test_an_archive_name_is_safe_whatever_the_landing_name_is(name: str, expected: str) -> None:
    name = f"price_quote/{name}"
    digest = sha256(name.encode()).hexdigest()[:12]
    archived = archive_name("price_quote", replace(FILE, uri=f"gs://landing/{name}"))
    assert archived == f"price_quote/2025-11-21/1763688362123456-{digest}-{expected}"


@given(NAMES, NAMES)
def test_two_landing_names_never_share_an_archive_name(one: str, other: str) -> None:
    names = {f"price_quote/{name}.csv" for name in (one, other)}
    archived = {archive_name("price_quote", replace(FILE, uri=f"gs://landing/{name}")) for name in names}
    assert len(archived) == len(names)
    for name in archived:
        assert len(name) < 200
        assert name.isascii()
        assert name.count("/") == 2


def test_generations_of_one_name_do_not_share_an_archive_name() -> None:
    assert archive_name("price_quote", FILE) != archive_name("price_quote", replace(FILE, generation=2))


def test_a_name_outside_the_grammar_has_no_archive_name() -> None:
    with pytest.raises(
        ValueError, match=r"expected a name ending in .csv.gz or .csv, found 'gs://landing/a.txt'"
    ):
        archive_name("price_quote", replace(FILE, uri="gs://landing/a.txt"))


@pytest.mark.parametrize("dataset", ["a", "price_quote", "x" * 63, "a" * 33 + "_" + "b" * 20])
def test_cluster_names_fit_dataproc(dataset: str) -> None:
    name = cluster_name(dataset, "0123456789abcdef" * 2)
    assert len(name) <= 51
    assert name.startswith("lf-")
    assert name.endswith("-0123456789ab")
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert "--" not in name
    assert len(spark_job_stem(name, "price_quote__2025-11-21T01:26:04Z")) <= 80


def test_job_ids_tell_datasets_kinds_and_runs_apart() -> None:
    assert load_job_stem("raw", "price_quote", "ab" * 16) == f"landfall_load_raw_price_quote_{'ab' * 16}"
    assert spark_job_stem("lf-a-0", "run 1") != spark_job_stem("lf-a-0", "run 2")


@pytest.mark.parametrize(
    "uri", ["gs://bucket", "gs://bucket/", "gs:///name", "s3://bucket/name", "bucket/name"]
)
def test_what_is_no_object_uri_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match="expected gs://bucket/name"):
        split_uri(uri)


def test_a_uri_keeps_the_name_as_it_is() -> None:
    assert split_uri("gs://b/a//b?c#d%20e") == ("b", "a//b?c#d%20e")


def test_timestamps_are_utc_to_the_microsecond() -> None:
    moment = datetime(2025, 11, 21, 1, 26, 2, 5, tzinfo=timezone(timedelta(hours=1)))
    assert timestamp(moment) == "2025-11-21T00:26:02.000005Z"
    assert datetime.fromisoformat(timestamp(moment)) == moment.astimezone(UTC)


def test_each_replay_of_files_is_a_batch_of_its_own_and_a_retry_finds_it() -> None:
    files = [FILE, replace(FILE, generation=2)]
    text = "\n".join(sorted(file.identity for file in files)) + "\nreplay run-1"
    assert (
        replay_id(files, "run-1") == replay_id(files[::-1], "run-1") == sha256(text.encode()).hexdigest()[:32]
    )
    assert len({replay_id(files, "run-1"), replay_id(files, "run-2"), batch_id(files)}) == 3
