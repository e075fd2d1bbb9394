"""A reverse proxy that fails on purpose, in front of a server that cannot: BigQuery's, Airflow's.

What passes is never changed: headers, paths with `%2F`, chunks and bodies go through byte for byte.
"""

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from localcloud.faults.answers import EXEMPT_HEADER, EXEMPT_PATHS, error_body
from localcloud.faults.client import kill_client
from localcloud.faults.framing import (
    LONGEST_HEAD,
    FramingError,
    Head,
    answer_body,
    ends_connection,
    read_head,
    request_body,
)
from localcloud.faults.reader import Faults
from localcloud.faults.rules import ACTIONS, REQUESTS, Rule

_HOST = "127.0.0.1"


class Proxy:
    """Passes requests on to the server at `host:port`, but for those that a rule of `part` is for.

    Each request has a connection of its own to the server: one that is kept may end just when it is used.
    """

    def __init__(self, part: str, host: str, port: int, faults: Faults) -> None:
        self._part = part
        self._server = (host, port)
        self._faults = faults

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client, from its first request to its end."""
        try:
            while (head := await read_head(reader)) and await self._handle(head, reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, FramingError):
            # Either side is gone; the other is to notice.
            writer.transport.abort()
        finally:
            writer.close()

    async def _handle(self, head: Head, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request, or not; returns whether another may follow on the connection."""
        rule = self._choose(head)
        if rule is None:
            return await self._pass(head, reader, writer)
        match rule.action:
            case "error":
                return await _refuse(rule, head, reader, writer)
            case "delay":
                await asyncio.sleep(rule.seconds)
                return await self._pass(head, reader, writer)
            case "drop_after" | "kill_client_after":
                await self._pass(head, reader, None)
        if rule.action.startswith("kill_client"):
            ports = writer.get_extra_info("peername")[1], writer.get_extra_info("sockname")[1]
            killed = await asyncio.to_thread(kill_client, *ports)
            self._faults.note(self._part, rule.id, "killed", process=killed)
        writer.transport.abort()
        return False

    def _choose(self, head: Head) -> Rule | None:
        method, target, *_ = head.words
        if target.startswith(EXEMPT_PATHS) or EXEMPT_HEADER in head.headers:
            return None
        return self._faults.choose(self._part, method, target)

    async def _pass(
        self, head: Head, reader: asyncio.StreamReader, writer: asyncio.StreamWriter | None
    ) -> bool:
        """Let the server answer; without a `writer` nobody hears it."""
        answers, requests = await asyncio.open_connection(*self._server, limit=LONGEST_HEAD)
        sending = None
        try:
            requests.write(head.raw)
            if head.has_body:
                sending = asyncio.create_task(_send_body(head, reader, requests))
            is_reusable = await _relay_answer(head.words[0], answers, writer)
            # A server may answer before it has read the body: what is left of that is no next request.
            return is_reusable and not head.is_last and (sending is None or await _is_over(sending))
        finally:
            if sending:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
            requests.close()


async def _is_over(sending: asyncio.Task[None]) -> bool:
    await asyncio.wait([sending], timeout=1)
    return sending.done() and sending.exception() is None


async def _send_body(head: Head, reader: asyncio.StreamReader, requests: asyncio.StreamWriter) -> None:
    async for piece in request_body(head, reader):
        requests.write(piece)
        await requests.drain()


async def _relay_answer(
    method: str, answers: asyncio.StreamReader, writer: asyncio.StreamWriter | None
) -> bool:
    """Pass an answer on; returns whether the connection may be used again."""
    while head := await read_head(answers):
        if writer:
            writer.write(head.raw)
        if head.words[1].startswith("1"):
            continue  # 100 Continue: the answer is still to come
        async for piece in answer_body(method, head, answers):
            if writer:
                writer.write(piece)
                await writer.drain()
        return not ends_connection(method, head)
    raise FramingError("expected an answer, found the end of the connection")


async def _refuse(rule: Rule, head: Head, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    # A client that is still sending might not read the answer.
    async for _ in request_body(head, reader):
        pass
    body = error_body(rule)
    lines = (
        f"HTTP/1.1 {rule.status} Failed on purpose",
        "content-type: application/json",
        f"content-length: {len(body)}",
    )
    writer.write("\r\n".join((*lines, "", "")).encode() + body)
    await writer.drain()
    return not head.is_last


async def serve(part: str, port: int, target: str, faults: Path) -> None:
    """Serve on loopback for ever."""
    url = urlsplit(target)
    proxy = Proxy(part, url.hostname or _HOST, url.port or 80, Faults(faults))
    server = await asyncio.start_server(proxy.serve, _HOST, port, limit=LONGEST_HEAD, backlog=512)
    async with server:
        await server.serve_forever()


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m localcloud.faults.proxy", description=__doc__)
    parts = [part for part, actions in ACTIONS.items() if actions == REQUESTS]
    parser.add_argument("--part", required=True, choices=parts, help="whose rules are obeyed")
    parser.add_argument("--port", type=int, required=True, help="port on the loopback address")
    parser.add_argument("--target", required=True, metavar="URL", help="the server: http://HOST:PORT")
    parser.add_argument("--faults", type=Path, required=True, metavar="FILE", help="the rules")
    given = parser.parse_args(arguments)
    asyncio.run(serve(given.part, given.port, given.target, given.faults))


if __name__ == "__main__":
    main()
