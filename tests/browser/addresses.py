"""Every page of the control room, by a name for it, over the stories of `stories` and `hostile`."""

from collections.abc import Mapping
from urllib.parse import urlencode

from tests.browser import hostile, stories
from tests.functions.control_room.world import LANDING, batch_id


def _story(name: str, generation: int) -> str:
    uri = f"gs://{LANDING}/price_quote/{name}"
    return "/file?" + urlencode({"uri": uri, "generation": generation})


PAGES: Mapping[str, str] = {
    "home": "/",
    "batches": "/batches",
    "batches of a state": "/batches?dataset=price_quote&state=rejected",
    "older batches": "/batches?page=2",
    "batch": f"/batches/price_quote/{batch_id(stories.LOADED)}",
    "refused batch": f"/batches/price_quote/{batch_id(stories.REFUSED)}",
    "failed batch": f"/batches/bank_statement/{batch_id(stories.FAILED)}",
    "hostile batch": f"/batches/price_quote/{batch_id(hostile.NUMBER)}",
    "files": "/files",
    "found files": "/files?q=quotes_S-0066",
    "no files": "/files?q=no-such-file",
    "file": _story("2026/quotes_S-0072.csv", stories.GENERATION),
    "loaded file": _story("2026/quotes_S-0066.csv", stories.GENERATION),
    "hostile file": _story(hostile.NAME, hostile.NUMBER),
    "rejected": f"/rejected?dataset=price_quote&batch={batch_id(stories.LOADED)}",
    "all rejected": "/rejected",
    "none rejected": "/rejected?dataset=comp_boss",
    "hostile rejected": f"/rejected?dataset=price_quote&batch={batch_id(hostile.NUMBER)}",
    "report": "/report",
    "report of a year": "/report?from=2013-01-01&to=2013-12-31",
    "report of nothing": "/report?supplier=S-9999",
    "catalogue": "/catalogue",
    "contract": "/catalogue/price_quote",
    "personal contract": "/catalogue/bank_statement",
    "mart": "/catalogue/marts/fact_quote",
}
