"""What the outcomes say: a line for each seed, and the tables of docs/exactly-once.md. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from statistics import median

from tests.chaos.generator import make_scenario
from tests.chaos.play import Outcome

_KILL = "SIGKILL of "


def line(outcome: Outcome) -> str:
    """One line for one seed."""
    figures = (
        f"{outcome.drops:>2} drops",
        f"{sum(outcome.faults.values()):>2} faults",
        f"{sum(outcome.kills.values())} kills",
        f"{outcome.batches:>2} batches",
        f"{outcome.divided} divided",
        f"{outcome.rejected} rejected",
    )
    result = "passed" if outcome.passed else "FAILED"
    head = f"seed {outcome.seed:<4} {outcome.engine} {outcome.seconds:>6.1f} s"
    return " · ".join((head, *figures, result))


def how_to_run(outcome: Outcome) -> str:
    """The command that runs this seed alone."""
    return f"python -m tests.chaos --seed {outcome.seed} --count 1 --engine {outcome.engine} --again"


def summary(outcomes: Sequence[Outcome]) -> str:
    """Markdown: what ran how, then how often each fault struck and in how many seeds."""
    return f"{_engines(outcomes)}\n\n{_faults(outcomes)}\n"


def _engines(outcomes: Sequence[Outcome]) -> str:
    columns: dict[str, Callable[[Sequence[Outcome]], str]] = {
        "seeds": lambda some: f"{len(some)}",
        "exact": lambda some: f"{sum(one.passed for one in some)}",
        "drops": lambda some: f"{sum(one.drops for one in some):,}",
        "faults that struck": lambda some: f"{sum(sum(one.faults.values()) for one in some):,}",
        "kills": lambda some: f"{sum(sum(one.kills.values()) for one in some):,}",
        "batches": lambda some: f"{sum(one.batches for one in some):,}",
        "divided": lambda some: f"{sum(one.divided for one in some):,}",
        "replays": lambda some: f"{sum(one.replays for one in some):,}",
        "files rejected": lambda some: f"{sum(one.rejected for one in some):,}",
        "seconds, median": lambda some: f"{median(one.seconds for one in some):.0f}",
        "longest": lambda some: f"{max(one.seconds for one in some):.0f}",
    }
    engines = sorted({outcome.engine for outcome in outcomes})
    groups = {engine: [one for one in outcomes if one.engine == engine] for engine in engines}
    if len(groups) > 1:
        groups["both"] = list(outcomes)
    rows = ([name, *(column(some) for column in columns.values())] for name, some in groups.items())
    return _table(["chain", *columns], rows)


def _faults(outcomes: Sequence[Outcome]) -> str:
    times: Counter[tuple[str, str]] = Counter()
    seeds: Counter[tuple[str, str]] = Counter()
    for outcome in outcomes:
        struck = {_place(outcome, rule): count for rule, count in outcome.faults.items()}
        struck |= {("process", f"{_KILL}{what}"): count for what, count in outcome.kills.items()}
        times.update(struck)
        seeds.update(struck.keys())
    rows = [[*place, f"{times[place]:,}", f"{seeds[place]:,}"] for place in sorted(times)]
    return _table(["where", "what", "times", "in seeds"], rows, texts=2)


def _place(outcome: Outcome, rule: str) -> tuple[str, str]:
    """The part and the action of a rule: its id begins with what it was for, and ends with the action."""
    rules = make_scenario(outcome.seed, outcome.engine).faults["rules"]
    known = {one["id"]: (str(one["part"]), str(one["action"])) for one in rules}
    return known.get(rule, ("other", rule))


def _table(names: Sequence[str], rows: Iterable[Sequence[str]], texts: int = 1) -> str:
    ruler = ["---"] * texts + ["---:"] * (len(names) - texts)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (names, ruler, *rows))
