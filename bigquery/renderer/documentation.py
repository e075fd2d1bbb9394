"""Reads what a contract says to its readers alone: nothing of it changes what runs."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from open_data_contract_standard.model import (
    CustomProperty,
    DataQuality,
    Description,
    OpenDataContractStandard,
    SchemaObject,
    Server,
    Team,
)


@dataclass(frozen=True)
class Sentence:
    """A quality rule that is a sentence for readers; `column` is empty where it is about the table."""

    name: str
    column: str
    description: str


@dataclass(frozen=True)
class Documentation:
    """Texts of a contract, each empty where it says nothing.

    `granularity` says what one row is, `source` what the files are. `rules` are the descriptions of the
    measured quality rules by name, `reasons` those of the contract's, the landing server's and the table's
    custom properties, `values` those of a column's valid values, by column and value.
    """

    status: str = ""
    domain: str = ""
    owner: str = ""
    purpose: str = ""
    usage: str = ""
    limitations: str = ""
    granularity: str = ""
    source: str = ""
    rules: Mapping[str, str] = field(default_factory=dict)
    sentences: tuple[Sentence, ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def read(odcs: OpenDataContractStandard, table: SchemaObject) -> Documentation:
    """The texts of a contract that is sound in all else."""
    said = odcs.description or Description()
    landing = next((server for server in odcs.servers or [] if server.server == "landing"), Server())
    rules = list(_rules(table))
    custom = [odcs.customProperties, landing.customProperties, table.customProperties]
    return Documentation(
        status=_line(odcs.status),
        domain=_line(odcs.domain),
        owner=_line(odcs.team.description) if isinstance(odcs.team, Team) else "",
        purpose=_line(said.purpose),
        usage=_line(said.usage),
        limitations=_line(said.limitations),
        granularity=_line(table.dataGranularityDescription),
        source=_line(landing.description),
        rules=_said((rule.name, rule.description) for _, rule in rules if rule.type != "text"),
        sentences=tuple(
            Sentence(rule.name or "", column, _line(rule.description))
            for column, rule in rules
            if rule.type == "text" and rule.description
        ),
        reasons=_said((entry.property, entry.description) for entry in _entries(custom)),
        values={
            entry.name or "": _said((item.value, item.description) for item in entry.enum)
            for entry in table.properties or []
            if entry.enum
        },
    )


def _rules(table: SchemaObject) -> Iterator[tuple[str, DataQuality]]:
    """The quality rules with the column that each stands at, none for those of the table."""
    yield from (("", rule) for rule in table.quality or [])
    for entry in table.properties or []:
        yield from ((entry.name or "", rule) for rule in entry.quality or [])


def _entries(scopes: Iterable[list[CustomProperty] | None]) -> Iterator[CustomProperty]:
    for entries in scopes:
        yield from entries or []


def _said(pairs: Iterable[tuple[object, str | None]]) -> dict[str, str]:
    """The pairs that say something."""
    return {str(name): _line(text) for name, text in pairs if _line(text)}


def _line(text: str | None) -> str:
    return " ".join((text or "").split())
