"""What holds for every page: headers, methods, languages, words, errors, and the skeleton of its HTML."""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jinja2
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from room.warehouse import TooMuchError
from tests.functions.control_room.addresses import ADDRESSES, ALL, PAGES
from tests.functions.control_room.reading import Element, read
from tests.functions.control_room.world import PROJECT, World

ROOM = Path(__file__).parents[3] / "functions/control_room/room"
TEMPLATES = sorted((ROOM / "templates").glob("*.html"))
WORDS = sorted((ROOM / "words").glob("*.json"))
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def some_error(world: World) -> Iterator[tuple[str, Any]]:
    for address in ("/nope", "/batches?page=0", "/batches?dataset=nope", "/assets/nope.css", "/%00", "/a//b"):
        yield address, world.client().get(address)


def test_every_route_has_an_address_here(furnished: World) -> None:
    routes = {rule.endpoint for rule in furnished.app.url_map.iter_rules()}
    assert routes - ADDRESSES.keys() == set()


@pytest.mark.parametrize("address", ALL)
def test_every_answer_is_hardened(furnished: World, address: str) -> None:
    answer = furnished.client().get(address)
    assert answer.status_code == 200, answer.text
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    kept = answer.headers["Cache-Control"]
    assert kept.startswith("private, max-age=" if address.startswith("/assets/") else "private, no-store")
    assert "Set-Cookie" not in answer.headers


def test_errors_are_hardened_too_and_say_what_is_wrong(furnished: World) -> None:
    for address, answer in some_error(furnished):
        assert 400 <= answer.status_code < 500, address
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, address
        assert answer.headers["Cache-Control"] == "private, no-store", address
        assert read(answer.text).one("h1").text, address


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_can_be_changed(furnished: World, method: str) -> None:
    for address in ALL:
        answer = furnished.client().open(address, method=method)
        assert answer.status_code == 405, address
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, address
    for rule in furnished.app.url_map.iter_rules():
        assert rule.methods is not None and rule.methods <= {"GET", "HEAD", "OPTIONS"}, rule


@pytest.mark.parametrize(
    "accepted, language",
    [
        ("en", "en"),
        ("pt", "pt"),
        ("pt-BR", "pt"),
        ("pt-PT,pt;q=0.9,en;q=0.8", "pt"),
        ("en-GB,en;q=0.9,pt;q=0.8", "en"),
        ("de,fr;q=0.9", "en"),
        ("de,pt;q=0.5,en;q=0.3", "pt"),
        ("", "en"),
        ("*", "en"),
        ("\N{SNOWMAN};q=x,,;=", "en"),
    ],
)
def test_the_language_is_the_browsers(furnished: World, accepted: str, language: str) -> None:
    answer = furnished.client(accepted.encode().decode("latin-1")).get("/batches")
    page = read(answer.text)
    assert page.one("html").attributes["lang"] == language
    assert page.one("h1").text == {"en": "Batches", "pt": "Lotes"}[language]
    assert answer.headers["Vary"] == "Accept-Language"


@pytest.mark.parametrize("language", ["en", "pt"])
@pytest.mark.parametrize("address", PAGES)
def test_the_skeleton_of_a_page(furnished: World, address: str, language: str) -> None:
    html = furnished.client(language).get(address).text
    assert html.startswith("<!doctype html>")
    page = read(html)
    assert page.one("h1").text
    assert len(page.all("main", id="content")) == 1
    skip = next(iter(page.all("a")))
    assert skip.attributes["href"] == "#content"
    ids = [one.attributes["id"] for one in page if "id" in one.attributes]
    assert len(ids) == len(set(ids)), "an id is there twice"
    for name in ("aria-labelledby", "aria-describedby", "for", "aria-controls"):
        for one in page:
            assert set(one.attributes.get(name, "").split()) <= set(ids), (name, one.tag)
    for cell in page.all("th"):
        assert cell.attributes.get("scope") in ("col", "row", "colgroup", "rowgroup"), cell.text
    named = {id(one) for label in page.all("label") for one in label if label.text}
    for kind in ("input", "select", "textarea"):
        for one in page.all(kind):
            is_named = id(one) in named or one.attributes.get("aria-label")
            assert is_named or one.attributes.get("type") == "hidden", one.attributes
    for one in page:
        if one.attributes.get("tabindex") == "0":
            assert one.attributes.get("role") and (
                one.attributes.get("aria-label") or one.attributes.get("aria-labelledby")
            ), one.attributes
    for link in page.all("a") + page.all("button"):
        assert link.text or link.attributes.get("aria-label"), link.attributes
    assert_no_inline(page)


def assert_no_inline(page: Element) -> None:
    """Nothing that the policy would block: a browser would leave it out, and complain."""
    for one in page:
        assert "style" not in one.attributes, one.attributes
        assert not any(name.startswith("on") for name in one.attributes), one.attributes
        for name in ("href", "src", "action"):
            assert not one.attributes.get(name, "").lower().strip().startswith(("javascript:", "//"))
    assert page.all("style") == []
    for script in page.all("script"):
        assert script.attributes.get("src") or script.attributes.get("type") == "application/json"


# Errors


def test_a_warehouse_that_is_away_is_said_in_words(world: World) -> None:
    away = bigquery.Client(
        PROJECT,
        AnonymousCredentials(),  # type: ignore[no-untyped-call]
        client_options={"api_endpoint": "http://127.0.0.1:9"},
    )
    there, world.bigquery = world.bigquery, away
    try:
        for language, said in (("en", "The warehouse does not answer"), ("pt", "não responde")):
            html = world.show("/batches", language, status=503)
            assert said in read(html).one("h1").text
            assert "127.0.0.1" not in html and "Traceback" not in html
    finally:
        world.bigquery = there


@pytest.mark.parametrize(
    "error, status, said",
    [
        (TooMuchError(), 400, "This question would read too much"),
        (RuntimeError("secret <b>"), 500, "Something went wrong here"),
    ],
)
def test_what_else_goes_wrong_is_said_in_words(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, said: str
) -> None:
    def fail(*_: Any) -> Any:
        raise error

    monkeypatch.setattr("room.warehouse.Warehouse.stream", fail)
    html = world.show("/batches", status=status)
    page = read(html)
    assert page.one("h1").text == said
    assert page.links()["To the datasets"] == "/"
    assert "secret" not in html


@pytest.mark.parametrize(
    "address, status, said, links",
    [
        ("/batches?state=frog<b>", 404, "expected one of running,", {"Batches": "/batches"}),
        ("/rejected?dataset=frog<b>", 404, "expected one of bank_statement,", {"Rejected rows": "/rejected"}),
        ("/report?from=frog<b>", 400, "Expected a day such as 2013-07-31", {"Report": "/report"}),
        ("/file?uri=frog", 400, "Expected uri=gs://", {"Files": "/files"}),
        ("/catalogue/frog<b>", 404, "There is no dataset", {"Catalogue": "/catalogue"}),
        ("/frog", 404, "The address may be mistyped", {}),
    ],
)
def test_an_error_says_what_was_expected_and_leads_back_to_what_was_asked(
    world: World, address: str, status: int, said: str, links: dict[str, str]
) -> None:
    html = world.show(address, status=status)
    page = read(html)
    fault = page.one("section", class_="fault")
    assert said in fault.text
    assert fault.links() == {**links, "To the datasets": "/"}
    assert [link for link in page.all("a") if "aria-current" in link.attributes] == []
    assert "<b>" not in html


# Words


def read_words(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def forms(text: Any) -> list[str]:
    return list(text.values()) if isinstance(text, dict) else [text]


@pytest.mark.parametrize(
    "english", [path for path in WORDS if ".en." in path.name], ids=lambda path: path.stem
)
def test_both_languages_say_the_same_things(english: Path) -> None:
    portuguese = english.with_name(english.name.replace(".en.", ".pt."))
    ours, theirs = read_words(english), read_words(portuguese)
    assert list(ours) == list(theirs), "expected the same keys in the same order"
    for key in ours:
        named = [{*re.findall(r"{(\w+)}", form)} for text in (ours[key], theirs[key]) for form in forms(text)]
        # A form for one may do without the number.
        numbers = {"number", "count"}
        assert set.union(*named) - numbers == set.intersection(*named) - numbers, key
        assert isinstance(ours[key], dict) == isinstance(theirs[key], dict), key
        for text in (ours[key], theirs[key]):
            assert not isinstance(text, dict) or {"one", "other"} <= text.keys(), key
            assert all(form.strip() == form for form in forms(text)), key


def sources() -> dict[str, str]:
    """The code and the templates, by path."""
    paths = [*ROOM.rglob("*.py"), *ROOM.glob("templates/*.html"), *ROOM.glob("static/*.js")]
    return {str(path.relative_to(ROOM)): path.read_text(encoding="utf-8") for path in paths}


def all_keys() -> set[str]:
    return {f"{path.stem.split('.')[0]}.{key}" for path in WORDS for key in read_words(path)}


def test_every_key_that_is_asked_for_exists() -> None:
    keys = all_keys()
    wrong = []
    for path, source in sources().items():
        # A whole key, or the begin of one that goes on with a value: t('common.state_' ~ state).
        for key, goes_on in re.findall(r"""\b(?:t|say)\(\s*f?['"]([\w.]+)(?:['"](\s*~)?|{)""", source):
            is_whole = not goes_on and not key.endswith("_")
            if not (key in keys if is_whole else any(known.startswith(key) for known in keys)):
                wrong.append(f"{path}: {key}")
    assert wrong == []


def test_every_text_is_used() -> None:
    everything = "\n".join(sources().values())
    asked = {*re.findall(r"""['"]([a-z_]+\.\w*)['"{]""", everything)}
    begins = tuple(key for key in asked if key.endswith(("_", ".")))
    unused = {key for key in all_keys() if key not in asked and not key.startswith(begins)}
    assert unused == set()


# Templates


# Code is the same in every language.
_SILENT = ("script", "code", "pre", "kbd")


class Visible(HTMLParser):
    """Collects what a template shows of its own: texts, and attributes that are read aloud."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._silent += tag in _SILENT
        spoken = ("alt", "aria-label", "aria-description", "placeholder", "title", "label")
        self.texts += [value for name, value in attributes if name in spoken and value]

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in _SILENT

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.texts.append(data)


# Names that are the same in every language.
NAMES = re.compile(r"landfall|CSV|UTC|SHA-256|MD5|CRC32C|gs://", re.IGNORECASE)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_a_template_says_nothing_of_its_own(path: Path) -> None:
    tokens = jinja2.Environment(autoescape=True).lex(path.read_text(encoding="utf-8"))
    template = Visible()
    template.feed("".join(value for _, kind, value in tokens if kind == "data"))
    template.close()
    assert [text for text in template.texts if re.search(r"[^\W\d_]", NAMES.sub("", text))] == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_a_template_escapes_everything(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert not re.search(r"\|\s*safe\b|autoescape|Markup", source)
    # Where an attribute has no quotes a value can begin another one.
    assert not re.search(r"<[^>{]*\s[\w-]+={{", source)
