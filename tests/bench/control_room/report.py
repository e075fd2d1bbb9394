"""What the visits found, as a Markdown table, and whether the pages keep their promise. Pure."""

from collections.abc import Iterable, Sequence

from tests.bench.control_room.load import Answer

#: The promise: the 95th percentile of every page, in seconds.
PROMISE = 0.3
COLUMNS = ("page", "asks", "p50, ms", "p95, ms", "p99, ms", "max, ms", "KB", "errors")
# A search that finds one file goes on to it.
_SOUND = (200, 303)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -int(-len(ordered) * share // 1) - 1)]


def table(answers: Iterable[Answer]) -> str:
    """A line for each page, in the order of their names."""
    lines = [f"| {' | '.join(COLUMNS)} |", f"| :--- |{' ---: |' * (len(COLUMNS) - 1)}"]
    for page, mine in _by_page(answers).items():
        seconds = [answer.seconds for answer in mine]
        cells = [page, f"{len(mine):,}"]
        cells += [f"{percentile(seconds, share) * 1000:.0f}" for share in (0.5, 0.95, 0.99, 1.0)]
        cells += [f"{max(answer.size for answer in mine) / 1024:.0f}", str(len(_failed(mine)))]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def find_faults(answers: Iterable[Answer], promised: bool) -> list[str]:
    """What was no page, and where it was `promised` what came too late; a sentence each."""
    faults = []
    for page, mine in _by_page(answers).items():
        late = percentile([answer.seconds for answer in mine], 0.95)
        if promised and late >= PROMISE:
            faults.append(f"{page}: expected p95 below {PROMISE * 1000:.0f} ms, found {late * 1000:.0f} ms")
        faults += [
            f"{page}: expected 200, found {answer.status} at {answer.address}" for answer in _failed(mine)[:1]
        ]
    return faults


def _by_page(answers: Iterable[Answer]) -> dict[str, list[Answer]]:
    found: dict[str, list[Answer]] = {}
    for answer in sorted(answers, key=lambda answer: answer.page):
        found.setdefault(answer.page, []).append(answer)
    return found


def _failed(answers: Iterable[Answer]) -> list[Answer]:
    return [answer for answer in answers if answer.status not in _SOUND]
