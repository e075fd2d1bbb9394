"""`landfall env`: the exports that point other clients at what the command works on."""

from localcloud.command.output import print_document
from localcloud.deployment.deployment import Deployment

VERSION = 1


def env(deployment: Deployment, as_json: bool = False) -> int:
    """Print the lines, which `eval "$(landfall env)"` takes in, or the variables that they set."""
    if as_json:
        print_document({"version": VERSION, "variables": dict(deployment.variables())})
    else:
        print(deployment.exports())
    return 0
