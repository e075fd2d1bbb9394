"""The addresses that are asked for: each page again and again, hardly ever with the same arguments."""

import random
from collections.abc import Callable
from urllib.parse import urlencode

from tests.bench.control_room.seed import DATASETS, Seeded

_STATES = ("succeeded", "rejected", "failed", "divided")


def list_visits(seeded: Seeded, asks: int, seed: int) -> list[tuple[str, str]]:
    """Pairs of page and address, in a random order, each page `asks` times."""
    chance = random.Random(seed)  # noqa: S311 only to be the same again
    makers = _makers(seeded, chance)
    visits = [(page, make(number)) for page, make in makers.items() for number in range(asks)]
    chance.shuffle(visits)
    return visits


def _makers(seeded: Seeded, chance: random.Random) -> dict[str, Callable[[int], str]]:
    def batches(number: int) -> str:
        return _address(
            "/batches",
            dataset=chance.choice(("", *DATASETS)),
            state=chance.choice(("", *_STATES)),
            page=chance.randrange(1, 4),
        )

    def one_batch(number: int) -> str:
        made = chance.choice(seeded.batches)
        return f"/batches/{made['dataset']}/{made['batch_id']}"

    def search(number: int) -> str:
        name = chance.choice(seeded.files)["source_uri"]
        start = chance.randrange(22, len(name) - 8)
        return _address("/files", q=name[start : start + chance.randrange(4, 9)])

    def files(number: int) -> str:
        return _address("/files", dataset=chance.choice(DATASETS), page=chance.randrange(1, 20))

    def one_file(number: int) -> str:
        made = chance.choice(seeded.files)
        return _address("/file", uri=made["source_uri"], generation=made["source_generation"])

    def rejected(number: int) -> str:
        return _address(
            "/rejected",
            dataset=chance.choice(("", *DATASETS)),
            reason=chance.choice(("", "bad_type", "ragged_row")),
            page=chance.randrange(1, 6),
        )

    def rejected_of_file(number: int) -> str:
        row = chance.choice(seeded.rejected)
        return _address("/rejected", dataset=row["dataset"], batch=row["batch_id"], file=row["source_uri"])

    def export(number: int) -> str:
        row = chance.choice(seeded.rejected)
        return _address("/rejected.csv", dataset=row["dataset"], batch=row["batch_id"])

    def report(number: int) -> str:
        year = chance.randrange(2010, 2016)
        return _address(
            "/report",
            supplier=chance.choice(("", chance.choice(seeded.suppliers))),
            **{"from": f"{year}-{chance.randrange(1, 13):02}-01", "to": f"{year + 1}-06-30"},
        )

    return {
        "/": lambda _: "/",
        "/batches": batches,
        "/batches/D/B": one_batch,
        "/files": files,
        "/files?q=": search,
        "/file": one_file,
        "/rejected": rejected,
        "/rejected?file=": rejected_of_file,
        "/rejected.csv": export,
        "/report": report,
        "/report (all)": lambda _: "/report",
        "/catalogue": lambda _: "/catalogue",
        "/catalogue/D": lambda number: f"/catalogue/{DATASETS[number % len(DATASETS)]}",
        "/catalogue/marts/M": lambda number: f"/catalogue/marts/{_MARTS[number % len(_MARTS)]}",
    }


_MARTS = ("fact_quote", "report_cost_by_supplier", "dim_component", "ops_freshness")


def _address(path: str, **arguments: object) -> str:
    given = {name: value for name, value in arguments.items() if value != ""}
    return f"{path}?{urlencode(given)}" if given else path
