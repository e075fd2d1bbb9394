"""The watch itself: what is wrong with a page is noticed."""

import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from tests.browser.chromium import Visitor
from tests.browser.test_pages import find_serious

_POLICY = "default-src 'self'; img-src *"
_PAGE = "<!doctype html><html lang=en><title>t</title><body><main><h1>h</h1>{}</main>"
FLAWS = {
    "/inline-style": ("<p style='color: red'>x</p>", "Content Security Policy"),
    "/inline-script": ("<script>document.title = 'x'</script>", "Content Security Policy"),
    "/another-host": ("<img alt=x src='http://example.com/x.png'>", "a request to http://example.com/x.png"),
    "/missing": ("<img alt=x src='/none.png'>", "404 for"),
    "/error": ("<script src='/error.js'></script>", "error: broken"),
    "/dialog": ("<script src='/dialog.js'></script>", "dialog: hello"),
}
_SCRIPTS = {"/error.js": "throw new Error('broken')", "/dialog.js": "alert('hello')"}


@Request.application
def _answer(request: Request) -> Response:
    if request.path in _SCRIPTS:
        return Response(_SCRIPTS[request.path], mimetype="text/javascript")
    if request.path == "/none.png":
        return Response(status=404)
    body = FLAWS.get(request.path, ("<img src=''><p>x</p>", ""))[0]
    return Response(_PAGE.format(body), mimetype="text/html", headers={"Content-Security-Policy": _POLICY})


@pytest.fixture(scope="module")
def flawed() -> Iterator[str]:
    server = make_server("127.0.0.1", 0, _answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.mark.parametrize("path", FLAWS)
def test_a_fault_of_a_page_is_noticed(browser: Browser, flawed: str, path: str) -> None:
    visitor = Visitor(browser, flawed)
    with visitor.visit(path):
        pass
    assert any(FLAWS[path][1] in fault for fault in visitor.faults), visitor.faults


def test_what_axe_finds_is_noticed(browser: Browser, flawed: str) -> None:
    with Visitor(browser, flawed).visit("/picture") as page:
        assert [rule for rule, _, _ in find_serious(page)] == ["image-alt"]
