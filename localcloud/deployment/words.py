"""What Google's APIs say of an error, without what their clients put around it."""

from collections.abc import Iterator, Mapping
from typing import Any


def describe(error: Any) -> str:
    """The sentences of an API error, without the address and the verb."""
    texts = [str(detail["message"]) for detail in _details(error) if "message" in detail]
    return "; ".join(dict.fromkeys(texts)) or str(error.message)


def list_reasons(error: Any) -> set[str]:
    """The reasons of an API error by their names, such as accessDenied; few APIs give some."""
    return {str(detail["reason"]) for detail in _details(error) if "reason" in detail}


def _details(error: Any) -> Iterator[Mapping[str, Any]]:
    for detail in error.errors or _answered(error):
        if isinstance(detail, dict):
            yield detail


def _answered(error: Any) -> list[Any]:
    """An upload's error keeps the answer as it came."""
    try:
        return [error.response.json()["error"]]
    except (AttributeError, ValueError, LookupError, TypeError):
        return []
