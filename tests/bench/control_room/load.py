"""A few clients that ask one after the other, and how long each answer took to its last byte."""

import http.client
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_LANGUAGES = ("en", "pt-BR")


@dataclass(frozen=True)
class Answer:
    """What came of one visit; `status` is 0 where the connection broke."""

    page: str
    address: str
    status: int
    seconds: float
    size: int


def visit(
    port: int, visits: Sequence[tuple[str, str]], clients: int, tell: Callable[[int], None]
) -> list[Answer]:
    """Ask for every address, as many at a time as there are clients; `tell` how many are answered."""
    todo = deque(visits)
    answers: list[Answer] = []

    def ask(language: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while True:
            try:
                page, address = todo.popleft()
            except IndexError:
                connection.close()
                return
            answers.append(_ask(connection, page, address, language))
            tell(len(answers))

    threads = [
        threading.Thread(target=ask, args=(_LANGUAGES[number % len(_LANGUAGES)],))
        for number in range(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def _ask(connection: http.client.HTTPConnection, page: str, address: str, language: str) -> Answer:
    began = time.perf_counter()
    try:
        connection.request("GET", address, headers={"Accept-Language": language})
        answer = connection.getresponse()
        status, size = answer.status, len(answer.read())
    except (OSError, http.client.HTTPException):
        connection.close()
        status, size = 0, 0
    return Answer(page, address, status, time.perf_counter() - began, size)
