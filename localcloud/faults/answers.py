"""Which requests never fail on purpose, and what those that do are answered."""

import json

from localcloud.faults.rules import Rule

# The launcher must see that a part is there, and a test what became of its events.
EXEMPT_PATHS = ("/healthz", "/readyz", "/_landfall/")
# Sent by the command: its questions must not use up faults that are meant for the pipeline, nor suffer them.
EXEMPT_HEADER = "x-landfall-command"

_REASONS = {
    400: "invalid",
    401: "authError",
    403: "rateLimitExceeded",
    404: "notFound",
    429: "rateLimitExceeded",
}


def error_body(rule: Rule) -> bytes:
    """The error in the JSON form that Google's clients read."""
    message = f"The request failed on purpose, by the rule {rule.id} of faults; it had no effect."
    reason = _REASONS.get(rule.status, "backendError")
    detail = {"message": message, "domain": "global", "reason": reason}
    return json.dumps({"error": {"code": rule.status, "message": message, "errors": [detail]}}).encode()
