"""Sample price quotes: a supplier's ladder of quantities, and what one piece costs on each step."""

from collections.abc import Iterator
from random import Random

from samples.choice import Weighted

ENCODING = "UTF-8"
HEADER = "tube_assembly_id,supplier,quote_date,annual_usage,min_order_quantity,bracket_pricing,quantity,cost"

# One supplier gives most quotes, a long tail of others the rest.
SUPPLIERS = Weighted(
    {
        "S-0066": 640,
        "S-0041": 120,
        "S-0072": 70,
        "S-0054": 30,
        "S-0026": 25,
        "S-0013": 20,
        "S-0058": 18,
        "S-0064": 15,
    }
    | {f"S-{number:04}": 2 for number in range(70, 112)}
)
YEARS = Weighted(
    {1982: 1, 1989: 1}
    | dict.fromkeys(range(1991, 1999), 2)
    | dict.fromkeys(range(1999, 2007), 8)
    | dict.fromkeys(range(2007, 2011), 15)
    | {2011: 60, 2012: 120, 2013: 640, 2014: 70, 2015: 4, 2016: 2, 2017: 1}
)
USAGES = Weighted(
    {0: 570, 1: 170, 2: 20, 5: 20, 6: 10, 10: 12, 12: 8, 20: 12, 50: 10, 100: 8, 250: 5, 1200: 1}
)
BRACKETS = Weighted(
    {
        (1, 2, 5, 10, 25, 50, 100, 250): 400,
        (1,): 220,
        (1, 6, 20): 130,
        (5, 19, 20): 20,
        (1, 2, 3, 5, 10, 20): 30,
        (1, 2, 5, 10, 25, 50, 100): 20,
        (2, 4, 6, 8): 15,
        (5, 10, 15, 20): 15,
        (3, 10, 30, 90): 10,
    }
)
MINIMUMS = Weighted({1: 700, 5: 60, 10: 50, 20: 50, 25: 35, 2: 25, 50: 20, 15: 20, 40: 15, 3: 15, 35: 10})
# Cost of one piece in an order of one: ten of a hundred quotes lie between two neighbours.
COSTS = (1.4, 2.1, 2.8, 3.4, 4.3, 6.2, 9.7, 14.5, 22.0, 41.0, 160.0)


def make_rows(random: Random) -> Iterator[str]:
    """Make rows without end, each a line of the file; no two have the same natural key.

    Tube assemblies come in ascending order, and the later quote of an assembly has the later date.
    """
    number = 0
    day = ""
    while True:
        if "" < day < "2016" and random.random() < 0.06:
            day = f"{int(day[:4]) + 1}{day[4:]}"
        else:
            number += 1 + int(random.random() * 4)
            day = _make_day(random)
        yield from _make_quote(random, f"TA-{number:05}", day)


def _make_day(random: Random) -> str:
    year = YEARS.pick(random)
    # Most quotes begin with a month. The last ones are of January 2017.
    month = 1 if year == 2017 else 1 + int(random.random() * 12)
    day = 1 if random.random() < 0.5 else 1 + int(random.random() * 28)
    return f"{year}-{month:02}-{day:02}"


def _make_quote(random: Random, assembly: str, day: str) -> Iterator[str]:
    start = f"{assembly},{SUPPLIERS.pick(random)},{day},{USAGES.pick(random)}"
    step = random.random() * 10
    low, high = COSTS[int(step)], COSTS[int(step) + 1]
    # The share of the cost that every piece has; the rest is divided among the pieces of an order.
    share = 0.08 + 0.3 * random.random()
    single = low + (high - low) * random.random()
    if random.random() < 0.64:
        for quantity in BRACKETS.pick(random):
            # Quotients have as many decimals as a float gives: 15 significant digits, all of them kept.
            yield f"{start},0,Yes,{quantity},{single * (share + (1 - share) / quantity):.15g}\n"
    else:
        minimum = MINIMUMS.pick(random)
        yield f"{start},{minimum},No,{minimum},{single * (share + (1 - share) / minimum):.15g}\n"
