"""What the report asks of the marts. Sums are exact (BIGNUMERIC) and rounded only when shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from room.warehouse import SLOW, Question

# Every filter is a parameter that always has a value, so that the bounds of the day prune partitions.
_WHERE = "WHERE quote_date BETWEEN @first AND @last AND (@supplier = '' OR supplier = @supplier)"
_SUMS = "SUM(cost) AS total_cost, COUNT(*) AS quotes"
_COLUMNS: Mapping[str, str] = {"supplier": "supplier", "tube_assembly": "tube_assembly_id"}

#: What an export may be by.
TABLES = (*_COLUMNS, "month")
#: How many suppliers can be chosen from; a report of one that is not among them has an address all the same.
MOST_SUPPLIERS = 500
# Seconds for which the choice of suppliers is shown again: a new one has its address at once.
_RARELY = 600.0


@dataclass(frozen=True)
class Filters:
    """Which quotes the report is about: of a supplier, from a day to a day, both included; or of all."""

    supplier: str = ""
    first: date | None = None
    last: date | None = None

    def __bool__(self) -> bool:
        return self != Filters()

    @property
    def arguments(self) -> dict[str, str]:
        """The filters as the address has them."""
        days = {"from": self.first, "to": self.last}
        chosen = {"supplier": self.supplier} if self.supplier else {}
        return chosen | {name: day.isoformat() for name, day in days.items() if day}

    @property
    def _parameters(self) -> dict[str, str | date]:
        return {
            "supplier": self.supplier,
            "first": self.first or date.min,
            "last": self.last or date.max,
        }

    def ask_largest(self, by: str, most: int) -> Question:
        """The largest totals of what the report is `by`; each row says also how many there are."""
        sql = f"""
SELECT {_COLUMNS[by]} AS name, {_SUMS}, COUNT(*) OVER () AS all_names
FROM marts.fact_quote
{_WHERE}
GROUP BY name
ORDER BY total_cost DESC, name
LIMIT @most"""  # noqa: S608 constants
        return Question(sql, {**self._parameters, "most": most}, SLOW)

    def ask_months(self) -> Question:
        """The totals of each month that has quotes, and its first and last day with one."""
        sql = f"""
SELECT CAST(DATE_TRUNC(quote_date, MONTH) AS DATE) AS name, {_SUMS},
  MIN(quote_date) AS first_quote_date, MAX(quote_date) AS last_quote_date
FROM marts.fact_quote
{_WHERE}
GROUP BY name
ORDER BY name"""  # noqa: S608 constants
        return Question(sql, self._parameters, SLOW)

    def ask_table(self, by: str) -> Question:
        """The whole table, for an export."""
        if by == "month":
            return self.ask_months()
        sql = f"""
SELECT {_COLUMNS[by]} AS name, {_SUMS}
FROM marts.fact_quote
{_WHERE}
GROUP BY name
ORDER BY total_cost DESC, name"""  # noqa: S608 constants
        return Question(sql, self._parameters)


def ask_suppliers() -> Question:
    """The names of all suppliers that quote."""
    sql = "SELECT supplier FROM marts.dim_supplier ORDER BY supplier LIMIT @most"
    return Question(sql, {"most": MOST_SUPPLIERS}, _RARELY)
