"""What every route reads from a request: names in the path, parameters, a JSON body."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from starlette.requests import Request

from localcloud.storage.errors import InvalidError
from localcloud.storage.objects import Source, Target
from localcloud.storage.preconditions import from_query, from_source_query, integer


def segment(request: Request, key: str) -> str:
    """Read a name from the path; it stands there percent-encoded, so that a name may hold slashes."""
    try:
        return unquote(request.path_params[key], errors="strict")
    except UnicodeDecodeError:
        raise InvalidError(
            f"Invalid name in the path: expected UTF-8, found {request.path_params[key]!r}."
        ) from None


def source(request: Request) -> Source:
    """The generation that a read, a patch or a delete addresses, with its preconditions."""
    return Source(
        segment(request, "bucket"),
        segment(request, "object"),
        integer(request.query_params, "generation"),
        from_query(request.query_params, request.headers),
    )


def copy_source(request: Request) -> Source:
    """The generation that a copy or rewrite reads."""
    return Source(
        segment(request, "bucket"),
        segment(request, "object"),
        integer(request.query_params, "sourceGeneration"),
        from_source_query(request.query_params),
    )


def target(request: Request, bucket: str, name: str) -> Target:
    """Where a request writes, with its preconditions."""
    return Target(bucket, name, from_query(request.query_params, request.headers))


async def json_body(request: Request) -> dict[str, Any]:
    """Read the body as a JSON object; an absent one is empty. Raises InvalidError."""
    return json_object(await request.body())


def json_object(text: bytes) -> dict[str, Any]:
    """Parse a JSON object; no text is an empty one. Raises InvalidError."""
    if not text.strip():
        return {}
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InvalidError(f"Parse Error: expected a JSON object as the body, found {error}.") from error
    if not isinstance(value, dict):
        raise InvalidError(f"Parse Error: expected a JSON object as the body, found {type(value).__name__}.")
    return value


def required(values: Mapping[str, Any], key: str, where: str) -> str:
    """Return a text that must be there. Raises InvalidError."""
    value = values.get(key)
    if not isinstance(value, str) or not value:
        raise InvalidError(f"Required parameter: expected {key} in the {where}, found {value!r}.")
    return value
