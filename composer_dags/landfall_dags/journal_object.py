"""The journal as the lake keeps it: one object a dataset, and every change of it one conditional write.

It is never deleted, so that what was read of it is current exactly as long as its generation is: who slept
since cannot take an empty journal for the empty journal that it read.
"""

from collections.abc import Callable
from dataclasses import dataclass

from landfall_dags.journal import Journal, journal_text, open_uri, parse_journal
from landfall_dags.store import Store


@dataclass(frozen=True)
class Page:
    """A journal as it was read, and the generation that it was read from; 0 where there was no object."""

    journal: Journal
    uri: str
    generation: int


def read(store: Store, lake_bucket: str, dataset: str) -> Page:
    """The dataset's journal; without an object it is empty. TerminalError when it cannot be understood."""
    uri = open_uri(lake_bucket, dataset)
    stored = store.read(uri)
    if stored is None:
        return Page(Journal(dataset), uri, 0)
    return Page(parse_journal(stored.text, uri), uri, stored.generation)


def write(store: Store, page: Page, journal: Journal) -> bool:
    """Replace the journal that was read; False, and nothing written, when someone else did meanwhile.

    False also when the answer to the write was lost: whoever reads again finds it done.
    """
    if journal == page.journal:
        return True
    if page.generation == 0:
        return store.create(page.uri, journal_text(journal))
    return store.replace(page.uri, journal_text(journal), page.generation)


def change(store: Store, lake_bucket: str, dataset: str, transition: Callable[[Journal], Journal]) -> Journal:
    """Apply a transition to the journal, whatever it is meanwhile, and return what it then is.

    The transition must change nothing where it was applied before.
    """
    while True:
        page = read(store, lake_bucket, dataset)
        changed = transition(page.journal)
        if write(store, page, changed):
            return changed
