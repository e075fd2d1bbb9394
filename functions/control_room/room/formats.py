"""Numbers, times and sizes as people of a language write them."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from babel import Locale, dates, numbers

NOTHING = "–"
_UNITS = ("B", "KB", "MB", "GB", "TB")


class Formats:
    """The formats of one language; None is shown as a dash. Times are UTC and say so where they are whole."""

    def __init__(self, locale: Locale, clock: Callable[[], datetime]) -> None:
        self._locale = locale
        self._clock = clock

    def number(self, value: int | None) -> str:
        return NOTHING if value is None else numbers.format_decimal(value, locale=self._locale)

    def decimal(self, value: Decimal | float | None, places: int = 2) -> str:
        """A number with exactly so many decimals, half to even."""
        if value is None:
            return NOTHING
        return numbers.format_decimal(value, format=f"#,##0.{'0' * places}", locale=self._locale)

    def percent(self, share: float | Decimal | None, places: int = 1) -> str:
        if share is None:
            return NOTHING
        return numbers.format_percent(share, format=f"#,##0.{'0' * places}%", locale=self._locale)

    def dollars(self, value: float | Decimal | None) -> str:
        """US dollars, with as many decimals as a small cost needs."""
        if value is None:
            return NOTHING
        pattern = str(self._locale.currency_formats["standard"].pattern).replace("0.00", "0.00##")
        return numbers.format_currency(value, "USD", pattern, self._locale, currency_digits=False)

    def size(self, value: int | None) -> str:
        """Bytes, in units of 1,024."""
        if value is None:
            return NOTHING
        rest, unit = float(value), 0
        while rest >= 1024 and unit < len(_UNITS) - 1:
            rest, unit = rest / 1024, unit + 1
        shown = self.decimal(rest, 1) if unit else self.number(value)
        return f"{shown}\N{NO-BREAK SPACE}{_UNITS[unit]}"

    def seconds(self, value: float | None) -> str:
        """A duration: 4.2 s, 3 min 20 s, 2 h 5 min."""
        if value is None:
            return NOTHING
        if value < 60:
            return f"{self.decimal(value, 1)}\N{NO-BREAK SPACE}s"
        minutes, seconds = divmod(round(value), 60)
        hours, minutes = divmod(minutes, 60)
        days, hours = divmod(hours, 24)
        pairs = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")]
        first = next(index for index, (amount, _) in enumerate(pairs) if amount)
        return " ".join(
            f"{amount}\N{NO-BREAK SPACE}{unit}" for amount, unit in pairs[first : first + 2] if amount
        )

    def time(self, value: datetime | None) -> str:
        """Day and time to the second."""
        if value is None:
            return NOTHING
        return f"{self.date(value.astimezone(UTC).date())}, {self.clock(value)}"

    def clock(self, value: datetime | None) -> str:
        """The time of day alone, by 24 hours: it is compared with logs."""
        return NOTHING if value is None else f"{value.astimezone(UTC):%H:%M:%S}"

    def month(self, value: date) -> str:
        """A month with its year."""
        return str(dates.format_skeleton("yMMM", value, locale=self._locale))

    def date(self, value: date | None) -> str:
        return NOTHING if value is None else dates.format_date(value, "medium", locale=self._locale)

    def ago(self, value: datetime | None) -> str:
        """How long ago, roughly: 4 minutes ago."""
        if value is None:
            return NOTHING
        gone = min(value - self._clock(), timedelta(seconds=-1))
        return dates.format_timedelta(gone, add_direction=True, threshold=1.5, locale=self._locale)

    def now(self) -> str:
        return self.clock(self._clock())
