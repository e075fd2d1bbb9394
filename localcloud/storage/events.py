"""Finalize events as CloudEvents in HTTP binary mode.

Sources: https://cloud.google.com/eventarc/docs/cloudevents (names), the HTTP protocol binding of
CloudEvents 1.0, section 3.1.3 (how header values are written).
"""

import json
from collections.abc import Mapping
from typing import Any

FINALIZED = "google.cloud.storage.object.v1.finalized"


def finalized(resource: Mapping[str, Any], event_id: str) -> tuple[dict[str, str], bytes]:
    """Render the headers and the body of the event that tells of a new generation of an object."""
    attributes = {
        "ce-id": event_id,
        "ce-source": f"//storage.googleapis.com/projects/_/buckets/{resource['bucket']}",
        "ce-type": FINALIZED,
        "ce-subject": f"objects/{resource['name']}",
        "ce-time": resource["timeCreated"],
        "ce-specversion": "1.0",
        "ce-bucket": resource["bucket"],
    }
    headers = {name: header_value(value) for name, value in attributes.items()}
    return {**headers, "content-type": "application/json"}, json.dumps(resource).encode()


def header_value(text: str) -> str:
    """Percent-encode what the binding demands: space, '"', '%' and all outside printable ASCII."""
    return "".join(
        character
        if "\x21" <= character <= "\x7e" and character not in '"%'
        else "".join(f"%{byte:02X}" for byte in character.encode())
        for character in text
    )
