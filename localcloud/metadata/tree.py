"""What the metadata server holds, and how it renders a path of it. Pure.

The rules are those of https://cloud.google.com/compute/docs/metadata/querying-metadata: a folder is listed as
lines of text, `recursive=true` renders it whole as JSON in camel case, `alt` chooses the other rendering.
"""

import json
import re
from collections.abc import Mapping
from typing import TypeAlias

ZONE = "us-central1-a"
SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]

# A folder, a list (one line each) or a value.
Node: TypeAlias = "Mapping[str, Node] | list[str] | str"


def make_tree(project: str) -> Node:
    """Make the tree of a machine of `project` with one service account."""
    # Not an address of gserviceaccount.com, on purpose: for those google-auth asks a server of Google's for
    # regional boundaries, token in hand. Nothing of the local cloud leaves the machine.
    email = f"landfall@{project}.localhost"
    account: Node = {"aliases": ["default"], "email": email, "scopes": SCOPES}
    return {
        "instance": {
            "attributes": {},
            "service-accounts": {"default": account, email: account},
            "zone": f"projects/1/zones/{ZONE}",
        },
        "project": {"attributes": {}, "numeric-project-id": "1", "project-id": project},
        "universe": {"universe-domain": "googleapis.com"},
    }


def find_node(tree: Node, path: str) -> "Node | None":
    """Find what lies at `path` (relative, with or without a slash at its end); None when nothing does."""
    node = tree
    for part in path.split("/"):
        if not part:
            continue
        if not isinstance(node, Mapping) or part not in node:
            return None
        node = node[part]
    return node


def render_text(node: Node) -> str:
    """Render a node as text: a folder's entries line by line, those that are folders with a slash."""
    if isinstance(node, Mapping):
        return "".join(
            f"{name}/\n" if isinstance(child, Mapping) else f"{name}\n" for name, child in node.items()
        )
    if isinstance(node, list):
        return "".join(f"{line}\n" for line in node)
    return node


def render_json(node: Node) -> str:
    """Render a node and all below it as JSON; the names of fields, not of accounts, in camel case."""
    return json.dumps(_camel(node))


def _camel(node: Node) -> object:
    if isinstance(node, Mapping):
        return {_camel_name(name): _camel(child) for name, child in node.items()}
    return node


def _camel_name(name: str) -> str:
    return name if "@" in name else re.sub(r"-([a-z])", lambda match: match[1].upper(), name)
