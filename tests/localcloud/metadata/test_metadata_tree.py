"""What the metadata server holds and how it renders it."""

import json
import time
from email.message import Message
from http import HTTPStatus
from typing import Any

import pytest

from localcloud.metadata.airflow_token import AirflowTokens, Token, TokenUnavailableError, read_expiry
from localcloud.metadata.server import Answer, MetadataServer

EMAIL = "landfall@p.localhost"


class FixedTokens(AirflowTokens):
    def __init__(self, token: Token | None) -> None:
        super().__init__("http://127.0.0.1:1")
        self.token = token

    def find_token(self) -> Token:
        if self.token is None:
            raise TokenUnavailableError("expected a token, found nothing; wait")
        return self.token


def ask(target: str, token: Token | None = None, **headers: str) -> Answer:
    message = Message()
    for name, value in (headers or {"metadata-flavor": "Google"}).items():
        message[name.replace("_", "-")] = value
    server = MetadataServer(0, "p", FixedTokens(token))
    try:
        return server.answer(target, message)
    finally:
        server.server_close()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("project/project-id", "p"),
        ("project/numeric-project-id", "1"),
        ("universe/universe-domain", "googleapis.com"),
        ("instance/zone", "projects/1/zones/us-central1-a"),
        ("instance/service-accounts/", f"default/\n{EMAIL}/\n"),
        ("instance/service-accounts", f"default/\n{EMAIL}/\n"),
        ("instance/service-accounts/?alt=text", f"default/\n{EMAIL}/\n"),
        ("instance/service-accounts/default/email", EMAIL),
        ("instance/service-accounts/landfall%40p.localhost/email", EMAIL),
        ("instance/service-accounts/default/scopes", "https://www.googleapis.com/auth/cloud-platform\n"),
        ("", "instance/\nproject/\nuniverse/\n"),
    ],
)
def test_text(path: str, body: str) -> None:
    assert ask(f"/computeMetadata/v1/{path}") == Answer(HTTPStatus.OK, body, "application/text")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (
            "instance/service-accounts/default/?recursive=true",
            {
                "aliases": ["default"],
                "email": EMAIL,
                "scopes": ["https://www.googleapis.com/auth/cloud-platform"],
            },
        ),
        ("project/?recursive=true", {"attributes": {}, "numericProjectId": "1", "projectId": "p"}),
        ("project/project-id?alt=json", "p"),
    ],
)
def test_json(path: str, body: Any) -> None:
    answer = ask(f"/computeMetadata/v1/{path}")
    assert (answer.status, answer.content_type) == (HTTPStatus.OK, "application/json")
    assert json.loads(answer.body) == body


@pytest.mark.parametrize("account", ["default", EMAIL])
def test_token(account: str) -> None:
    token = Token("secret", time.time() + 1000)
    answer = ask(f"/computeMetadata/v1/instance/service-accounts/{account}/token?scopes=x", token)
    body = json.loads(answer.body)
    assert int(token.expires_at - time.time()) <= body.pop("expires_in") <= 1000
    assert body == {"access_token": "secret", "token_type": "Bearer"}


def test_without_airflow_there_is_no_token() -> None:
    answer = ask("/computeMetadata/v1/instance/service-accounts/default/token")
    assert answer.status == HTTPStatus.SERVICE_UNAVAILABLE
    assert "wait" in answer.body


@pytest.mark.parametrize(
    "path",
    [
        "/computeMetadata/v1/instance/service-accounts/nobody/token",
        "/computeMetadata/v1/instance/service-accounts/default/identity?audience=x",
        "/computeMetadata/v1/project/project-id/more",
        "/computeMetadata/v2/",
        "/anything",
    ],
)
def test_what_is_not_there(path: str) -> None:
    assert ask(path, Token("secret", time.time() + 1000)).status == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize("prefix", ["/computeMetadata/v1", "/%63omputeMetadata/v1"])
@pytest.mark.parametrize(
    "headers",
    [
        {"accept": "*/*"},
        {"metadata_flavor": "other"},
        {"metadata_flavor": "Google", "x_forwarded_for": "10.0.0.1"},
    ],
)
def test_a_request_without_the_header_of_a_client_on_the_machine(
    prefix: str, headers: dict[str, str]
) -> None:
    answer = ask(
        f"{prefix}/instance/service-accounts/default/token", Token("secret", time.time() + 1000), **headers
    )
    assert answer.status == HTTPStatus.FORBIDDEN
    assert "secret" not in answer.body


@pytest.mark.parametrize("path", ["/", "/healthz"])
def test_the_ping_needs_no_header(path: str) -> None:
    assert ask(path, accept="*/*").status == HTTPStatus.OK


@pytest.mark.parametrize("token", ["", "a.b", "e30.e30.x", "e30.!!!.x", "e30.W10.x", "e30.eyJleHAiOiJ4In0.x"])
def test_a_token_without_an_end_is_refused(token: str) -> None:
    with pytest.raises(ValueError):
        read_expiry(token)
