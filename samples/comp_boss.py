"""Sample bosses: the blocks and studs that are brazed or welded to a tube, one component a row."""

from collections.abc import Iterator
from random import Random

from samples.choice import Weighted

ENCODING = "UTF-8"
HEADER = (
    "component_id,component_type_id,type,connection_type_id,outside_shape,base_type,height_over_tube,"
    "bolt_pattern_long,bolt_pattern_wide,groove,base_diameter,shoulder_diameter,unique_feature,orientation,weight"
)

TYPE_IDS = Weighted({"CP-018": 124, "CP-019": 17, "CP-020": 6})
TYPES = Weighted({"Boss": 84, "Stud": 16})
CONNECTIONS = Weighted(
    {
        "B-005": 60,
        "B-004": 31,
        "B-002": 21,
        "B-012": 15,
        "9999": 9,
        "B-009": 8,
        "B-010": 1,
        "B-011": 1,
        "B-013": 1,
    }
)
SHAPES = Weighted({"Round": 93, "Hex": 7})
BASES = Weighted({"Saddle": 65, "Shoulder": 24, "Flat Bottom": 11})


def make_rows(random: Random) -> Iterator[str]:
    """Make rows without end, each a line of the file; no two have the same component."""
    number = 0
    while True:
        number += 1 + int(random.random() * 12)
        yield _make_row(random, f"C-{number:04}")


def _make_row(random: Random, component: str) -> str:
    type_id = TYPE_IDS.pick(random)
    height = _millimetres(random, 8, 60)
    long = wide = kind = shape = base = base_diameter = shoulder_diameter = "NA"
    if type_id == "CP-018":
        kind, shape, base = TYPES.pick(random), SHAPES.pick(random), BASES.pick(random)
        if base == "Shoulder":
            shoulder_diameter = _millimetres(random, 10, 40)
        if random.random() < 0.46:
            base_diameter = _millimetres(random, 18, 60)
    else:
        # Flanges are bolted: they have a pattern of holes where bosses have a shape.
        long = _millimetres(random, 40, 130)
        if type_id == "CP-019":
            wide = _millimetres(random, 22, 75)
    unique = "Yes" if random.random() < 0.4 else "No"
    connection, weight = CONNECTIONS.pick(random), _make_weight(random)
    return (
        f"{component},{type_id},{kind},{connection},{shape},{base},{height},"
        f"{long},{wide},No,{base_diameter},{shoulder_diameter},{unique},Yes,{weight}\n"
    )


def _millimetres(random: Random, least: int, most: int) -> str:
    # Whole, half or hundredths of a millimetre, as drawings in two systems of units have them.
    step = (100, 50, 1)[int(random.random() * 3)]
    hundredths = (least * 100 + int(random.random() * (most - least) * 100)) // step * step
    return _strip(f"{hundredths // 100}.{hundredths % 100:02}")


def _make_weight(random: Random) -> str:
    if random.random() < 0.014:
        return "NA"
    # Most weigh some ten grams, a few some kilograms.
    draw = random.random()
    grams = 5 + int(draw * draw * draw * draw * 3400)
    return _strip(f"{grams // 1000}.{grams % 1000:03}")


def _strip(decimal: str) -> str:
    return decimal.rstrip("0").rstrip(".")
