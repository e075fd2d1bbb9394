"""What the marts must show, from rows of trusted, in plain Python: decimals, dictionaries, no SQL."""

import calendar
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal, localcontext
from typing import Any

Row = dict[str, Any]

CATALOGUE = (
    "component_type_id",
    "type",
    "connection_type_id",
    "outside_shape",
    "base_type",
    "height_over_tube",
    "bolt_pattern_long",
    "bolt_pattern_wide",
    "groove",
    "base_diameter",
    "shoulder_diameter",
    "unique_feature",
    "orientation",
    "weight",
)
FACTS = (
    "quote_date",
    "supplier",
    "tube_assembly_id",
    "annual_usage",
    "min_order_quantity",
    "bracket_pricing",
    "quantity",
    "cost",
)


@dataclass(frozen=True)
class Trusted:
    """The rows of the three tables that the star is made of."""

    quotes: Sequence[Row]
    bills: Sequence[Row]
    components: Sequence[Row]


def fact_quote(trusted: Trusted) -> list[Row]:
    return [{column: quote[column] for column in FACTS} for quote in trusted.quotes]


def bridge(trusted: Trusted) -> list[Row]:
    return [
        {
            "tube_assembly_id": bill["tube_assembly_id"],
            "position": position,
            "component_id": bill[f"component_id_{position}"] or "unknown",
            "quantity": bill[f"quantity_{position}"],
        }
        for bill in trusted.bills
        for position in range(1, 9)
        if (bill[f"component_id_{position}"], bill[f"quantity_{position}"]) != (None, None)
    ]


def dim_component(trusted: Trusted) -> list[Row]:
    known = {row["component_id"]: row for row in trusted.components}
    used = defaultdict(set)
    for part in bridge(trusted):
        used[part["component_id"]].add(part["tube_assembly_id"])
    return [
        {
            "component_id": name,
            "in_catalogue": name in known,
            "tube_assemblies": len(used[name]),
            **{column: known.get(name, {}).get(column) for column in CATALOGUE},
        }
        for name in known.keys() | used.keys()
    ]


def dim_supplier(trusted: Trusted) -> list[Row]:
    return [
        {
            "supplier": supplier,
            **span(quotes),
            "quotes": len(quotes),
            "tube_assemblies": distinct(quotes, "tube_assembly_id"),
        }
        for supplier, quotes in grouped(trusted.quotes, "supplier").items()
    ]


def dim_tube_assembly(trusted: Trusted) -> list[Row]:
    quoted = grouped(trusted.quotes, "tube_assembly_id")
    parts = grouped(bridge(trusted), "tube_assembly_id")
    billed = {bill["tube_assembly_id"] for bill in trusted.bills}
    return [
        {
            "tube_assembly_id": name,
            "has_bill_of_materials": name in billed,
            "component_positions": len(parts[name]) if name in billed else None,
            "component_quantity": sum(part["quantity"] or 0 for part in parts[name])
            if name in billed
            else None,
            **span(quoted[name]),
            "quotes": len(quoted[name]),
            "suppliers": distinct(quoted[name], "supplier"),
        }
        for name in set(quoted) | billed
    ]


def dim_date(trusted: Trusted) -> list[Row]:
    if not trusted.quotes:
        return []
    first, last = (found(quote["quote_date"] for quote in trusted.quotes) for found in (min, max))
    return [of_day(first + timedelta(days=number)) for number in range((last - first).days + 1)]


def of_day(day: date) -> Row:
    quarter = (day.month + 2) // 3
    return {
        "day": day,
        "year": day.year,
        "quarter": quarter,
        "quarter_name": f"{day.year}-Q{quarter}",
        "month": day.month,
        "month_key": f"{day.year}-{day.month:02}",
        "month_name": calendar.month_name[day.month],
        "month_start": day.replace(day=1),
        "day_of_month": day.day,
        "day_of_week": day.isoweekday(),
        "day_name": calendar.day_name[day.weekday()],
        "is_weekend": day.weekday() >= 5,
    }


def report_total(trusted: Trusted) -> list[Row]:
    return [
        {
            "total_cost": total(trusted.quotes),
            "quotes": len(trusted.quotes),
            "suppliers": distinct(trusted.quotes, "supplier"),
            "tube_assemblies": distinct(trusted.quotes, "tube_assembly_id"),
            **span(trusted.quotes),
        }
    ]


def cost_by(key: str, other: str, counted: str) -> Callable[[Trusted], list[Row]]:
    """The report of what quotes come to by one column, with how many of another there are."""

    def report(trusted: Trusted) -> list[Row]:
        groups = grouped(trusted.quotes, key)
        totals = {name: total(quotes) for name, quotes in groups.items()}
        return [
            {
                key: name,
                "total_cost": totals[name],
                "cost_share": round(float(totals[name] / total(trusted.quotes)), 12),
                "cost_rank": 1 + sum(1 for higher in totals.values() if higher > totals[name]),
                "quotes": len(quotes),
                counted: distinct(quotes, other),
                **span(quotes),
            }
            for name, quotes in groups.items()
        ]

    return report


def total(quotes: Iterable[Row]) -> Decimal:
    """The exact sum; Python rounds to 28 digits unless it is told otherwise."""
    with localcontext(prec=80):
        return sum((quote["cost"] for quote in quotes), Decimal(0))


def grouped(rows: Iterable[Row], key: str) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row[key]].append(row)
    return groups


def distinct(rows: Iterable[Row], key: str) -> int:
    return len({row[key] for row in rows})


def span(quotes: Iterable[Row]) -> Row:
    days = [quote["quote_date"] for quote in quotes]
    return {"first_quote_date": min(days, default=None), "last_quote_date": max(days, default=None)}


MARTS: dict[str, Callable[[Trusted], list[Row]]] = {
    "fact_quote": fact_quote,
    "bridge_bill_of_materials": bridge,
    "dim_component": dim_component,
    "dim_supplier": dim_supplier,
    "dim_tube_assembly": dim_tube_assembly,
    "dim_date": dim_date,
    "report_total": report_total,
    "report_cost_by_supplier": cost_by("supplier", "tube_assembly_id", "tube_assemblies"),
    "report_cost_by_tube_assembly": cost_by("tube_assembly_id", "supplier", "suppliers"),
}
