"""Faults in front of an ASGI application that is served by uvicorn."""

import asyncio

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from localcloud.faults.answers import EXEMPT_HEADER, EXEMPT_PATHS, error_body
from localcloud.faults.client import kill_client
from localcloud.faults.reader import Faults
from localcloud.faults.rules import Rule

_DROP = "landfall.drop"


class DroppableProtocol(HttpToolsProtocol):
    """uvicorn's own protocol, which lets the application close a connection without an answer."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {_DROP: {"abort": self.transport.abort}}


def with_faults(app: ASGIApp, faults: Faults, part: str) -> ASGIApp:
    """The application, obeying the rules of its part; serve it with `DroppableProtocol`."""

    async def entry(scope: Scope, receive: Receive, send: Send) -> None:
        rule = None if scope["type"] != "http" else _choose(faults, part, scope)
        if rule is None:
            await app(scope, receive, send)
        elif rule.action == "error":
            await _answer(rule, receive, send)
        elif rule.action == "delay":
            await asyncio.sleep(rule.seconds)
            await app(scope, receive, send)
        else:
            await _lose_the_answer(rule, app, scope, receive)
            if rule.action.startswith("kill_client"):
                killed = await run_in_threadpool(kill_client, scope["client"][1], scope["server"][1])
                faults.note(part, rule.id, "killed", process=killed)
            await _drop(scope, receive)

    return entry


def _choose(faults: Faults, part: str, scope: Scope) -> Rule | None:
    path: str = scope["raw_path"].decode("ascii", "replace")
    if path.startswith(EXEMPT_PATHS) or EXEMPT_HEADER.encode() in dict(scope["headers"]):
        return None
    query: str = scope["query_string"].decode("ascii", "replace")
    return faults.choose(part, scope["method"], f"{path}?{query}" if query else path)


async def _answer(rule: Rule, receive: Receive, send: Send) -> None:
    # A client that is still sending might not read the answer.
    while (await receive()).get("more_body"):
        pass
    body = error_body(rule)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": rule.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _lose_the_answer(rule: Rule, app: ASGIApp, scope: Scope, receive: Receive) -> None:
    async def swallow(_: Message) -> None:
        return

    if rule.action in ("drop_after", "kill_client_after"):
        await app(scope, receive, swallow)


async def _drop(scope: Scope, receive: Receive) -> None:
    scope["extensions"][_DROP]["abort"]()
    # Until uvicorn has noticed: a return before would be taken for a mistake, and answered with a 500.
    while (await receive())["type"] != "http.disconnect":
        pass
