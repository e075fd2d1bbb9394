"""`landfall env`: the exports that point other clients at what the command works on."""

from localcloud.deployment.deployment import Deployment


def env(deployment: Deployment) -> int:
    """Print the lines; `eval "$(landfall env)"` takes them in."""
    print(deployment.exports())
    return 0
