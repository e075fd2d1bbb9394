"""Addresses of things outside the control room, from the installation's templates."""

from collections.abc import Mapping
from urllib.parse import quote


class Links:
    """The templates, by kind; which kinds there are, the installation decides."""

    def __init__(self, templates: Mapping[str, str]) -> None:
        self._templates = templates

    def fill(self, kind: str, **values: object) -> str | None:
        """The address, its values percent-encoded but for slashes, which part the name of an object.

        None where there is no such kind or a value is unknown.
        """
        template = self._templates.get(kind)
        if template is None or any(value in (None, "") for value in values.values()):
            return None
        return template.format(**{name: quote(str(value), safe="/") for name, value in values.items()})

    def object(self, uri: str | None) -> str | None:
        """The address of gs://bucket/name, None where a browser would go to another object's."""
        bucket, _, name = (uri or "").removeprefix("gs://").partition("/")
        # A browser takes these segments out of an address, however they are encoded.
        if {".", ".."} & set(name.split("/")):
            return None
        return self.fill("object", bucket=bucket, name=name)

    def table(self, table: str) -> str | None:
        """The address of dataset.table."""
        dataset, _, name = table.partition(".")
        return self.fill("table", dataset=dataset, table=name)
