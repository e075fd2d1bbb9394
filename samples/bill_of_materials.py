"""Sample bills of materials: which components a tube assembly is made of, and how many of each."""

from collections.abc import Iterator
from random import Random

from samples.choice import Weighted

ENCODING = "UTF-8"
PAIRS = 8
HEADER = ",".join(["tube_assembly_id"] + [f"component_id_{n},quantity_{n}" for n in range(1, PAIRS + 1)])

USED_PAIRS = Weighted({0: 970, 1: 2060, 2: 4715, 3: 1970, 4: 240, 5: 31, 6: 9, 7: 3, 8: 2})
QUANTITIES = Weighted({1: 4900, 2: 5000, 3: 12, 4: 20, 5: 2, 6: 1})
# From this pair on, nearly always one of each.
SINGLES_FROM = 3
COMPONENTS = 2048


def make_rows(random: Random) -> Iterator[str]:
    """Make rows without end, each a line of the file; no two have the same tube assembly."""
    number = 0
    while True:
        number += 1
        pairs = [_make_pair(random, pair) for pair in range(1, USED_PAIRS.pick(random) + 1)]
        # A quantity without a component: data entry leaves a few of them behind.
        if 0 < len(pairs) < PAIRS and random.random() < 0.0003:
            pairs.append("NA,1")
        cells = [f"TA-{number:05}", *pairs, *["NA,NA"] * (PAIRS - len(pairs))]
        yield ",".join(cells) + "\n"


def _make_pair(random: Random, pair: int) -> str:
    # Each pair draws from its own eighth of the components, so that no assembly names one twice. The third
    # power makes few of them popular and most of them rare; as a product, for pow() differs between machines.
    draw = random.random()
    rank = int(draw * draw * draw * (COMPONENTS // PAIRS))
    component = rank * PAIRS + pair
    quantity = QUANTITIES.pick(random) if pair < SINGLES_FROM or random.random() < 0.02 else 1
    return f"C-{component:04},{quantity}"
