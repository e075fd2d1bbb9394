"""Lays a flow out as a picture: boxes in columns from left to right, and arrows between them."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from room.flow import Flow, Place
from room.seen import Seen

# Columns by kind; a mart that reads marts stands one further than the last of them.
_COLUMNS = {"files": 0, "raw": 1, "rejected": 1, "live": 2, "trusted": 2, "ledger": 2, "mart": 3}
_LONGEST = 34
# Widths of a letter, a little more than those of the fonts, for what does not fit is cut.
_MONO, _SANS = 7.7, 6.4
_LINE, _PAD, _ACROSS, _DOWN, _EDGE = 17, 12, 60, 12, 2
_STEM = 14


@dataclass(frozen=True)
class Text:
    """A line of a box, by its base line; `kind` is title, name or note."""

    x: float
    y: float
    kind: str
    text: str


@dataclass(frozen=True)
class Box:
    """A place; `texts` are its name and what the caller of `draw` says around it."""

    place: Place
    x: float
    y: float
    width: float
    height: float
    texts: tuple[Text, ...]


@dataclass(frozen=True)
class Arrow:
    """A step, as the path of an SVG."""

    seen: Seen
    path: str


@dataclass(frozen=True)
class Picture:
    """Boxes and arrows within a frame, in pixels from its upper left corner."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]


def draw(flow: Flow, seen: Sequence[Seen], say: Callable[[Place], tuple[str, list[str]]]) -> Picture:
    """The picture of the flow; `say` gives a place's title, which may be empty, and notes under its name."""
    drafts = {place: _draft(place, *say(place)) for place in flow.places}
    boxes: dict[Place, Box] = {}
    left = float(_EDGE)
    for column in _columns(flow):
        width = max(_width(drafts[place]) for place in column)
        boxes |= {box.place: box for box in _stack(column, drafts, left, width)}
        left += width + _ACROSS
    top = min(box.y for box in boxes.values()) - _EDGE
    moved = {place: _lower(box, -top) for place, box in boxes.items()}
    height = max(box.y + box.height for box in moved.values()) + _EDGE
    arrows = tuple(Arrow(one, _path(moved[one.step.source], moved[one.step.target])) for one in seen)
    return Picture(round(left - _ACROSS + _EDGE), round(height), tuple(moved.values()), arrows)


def _columns(flow: Flow) -> list[list[Place]]:
    """The places by column, without empty columns; rejected rows stand at the end of theirs."""
    number: dict[Place, int] = {place: _COLUMNS[place.kind] for place in flow.places}
    for _ in flow.places:
        for step in flow.steps:
            number[step.target] = max(number[step.target], number[step.source] + _further(step.source))
    ordered = sorted(flow.places, key=lambda place: (number[place], place.kind == "rejected"))
    return [list(column) for _, column in groupby(ordered, key=lambda place: number[place])]


def _further(source: Place) -> int:
    return 1 if source.kind == "mart" else 0


def _draft(place: Place, title: str, notes: list[str]) -> list[tuple[str, str]]:
    names = [("name", line) for line in _wrapped(place.name)]
    titles = [("title", title)] if title else []
    return [*titles, *names, *(("note", note) for note in notes)]


def _wrapped(name: str) -> list[str]:
    """The name in lines that are short enough, broken after a dot, slash or underscore where there is one."""
    lines = [""]
    for part in _parts(name):
        if lines[-1] and len(lines[-1]) + len(part) > _LONGEST:
            lines.append("")
        lines[-1] += part
    return lines


def _parts(name: str) -> Iterator[str]:
    for part in re.findall(r"[^._/]*[._/]|[^._/]+", name):
        for start in range(0, len(part), _LONGEST):
            yield part[start : start + _LONGEST]


def _width(draft: list[tuple[str, str]]) -> float:
    widest = max(len(text) * (_MONO if kind == "name" else _SANS) for kind, text in draft)
    return round(widest + 2 * _PAD)


def _stack(
    column: list[Place], drafts: dict[Place, list[tuple[str, str]]], left: float, width: float
) -> Iterator[Box]:
    """The boxes of a column one below the other, those of the main way centred at height 0."""
    heights = {place: len(drafts[place]) * _LINE + 2 * _PAD - 4 for place in column}
    main = [place for place in column if place.kind != "rejected"] or column
    top = -(sum(heights[place] for place in main) + _DOWN * (len(main) - 1)) / 2
    for place in column:
        texts = tuple(
            Text(left + _PAD, top + _PAD + 10 + index * _LINE, kind, text)
            for index, (kind, text) in enumerate(drafts[place])
        )
        yield Box(place, left, top, width, heights[place], texts)
        top += heights[place] + _DOWN


def _lower(box: Box, by: float) -> Box:
    texts = tuple(Text(text.x, text.y + by, text.kind, text.text) for text in box.texts)
    return Box(box.place, box.x, box.y + by, box.width, box.height, texts)


def _path(source: Box, target: Box) -> str:
    """From the middle of the right side to the middle of the left one, a little straight before the head."""
    x1, y1 = source.x + source.width, source.y + source.height / 2
    x2, y2 = target.x - 3, target.y + target.height / 2
    bend = (x1 + x2) / 2
    return f"M{x1:g} {y1:g}C{bend:g} {y1:g} {bend:g} {y2:g} {x2 - _STEM / 2:g} {y2:g}L{x2:g} {y2:g}"
