"""Variables as a POSIX shell takes them in. Pure."""

import shlex
from collections.abc import Iterable, Mapping


def render_exports(variables: Mapping[str, str], more: Iterable[str] = ()) -> str:
    """A line for each variable, then `more` lines as they are."""
    exports = (f"export {name}={shlex.quote(value)}" for name, value in variables.items())
    return "\n".join([*exports, *more])
