"""Preconditions of a request, and whether the object that is there now meets them.

Source: https://cloud.google.com/storage/docs/request-preconditions (a failed Match is 412, a failed
NotMatch is 304).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from localcloud.storage.errors import InvalidError, NotModifiedError, PreconditionFailedError


class Version(Protocol):
    """Whatever has generations: a bucket or an object."""

    @property
    def generation(self) -> int: ...
    @property
    def metageneration(self) -> int: ...
    @property
    def etag(self) -> str: ...


@dataclass(frozen=True)
class Preconditions:
    """Values that the current version must, or must not, have; None and () do not ask."""

    generation_match: int | None = None
    generation_not_match: int | None = None
    metageneration_match: int | None = None
    metageneration_not_match: int | None = None
    etag_match: tuple[str, ...] = ()
    etag_not_match: tuple[str, ...] = ()

    def check(self, current: Version | None) -> None:
        """Raise PreconditionFailedError or NotModifiedError unless the current version meets all.

        None says that nothing is there: generation 0 for `generation_match`, a failure of every other
        condition but `etag_not_match`.
        """
        generation = current.generation if current else 0
        if self.generation_match not in (None, generation):
            raise _failed("ifGenerationMatch", self.generation_match, generation)
        metageneration = current.metageneration if current else None
        if self.metageneration_match not in (None, metageneration):
            raise _failed("ifMetagenerationMatch", self.metageneration_match, metageneration)
        if self.etag_match and not _has_tag(self.etag_match, current):
            raise _failed("If-Match", ", ".join(self.etag_match), current and current.etag)
        if self.generation_not_match is not None and (not current or self.generation_not_match == generation):
            raise NotModifiedError("ifGenerationNotMatch did not hold.")
        if self.metageneration_not_match is not None and (
            not current or self.metageneration_not_match == metageneration
        ):
            raise NotModifiedError("ifMetagenerationNotMatch did not hold.")
        if self.etag_not_match and _has_tag(self.etag_not_match, current):
            raise NotModifiedError("If-None-Match did not hold.")


def from_query(query: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Preconditions:
    """Read the preconditions on the object (or bucket) that a request addresses."""
    headers = headers or {}
    return Preconditions(
        generation_match=integer(query, "ifGenerationMatch"),
        generation_not_match=integer(query, "ifGenerationNotMatch"),
        metageneration_match=integer(query, "ifMetagenerationMatch"),
        metageneration_not_match=integer(query, "ifMetagenerationNotMatch"),
        etag_match=_tags(headers.get("if-match", "")),
        etag_not_match=_tags(headers.get("if-none-match", "")),
    )


def from_source_query(query: Mapping[str, str]) -> Preconditions:
    """Read the preconditions on the source of a copy or rewrite."""
    return Preconditions(
        generation_match=integer(query, "ifSourceGenerationMatch"),
        generation_not_match=integer(query, "ifSourceGenerationNotMatch"),
        metageneration_match=integer(query, "ifSourceMetagenerationMatch"),
        metageneration_not_match=integer(query, "ifSourceMetagenerationNotMatch"),
    )


def integer(values: Mapping[str, Any], key: str) -> int | None:
    """Read an int64, which Google's APIs write as text. Raises InvalidError for anything else."""
    value = values.get(key)
    if value is None or value == "":
        return None
    try:
        return int(value)
    except (TypeError, ValueError):
        raise InvalidError(f"Invalid value for {key}: expected an integer, found {value!r}.") from None


def is_true(values: Mapping[str, str], key: str) -> bool:
    """Read a flag; clients write it as `true` or `True`."""
    return values.get(key, "").lower() == "true"


def _failed(condition: str, expected: object, found: object) -> PreconditionFailedError:
    return PreconditionFailedError(
        "At least one of the pre-conditions you specified did not hold. "
        f"{condition}: expected {expected}, found {found}. Read the object again and decide anew."
    )


def _tags(header: str) -> tuple[str, ...]:
    return tuple(tag.strip().strip('"') for tag in header.split(",") if tag.strip())


def _has_tag(tags: tuple[str, ...], current: Version | None) -> bool:
    return current is not None and ("*" in tags or current.etag in tags)
