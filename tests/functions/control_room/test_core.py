"""What all pages stand on: answers kept and asked for once, words, formats, links, settings."""

import json
import threading
import weakref
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from google.api_core import exceptions

from room.cache import Cache
from room.formats import Formats
from room.links import Links
from room.settings import Settings, SettingsError
from room.warehouse import Question, TooMuchError, Warehouse, WarehouseAwayError
from room.words import LANGUAGES, read_words

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
WORDS = read_words()


class Ticking:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_answer_is_kept_for_its_seconds() -> None:
    clock = Ticking()
    cache = Cache(10, clock)
    answers = iter(range(9))
    seen = []
    for moment in (0, 9.9, 10, 15, 20.1):
        clock.now = moment
        seen.append(cache.get("key", 10, lambda: next(answers)))
    assert seen == [0, 0, 1, 1, 2]


def test_the_answer_that_was_used_longest_ago_goes_first() -> None:
    cache = Cache(2, Ticking())
    made: list[str] = []

    def ask(key: str) -> None:
        cache.get(key, 10, lambda: made.append(key))

    for key in ("a", "b", "a", "c", "a", "b"):
        ask(key)
    assert made == ["a", "b", "c", "b"]


def test_answers_that_are_too_old_are_not_kept_in_memory() -> None:
    clock = Ticking()
    cache = Cache(10, clock)

    def ask(key: str, seconds: float) -> "weakref.ref[Ticking]":
        return weakref.ref(cache.get(key, seconds, Ticking))

    kept = {"short": ask("short", 10), "long": ask("long", 11), "ever": ask("ever", float("inf"))}
    clock.now = 10
    ask("new", 10)
    assert {key for key, answer in kept.items() if answer() is not None} == {"long", "ever"}


def test_many_that_ask_at_once_have_one_answer_made() -> None:
    cache, begun, go_on = Cache(10), threading.Event(), threading.Event()
    made: list[int] = []
    got: list[int] = []

    def make() -> int:
        begun.set()
        assert go_on.wait(10)
        made.append(1)
        return 7

    askers = [threading.Thread(target=lambda: got.append(cache.get("key", 60, make))) for _ in range(8)]
    for asker in askers:
        asker.start()
    assert begun.wait(10)
    while sum(asker.is_alive() for asker in askers) < 8:
        pass
    go_on.set()
    for asker in askers:
        asker.join(10)
    assert made == [1]
    assert got == [7] * 8
    assert cache.get("other", 10, lambda: 1) == cache.get("other", 10, lambda: 2) == 1


def test_an_error_is_raised_and_not_kept() -> None:
    cache = Cache(10)

    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        cache.get("key", 10, fail)
    assert cache.get("key", 10, lambda: "yes") == "yes"


@pytest.mark.parametrize(
    ("how", "value", "english", "portuguese"),
    [
        ("number", 30213, "30,213", "30.213"),
        ("number", None, "–", "–"),
        ("decimal", Decimal("405860.816111877671902"), "405,860.82", "405.860,82"),
        ("decimal", Decimal("-0.5"), "-0.50", "-0,50"),
        ("percent", 0.0123, "1.2%", "1,2%"),
        ("dollars", 0.0375, "$0.0375", "US$\xa00,0375"),
        ("size", 1023, "1,023\xa0B", "1.023\xa0B"),
        ("size", 1_655_248, "1.6\xa0MB", "1,6\xa0MB"),
        ("seconds", 4.25, "4.2\xa0s", "4,2\xa0s"),
        ("seconds", 200, "3\xa0min 20\xa0s", "3\xa0min 20\xa0s"),
        ("seconds", 7200, "2\xa0h", "2\xa0h"),
        ("seconds", 90_061, "1\xa0d 1\xa0h", "1\xa0d 1\xa0h"),
        ("date", date(2013, 7, 7), "Jul 7, 2013", "7 de jul. de 2013"),
        ("ago", NOON - timedelta(minutes=5), "5 minutes ago", "há 5 minutos"),
        ("ago", NOON + timedelta(minutes=5), "1 second ago", "há 1 segundo"),
        ("clock", NOON.astimezone(), "12:00:00", "12:00:00"),
        ("time", NOON, "Nov 21, 2026, 12:00:00", "21 de nov. de 2026, 12:00:00"),
    ],
)
def test_values_are_written_as_in_the_language(
    how: str, value: object, english: str, portuguese: str
) -> None:
    shown = [getattr(Formats(WORDS[one].locale, lambda: NOON), how)(value) for one in ("en", "pt")]
    assert shown == [english, portuguese]


def test_words_count_and_have_the_same_keys_in_every_language(tmp_path: Path) -> None:
    for language, forms in {"en": ["row", "rows"], "pt": ["linha", "linhas"]}.items():
        texts = {"rows": {"one": f"{{count}} {forms[0]}", "other": f"{{count}} {forms[1]}"}}
        (tmp_path / f"page.{language}.json").write_text(json.dumps(texts))
    words = read_words(tmp_path)
    assert [words["en"].say("page.rows", count=n) for n in (0, 1, 2)] == ["0 rows", "1 row", "2 rows"]
    assert [words["pt"].say("page.rows", count=n) for n in (0, 1, 2)] == ["0 linha", "1 linha", "2 linhas"]
    with pytest.raises(KeyError):
        words["en"].say("page.none")


@pytest.mark.parametrize(
    ("kind", "values", "address"),
    [
        (
            "run",
            {"dag_id": "ingest_a", "run_id": "a__2026-11-21T12:00:00Z"},
            "/ingest_a/a__2026-11-21T12%3A00%3A00Z",
        ),
        ("run", {"dag_id": "ingest_a", "run_id": None}, None),
        ("table", {"dataset": "x", "table": "y"}, None),
        ("run", {"dag_id": '"><script>', "run_id": "../.."}, "/%22%3E%3Cscript%3E/../.."),
    ],
)
def test_an_address_is_filled_in_percent_encoded(
    kind: str, values: dict[str, str], address: str | None
) -> None:
    assert Links({"run": "/{dag_id}/{run_id}"}).fill(kind, **values) == address


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("gs://archive/a/b #1.csv", "/archive/a/b%20%231.csv"),
        ("gs://archive/a/..b/.c/d...csv", "/archive/a/..b/.c/d...csv"),
        # A browser makes another address of these.
        ("gs://archive/a/../../other/b.csv", None),
        ("gs://archive/./b.csv", None),
        ("gs://archive/a/..", None),
        ("gs://archive/", None),
        (None, None),
    ],
)
def test_an_object_has_an_address_where_it_leads_to_it(uri: str | None, address: str | None) -> None:
    assert Links({"object": "/{bucket}/{name}"}).object(uri) == address


def test_all_that_is_wrong_with_the_settings_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as error:
        Settings.from_environment({"LANDFALL_LINKS": "[]", "LANDFALL_CATALOG_DIR": str(tmp_path)})
    said = str(error.value)
    assert "LANDFALL_PROJECT (missing)" in said
    assert "LANDFALL_LINEAGE_URL (missing)" in said
    assert "LANDFALL_LINKS (expected a JSON object" in said
    assert "LANDFALL_CATALOG_DIR (expected a folder with datasets/" in said


class Failing:
    """A client whose every question ends in one error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def query_and_wait(self, *_: object, **__: object) -> None:
        raise self._error


_LIMIT = [{"reason": "bytesBilledLimitExceeded"}]


@pytest.mark.parametrize(
    ("error", "known_as"),
    [
        (exceptions.InternalServerError("limit", errors=_LIMIT), TooMuchError),
        (exceptions.BadRequest("limit", errors=_LIMIT), TooMuchError),
        (exceptions.BadRequest("syntax"), exceptions.BadRequest),
        (exceptions.ServiceUnavailable("away"), WarehouseAwayError),
        (exceptions.Forbidden("quota"), WarehouseAwayError),
        (TimeoutError(), WarehouseAwayError),
    ],
)
def test_errors_of_bigquery_are_known_by_what_a_reader_can_do(
    error: Exception, known_as: type[Exception]
) -> None:
    with pytest.raises(known_as):
        Warehouse(Failing(error)).ask(Question("SELECT 1"))


def test_every_language_has_a_locale() -> None:
    assert {language: words.locale.language for language, words in WORDS.items()} == {
        language: language for language in LANGUAGES
    }
