"""The key under which personal values become tokens."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class TokenKey:
    """A version of a secret, `projects/P/secrets/S/versions/N`, and its content, which nothing shows."""

    version: str
    content: bytes = field(repr=False)
