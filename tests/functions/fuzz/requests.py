"""Requests that nobody should send, each made from a seed and its number alone. Pure."""

import base64
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

LANDING_BUCKET = "landing"
FINALIZED = "google.cloud.storage.object.v1.finalized"

NASTY_TEXTS = (
    *(
        "",
        " ",
        "\0",
        "\n",
        "\r\n",
        "\t",
        "'",
        '"',
        "`",
        "\\",
        "%",
        "%00",
        "%2e%2e%2f",
        "..",
        "../",
        "./",
        "//",
    ),
    *(
        "'; DROP TABLE t; --",
        "$(reboot)",
        "`reboot`",
        "${jndi:ldap://x}",
        "{{7*7}}",
        "%s%n",
        "<script>",
        "|id",
    ),
    *(
        "\x1b[2J",
        "\x1b]0;title\x07",
        "\x9b2J",
        "\u202e",
        "\u200b",
        "\ufeff",
        "\uffff",
        "é",
        "e\u0301",
        "日本",
        "😀",
    ),
    *(
        "\ud800",
        "\udfff\ud800",
        "a" * 63,
        "a" * 64,
        "x" * 1024,
        "é" * 512,
        "y" * 100_000,
        "NaN",
        "null",
        "true",
    ),
)
NASTY_NUMBERS = (
    *(0, -1, 1, 2**31, 2**53, 2**63 - 1, 2**63, 2**64, -(2**63), 10**400),
    *(0.5, -0.0, 1e308, float("inf"), float("nan")),
)
DATASETS = ("price_quote", "comp_boss", "a", "a" * 63, "d_1")
CONTENT_TYPES = (
    *(
        "application/json",
        "application/json; charset=utf-16",
        "application/cloudevents+json",
        "text/plain",
        "",
    ),
    *(
        "application/cloudevents-batch+json",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
    ),
)


@dataclass(frozen=True)
class Request:
    """A POST: header names in lower case, values as the server hands them on (Latin-1)."""

    headers: dict[str, str]
    body: bytes


def make_request(seed: int, number: int) -> Request:
    """The request of this number: always the same one for the same seed."""
    source = random.Random(f"{seed}:{number}")  # noqa: S311 to be repeated
    return source.choice(KINDS)(source)


def valid(source: random.Random) -> tuple[dict[str, str], dict[str, Any]]:
    """The headers and the object of an event as Eventarc sends it."""
    name = f"{source.choice(DATASETS)}/{source.randrange(10**6)}.csv{source.choice(('', '.gz'))}"
    headers = {
        "ce-id": str(source.randrange(10**9)),
        "ce-specversion": "1.0",
        "ce-type": FINALIZED,
        "ce-source": f"//storage.googleapis.com/projects/_/buckets/{LANDING_BUCKET}",
        "ce-subject": f"objects/{name}",
        "ce-time": "2026-11-21T01:26:00.123Z",
        "content-type": "application/json",
    }
    data = {
        "bucket": LANDING_BUCKET,
        "name": name,
        "generation": str(source.randrange(1, 2**63)),
        "metageneration": "1",
        "size": str(source.randrange(10**9)),
        "crc32c": "AAAAAA==",
    }
    return headers, data


def value(source: random.Random, depth: int = 3) -> Any:
    """Any JSON value, ill-natured ones preferred."""
    kind = source.randrange(8 if depth else 6)
    if kind < 2:
        return "".join(source.choice(NASTY_TEXTS) for _ in range(source.randrange(1, 4)))
    if kind < 4:
        return source.choice(NASTY_NUMBERS)
    if kind < 6:
        return source.choice((None, True, False, "17", "-1", "1e3", "١٧", "0" * 20, " 1"))
    if kind == 6:
        return [value(source, depth - 1) for _ in range(source.randrange(4))]
    return {str(value(source, 0)): value(source, depth - 1) for _ in range(source.randrange(4))}


def name(source: random.Random) -> str:
    """A name of an object, with or without a place in the path grammar."""
    parts = [source.choice((*DATASETS, *NASTY_TEXTS)) for _ in range(source.randrange(1, 5))]
    joined = source.choice(("/", "/", "", "\\")).join(parts)
    return joined + source.choice((".csv", ".csv.gz", ".CSV", ".gz", "/", "", ".csv\n", ".csv/"))


def plain(source: random.Random) -> Request:
    headers, data = valid(source)
    return Request(headers, json.dumps(data).encode())


def odd_name(source: random.Random) -> Request:
    headers, data = valid(source)
    return Request(headers, json.dumps(data | {"name": name(source)}).encode())


def odd_fields(source: random.Random) -> Request:
    headers, data = valid(source)
    for _ in range(source.randrange(1, 4)):
        field = source.choice(list(data) or ["name"])
        if source.random() < 0.3:
            data.pop(field, None)
        else:
            data[field] = value(source)
    return Request(
        headers, json.dumps(data, ensure_ascii=source.random() < 0.5).encode("utf-8", "surrogatepass")
    )


def odd_headers(source: random.Random) -> Request:
    headers, data = valid(source)
    more = (
        "traceparent",
        "x-cloud-trace-context",
        "function-execution-id",
        "ce-data",
        "ce-extensions",
        "ce-",
    )
    for _ in range(source.randrange(1, 4)):
        header = source.choice([*headers, *more])
        if source.random() < 0.3:
            headers.pop(header, None)
        elif header == "content-type":
            headers[header] = source.choice(CONTENT_TYPES)
        else:
            text = source.choice(NASTY_TEXTS) + source.choice(("", "1", "0.3", "1.0", FINALIZED))
            # What a server lets through: bytes as Latin-1, no line break.
            sent = text.encode("utf-8", "surrogatepass").decode("latin-1")
            headers[header] = sent.replace("\r", "").replace("\n", "").replace("\0", "")
    return Request(headers, json.dumps(data).encode())


def odd_body(source: random.Random) -> Request:
    headers, data = valid(source)
    body = bytearray(json.dumps(data).encode())
    for _ in range(source.randrange(1, 6)):
        place = source.randrange(len(body) + 1)
        match source.randrange(5):
            case 0:
                body[place : place + 1] = bytes([source.randrange(256)])
            case 1:
                del body[place:]
            case 2:
                body[place:place] = source.randbytes(source.randrange(8))
            case 3:
                body[place:place] = body[: source.randrange(len(body) + 1)]
            case _:
                del body[place : place + source.randrange(20)]
    return Request(headers, bytes(body))


def whole_body(source: random.Random) -> Request:
    headers, data = valid(source)
    text = json.dumps(source.choice((data, value(source), [data])))
    bodies: tuple[Callable[[], bytes], ...] = (
        lambda: source.randbytes(source.randrange(200)),
        lambda: text.encode("utf-16"),
        lambda: b"\xef\xbb\xbf" + text.encode(),
        lambda: source.choice((b"[", b'{"a":', b'{"name":"')) * source.choice((1, 900, 20_000)),
        lambda: b'{"bucket":"landing","generation":' + b"9" * source.choice((18, 19, 20, 5000)) + b"}",
        lambda: text.encode() + b" " * source.choice((1, 2**20)),
    )
    return Request(headers, source.choice(bodies)())


def structured(source: random.Random) -> Request:
    headers, data = valid(source)
    event: dict[str, Any] = {key[3:]: text for key, text in headers.items() if key.startswith("ce-")}
    event["data"] = data
    for _ in range(source.randrange(4)):
        event[source.choice([*event, "data_base64", "extensions", "datacontenttype", "dataschema"])] = value(
            source
        )
    if source.random() < 0.3:
        event["data_base64"] = base64.b64encode(json.dumps(data).encode()).decode()
        event.pop("data", None)
    kept = source.choice(({}, {"ce-id": "1"}))
    return Request({"content-type": source.choice(CONTENT_TYPES)} | kept, json.dumps(event).encode())


def legacy(source: random.Random) -> Request:
    _, data = valid(source)
    context = {
        "eventId": "1",
        "timestamp": "2026-11-21T01:26:00.123Z",
        "eventType": source.choice(("google.storage.object.finalize", "google.pubsub.topic.publish", "x")),
        "resource": source.choice(
            (f"projects/_/buckets/{LANDING_BUCKET}/objects/x", {"name": "x"}, "x", None)
        ),
    }
    message = {"data": base64.b64encode(json.dumps(data).encode()).decode(), "messageId": "1"}
    body = source.choice(({"context": context, "data": data}, {"subscription": "s", "message": message}))
    if source.random() < 0.5:
        part: Any = source.choice((body, *(inner for inner in body.values() if isinstance(inner, dict))))
        part[source.choice(list(part))] = value(source)
    return Request({"content-type": source.choice(CONTENT_TYPES)}, json.dumps(body).encode())


def two_at_once(source: random.Random) -> Request:
    one = source.choice((odd_name, odd_fields, odd_body, structured))(source)
    return replace(one, headers=one.headers | odd_headers(source).headers)


KINDS = (
    *(plain, odd_name, odd_name, odd_fields, odd_fields, odd_headers, odd_body),
    *(whole_body, structured, legacy, two_at_once),
)
