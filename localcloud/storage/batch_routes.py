"""The batch endpoint: many calls in one request, answered in their order."""

import uuid

import httpx
from starlette.requests import Request
from starlette.responses import Response

from localcloud.storage.errors import InvalidError
from localcloud.storage.multipart import Part, parse_batch, render_batch

MAX_CALLS = 1000


async def batch(request: Request) -> Response:
    """Run the calls of a batch one after another, each as if it had come alone."""
    calls = parse_batch(request.headers.get("content-type", ""), await request.body())
    if not 1 <= len(calls) <= MAX_CALLS:
        raise InvalidError(f"Expected 1 to {MAX_CALLS} calls in a batch, found {len(calls)}.")
    transport = httpx.ASGITransport(app=request.app.state.entry)
    async with httpx.AsyncClient(transport=transport, base_url=str(request.base_url)) as client:
        answers = [await _answered(client, call) for call in calls]
    boundary = f"batch_{uuid.uuid4().hex}"
    return Response(render_batch(boundary, answers), media_type=f'multipart/mixed; boundary="{boundary}"')


async def _answered(client: httpx.AsyncClient, call: Part) -> Part:
    method, _, rest = call.head.partition(" ")
    url = httpx.URL(rest.rpartition(" ")[0])
    if not url.path.startswith("/storage/v1/"):
        raise InvalidError(f"Expected calls of /storage/v1/ in a batch, found {url.path!r}. Send it alone.")
    headers = {name: value for name, value in call.headers.items() if name.lower() != "content-length"}
    response = await client.request(
        method, url.copy_with(scheme=None, host=None, port=None), headers=headers, content=call.body
    )
    answer_id = f"<response-{call.content_id.strip('<>')}>"
    kept = {name: value for name, value in response.headers.items() if name != "transfer-encoding"}
    return Part(answer_id, str(response.status_code), kept, response.content)
